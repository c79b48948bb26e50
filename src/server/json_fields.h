// From the body of a request to checked values, or to an error that names the field.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "server/http.h"

namespace weir {

using Json = nlohmann::ordered_json;

/// As OpenAI's API shows it.
struct ApiError {
  int status = 400;
  std::string message;
  std::string param = {};  // the field; empty: null
  std::string code = {};   // for programs; empty: null
  int64_t retry_after_s = 1;  // with status 429 and 503
};

/// Anthropic's has one field more around it, and other names for some types.
enum class ErrorShape { kOpenAi, kAnthropic };

/// Where a request was translated, the name that the field has in it: of the first of these pairs whose first name
/// the field's begins with or, if it begins with a dot, contains.
void RenameField(ApiError* error, std::initializer_list<std::pair<std::string_view, std::string_view>> names);

HttpAnswer ErrorAnswer(const ApiError& error, ErrorShape shape = ErrorShape::kOpenAi);
std::string ErrorText(const ApiError& error, ErrorShape shape = ErrorShape::kOpenAi);  // {"error":{..}}

/// The object in a body. Nesting and keys per object are limited: what reads, copies and prints JSON calls
/// itself for each level, and looks keys up one after the other. So is the number of values, and with it the memory
/// and the time that a small body can take.
std::variant<Json, ApiError> ParseBody(std::string_view body);

/// Reads an object field by field. The first thing that is wrong stays; nothing is read after it. A null
/// counts as absent, and what is absent leaves the target as it is.
class Fields {
 public:
  /// `where`: of the object in the body, such as "stream_options"; empty for the body itself.
  explicit Fields(const Json& object, std::string where = "");

  /// Any value; null if absent. The caller checks it.
  const Json* Any(std::string_view name);
  void Bool(std::string_view name, bool* value);
  void Int(std::string_view name, int64_t min, int64_t max, int64_t* value);
  void Float(std::string_view name, float min, float max, float* value);
  void String(std::string_view name, std::string* value);
  /// For what weir does not do: fine as long as it asks for nothing else than `value` (JSON).
  void Only(std::string_view name, const Json& value);
  /// For what changes no answer.
  void Ignore(std::string_view name) { known_.push_back(name); }

  void Fail(std::string_view name, std::string message, std::string code = "invalid_value");
  void Fail(ApiError error) {
    if (!error_) error_ = std::move(error);
  }
  /// The first error; the fields that nobody has asked for are one.
  std::optional<ApiError> End();
  bool ok() const { return !error_; }
  /// Of a field in the body.
  std::string Path(std::string_view name) const;

 private:
  void Expected(std::string_view name, std::string_view what, const Json& found);

  const Json& object_;
  const std::string where_;
  std::vector<std::string_view> known_;
  std::optional<ApiError> error_;
};

}  // namespace weir
