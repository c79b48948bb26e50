#include "server/json_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace weir {
namespace {

constexpr size_t kMaxDepth = 64;
constexpr int kMaxKeys = 1024;
// Per body: a few bytes of it come to more than ten times as many in memory. Prompts of token ids have many numbers,
// nothing else has many of anything.
constexpr int64_t kMaxNumbers = 2'000'000;
constexpr int64_t kMaxOthers = 100'000;
constexpr size_t kMaxShown = 80;  // bytes of a value in a message

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// A value for a message: short, and without what is inside of it.
std::string Shown(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return fmt::format("an array of {}", value.size());
  if (value.is_string() && value.get_ref<const std::string&>().size() > kMaxShown) {
    return fmt::format("a string of {} bytes", value.get_ref<const std::string&>().size());
  }
  return Dump(value);
}

/// Counts what a body holds, without keeping any of it; stops at the first limit.
class BodyLimits : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return Other(); }
  bool boolean(bool) override { return Other(); }
  bool number_integer(number_integer_t) override { return Number(); }
  bool number_unsigned(number_unsigned_t) override { return Number(); }
  bool number_float(number_float_t, const string_t&) override { return Number(); }
  bool string(string_t&) override { return Other(); }
  bool binary(binary_t&) override { return Other(); }
  bool start_object(size_t) override { return Open(); }
  bool start_array(size_t) override { return Open(); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(string_t&) override {
    if (++n_keys_.back() <= kMaxKeys) return Other();
    return Exceed(fmt::format("an object in the body has more than {} keys", kMaxKeys));
  }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

  std::string exceeded;  // says which limit; empty: none

 private:
  bool Exceed(std::string what) {
    exceeded = std::move(what);
    return false;
  }
  bool Number() {
    return ++n_numbers_ <= kMaxNumbers || Exceed(fmt::format("the body has more than {} numbers", kMaxNumbers));
  }
  bool Other() {
    return ++n_others_ <= kMaxOthers ||
           Exceed(fmt::format("the body has more than {} keys and values beside numbers", kMaxOthers));
  }
  bool Open() {
    n_keys_.push_back(0);
    if (n_keys_.size() > kMaxDepth) {
      return Exceed(fmt::format("the body is nested too deeply: expected at most {} levels", kMaxDepth));
    }
    return Other();
  }
  bool Close() {
    n_keys_.pop_back();
    return true;
  }

  std::vector<int> n_keys_;  // of each object around
  int64_t n_numbers_ = 0, n_others_ = 0;
};

}  // namespace

void RenameField(ApiError* error, std::initializer_list<std::pair<std::string_view, std::string_view>> names) {
  const std::string old = error->param;
  for (const auto& [from, to] : names) {
    const size_t at = old.find(from);
    if (at == std::string::npos || (at > 0 && from[0] != '.')) continue;
    error->param.replace(at, from.size(), to);
    if (error->message.starts_with(old)) error->message.replace(0, old.size(), error->param);
    return;
  }
}

std::string ErrorText(const ApiError& error, ErrorShape shape) {
  const bool anthropic = shape == ErrorShape::kAnthropic;
  const char* type = error.status == 503 && anthropic ? "overloaded_error"
                     : error.status >= 500 ? (anthropic ? "api_error" : "server_error")
                     : error.status == 429 ? "rate_limit_error"
                     : error.status == 401 ? "authentication_error"
                     : error.status == 403 ? "permission_error"
                                           : "invalid_request_error";
  Json json;
  json["message"] = error.message;
  json["type"] = type;
  json["param"] = error.param.empty() ? Json(nullptr) : Json(error.param);
  json["code"] = error.code.empty() ? Json(nullptr) : Json(error.code);
  Json document = Json::object();
  if (anthropic) document["type"] = "error";
  document["error"] = std::move(json);
  return Dump(document);
}

