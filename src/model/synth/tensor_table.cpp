#include "model/synth/tensor_table.h"

#include <algorithm>
#include <string>
#include <utility>

namespace weir {
namespace {

MixtureShape ShapeOf(const SynthModel& model) {
  return {model.n_layers, model.n_heads, model.n_kv_heads, model.n_experts, model.tied};
}

/// Appends tensors, global ones first, then those of block after block.
class Table {
 public:
  Table(const SynthModel& model, const Mixture& quant) : model_(model), quant_(quant) {}

  void EnterBlock(int64_t layer) { layer_ = layer; }

  void F32(std::string_view base, std::initializer_list<int64_t> ne,
           std::string_view suffix = ".weight") {
    Append(base, suffix, TensorType::kF32, ne);
  }
  /// A matrix of the recipe's choice; `experts` (of them, 0: none) and `suffix` are no part of its
  /// role.
  void Matrix(std::string_view base, int64_t n_cols, int64_t n_rows,
              std::string_view suffix = ".weight", int64_t experts = 0) {
    const TensorType type = FittingType(quant_.type(ShapeOf(model_), {base, layer_}), n_cols);
    if (experts > 0) {
      Append(base, suffix, type, {n_cols, n_rows, experts});
    } else {
      Append(base, suffix, type, {n_cols, n_rows});
    }
  }

  std::vector<TensorInfo> Take() && { return std::move(tensors_); }

 private:
  void Append(std::string_view base, std::string_view suffix, TensorType type,
              std::initializer_list<int64_t> ne) {
    TensorInfo info{.name = fmt::format("{}{}", base, suffix),
                    .type = type,
                    .n_dims = static_cast<int>(ne.size())};
    if (layer_ >= 0) info.name = fmt::format("blk.{}.{}", layer_, info.name);
    std::copy(ne.begin(), ne.end(), info.ne.begin());
    WEIR_CHECK(info.ne[0] % Traits(type).block_size == 0);
    tensors_.push_back(std::move(info));
  }

  const SynthModel& model_;
  const Mixture& quant_;
  int64_t layer_ = -1;
  std::vector<TensorInfo> tensors_;
};

void AppendGlobal(const SynthModel& m, Table& table) {
  table.Matrix("token_embd", m.n_embd, m.n_vocab);
  table.F32("output_norm", {m.n_embd});
  if (!m.tied) table.Matrix("output", m.n_embd, m.n_vocab);
  if (m.rope_slowdown > 0) table.F32("rope_freqs", {m.head_dim / 2});
}

void AppendFullAttention(const SynthModel& m, Table& table) {
  const int64_t q_width = m.n_heads * m.head_dim, kv_width = m.n_kv_heads * m.head_dim;
  table.Matrix("attn_q", m.n_embd, m.hybrid() ? 2 * q_width : q_width);  // hybrid: q and gate
  table.Matrix("attn_k", m.n_embd, kv_width);
  table.Matrix("attn_v", m.n_embd, kv_width);
  table.Matrix("attn_output", q_width, m.n_embd);
  if (m.arch != Arch::kLlama) {
    table.F32("attn_q_norm", {m.head_dim});
    table.F32("attn_k_norm", {m.head_dim});
  }
}

void AppendLinearAttention(const SynthModel& m, Table& table) {
  const int64_t value_dim = m.n_value_heads * kSynthLinearDim;
  const int64_t conv_dim = 2 * kSynthKeyHeads * kSynthLinearDim + value_dim;
  table.Matrix("attn_qkv", m.n_embd, conv_dim);
  table.Matrix("attn_gate", m.n_embd, value_dim);
  table.F32("ssm_conv1d", {kSynthConvWidth, conv_dim});
  table.F32("ssm_dt", {m.n_value_heads}, ".bias");
  table.F32("ssm_a", {m.n_value_heads}, "");
  table.Matrix("ssm_beta", m.n_embd, m.n_value_heads);
  table.Matrix("ssm_alpha", m.n_embd, m.n_value_heads);
  table.F32("ssm_norm", {kSynthLinearDim});
  table.Matrix("ssm_out", value_dim, m.n_embd);
}

void AppendFeedForward(const SynthModel& m, Table& table) {
  const auto append = [&](int64_t width, std::string_view suffix, int64_t experts) {
    table.Matrix("ffn_gate", m.n_embd, width, suffix, experts);
    table.Matrix("ffn_up", m.n_embd, width, suffix, experts);
    table.Matrix("ffn_down", width, m.n_embd, suffix, experts);
  };
  if (m.n_experts == 0) return append(m.n_ff, ".weight", 0);
  table.F32("ffn_gate_inp", {m.n_embd, m.n_experts});
  append(m.n_ff_expert, "_exps.weight", m.n_experts);
  table.F32("ffn_gate_inp_shexp", {m.n_embd});
  append(m.n_ff_shared, "_shexp.weight", 0);
}

}  // namespace

std::vector<TensorInfo> SynthTensors(const SynthModel& model, const Mixture& quant) {
  Table table(model, quant);
  AppendGlobal(model, table);
  for (int64_t layer = 0; layer < model.n_layers; ++layer) {
    table.EnterBlock(layer);
    table.F32("attn_norm", {model.n_embd});
    table.F32(model.hybrid() ? "post_attention_norm" : "ffn_norm", {model.n_embd});
    if (model.IsLinearLayer(layer)) {
      AppendLinearAttention(model, table);
    } else {
      AppendFullAttention(model, table);
    }
    AppendFeedForward(model, table);
  }
  return std::move(table).Take();
}

}  // namespace weir
