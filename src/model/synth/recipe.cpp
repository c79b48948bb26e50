#include "model/synth/recipe.h"

#include <vector>

namespace weir {
namespace {

using enum TensorType;

/// The layers to which the "M" mixtures give more bits: the first and the last eighth, and every
/// third.
bool UseMoreBits(int64_t layer, int64_t n_layers) {
  return layer < n_layers / 8 || layer >= 7 * n_layers / 8 || (layer - n_layers / 8) % 3 == 2;
}

bool IsLmHead(const SynthModel& model, const MatrixRole& role) {
  return role.base == (model.tied ? "token_embd" : "output");
}

/// The stock recipes count the fused projection of a linear layer among the value projections.
bool IsValueProjection(const MatrixRole& role) {
  return role.base == "attn_v" || role.base == "attn_qkv";
}

template <TensorType kType>
TensorType Uniform(const SynthModel&, const MatrixRole&) {
  return kType;
}

// Spec 12.1. The same rules make the llama and qwen3 files: a layer's index stands for the running
// index over value projections, as every layer has exactly one.
TensorType Q4KM(const SynthModel& model, const MatrixRole& role) {
  if (IsLmHead(model, role)) return kQ6_K;
  if (IsValueProjection(role) || role.base == "ffn_down") {
    return UseMoreBits(role.layer, model.n_layers) ? kQ6_K : kQ4_K;
  }
  return kQ4_K;
}

// Spec 12.1. A value projection shared by fewer than four query heads is small enough beside the
// rest that the stock recipe leaves it at Q2_K (qwen3-0.6b); models with experts count as sharing.
TensorType Iq2Xxs(const SynthModel& model, const MatrixRole& role) {
  if (IsLmHead(model, role)) return kQ5_K;
  if (role.base == "token_embd") return kQ2_K;
  if (IsValueProjection(role)) {
    return model.n_heads / model.n_kv_heads >= 4 || model.n_experts >= 4 ? kQ4_K : kQ2_K;
  }
  if (role.base == "ffn_down" && role.layer < model.n_layers / 8) return kQ2_K;
  return kIQ2_XXS;
}

// The real recipe is unpublished; this one is weir's definition of the name. Its source speaks of
// tied models only: an LM head of its own (output) gets what the tied one gets.
TensorType UdIq2Xxs(const SynthModel&, const MatrixRole& role) {
  static constexpr std::pair<std::string_view, TensorType> kTypes[] = {
      {"token_embd", kQ5_K},   {"output", kQ5_K},         {"attn_k", kQ4_K},
      {"attn_v", kQ4_K},       {"attn_q", kIQ3_XXS},      {"attn_qkv", kIQ3_XXS},
      {"attn_gate", kIQ3_XXS}, {"attn_output", kIQ3_XXS}, {"ssm_out", kIQ3_XXS},
      {"ssm_alpha", kQ8_0},    {"ssm_beta", kQ8_0},       {"ffn_gate", kIQ2_XXS},
      {"ffn_up", kIQ2_XXS},    {"ffn_down", kIQ2_S},
  };
  for (const auto& [base, type] : kTypes) {
    if (base == role.base) return type;
  }
  return kF32;
}

constexpr SynthQuant kQuants[] = {
    {"F16", 1, Uniform<kF16>}, {"Q8_0", 7, Uniform<kQ8_0>},  {"Q4_K_M", 15, Q4KM},
    {"IQ2_XXS", 19, Iq2Xxs},   {"UD-IQ2_XXS", 19, UdIq2Xxs},
};

}  // namespace

std::span<const SynthQuant> SynthQuants() { return kQuants; }

Result<const SynthQuant*> FindSynthQuant(std::string_view name) {
  std::vector<std::string_view> names;
  for (const SynthQuant& quant : kQuants) {
    if (SameName(quant.name, name)) return &quant;
    names.push_back(quant.name);
  }
  return WithHint(BadInput("no synthetic quantisation is called '{}'", name),
                  fmt::format("there are {}", fmt::join(names, ", ")));
}

}  // namespace weir