HttpAnswer ErrorAnswer(const ApiError& error, ErrorShape shape) {
  HttpAnswer answer{error.status, ErrorText(error, shape)};
  if (error.status == 429 || error.status == 503) {
    answer.headers.push_back({"Retry-After", std::to_string(error.retry_after_s)});
  }
  if (error.status == 401) answer.headers.push_back({"WWW-Authenticate", "Bearer"});
  return answer;
}

std::variant<Json, ApiError> ParseBody(std::string_view body) {
  const auto refused = [](std::string message) {
    return ApiError{400, std::move(message), "", "invalid_json"};
  };
  BodyLimits limits;
  const bool valid = Json::sax_parse(body, &limits);
  if (!limits.exceeded.empty()) return refused(std::move(limits.exceeded));
  // Not with a callback that checks on the way: nlohmann's parser then looks through a whole array at the end of
  // each object in it.
  Json json = valid ? Json::parse(body, nullptr, /*allow_exceptions=*/false) : Json(Json::value_t::discarded);
  if (json.is_discarded()) return refused("the body is not valid JSON in UTF-8");
  if (!json.is_object()) return refused("the body: expected a JSON object, found " + Shown(json));
  return json;
}

Fields::Fields(const Json& object, std::string where)
    : object_(object), where_(std::move(where)) {
  if (!object.is_object()) {
    error_ = ApiError{400, fmt::format("{}: expected an object, found {}", where_, Shown(object)), where_,
                      "invalid_type"};
  }
}

std::string Fields::Path(std::string_view name) const {
  return where_.empty() ? std::string(name) : fmt::format("{}.{}", where_, name);
}

void Fields::Fail(std::string_view name, std::string message, std::string code) {
  if (error_) return;
  const std::string path = Path(name);
  error_ = ApiError{400, fmt::format("{}: {}", path, message), path, std::move(code)};
}

void Fields::Expected(std::string_view name, std::string_view what, const Json& found) {
  Fail(name, fmt::format("expected {}, found {}", what, Shown(found)), "invalid_value");
}

const Json* Fields::Any(std::string_view name) {
  known_.push_back(name);
  if (error_) return nullptr;
  const auto at = object_.find(std::string(name));
  return at == object_.end() || at->is_null() ? nullptr : &*at;
}

void Fields::Bool(std::string_view name, bool* value) {
  const Json* const found = Any(name);
  if (!found) return;
  if (!found->is_boolean()) return Expected(name, "true or false", *found);
  *value = found->get<bool>();
}

void Fields::Int(std::string_view name, int64_t min, int64_t max, int64_t* value) {
  const Json* const found = Any(name);
  if (!found) return;
  const bool fits = found->is_number_integer() &&
                    (!found->is_number_unsigned() || found->get<uint64_t>() <= INT64_MAX);
  if (!fits || found->get<int64_t>() < min || found->get<int64_t>() > max) {
    return Expected(name, fmt::format("a whole number from {} to {}", min, max), *found);
  }
  *value = found->get<int64_t>();
}

void Fields::Float(std::string_view name, float min, float max, float* value) {
  const Json* const found = Any(name);
  if (!found) return;
  if (!found->is_number() || !(found->get<double>() >= min && found->get<double>() <= max)) {
    return Expected(name, fmt::format("a number from {} to {}", min, max), *found);
  }
  *value = found->get<float>();
}

void Fields::String(std::string_view name, std::string* value) {
  const Json* const found = Any(name);
  if (!found) return;
  if (!found->is_string()) return Expected(name, "a string", *found);
  *value = found->get<std::string>();
}

void Fields::Only(std::string_view name, const Json& value) {
  const Json* const found = Any(name);
  if (!found || *found == value) return;
  Fail(name, fmt::format("not supported here; leave it out, or send {}", Dump(value)),
       "unsupported_parameter");
}

std::optional<ApiError> Fields::End() {
  if (error_) return error_;
  for (const auto& [name, value] : object_.items()) {
    if (std::ranges::find(known_, name) != known_.end()) continue;
    Fail(name.substr(0, kMaxShown), "this field is not known here", "unknown_parameter");
    break;
  }
  return error_;
}

}  // namespace weir
