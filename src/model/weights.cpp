#include "model/weights.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "kernels/dequantize.h"

namespace weir {
namespace {

constexpr size_t kAlignment = 64;
size_t AlignUp(size_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

std::string Shape(const TensorInfo& tensor) {
  std::string text = "{";
  for (int d = 0; d < tensor.n_dims; ++d) {
    text += fmt::format("{}{}", d ? ", " : "", tensor.ne[static_cast<size_t>(d)]);
  }
  return text + "}";
}

/// Walks the tensor names of a model. The first error sticks, so that the walk reads without checks.
class Binder {
 public:
  Binder(const ModelSource& source, const ModelConfig& config, Dtype dtype, WeightPlan& plan)
      : source_(source), config_(config), dtype_(dtype), plan_(plan) {
    for (size_t i = 0; i < source.tensors().size(); ++i) {
      index_.emplace(source.tensors()[i].name, i);
    }
  }

  bool Has(const std::string& name) const { return index_.contains(name); }

  /// A matrix {n_cols, n_rows}.
  void Matrix(const std::string& name, int64_t n_cols, int64_t n_rows, PackedMatrix& view,
              WeightCost& cost) {
    Rows(name, n_cols, n_rows, 1, 0, n_rows, view, cost);
  }

  /// Rows [first_row, first_row + n_rows) of slab `slab` of a tensor {n_cols, slab_rows, n_slabs}.
  void Rows(const std::string& name, int64_t n_cols, int64_t slab_rows, int64_t n_slabs,
            int64_t first_row, int64_t n_rows, PackedMatrix& view, WeightCost& cost) {
    const std::optional<size_t> tensor = Require(name, {n_cols, slab_rows, n_slabs, 1});
    if (!tensor) return;
    const TensorInfo& info = source_.tensors()[*tensor];
    view.type = dtype_ == Dtype::kF32 ? TensorType::kF32 : info.type;
    view.n_rows = n_rows;
    view.n_cols = n_cols;
    plan_.matrices.push_back(
        {*tensor, first_row, &view,
         Reserve(static_cast<size_t>(PackedBytes(view.type, n_rows, n_cols)))});
    cost.bytes += n_rows * info.row_bytes();
    (IsQuantized(view.type) ? cost.int8_macs : cost.f32_macs) += n_rows * n_cols;
  }

  void FloatVector(const std::string& name, int64_t n, Vector& view, WeightCost& cost) {
    const std::optional<size_t> tensor = Require(name, {n, 1, 1, 1});
    if (!tensor) return;
    plan_.vectors.push_back({*tensor, &view, false, Reserve(static_cast<size_t>(n) * 4)});
    cost.bytes += source_.tensors()[*tensor].n_bytes();
  }
  void OptionalVector(const std::string& name, int64_t n, Vector& view, WeightCost& cost) {
    if (Has(name)) FloatVector(name, n, view, cost);
  }
  void ConvTaps(const std::string& name, int64_t n_channels, Vector& view, WeightCost& cost) {
    const std::optional<size_t> tensor = Require(name, {4, n_channels, 1, 1});
    if (!tensor) return;
    plan_.vectors.push_back(
        {*tensor, &view, true, Reserve(static_cast<size_t>(4 * n_channels) * 4)});
    cost.bytes += source_.tensors()[*tensor].n_bytes();
  }

  bool ok() const { return !error_; }
  Status status() const { return error_ ? Status(*error_) : Status(); }

 private:
  std::optional<size_t> Require(const std::string& name, const std::array<int64_t, 4>& ne) {
    if (error_) return std::nullopt;
    const auto found = index_.find(name);
    if (found == index_.end()) {
      error_ = BadInput("{}: tensor {} is missing (architecture {} needs it)", source_.name(), name,
                        config_.arch_name);
      return std::nullopt;
    }
    const TensorInfo& info = source_.tensors()[found->second];
    if (info.ne != ne) {
      TensorInfo expected{name, info.type, 4, ne};
      while (expected.n_dims > 1 && ne[static_cast<size_t>(expected.n_dims) - 1] == 1) {
        --expected.n_dims;
      }
      error_ = BadInput("{}: tensor {}: expected shape {}, found {}", source_.name(), name,
                        Shape(expected), Shape(info));
      return std::nullopt;
    }
    return found->second;
  }

  size_t Reserve(size_t n_bytes) {
    const size_t offset = plan_.arena_bytes;
    plan_.arena_bytes += AlignUp(n_bytes);
    return offset;
  }

  const ModelSource& source_;
  const ModelConfig& config_;
  const Dtype dtype_;
  WeightPlan& plan_;
  std::unordered_map<std::string_view, size_t> index_;
  std::optional<Error> error_;
};

void BindAttention(Binder& binder, const ModelConfig& config, const std::string& block,
                   AttentionWeights& w, WeightCost& cost) {
  const int64_t q_dim = config.n_heads * config.head_dim;
  const int64_t kv_dim = config.n_kv_heads * config.head_dim;
  binder.Matrix(block + "attn_q.weight", config.n_embd,
                config.gated_attention ? 2 * q_dim : q_dim, w.q, cost);
  binder.Matrix(block + "attn_k.weight", config.n_embd, kv_dim, w.k, cost);
  binder.Matrix(block + "attn_v.weight", config.n_embd, kv_dim, w.v, cost);
  binder.Matrix(block + "attn_output.weight", q_dim, config.n_embd, w.out, cost);
  if (config.qk_norm) {
    binder.FloatVector(block + "attn_q_norm.weight", config.head_dim, w.q_norm, cost);
    binder.FloatVector(block + "attn_k_norm.weight", config.head_dim, w.k_norm, cost);
  }
  if (config.arch == Arch::kQwen2) {
    binder.FloatVector(block + "attn_q.bias", q_dim, w.q_bias, cost);
    binder.FloatVector(block + "attn_k.bias", kv_dim, w.k_bias, cost);
    binder.FloatVector(block + "attn_v.bias", kv_dim, w.v_bias, cost);
  } else if (config.arch == Arch::kLlama) {
    binder.OptionalVector(block + "attn_q.bias", q_dim, w.q_bias, cost);
    binder.OptionalVector(block + "attn_k.bias", kv_dim, w.k_bias, cost);
    binder.OptionalVector(block + "attn_v.bias", kv_dim, w.v_bias, cost);
    binder.OptionalVector(block + "attn_output.bias", config.n_embd, w.out_bias, cost);
  }
}

void BindDeltaNet(Binder& binder, const ModelConfig& config, const std::string& block,
                  DeltaNetWeights& w, WeightCost& cost) {
  binder.Matrix(block + "attn_qkv.weight", config.n_embd, config.conv_dim(), w.qkv, cost);
  binder.Matrix(block + "attn_gate.weight", config.n_embd, config.value_dim(), w.gate, cost);
  binder.Matrix(block + "ssm_alpha.weight", config.n_embd, config.n_value_heads, w.alpha, cost);
  binder.Matrix(block + "ssm_beta.weight", config.n_embd, config.n_value_heads, w.beta, cost);
  binder.Matrix(block + "ssm_out.weight", config.value_dim(), config.n_embd, w.out, cost);
  binder.ConvTaps(block + "ssm_conv1d.weight", config.conv_dim(), w.conv, cost);
  // Some exporters leave the suffix out.
  const std::string dt = block + "ssm_dt";
  binder.FloatVector(binder.Has(dt) ? dt : dt + ".bias", config.n_value_heads, w.dt_bias, cost);
  binder.FloatVector(block + "ssm_a", config.n_value_heads, w.a, cost);
  binder.FloatVector(block + "ssm_norm.weight", config.linear_dim, w.norm, cost);
}

void BindFfn(Binder& binder, const std::string& block, const std::string& suffix, int64_t n_embd,
             int64_t n_ff, FfnWeights& w, WeightCost& cost) {
  binder.Matrix(block + "ffn_gate" + suffix + ".weight", n_embd, n_ff, w.gate, cost);
  binder.Matrix(block + "ffn_up" + suffix + ".weight", n_embd, n_ff, w.up, cost);
  binder.Matrix(block + "ffn_down" + suffix + ".weight", n_ff, n_embd, w.down, cost);
}

void BindMoe(Binder& binder, const ModelConfig& config, const std::string& block, MoeWeights& w,
             WeightPlan& plan) {
  const int64_t n_ff = config.n_ff_expert, n = config.n_experts;
  binder.Matrix(block + "ffn_gate_inp.weight", config.n_embd, n, w.router, plan.cost.trunk);
  binder.Matrix(block + "ffn_gate_inp_shexp.weight", config.n_embd, 1, w.shared_gate, plan.cost.trunk);
  BindFfn(binder, block, "_shexp", config.n_embd, config.n_ff_shared, w.shared, plan.cost.trunk);
  if (!binder.ok()) return;
  w.experts.resize(static_cast<size_t>(n));
  const bool fused = binder.Has(block + "ffn_gate_up_exps.weight");
  WeightCost cost;  // of all experts, which are alike
  for (int64_t e = 0; e < n && binder.ok(); ++e) {
    FfnWeights& expert = w.experts[static_cast<size_t>(e)];
    if (fused) {
      const std::string name = block + "ffn_gate_up_exps.weight";
      binder.Rows(name, config.n_embd, 2 * n_ff, n, e * 2 * n_ff, n_ff, expert.gate, cost);
      binder.Rows(name, config.n_embd, 2 * n_ff, n, e * 2 * n_ff + n_ff, n_ff, expert.up, cost);
    } else {
      binder.Rows(block + "ffn_gate_exps.weight", config.n_embd, n_ff, n, e * n_ff, n_ff,
                  expert.gate, cost);
      binder.Rows(block + "ffn_up_exps.weight", config.n_embd, n_ff, n, e * n_ff, n_ff, expert.up,
                  cost);
    }
    binder.Rows(block + "ffn_down_exps.weight", n_ff, config.n_embd, n, e * config.n_embd,
                config.n_embd, expert.down, cost);
  }
  plan.cost.experts += {cost.bytes / n, cost.int8_macs / n, cost.f32_macs / n};
}

void BindLayer(Binder& binder, const ModelConfig& config, int64_t index, LayerWeights& layer,
               WeightPlan& plan) {
  const std::string block = fmt::format("blk.{}.", index);
  layer.recurrent = config.recurrent[static_cast<size_t>(index)];
  layer.kind_index = std::count(config.recurrent.begin(), config.recurrent.begin() + index,
                                layer.recurrent);
  binder.FloatVector(block + "attn_norm.weight", config.n_embd, layer.mixer_norm, plan.cost.trunk);
  const bool hybrid = config.gated_attention;
  binder.FloatVector(block + (hybrid ? "post_attention_norm.weight" : "ffn_norm.weight"),
                     config.n_embd, layer.ffn_norm, plan.cost.trunk);
  if (layer.recurrent) {
    BindDeltaNet(binder, config, block, layer.delta_net, plan.cost.trunk);
  } else {
    BindAttention(binder, config, block, layer.attention, plan.cost.trunk);
  }
  if (config.n_experts > 0) {
    BindMoe(binder, config, block, layer.moe, plan);
  } else {
    BindFfn(binder, block, "", config.n_embd, config.n_ff, layer.ffn, plan.cost.trunk);
  }
}

// Rows that a thread packs at a time: enough that giving their pages back (some microseconds, which
// stop the other threads too) costs little, and few beside the weights.
constexpr int64_t kReleaseBytes = 1 << 20;

void PackMatrix(const ModelSource& source, const WeightPlan::MatrixJob& job, uint8_t* tiles,
                uint8_t* scratch, size_t scratch_bytes, ThreadPool& threads) {
  const TensorInfo& info = source.tensors()[job.tensor];
  const PackedMatrix& view = *job.view;
  const int64_t tile_bytes = TileBytes(view.type, view.n_cols);
  const bool convert = view.type != info.type;
  const int64_t most = std::max<int64_t>(1, kReleaseBytes / (kTileRows * info.row_bytes()));
  const int64_t grain = std::clamp<int64_t>(view.n_tiles() / (4 * threads.n_threads()), 1, most);
  threads.ParallelFor(view.n_tiles(), grain, [&](int64_t begin, int64_t end, int thread) {
    uint8_t* raw = scratch + static_cast<size_t>(thread) * scratch_bytes;
    float* values = reinterpret_cast<float*>(raw + AlignUp(static_cast<size_t>(
                                                       kTileRows * info.row_bytes())));
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t row = tile * kTileRows;
      const int n_rows = static_cast<int>(std::min<int64_t>(kTileRows, view.n_rows - row));
      const uint8_t* rows = source.Rows(job.tensor, job.first_row + row, n_rows, raw);
      if (convert) {
        for (int r = 0; r < n_rows; ++r) {
          DequantizeRow(info.type, rows + r * info.row_bytes(), view.n_cols,
                        values + r * view.n_cols);
        }
        rows = reinterpret_cast<const uint8_t*>(values);
      }
      PackTile(view.type, rows, n_rows, view.n_cols, tiles + tile * tile_bytes);
    }
    const int64_t first = begin * kTileRows, last = std::min(end * kTileRows, view.n_rows);
    source.Release(job.tensor, job.first_row + first, last - first);
  });
  // Once more, for pages that were in two pieces or came back with their neighbours.
  source.Release(job.tensor, job.first_row, view.n_rows);
}

/// Bytes that a thread needs to hold a tile's raw rows, and its values where they are dequantised.
size_t ScratchBytes(const ModelSource& source, const WeightPlan& plan) {
  size_t n_bytes = 0;
  for (const auto& job : plan.matrices) {
    const TensorInfo& info = source.tensors()[job.tensor];
    n_bytes = std::max(n_bytes, AlignUp(static_cast<size_t>(kTileRows * info.row_bytes())) +
                                    static_cast<size_t>(kTileRows * info.ne[0]) * sizeof(float));
  }
  return AlignUp(n_bytes);
}

void FillVector(const ModelSource& source, const WeightPlan::VectorJob& job, float* values) {
  const TensorInfo& info = source.tensors()[job.tensor];
  std::vector<uint8_t> raw(static_cast<size_t>(info.n_bytes()));
  const uint8_t* rows = source.Rows(job.tensor, 0, info.n_rows(), raw.data());
  if (!job.transpose_taps) {
    DequantizeRow(info.type, rows, info.n_elements(), values);
    return;
  }
  const int64_t n_taps = info.ne[0], n_channels = info.n_rows();
  std::vector<float> taps(static_cast<size_t>(n_taps));
  for (int64_t channel = 0; channel < n_channels; ++channel) {
    DequantizeRow(info.type, rows + channel * info.row_bytes(), n_taps, taps.data());
    for (int64_t tap = 0; tap < n_taps; ++tap) {
      values[tap * n_channels + channel] = taps[static_cast<size_t>(tap)];
    }
  }
}

}  // namespace

Result<std::unique_ptr<WeightPlan>> BindWeights(const ModelSource& source, const ModelConfig& config,
                                                Dtype dtype) {
  auto plan = std::make_unique<WeightPlan>();
  Binder binder(source, config, dtype, *plan);
  Weights& w = plan->weights;
  w.tied = !binder.Has("output.weight");
  WeightCost embedding_rows;  // read row by row, not streamed, unless it is the head too
  binder.Matrix("token_embd.weight", config.n_embd, config.n_vocab, w.token_embd,
                w.tied ? plan->cost.head : embedding_rows);
  if (!w.tied) binder.Matrix("output.weight", config.n_embd, config.n_vocab, w.lm_head, plan->cost.head);
  binder.FloatVector("output_norm.weight", config.n_embd, w.output_norm, plan->cost.trunk);
  if (config.arch == Arch::kLlama) {
    binder.OptionalVector("rope_freqs.weight", config.n_rot / 2, w.rope_factors, plan->cost.trunk);
  }
  w.layers.resize(static_cast<size_t>(config.n_layers));
  for (int64_t i = 0; i < config.n_layers && binder.ok(); ++i) {
    BindLayer(binder, config, i, w.layers[static_cast<size_t>(i)], *plan);
  }
  WEIR_RETURN_IF_ERROR(binder.status());
  for (const TensorInfo& tensor : source.tensors()) {
    plan->footprint.n_params += tensor.n_elements();
    plan->footprint.file_tensor_bytes += tensor.n_bytes();
  }
  plan->footprint.packed_bytes = static_cast<int64_t>(plan->arena_bytes);
  return plan;
}

Result<Buffer> PackWeights(const ModelSource& source, WeightPlan& plan, const LoadOptions& options,
                           ThreadPool& threads) {
  WEIR_TRY(Buffer arena, Buffer::Allocate(plan.arena_bytes));
  const ThreadPool::PinCaller pin(threads);
  const size_t scratch_bytes = ScratchBytes(source, plan);
  WEIR_TRY(Buffer scratch,
           Buffer::Allocate(scratch_bytes * static_cast<size_t>(threads.n_threads())));
  for (const auto& job : plan.vectors) {
    float* values = reinterpret_cast<float*>(arena.data() + job.offset);
    FillVector(source, job, values);
    *job.view = values;
  }
  for (const auto& job : plan.matrices) {
    if (options.progress && !options.progress(options.context, static_cast<int64_t>(job.offset),
                                              static_cast<int64_t>(plan.arena_bytes))) {
      return Error{ErrorCode::kInterrupted, "interrupted", {}};
    }
    uint8_t* tiles = arena.data() + job.offset;
    PackMatrix(source, job, tiles, scratch.data(), scratch_bytes, threads);
    job.view->tiles = tiles;
  }
  if (plan.weights.tied) plan.weights.lm_head = plan.weights.token_embd;
  return arena;
}

}  // namespace weir
