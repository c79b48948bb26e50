#include "cli/model_text.h"

#include <algorithm>
#include <cstdlib>

#include "cli/format.h"
#include "util/terminal.h"

namespace weir {
namespace {

constexpr size_t kWholeArray = 32, kArrayStart = 8;  // longer arrays show their start

template <class T>
Json Scalar(const T& value, MetadataType type) {
  if constexpr (std::is_same_v<T, double>) {
    // The shortest decimal that is this float, not the digits of its double.
    if (type == MetadataType::kF32) {
      return std::strtod(fmt::format("{}", static_cast<float>(value)).c_str(), nullptr);
    }
  }
  return value;
}

template <class T>
Json ValueJson(const T& value, MetadataType type) {
  return Scalar(value, type);
}
template <class T>
Json ValueJson(const std::vector<T>& values, MetadataType type) {
  const bool whole = values.size() <= kWholeArray;
  Json elements = Json::array();
  for (size_t i = 0; i < (whole ? values.size() : kArrayStart); ++i) {
    elements.push_back(Scalar(static_cast<T>(values[i]), type));
  }
  if (whole) return elements;
  return {{"type", TypeName(type)}, {"count", values.size()}, {"first", elements}};
}

/// One line of a value, as much of it as can matter.
std::string ScalarText(const std::string& value, MetadataType) {
  return Escaped(std::string_view(value).substr(0, 1000));
}
template <class T>
std::string ScalarText(const T& value, MetadataType type) {
  if constexpr (std::is_same_v<T, double>) {
    if (type == MetadataType::kF32) return fmt::format("{}", static_cast<float>(value));
  }
  return fmt::format("{}", value);
}

std::string Quoted(std::string_view escaped) {
  std::string text = "\"";
  for (char c : escaped) text += c == '"' ? "\\\"" : std::string(1, c);
  return text + '"';
}

template <class T>
std::string ValueText(const T& value, MetadataType type) {
  return ScalarText(value, type);
}
template <class T>
std::string ValueText(const std::vector<T>& values, MetadataType type) {
  std::vector<std::string> start;
  for (size_t i = 0; i < std::min(values.size(), kWholeArray); ++i) {
    const std::string text = ScalarText(static_cast<T>(values[i]), type);
    start.push_back(type == MetadataType::kString ? Quoted(text) : text);
  }
  return fmt::format("{} x {}: {}{}", values.size(), TypeName(type), fmt::join(start, ", "),
                     start.size() < values.size() ? ", …" : "");
}

}  // namespace

ModelFacts CollectFacts(const ModelSource& source) {
  ModelFacts facts{.types = {}, .config = ReadConfig(source)};
  for (const TensorInfo& tensor : source.tensors()) {
    auto share = std::find_if(facts.types.begin(), facts.types.end(),
                              [&](const TypeShare& s) { return s.type == tensor.type; });
    if (share == facts.types.end()) share = facts.types.insert(share, TypeShare{tensor.type});
    ++share->n_tensors;
    share->n_params += tensor.n_elements();
    share->n_bytes += tensor.n_bytes();
    facts.n_params += tensor.n_elements();
    facts.n_bytes += tensor.n_bytes();
  }
  std::sort(facts.types.begin(), facts.types.end(),
            [](const TypeShare& a, const TypeShare& b) { return a.n_bytes > b.n_bytes; });
  return facts;
}

std::string_view TypeName(MetadataType type) {
  static constexpr std::string_view kNames[] = {"u8",  "i8",  "u16",  "i16",    "u32",
                                                "i32", "f32", "bool", "string", "array",
                                                "u64", "i64", "f64"};
  return kNames[static_cast<size_t>(type)];
}

Json MetadataJson(const MetadataEntry& entry) {
  return std::visit([&](const auto& value) { return ValueJson(value, entry.type); }, entry.value);
}

std::string MetadataText(const MetadataEntry& entry) {
  return std::visit([&](const auto& value) { return ValueText(value, entry.type); }, entry.value);
}

Json TensorJson(const TensorInfo& tensor) {
  return {{"name", tensor.name},
          {"type", Traits(tensor.type).name},
          {"shape", std::vector<int64_t>(tensor.ne.begin(), tensor.ne.begin() + tensor.n_dims)},
          {"bytes", tensor.n_bytes()}};
}

std::string ShapeText(const TensorInfo& tensor) {
  return fmt::format("{}", fmt::join(tensor.ne.begin(), tensor.ne.begin() + tensor.n_dims, " x "));
}

void PrintHeading(std::string_view heading) {
  fmt::print("{}{}{}\n", StdoutStyle("\x1b[1m"), heading, StdoutStyle("\x1b[0m"));
}

}  // namespace weir
