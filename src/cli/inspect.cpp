// weir inspect: what is in a model, from its metadata and tensor table alone.
#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/hub.h"
#include "cli/inspect.h"
#include "cli/model_text.h"
#include "model/cache.h"
#include "model/model.h"
#include "util/terminal.h"

namespace weir {
namespace {

using Flags = InspectFlags;

/// Why the figures of the architecture are missing; the model's name is in the heading already.
std::string Reason(const ModelSource& source, const Error& error) {
  const std::string prefix = source.name() + ": ";
  return Escaped(error.message.starts_with(prefix) ? error.message.substr(prefix.size())
                                                   : error.message);
}

// ---- As JSON.

Json TypesJson(const ModelFacts& facts) {
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

Json Document(const ModelSource& source, const ModelFacts& facts, const Flags& flags) {
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
  document["tensors"] = Json::array();
  for (const TensorInfo& tensor : source.tensors()) document["tensors"].push_back(TensorJson(tensor));
  return document;
}

// ---- As text.

void PrintMetadata(const Metadata& metadata, int width) {
  PrintHeading(fmt::format("Metadata: {} keys", metadata.entries().size()));
  int column = 0;
  for (const MetadataEntry& entry : metadata.entries()) {
    column = std::max(column, std::min(static_cast<int>(entry.key.size()), width / 2));
  }
  for (const MetadataEntry& entry : metadata.entries()) {
    const std::string key = Shorten(Escaped(entry.key), width - 12);
    const std::string value = MetadataText(entry);
    const int left = width - 4 - std::max(column, static_cast<int>(key.size()));
    fmt::print("  {:<{}}  {}\n", key, column, Shorten(value, std::max(4, left)));
  }
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

void PrintTypes(const ModelFacts& facts) {
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

void PrintPerUser(const ModelFacts& facts, const Flags& flags) {
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

void PrintSummary(const ModelSource& source, const ModelFacts& facts, const Flags& flags, int width) {
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
  if (flags.diff != !flags.other.empty()) {
    return WithHint(BadInput("expected one MODEL, or --diff with two"), "weir inspect --diff A B");
  }
  WEIR_TRY(const std::unique_ptr<ModelSource> source, OpenHeader(flags.model, flags.header_only));
  if (!flags.diff) {
    PrintModel(*source, flags);
    return kExitOk;
  }
  WEIR_TRY(const std::unique_ptr<ModelSource> other, OpenHeader(flags.other, flags.header_only));
  PrintDifference(*source, *other, flags);
  return kExitOk;
}

}  // namespace

void PrintModel(const ModelSource& source, const InspectFlags& flags) {
  const ModelFacts facts = CollectFacts(source);
  if (flags.json) return PrintJson(Document(source, facts, flags));
  const int width = TerminalWidth();
  if (!flags.summary) {
    PrintMetadata(source.metadata(), width);
    fmt::print("\n");
    PrintTensors(source.tensors(), width);
    fmt::print("\n");
  }
  if (!facts.types.empty()) {
    PrintTypes(facts);
    fmt::print("\n");
  }
  PrintSummary(source, facts, flags, width);
}

Command AddInspect(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("MODEL", flags->model,
                 "a .gguf file, hf:ORG/REPO[:QUANT] (here or not), or synth:NAME:QUANT (weir synth --list)")
      ->required();
  app.add_option("OTHER", flags->other, "with --diff: what MODEL is compared with");
  app.add_option("--ctx", flags->ctx,
                 "tokens of one user's conversation, for the size of its KV cache")
      ->check(CLI::Range(int64_t{1}, kMaxContext).description(""))
      ->type_name("TOKENS")
      ->capture_default_str();
  app.add_flag("--diff", flags->diff, "what differs between two models: metadata, tensors, types, size");
  app.add_flag("--summary", flags->summary, "leave out the metadata and the tensor table");
  app.add_flag("--header-only", flags->header_only,
               "of a model of the hub, ask the hub today, also where it is on this machine");
  app.add_flag("--json", flags->json, "print one JSON document");
  app.footer(
      "Of a model of the hub that is not on this machine only the header is fetched.\n"
      "Examples:\n"
      "  weir inspect model.gguf\n"
      "  weir inspect --summary hf:unsloth/Qwen3.5-27B-GGUF:UD-IQ2_XXS\n"
      "  weir inspect --summary --ctx 32768 synth:qwen3.5-27b:Q4_K_M\n"
      "  weir inspect --diff model-Q8_0.gguf model-Q4_K_M.gguf\n"
      "  weir inspect --json model.gguf | jq '.types'");
  return [flags] { return RunInspect(*flags); };
}

}  // namespace weir
