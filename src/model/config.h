// The hyper-parameters of a model, read once from GGUF metadata and checked (spec 2, 4, 8).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gguf/model_source.h"
#include "util/error.h"

namespace weir {

/// Far above any real model; with it, and the bounds on widths, sizes of caches stay inside int64.
inline constexpr int64_t kMaxContext = int64_t{1} << 28;

enum class Arch { kQwen35, kQwen35Moe, kQwen3, kQwen2, kLlama };

/// What the forward pass needs to know. Names follow the glossary in transformer.h.
struct ModelConfig {
  Arch arch;
  std::string arch_name;       // "qwen35", as in general.architecture
  int64_t n_layers = 0;        // trunk blocks (without MTP blocks)
  int64_t context_length = 0;  // positions the model was made for
  int64_t n_embd = 0;          // width of the residual stream
  int64_t n_ff = 0;            // width of the dense FFN (0 in MoE models)
  int64_t n_vocab = 0;
  float rms_eps = 0;

  // Full attention.
  int64_t n_heads = 0;
  int64_t n_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t n_rot = 0;  // rotated dimensions of a head
  float rope_base = 0;
  bool rope_adjacent = false;  // pairs are (2j, 2j+1) rather than (j, j + n_rot/2)
  bool gated_attention = false;  // attn_q carries an output gate per head
  bool qk_norm = false;

  // Gated DeltaNet (linear layers); 0 where there are none.
  std::vector<bool> recurrent;  // [n_layers], true: linear layer
  int64_t n_key_heads = 0;
  int64_t n_value_heads = 0;
  int64_t linear_dim = 0;  // key and value dimension of a linear head

  // Mixture of experts; 0 where there is none.
  int64_t n_experts = 0;
  int64_t n_experts_used = 0;
  int64_t n_ff_expert = 0;
  int64_t n_ff_shared = 0;

  int64_t n_full_layers() const;
  int64_t n_linear_layers() const { return n_layers - n_full_layers(); }
  int64_t key_dim() const { return n_key_heads * linear_dim; }
  int64_t value_dim() const { return n_value_heads * linear_dim; }
  int64_t conv_dim() const { return 2 * key_dim() + value_dim(); }
};

/// Reads and checks the metadata; the Error names the source, the key, what was expected and what was found.
Result<ModelConfig> ReadConfig(const ModelSource& source);

}  // namespace weir
