// weir inspect: what is in a model, from its metadata and tensor table alone.
#include <algorithm>
#include <cstdlib>
#include <memory>

#include "cli/command.h"
#include "cli/format.h"
#include "model/cache.h"
#include "model/model.h"
#include "util/terminal.h"

namespace weir {
namespace {

struct Flags {
  std::string model;
  int64_t ctx = 4096;
  bool summary = false, json = false;
};

struct TypeShare {
  TensorType type;
  int64_t n_tensors = 0, n_params = 0, n_bytes = 0;
};

struct Facts {
  int64_t n_params = 0, n_bytes = 0;
  std::vector<TypeShare> types;  // most bytes first
  Result<ModelConfig> config;    // or why the architecture's figures are not known

  double BitsPerWeight() const {
    return 8.0 * static_cast<double>(n_bytes) / static_cast<double>(n_params);
  }
  double Share(const TypeShare& share) const {
    return n_bytes == 0 ? 0 : static_cast<double>(share.n_bytes) / static_cast<double>(n_bytes);
  }
};

Facts Collect(const ModelSource& source) {
  Facts facts{.types = {}, .config = ReadConfig(source)};
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

/// Why the figures of the architecture are missing; the model's name is in the heading already.
std::string Reason(const ModelSource& source, const Error& error) {
  const std::string prefix = source.name() + ": ";
  return Escaped(error.message.starts_with(prefix) ? error.message.substr(prefix.size())
                                                   : error.message);
}

// ---- As JSON.

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

Json MetadataJson(const MetadataEntry& entry) {
  return std::visit([&](const auto& value) { return ValueJson(value, entry.type); }, entry.value);
}

Json TensorsJson(const std::vector<TensorInfo>& tensors) {
  Json list = Json::array();
  for (const TensorInfo& tensor : tensors) {
    list.push_back(
        {{"name", tensor.name},
         {"type", Traits(tensor.type).name},
         {"shape", std::vector<int64_t>(tensor.ne.begin(), tensor.ne.begin() + tensor.n_dims)},
         {"bytes", tensor.n_bytes()}});
  }
  return list;
}

Json TypesJson(const Facts& facts) {
  Json list = Json::array();
  for (const TypeShare& share : facts.types) {
    list.push_back({{"type", Traits(share.type).name},
                    {"tensors", share.n_tensors},
                    {"parameters", share.n_params},
                    {"bytes", share.n_bytes},
                    {"share", facts.Share(share)}});
  }
  return list;
}

Json Document(const ModelSource& source, const Facts& facts, const Flags& flags) {
  const Result<std::string> arch = source.metadata().String("general.architecture");
  Json document;
  document["model"] = source.name();
  document["architecture"] = arch ? Json(*arch) : Json();
  document["synthetic"] = source.synthetic();
  document["parameters"] = facts.n_params;
  document["tensor_bytes"] = facts.n_bytes;
  document["bits_per_weight"] = facts.n_params > 0 ? Json(facts.BitsPerWeight()) : Json();
  document["ctx"] = flags.ctx;
  const bool known = facts.config.ok();
  const int64_t kv = known ? KvBytesPerToken(*facts.config, KvType::kF16) : 0;
  document["kv_bytes_per_token"] = known ? Json(kv) : Json();
  document["kv_bytes_per_user"] = known ? Json(kv * flags.ctx) : Json();
  document["state_bytes_per_user"] = known ? Json(StateBytesPerSequence(*facts.config)) : Json();
  document["not_computed"] = known ? Json() : Json(Reason(source, facts.config.error()));
  document["types"] = TypesJson(facts);
  if (flags.summary) return document;
  // Added without a search for the key, which is new: files with many keys would take minutes.
  Json::object_t metadata;
  for (const MetadataEntry& entry : source.metadata().entries()) {
    metadata.Container::emplace_back(entry.key, MetadataJson(entry));
  }
  document["metadata"] = std::move(metadata);
  document["tensors"] = TensorsJson(source.tensors());
  return document;
}

// ---- As text.

void PrintHeading(std::string_view heading) {
  fmt::print("{}{}{}\n", StdoutStyle("\x1b[1m"), heading, StdoutStyle("\x1b[0m"));
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

void PrintMetadata(const Metadata& metadata, int width) {
  PrintHeading(fmt::format("Metadata: {} keys", metadata.entries().size()));
  int column = 0;
  for (const MetadataEntry& entry : metadata.entries()) {
    column = std::max(column, std::min(static_cast<int>(entry.key.size()), width / 2));
  }
  for (const MetadataEntry& entry : metadata.entries()) {
    const std::string key = Shorten(Escaped(entry.key), width - 12);
    const std::string value =
        std::visit([&](const auto& v) { return ValueText(v, entry.type); }, entry.value);
    const int left = width - 4 - std::max(column, static_cast<int>(key.size()));
    fmt::print("  {:<{}}  {}\n", key, column, Shorten(value, std::max(4, left)));
  }
}

std::string ShapeText(const TensorInfo& tensor) {
  return fmt::format("{}", fmt::join(tensor.ne.begin(), tensor.ne.begin() + tensor.n_dims, " x "));
}

void PrintTensors(const std::vector<TensorInfo>& tensors, int width) {
  PrintHeading(fmt::format("Tensors: {}", tensors.size()));
  if (tensors.empty()) return fmt::print("  none: a vocabulary without a model\n");
  size_t name_width = 4, shape_width = 5;
  for (const TensorInfo& tensor : tensors) {
    name_width = std::max(name_width, Escaped(tensor.name).size());
    shape_width = std::max(shape_width, ShapeText(tensor).size());
  }
  const int others = 2 + 2 + 8 + 2 + static_cast<int>(shape_width) + 2 + 15;
  // Lines break in a very narrow terminal: names that all look the same would be worse.
  const int column = std::min(static_cast<int>(name_width), std::max(34, width - others));
  fmt::print("  {:<{}}  {:<8}  {:<{}}  {:>15}\n", "name", column, "type", "shape", shape_width,
             "bytes");
  for (const TensorInfo& tensor : tensors) {
    fmt::print("  {:<{}}  {:<8}  {:<{}}  {:>15}\n", Shorten(Escaped(tensor.name), column), column,
               Traits(tensor.type).name, ShapeText(tensor), shape_width, Grouped(tensor.n_bytes()));
  }
}

void PrintTypes(const Facts& facts) {
  PrintHeading("Tensor types");
  fmt::print("  {:<8} {:>7}  {:>15}  {:>15}  {:>7}\n", "type", "tensors", "parameters", "bytes",
             "share");
  for (const TypeShare& share : facts.types) {
    fmt::print("  {:<8} {:>7}  {:>15}  {:>15}  {:>5.1f} %\n", Traits(share.type).name,
               share.n_tensors, Grouped(share.n_params), Grouped(share.n_bytes),
               100 * facts.Share(share));
  }
}

/// Prints words, indented, on as many lines as they need.
void PrintWrapped(std::string_view words, int width) {
  int column = width;
  for (const std::string& word : CLI::detail::split(std::string(words), ' ')) {
    const int length = static_cast<int>(word.size());
    const bool wrap = column + 1 + length > width;
    fmt::print("{}{}", wrap ? (column == width ? "    " : "\n    ") : " ", word);
    column = (wrap ? 4 : column + 1) + length;
  }
  fmt::print("\n");
}

void PrintPerUser(const Facts& facts, const Flags& flags) {
  const ModelConfig& config = *facts.config;
  const int64_t kv = KvBytesPerToken(config, KvType::kF16), state = StateBytesPerSequence(config);
  fmt::print("  {:<16} {}, of them {} with recurrent state\n", "layers", config.n_layers,
             config.n_linear_layers());
  fmt::print("  {:<16} {} tokens\n", "context", Grouped(config.context_length));
  fmt::print("  {:<16} {} bytes a token (f16)\n", "KV cache", Grouped(kv));
  fmt::print("  {:<16} {} with {} tokens\n", "KV per user", ByteSize(kv * flags.ctx),
             Grouped(flags.ctx));
  fmt::print("  {:<16} {} ({} bytes)\n", "state per user", ByteSize(state), Grouped(state));
}

std::string CountText(int64_t n) {
  const double value = static_cast<double>(n);
  return n < 1'000'000'000 ? fmt::format("{:.2f} M", value * 1e-6)
                           : fmt::format("{:.2f} B", value * 1e-9);
}

void PrintSummary(const ModelSource& source, const Facts& facts, const Flags& flags, int width) {
  PrintHeading(Shorten(Escaped(source.name()), width));
  if (source.synthetic()) fmt::print("  synthetic: random weights in the shapes of a real model\n");
  if (facts.n_params > 0) {
    fmt::print("  {:<16} {} ({})\n", "parameters", Grouped(facts.n_params),
               CountText(facts.n_params));
    fmt::print("  {:<16} {} ({} bytes)\n", "tensors", ByteSize(facts.n_bytes),
               Grouped(facts.n_bytes));
    fmt::print("  {:<16} {:.3f}\n", "bits per weight", facts.BitsPerWeight());
  }
  if (facts.config) return PrintPerUser(facts, flags);
  fmt::print("  KV cache and state per user are not computed:\n");
  PrintWrapped(Reason(source, facts.config.error()), width);
}

Result<int> RunInspect(const Flags& flags) {
  WEIR_TRY(const std::unique_ptr<ModelSource> source, OpenModel(flags.model));
  const Facts facts = Collect(*source);
  if (flags.json) {
    PrintJson(Document(*source, facts, flags));
    return kExitOk;
  }
  const int width = TerminalWidth();
  if (!flags.summary) {
    PrintMetadata(source->metadata(), width);
    fmt::print("\n");
    PrintTensors(source->tensors(), width);
    fmt::print("\n");
  }
  if (!facts.types.empty()) {
    PrintTypes(facts);
    fmt::print("\n");
  }
  PrintSummary(*source, facts, flags, width);
  return kExitOk;
}

}  // namespace

Command AddInspect(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("MODEL", flags->model, "a .gguf file, or synth:NAME:QUANT (weir synth --list)")
      ->required();
  app.add_option("--ctx", flags->ctx,
                 "tokens of one user's conversation, for the size of its KV cache")
      ->check(CLI::Range(int64_t{1}, kMaxContext).description(""))
      ->type_name("TOKENS")
      ->capture_default_str();
  app.add_flag("--summary", flags->summary, "leave out the metadata and the tensor table");
  app.add_flag("--json", flags->json, "print one JSON document");
  app.footer(
      "Examples:\n"
      "  weir inspect model.gguf\n"
      "  weir inspect --summary --ctx 32768 synth:qwen3.5-27b:Q4_K_M\n"
      "  weir inspect --json model.gguf | jq '.types'");
  return [flags] { return RunInspect(*flags); };
}

}  // namespace weir
