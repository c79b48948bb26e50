#include "model/mixture.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "model/synth/synth_model.h"

namespace weir {
namespace {

using enum TensorType;

/// The layers to which the "M" mixtures give more bits: the first and the last eighth, and every
/// third.
bool UseMoreBits(int64_t layer, int64_t n_layers) {
  return layer < n_layers / 8 || layer >= 7 * n_layers / 8 || (layer - n_layers / 8) % 3 == 2;
}

bool IsLmHead(const MixtureShape& model, const MatrixRole& role) {
  return role.base == (model.tied ? "token_embd" : "output");
}

/// The stock recipes count the fused projection of a linear layer among the value projections.
bool IsValueProjection(const MatrixRole& role) {
  return role.base == "attn_v" || role.base == "attn_qkv";
}

/// Value projections shared by several query heads are small beside the rest, and much depends on
/// them. Models with experts count as sharing.
bool SharesValues(const MixtureShape& model) {
  return model.n_heads / std::max<int64_t>(1, model.n_kv_heads) >= 4 || model.n_experts >= 4;
}

template <TensorType kType>
TensorType Uniform(const MixtureShape&, const MatrixRole&) {
  return kType;
}

template <TensorType kType>
TensorType FinerHead(const MixtureShape& model, const MatrixRole& role) {
  return IsLmHead(model, role) ? kQ6_K : kType;
}

// Spec 12.1. The same rules make the llama and qwen3 files: a layer's index stands for the running
// index over value projections, as every layer has exactly one.
template <TensorType kType>
TensorType MoreBits(const MixtureShape& model, const MatrixRole& role) {
  if (IsLmHead(model, role)) return kQ6_K;
  if (IsValueProjection(role) || role.base == "ffn_down") {
    return UseMoreBits(role.layer, model.n_layers) ? kQ6_K : kType;
  }
  return kType;
}

TensorType Q4KS(const MixtureShape& model, const MatrixRole& role) {
  if (IsLmHead(model, role)) return kQ6_K;
  if (IsValueProjection(role)) return role.layer < 4 ? kQ5_K : kQ4_K;
  if (role.base == "ffn_down" && role.layer < model.n_layers / 8) return kQ5_K;
  return kQ4_K;
}

TensorType Iq4Xs(const MixtureShape& model, const MatrixRole& role) {
  if (IsLmHead(model, role)) return kQ6_K;
  return IsValueProjection(role) && SharesValues(model) ? kQ5_K : kIQ4_XS;
}

TensorType Q3KM(const MixtureShape& model, const MatrixRole& role) {
  if (IsLmHead(model, role)) return kQ6_K;
  if (IsValueProjection(role)) return role.layer < 2 ? kQ5_K : kQ4_K;
  if (role.base == "ffn_down") return role.layer < model.n_layers / 16 ? kQ5_K : kQ4_K;
  return role.base == "attn_output" ? kQ4_K : kQ3_K;
}

TensorType Q2K(const MixtureShape& model, const MatrixRole& role) {
  if (IsLmHead(model, role)) return kQ6_K;
  if (IsValueProjection(role)) return SharesValues(model) ? kQ4_K : kQ3_K;
  return role.base == "ffn_down" || role.base == "attn_output" ? kQ3_K : kQ2_K;
}

TensorType Iq3S(const MixtureShape& model, const MatrixRole& role) {
  if (IsLmHead(model, role)) return kQ6_K;
  return IsValueProjection(role) && SharesValues(model) ? kQ4_K : kIQ3_S;
}

TensorType Iq3Xxs(const MixtureShape& model, const MatrixRole& role) {
  if (IsLmHead(model, role)) return kQ5_K;
  if (IsValueProjection(role)) return SharesValues(model) ? kQ4_K : kIQ3_XXS;
  if (role.base == "attn_q" || role.base == "attn_k") return kIQ2_S;
  return role.base == "token_embd" || role.base == "attn_output" ? kIQ3_S : kIQ3_XXS;
}

// Spec 12.1. A value projection shared by fewer than four query heads stays small enough for Q2_K
// (qwen3-0.6b).
template <TensorType kType>
TensorType Iq2(const MixtureShape& model, const MatrixRole& role) {
  if (IsLmHead(model, role)) return kQ5_K;
  if (role.base == "token_embd") return kQ2_K;
  if (IsValueProjection(role)) return SharesValues(model) ? kQ4_K : kQ2_K;
  if (role.base == "ffn_down" && role.layer < model.n_layers / 8) return kQ2_K;
  return kType;
}

// The real recipe is unpublished; this one is weir's definition of the name. Its source speaks of
// tied models only: an LM head of its own (output) gets what the tied one gets.
TensorType UdIq2Xxs(const MixtureShape&, const MatrixRole& role) {
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

constexpr Mixture kMixtures[] = {
    {"F16", 1, Uniform<kF16>},
    {"BF16", 32, Uniform<kBF16>},
    {"Q8_0", 7, Uniform<kQ8_0>},
    {"Q6_K", 18, Uniform<kQ6_K>},
    {"Q5_1", 9, FinerHead<kQ5_1>},
    {"Q5_K_M", 17, MoreBits<kQ5_K>},
    {"Q5_K_S", 16, FinerHead<kQ5_K>},
    {"Q5_0", 8, FinerHead<kQ5_0>},
    {"Q4_1", 3, FinerHead<kQ4_1>},
    {"Q4_K_M", 15, MoreBits<kQ4_K>},
    {"Q4_K_S", 14, Q4KS},
    {"Q4_0", 2, FinerHead<kQ4_0>},
    {"IQ4_NL", 25, FinerHead<kIQ4_NL>},
    {"IQ4_XS", 30, Iq4Xs},
    {"Q3_K_M", 12, Q3KM},
    {"IQ3_S", 26, Iq3S},
    {"IQ3_XXS", 23, Iq3Xxs},
    {"Q2_K", 10, Q2K},
    {"IQ2_XS", 20, Iq2<kIQ2_XS>},
    {"UD-IQ2_XXS", 19, UdIq2Xxs},
    {"IQ2_XXS", 19, Iq2<kIQ2_XXS>},
};

}  // namespace

std::span<const Mixture> Mixtures() { return kMixtures; }

Result<const Mixture*> FindMixture(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Mixture& mixture : kMixtures) {
    if (SameName(mixture.name, name)) return &mixture;
    names.push_back(mixture.name);
  }
  return WithHint(BadInput("no quantisation is called '{}'", name),
                  fmt::format("there are {}", fmt::join(names, ", ")));
}

Result<MixtureShape> ReadMixtureShape(const ModelSource& source) {
  const Metadata& metadata = source.metadata();
  const auto read = [&](const std::string& arch, std::string_view key,
                        int64_t fallback) -> Result<int64_t> {
    const std::string name = fmt::format("{}.{}", arch, key);
    if (!metadata.Has(name)) return fallback;
    WEIR_TRY(const std::vector<int64_t> values, metadata.Ints(name));  // some have one per layer
    return values.empty() ? fallback : *std::max_element(values.begin(), values.end());
  };
  const auto shape = [&]() -> Result<MixtureShape> {
    WEIR_TRY(const std::string arch, metadata.String("general.architecture"));
    MixtureShape result{};
    WEIR_TRY(result.n_layers, read(arch, "block_count", 0));
    WEIR_TRY(result.n_heads, read(arch, "attention.head_count", 1));
    WEIR_TRY(result.n_kv_heads, read(arch, "attention.head_count_kv", result.n_heads));
    WEIR_TRY(result.n_experts, read(arch, "expert_count", 0));
    result.tied = std::none_of(source.tensors().begin(), source.tensors().end(),
                               [](const TensorInfo& t) { return t.name == "output.weight"; });
    return result;
  }();
  if (!shape) return In(source.name(), shape.error());
  return shape;
}

std::optional<MatrixRole> RoleOf(const TensorInfo& tensor) {
  constexpr std::string_view kBlock = "blk.", kWeight = ".weight";
  std::string_view base = tensor.name;
  if (tensor.n_rows() == 1 || !base.ends_with(kWeight)) return std::nullopt;
  base.remove_suffix(kWeight.size());
  MatrixRole role{base, -1};
  if (base.starts_with(kBlock)) {
    const char* const end = base.data() + base.size();
    const auto [dot, error] = std::from_chars(base.data() + kBlock.size(), end, role.layer);
    if (error != std::errc() || dot == end || *dot != '.') return std::nullopt;
    role.base = std::string_view(dot + 1, static_cast<size_t>(end - dot - 1));
  }
  for (const std::string_view suffix : {"_exps", "_shexp"}) {
    if (role.base.ends_with(suffix)) role.base.remove_suffix(suffix.size());
  }
  if (role.base.ends_with("_norm") || role.base == "ssm_conv1d" || role.base == "ffn_gate_inp") {
    return std::nullopt;
  }
  return role;
}

TensorType FittingType(TensorType wanted, int64_t n_cols) {
  if (n_cols % Traits(wanted).block_size == 0) return wanted;
  if (n_cols % 32 != 0) return kF16;
  switch (wanted) {
    case kQ6_K: return kQ8_0;
    case kQ5_K: return kQ5_1;
    case kQ4_K: return kQ5_0;
    default: return kIQ4_NL;
  }
}

}  // namespace weir
