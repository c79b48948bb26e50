#include "cli/load.h"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "cli/format.h"
#include "cli/progress.h"
#include "machine/machine.h"
#include "machine/memory_use.h"
#include "util/interrupt.h"

namespace weir {

void AddModelFlags(CLI::App& app, ModelFlags& flags) {
  app.add_option("MODEL", flags.model, "a .gguf file, hf:ORG/REPO[:QUANT] (weir pull), or synth:NAME:QUANT (weir synth --list)")
      ->required();
  app.add_option("--dtype", flags.dtype_name,
                 "int8: the fast path; f32: dequantised weights and f32 activations")
      ->check(CLI::IsMember({"int8", "f32"}));
  AddKvFlag(app, flags.kv_name);
  app.add_option("--threads", flags.n_threads, "threads (default: those this machine has for us)")
      ->check(CLI::Range(1, 1024));
}

void AddKvFlag(CLI::App& app, std::string& name) {
  app.add_option("--kv", name, "what keys and values are kept in (default: f16; f32 with --dtype f32)")
      ->check(CLI::IsMember({"f16", "bf16", "q8_0", "f32"}));
}

KvType ModelFlags::kv_type() const { return KvTypeNamed(kv_name).value_or(DefaultKvType(dtype())); }

int ModelFlags::threads() const { return n_threads > 0 ? n_threads : DefaultThreads(); }

int64_t AvailableMemory() {
  return AvailableMemoryBytes().value_or(std::numeric_limits<int64_t>::max());
}

Result<std::unique_ptr<Tokenizer>> OpenTokenizer(const ModelSource& source,
                                                 std::optional<int64_t> n_vocab) {
  Result<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::Create(source.metadata());
  if (!tokenizer) return In(source.name(), tokenizer.error());
  if (n_vocab && (*tokenizer)->n_tokens() > *n_vocab) {
    return BadInput("{}: tokenizer.ggml.tokens: expected at most {}, the rows of token_embd.weight, "
                    "found {}",
                    source.name(), *n_vocab, (*tokenizer)->n_tokens());
  }
  return tokenizer;
}

Result<LoadedModel> LoadModel(const ModelFlags& flags, const ModelSource& source,
                              int64_t working_bytes) {
  LoadedModel loaded;
  loaded.threads = std::make_unique<ThreadPool>(flags.threads());
  WEIR_TRY(loaded.model, LoadModel(flags.dtype(), source, working_bytes, *loaded.threads));
  return loaded;
}

Result<std::unique_ptr<Model>> LoadModel(Dtype dtype, const ModelSource& source,
                                         int64_t working_bytes, ThreadPool& threads) {
  LoadOptions options;
  options.dtype = dtype;
  WEIR_TRY(options.isa, SelectIsa(std::getenv("WEIR_ISA")));
  WEIR_TRY(const ModelFootprint footprint, Model::Plan(source, dtype));
  const int64_t available = AvailableMemory();
  if (footprint.packed_bytes + working_bytes > available) {
    return WithHint(Refused("{}: the weights take {} of memory, the context {}; {} are available",
                            source.name(), ByteSize(footprint.packed_bytes),
                            ByteSize(working_bytes), ByteSize(available)),
                    "choose a smaller quantisation, a smaller model or fewer tokens");
  }
  Progress progress("packing weights");
  options.progress = [](void* line, int64_t done, int64_t total) {
    Progress::Callback(line, done, total);
    return !Interrupted();
  };
  options.context = &progress;
  return Model::Load(source, options, threads);
}

Result<std::string> ReadInput(const std::string& path) {
  constexpr size_t kMaxBytes = size_t{1} << 30;
  const bool is_stdin = path == "-";
  const std::string name = is_stdin ? "standard input" : path;
  std::FILE* file = is_stdin ? stdin : std::fopen(path.c_str(), "rb");
  if (!file) return BadInput("{}: cannot open: {}", name, std::strerror(errno));
  std::string text;
  char chunk[1 << 16];
  errno = 0;
  while (const size_t n = std::fread(chunk, 1, sizeof(chunk), file)) {
    text.append(chunk, n);
    if (text.size() > kMaxBytes) break;
  }
  const int error = std::ferror(file) ? errno : 0;
  if (!is_stdin) std::fclose(file);
  if (error) return BadInput("{}: cannot read: {}", name, std::strerror(error));
  if (text.size() > kMaxBytes) {
    return BadInput("{}: expected at most {} of text", name, ByteSize(kMaxBytes));
  }
  return text;
}

Result<std::vector<int32_t>> ParseIds(std::string_view flag, const std::string& list) {
  std::vector<int32_t> ids;
  const char* const end = list.data() + list.size();
  for (const char* at = list.data();; ++at) {
    int32_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc() || (next < end && *next != ',')) {
      return BadInput("{} '{}': expected token ids separated by commas, like 1,2,3", flag, list);
    }
    ids.push_back(id);
    if (next == end) return ids;
    at = next;
  }
}

}  // namespace weir
