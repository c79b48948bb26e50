#include "gguf/model_source.h"

#include <limits>
#include <optional>

namespace weir {
namespace {

std::string Describe(const MetadataValue& value) {
  struct Visitor {
    std::string operator()(bool v) { return fmt::format("the bool {}", v); }
    std::string operator()(int64_t v) { return fmt::format("{}", v); }
    std::string operator()(uint64_t v) { return fmt::format("{}", v); }
    std::string operator()(double v) { return fmt::format("the float {}", v); }
    std::string operator()(const std::string&) { return "a string"; }
    std::string operator()(const std::vector<bool>& v) { return Array(v.size(), "bools"); }
    std::string operator()(const std::vector<int64_t>& v) { return Array(v.size(), "integers"); }
    std::string operator()(const std::vector<uint64_t>& v) { return Array(v.size(), "integers"); }
    std::string operator()(const std::vector<double>& v) { return Array(v.size(), "floats"); }
    std::string operator()(const std::vector<std::string>& v) { return Array(v.size(), "strings"); }
    std::string Array(size_t n, std::string_view of) {
      return fmt::format("an array of {} {}", n, of);
    }
  };
  return std::visit(Visitor{}, value);
}

Error Missing(std::string_view key, std::string_view expected) {
  return BadInput("metadata key {}: expected {}, found no such key", key, expected);
}

Error Mismatch(const MetadataEntry& entry, std::string_view expected) {
  return BadInput("metadata key {}: expected {}, found {}", entry.key, expected,
                  Describe(entry.value));
}

/// The integer in a scalar value, if it is one that an int64 holds.
std::optional<int64_t> AsInt(const MetadataValue& value) {
  if (const auto* v = std::get_if<int64_t>(&value)) return *v;
  const auto* v = std::get_if<uint64_t>(&value);
  if (v && *v <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return static_cast<int64_t>(*v);
  }
  return std::nullopt;
}

std::optional<double> AsFloat(const MetadataValue& value) {
  if (const auto* v = std::get_if<double>(&value)) return *v;
  if (const auto* v = std::get_if<uint64_t>(&value)) return static_cast<double>(*v);
  if (const auto* v = std::get_if<int64_t>(&value)) return static_cast<double>(*v);
  return std::nullopt;
}

}  // namespace

const MetadataEntry* Metadata::Find(std::string_view key) const {
  for (const MetadataEntry& entry : entries_) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

Result<int64_t> Metadata::Int(std::string_view key, int64_t min, int64_t max) const {
  const std::string expected = fmt::format("an integer from {} to {}", min, max);
  const MetadataEntry* entry = Find(key);
  if (!entry) return Missing(key, expected);
  const std::optional<int64_t> value = AsInt(entry->value);
  if (!value || *value < min || *value > max) return Mismatch(*entry, expected);
  return *value;
}

Result<int64_t> Metadata::IntOr(std::string_view key, int64_t fallback, int64_t min,
                                int64_t max) const {
  if (!Has(key)) return fallback;
  return Int(key, min, max);
}

Result<double> Metadata::Float(std::string_view key) const {
  const MetadataEntry* entry = Find(key);
  if (!entry) return Missing(key, "a number");
  const std::optional<double> value = AsFloat(entry->value);
  if (!value) return Mismatch(*entry, "a number");
  return *value;
}

Result<double> Metadata::FloatOr(std::string_view key, double fallback) const {
  if (!Has(key)) return fallback;
  return Float(key);
}

Result<bool> Metadata::BoolOr(std::string_view key, bool fallback) const {
  const MetadataEntry* entry = Find(key);
  if (!entry) return fallback;
  const auto* value = std::get_if<bool>(&entry->value);
  if (!value) return Mismatch(*entry, "a bool");
  return *value;
}

Result<std::string> Metadata::String(std::string_view key) const {
  const MetadataEntry* entry = Find(key);
  if (!entry) return Missing(key, "a string");
  const auto* value = std::get_if<std::string>(&entry->value);
  if (!value) return Mismatch(*entry, "a string");
  return *value;
}

Result<std::vector<int64_t>> Metadata::Ints(std::string_view key) const {
  const MetadataEntry* entry = Find(key);
  if (!entry) return Missing(key, "integers");
  if (const auto value = AsInt(entry->value)) return std::vector<int64_t>{*value};
  if (const auto* v = std::get_if<bool>(&entry->value)) return std::vector<int64_t>{*v};
  if (const auto* v = std::get_if<std::vector<int64_t>>(&entry->value)) return *v;
  if (const auto* v = std::get_if<std::vector<bool>>(&entry->value)) {
    return std::vector<int64_t>(v->begin(), v->end());
  }
  const auto* wide = std::get_if<std::vector<uint64_t>>(&entry->value);
  if (!wide) return Mismatch(*entry, "integers");
  std::vector<int64_t> values;
  values.reserve(wide->size());
  for (uint64_t v : *wide) {
    const auto value = AsInt(v);
    if (!value) return BadInput("metadata key {}: expected integers below 2^63, found {}", key, v);
    values.push_back(*value);
  }
  return values;
}

Result<std::vector<double>> Metadata::Floats(std::string_view key) const {
  const MetadataEntry* entry = Find(key);
  if (!entry) return Missing(key, "numbers");
  if (const auto value = AsFloat(entry->value)) return std::vector<double>{*value};
  if (const auto* v = std::get_if<std::vector<double>>(&entry->value)) return *v;
  if (const auto* v = std::get_if<std::vector<int64_t>>(&entry->value)) {
    return std::vector<double>(v->begin(), v->end());
  }
  if (const auto* v = std::get_if<std::vector<uint64_t>>(&entry->value)) {
    return std::vector<double>(v->begin(), v->end());
  }
  return Mismatch(*entry, "numbers");
}

Result<const std::vector<std::string>*> Metadata::Strings(std::string_view key) const {
  const MetadataEntry* entry = Find(key);
  if (!entry) return Missing(key, "an array of strings");
  const auto* value = std::get_if<std::vector<std::string>>(&entry->value);
  if (!value) return Mismatch(*entry, "an array of strings");
  return value;
}

void Metadata::Add(MetadataEntry entry) { entries_.push_back(std::move(entry)); }

void Metadata::AddString(std::string key, std::string value) {
  Add({std::move(key), MetadataType::kString, false, std::move(value)});
}

void Metadata::AddU32(std::string key, uint32_t value) {
  Add({std::move(key), MetadataType::kU32, false, uint64_t{value}});
}

void Metadata::AddF32(std::string key, float value) {
  Add({std::move(key), MetadataType::kF32, false, double{value}});
}

void Metadata::AddBool(std::string key, bool value) {
  Add({std::move(key), MetadataType::kBool, false, value});
}

void Metadata::AddI32s(std::string key, const std::vector<int64_t>& values) {
  Add({std::move(key), MetadataType::kI32, true, values});
}

void Metadata::AddStrings(std::string key, std::vector<std::string> values) {
  Add({std::move(key), MetadataType::kString, true, std::move(values)});
}

}  // namespace weir
