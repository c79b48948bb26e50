// The catalogue of synthetic models: the shapes of real ones, without their weights.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "model/config.h"
#include "util/error.h"

namespace weir {

/// One real model's dimensions. Fields mean what they mean in ModelConfig.
struct SynthModel {
  std::string_view name;      // "qwen3.5-0.8b"
  std::string_view shape_of;  // the model it has its shapes from
  Arch arch;
  int64_t n_layers;
  int64_t n_embd;
  int64_t n_ff;  // 0 in MoE models
  int64_t n_heads, n_kv_heads, head_dim;
  int64_t n_vocab;
  int64_t context_length;
  float rope_base;
  float rms_eps;
  bool tied;  // token_embd is the LM head

  // Hybrid models: 16 key heads, linear heads of 128, every fourth layer full attention.
  int64_t n_value_heads = 0;
  // MoE models.
  int64_t n_experts = 0, n_experts_used = 0, n_ff_expert = 0, n_ff_shared = 0;
  // Llama 3.1 and later: how much rope_freqs slows the slowest rotations down; 0: no rope_freqs.
  double rope_slowdown = 0;

  bool hybrid() const { return n_value_heads > 0; }
  bool IsLinearLayer(int64_t layer) const { return hybrid() && (layer + 1) % 4 != 0; }
};

inline constexpr int64_t kSynthKeyHeads = 16;
inline constexpr int64_t kSynthLinearDim = 128;
inline constexpr int64_t kSynthConvWidth = 4;
inline constexpr int64_t kSynthFullAttentionInterval = 4;
inline constexpr int64_t kSynthRotatedHybrid = 64;  // of 256 dimensions of a head

std::span<const SynthModel> SynthModels();

/// The model of that name, case-insensitive; the Error lists the names that exist.
Result<const SynthModel*> FindSynthModel(std::string_view name);

/// Whether two names are the same but for the case of ASCII letters.
bool SameName(std::string_view a, std::string_view b);

}  // namespace weir
