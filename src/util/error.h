// Errors are values. Files, flags and requests that are wrong give an Error with what, where, what was
// expected and what was found; only bugs stop the program, through WEIR_CHECK.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace weir {

enum class ErrorCode {
  kBadInput,     // wrong usage, file or request: exit code 2
  kRefused,      // sound, but this machine cannot (memory): exit code 1, a `refused` row in a bench
  kFailed,       // something outside went wrong (I/O, disk full): exit code 1
  kInterrupted,  // the user asked to stop: exit code 130
};

struct Error {
  ErrorCode code = ErrorCode::kFailed;
  std::string message;  // one line, no trailing full stop needed: what, where, expected, found
  std::string hint;     // what the user can do about it; may be empty
};

template <class... Args>
Error BadInput(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorCode::kBadInput, fmt::format(format, std::forward<Args>(args)...), {}};
}
template <class... Args>
Error Refused(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorCode::kRefused, fmt::format(format, std::forward<Args>(args)...), {}};
}
template <class... Args>
Error Failed(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorCode::kFailed, fmt::format(format, std::forward<Args>(args)...), {}};
}
inline Error WithHint(Error error, std::string hint) {
  error.hint = std::move(hint);
  return error;
}
/// The error with where it happened before its message.
inline Error In(std::string_view where, Error error) {
  error.message = fmt::format("{}: {}", where, error.message);
  return error;
}

/// A value or the Error that stands in its place.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

/// Success, or an Error: the Result of a function that returns nothing.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)), ok_(false) {}

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  const Error& error() const& { return error_; }
  Error&& error() && { return std::move(error_); }

 private:
  Error error_;
  bool ok_ = true;
};

[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);

}  // namespace weir

/// Returns the Error of `expression` (a Result or a Status) to the caller, if there is one.
#define WEIR_RETURN_IF_ERROR(expression)                       \
  do {                                                         \
    if (auto weir_status = (expression); !weir_status.ok()) {  \
      return std::move(weir_status).error();                   \
    }                                                          \
  } while (0)

#define WEIR_CONCAT_INNER(a, b) a##b
#define WEIR_CONCAT(a, b) WEIR_CONCAT_INNER(a, b)

/// WEIR_TRY(auto x, F()): declares x as the value of F(), or returns its Error.
#define WEIR_TRY(declaration, expression) \
  WEIR_TRY_INNER(WEIR_CONCAT(weir_result_, __LINE__), declaration, expression)
#define WEIR_TRY_INNER(result, declaration, expression)     \
  auto result = (expression);                               \
  if (!result.ok()) return std::move(result).error();       \
  declaration = std::move(result).value()

/// For bugs only: no user input can reach a false condition.
#define WEIR_CHECK(condition) \
  (static_cast<bool>(condition) ? void() : ::weir::CheckFailed(#condition, __FILE__, __LINE__))
