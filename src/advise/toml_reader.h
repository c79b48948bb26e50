// TOML documents of a fixed shape: every key is known, every value has its type and range, and what is wrong is
// named with its line. Included by .cpp files only: toml++ is slow to compile.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "util/error.h"
#include "util/toml.h"

namespace weir {

/// The document, or kBadInput with file, line and column.
inline Result<toml::table> ParseToml(std::string_view text, const std::string& path) {
  toml::parse_result parsed = toml::parse(text, path);
  if (parsed) return std::move(parsed).table();
  const toml::parse_error& error = parsed.error();
  return BadInput("{}:{}:{}: {}", path, error.source().begin.line, error.source().begin.column,
                  error.description());
}

/// Reads keys of one table. The first error sticks, so that callers read without checks; keys nobody asked for are
/// an error as well.
class TomlReader {
 public:
  TomlReader(const toml::table& table, std::string path) : table_(table), path_(std::move(path)) {}

  std::string String(std::string_view key) { return Required<std::string>(key, "a string").value_or(""); }
  std::optional<std::string> OptionalString(std::string_view key) { return Optional<std::string>(key, "a string"); }

  double Number(std::string_view key, double min, double max) {
    return InRange(key, Required<double>(key, "a number"), min, max).value_or(min);
  }
  std::optional<double> OptionalNumber(std::string_view key, double min, double max) {
    return InRange(key, Optional<double>(key, "a number"), min, max);
  }

  /// The tables of an array of tables; none if the key is missing.
  std::vector<const toml::table*> Tables(std::string_view key) {
    std::vector<const toml::table*> tables;
    known_.insert(std::string(key));
    const toml::node* node = table_.get(key);
    if (!node) return tables;
    const toml::array* array = node->as_array();
    if (!array) Fail(node, fmt::format("{}: expected [[{}]]", key, key));
    for (size_t i = 0; array && i < array->size(); ++i) {
      if (const toml::table* table = array->get_as<toml::table>(i)) tables.push_back(table);
      else Fail(node, fmt::format("{}: expected [[{}]]", key, key));
    }
    return tables;
  }
  /// Null if the key is missing.
  const toml::table* Table(std::string_view key) {
    known_.insert(std::string(key));
    const toml::node* node = table_.get(key);
    if (!node) return nullptr;
    if (!node->is_table()) Fail(node, fmt::format("{}: expected a table", key));
    return node->as_table();
  }

  void Fail(std::string_view key, std::string message) { Fail(table_.get(key), std::move(message)); }

  /// The first thing wrong, unknown keys included.
  Status Finish() {
    for (const auto& [key, value] : table_) {
      if (!known_.contains(std::string(key.str()))) {
        Fail(&value, fmt::format("{}: no such key; there are {}", key.str(), fmt::join(known_, ", ")));
      }
    }
    return error_ ? Status(*error_) : Status();
  }

 private:
  void Fail(const toml::node* node, std::string message) {
    if (error_) return;
    const toml::source_region& region = node ? node->source() : table_.source();
    error_ = BadInput("{}:{}: {}", path_, region.begin.line, message);
  }

  template <class T>
  std::optional<T> Optional(std::string_view key, const char* expected) {
    known_.insert(std::string(key));
    const toml::node* node = table_.get(key);
    if (!node) return std::nullopt;
    std::optional<T> value;
    // A number may be written as an integer; nothing else is converted.
    if (!std::is_same_v<T, double> || node->is_number()) value = node->value<T>();
    if (!value) Fail(node, fmt::format("{}: expected {}", key, expected));
    return value;
  }
  template <class T>
  std::optional<T> Required(std::string_view key, const char* expected) {
    if (!table_.get(key)) Fail(nullptr, fmt::format("{} is missing: expected {}", key, expected));
    return Optional<T>(key, expected);
  }
  std::optional<double> InRange(std::string_view key, std::optional<double> value, double min, double max) {
    if (value && !(*value >= min && *value <= max)) {
      Fail(table_.get(key), fmt::format("{}: expected {} to {}, found {}", key, min, max, *value));
    }
    return value;
  }

  const toml::table& table_;
  std::string path_;
  std::set<std::string> known_;
  std::optional<Error> error_;
};

}  // namespace weir
