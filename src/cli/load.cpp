#include "cli/load.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "cli/format.h"
#include "cli/progress.h"
#include "machine/machine.h"
#include "machine/memory_use.h"
#include "util/interrupt.h"

namespace weir {

void AddModelFlags(CLI::App& app, ModelFlags& flags) {
  app.add_option("MODEL", flags.model, "a .gguf file, or synth:NAME:QUANT (weir synth --list)")
      ->required();
  app.add_option("--dtype", flags.dtype,
                 "int8: the fast path; f32: dequantised weights and f32 activations")
      ->check(CLI::IsMember({"int8", "f32"}));
  app.add_option("--threads", flags.threads, "threads (default: those this machine has for us)")
      ->check(CLI::Range(1, 1024));
}

int64_t AvailableMemory() {
  return AvailableMemoryBytes().value_or(std::numeric_limits<int64_t>::max());
}

Result<LoadedModel> LoadModel(const ModelFlags& flags) {
  LoadedModel loaded;
  LoadOptions options;
  options.dtype = flags.dtype == "f32" ? Dtype::kF32 : Dtype::kInt8;
  WEIR_TRY(options.isa, SelectIsa(std::getenv("WEIR_ISA")));
  WEIR_TRY(loaded.source, OpenModel(flags.model));
  WEIR_TRY(const ModelFootprint footprint, Model::Plan(*loaded.source, options.dtype));
  const int64_t available = AvailableMemory();
  if (footprint.packed_bytes > available) {
    return WithHint(Refused("{}: the weights take {} of memory, {} are available", flags.model,
                            ByteSize(footprint.packed_bytes), ByteSize(available)),
                    "choose a smaller quantisation or a smaller model");
  }
  loaded.threads = std::make_unique<ThreadPool>(flags.threads > 0 ? flags.threads : DefaultThreads());
  Progress progress("packing weights");
  options.progress = [](void* line, int64_t done, int64_t total) {
    Progress::Callback(line, done, total);
    return !Interrupted();
  };
  options.context = &progress;
  WEIR_TRY(loaded.model, Model::Load(*loaded.source, options, *loaded.threads));
  return loaded;
}

Result<std::string> ReadInput(const std::string& path) {
  std::FILE* file = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
  if (!file) return BadInput("{}: cannot be opened", path);
  std::string text;
  char chunk[1 << 16];
  while (const size_t n = std::fread(chunk, 1, sizeof(chunk), file)) text.append(chunk, n);
  const bool failed = std::ferror(file) != 0;
  if (file != stdin) std::fclose(file);
  if (failed) return BadInput("{}: cannot be read (is it a directory?)", path);
  return text;
}

Result<std::vector<int32_t>> ParseIds(const std::string& list) {
  std::vector<int32_t> ids;
  const char* at = list.data();
  const char* const end = at + list.size();
  while (at < end) {
    int32_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc() || (next < end && *next != ',')) {
      return BadInput("'{}': expected token ids separated by commas, like 1,2,3", list);
    }
    ids.push_back(id);
    at = next + 1;
  }
  return ids;
}

}  // namespace weir
