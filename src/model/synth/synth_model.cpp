#include "model/synth/synth_model.h"

#include <algorithm>
#include <vector>

namespace weir {
namespace {

constexpr int64_t kQwen35Vocab = 248320, kQwen35Context = 262144;
constexpr float kQwen35RopeBase = 1e7f, kQwenEps = 1e-6f, kLlamaEps = 1e-5f;

// Qwen3.5: spec 4. The others: the models' own published configurations.
constexpr SynthModel kModels[] = {
    {.name = "qwen3.5-0.8b", .shape_of = "Qwen3.5-0.8B", .arch = Arch::kQwen35,
     .n_layers = 24, .n_embd = 1024, .n_ff = 3584, .n_heads = 8, .n_kv_heads = 2, .head_dim = 256,
     .n_vocab = kQwen35Vocab, .context_length = kQwen35Context, .rope_base = kQwen35RopeBase,
     .rms_eps = kQwenEps, .tied = true, .n_value_heads = 16},
    {.name = "qwen3.5-2b", .shape_of = "Qwen3.5-2B", .arch = Arch::kQwen35,
     .n_layers = 24, .n_embd = 2048, .n_ff = 6144, .n_heads = 8, .n_kv_heads = 2, .head_dim = 256,
     .n_vocab = kQwen35Vocab, .context_length = kQwen35Context, .rope_base = kQwen35RopeBase,
     .rms_eps = kQwenEps, .tied = true, .n_value_heads = 16},
    {.name = "qwen3.5-4b", .shape_of = "Qwen3.5-4B", .arch = Arch::kQwen35,
     .n_layers = 32, .n_embd = 2560, .n_ff = 9216, .n_heads = 16, .n_kv_heads = 4, .head_dim = 256,
     .n_vocab = kQwen35Vocab, .context_length = kQwen35Context, .rope_base = kQwen35RopeBase,
     .rms_eps = kQwenEps, .tied = true, .n_value_heads = 32},
    {.name = "qwen3.5-9b", .shape_of = "Qwen3.5-9B", .arch = Arch::kQwen35,
     .n_layers = 32, .n_embd = 4096, .n_ff = 12288, .n_heads = 16, .n_kv_heads = 4, .head_dim = 256,
     .n_vocab = kQwen35Vocab, .context_length = kQwen35Context, .rope_base = kQwen35RopeBase,
     .rms_eps = kQwenEps, .tied = false, .n_value_heads = 32},
    {.name = "qwen3.5-27b", .shape_of = "Qwen3.5-27B", .arch = Arch::kQwen35,
     .n_layers = 64, .n_embd = 5120, .n_ff = 17408, .n_heads = 24, .n_kv_heads = 4, .head_dim = 256,
     .n_vocab = kQwen35Vocab, .context_length = kQwen35Context, .rope_base = kQwen35RopeBase,
     .rms_eps = kQwenEps, .tied = false, .n_value_heads = 48},
    {.name = "qwen3.5-35b-a3b", .shape_of = "Qwen3.5-35B-A3B", .arch = Arch::kQwen35Moe,
     .n_layers = 40, .n_embd = 2048, .n_ff = 0, .n_heads = 16, .n_kv_heads = 2, .head_dim = 256,
     .n_vocab = kQwen35Vocab, .context_length = kQwen35Context, .rope_base = kQwen35RopeBase,
     .rms_eps = kQwenEps, .tied = false, .n_value_heads = 32, .n_experts = 256,
     .n_experts_used = 8, .n_ff_expert = 512, .n_ff_shared = 512},
    {.name = "qwen3-0.6b", .shape_of = "Qwen3-0.6B", .arch = Arch::kQwen3,
     .n_layers = 28, .n_embd = 1024, .n_ff = 3072, .n_heads = 16, .n_kv_heads = 8, .head_dim = 128,
     .n_vocab = 151936, .context_length = 40960, .rope_base = 1e6f, .rms_eps = kQwenEps,
     .tied = true},
    {.name = "llama-3.2-1b", .shape_of = "Llama-3.2-1B-Instruct", .arch = Arch::kLlama,
     .n_layers = 16, .n_embd = 2048, .n_ff = 8192, .n_heads = 32, .n_kv_heads = 8, .head_dim = 64,
     .n_vocab = 128256, .context_length = 131072, .rope_base = 5e5f, .rms_eps = kLlamaEps,
     .tied = true, .rope_slowdown = 32},
    {.name = "llama-3.1-8b", .shape_of = "Llama-3.1-8B-Instruct", .arch = Arch::kLlama,
     .n_layers = 32, .n_embd = 4096, .n_ff = 14336, .n_heads = 32, .n_kv_heads = 8, .head_dim = 128,
     .n_vocab = 128256, .context_length = 131072, .rope_base = 5e5f, .rms_eps = kLlamaEps,
     .tied = false, .rope_slowdown = 8},
};

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::span<const SynthModel> SynthModels() { return kModels; }

bool SameName(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return Lower(x) == Lower(y); });
}

Result<const SynthModel*> FindSynthModel(std::string_view name) {
  std::vector<std::string_view> names;
  for (const SynthModel& model : kModels) {
    if (SameName(model.name, name)) return &model;
    names.push_back(model.name);
  }
  return WithHint(BadInput("no synthetic model is called '{}'", name),
                  fmt::format("there are {}", fmt::join(names, ", ")));
}

}  // namespace weir
