#include "model/config.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

namespace weir {
namespace {

// Far above any real model; they keep products of dimensions inside int64.
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxWidth = 1 << 20;
constexpr int64_t kMaxHeadDim = 256;  // the largest known; multiples of 32: heads are quantised alone

constexpr std::array<std::pair<std::string_view, Arch>, 5> kArchs{{
    {"qwen35", Arch::kQwen35},
    {"qwen35moe", Arch::kQwen35Moe},
    {"qwen3", Arch::kQwen3},
    {"qwen2", Arch::kQwen2},
    {"llama", Arch::kLlama},
}};

/// Reads the keys of one architecture: "block_count" stands for "ARCH.block_count".
class Keys {
 public:
  Keys(const Metadata& metadata, std::string arch) : metadata_(metadata), arch_(std::move(arch)) {}

  std::string Name(std::string_view key) const { return arch_ + "." + std::string(key); }
  bool Has(std::string_view key) const { return metadata_.Has(Name(key)); }
  Result<int64_t> Int(std::string_view key, int64_t min, int64_t max) const {
    return metadata_.Int(Name(key), min, max);
  }
  Result<int64_t> IntOr(std::string_view key, int64_t fallback, int64_t min, int64_t max) const {
    return metadata_.IntOr(Name(key), fallback, min, max);
  }
  Result<double> Float(std::string_view key) const { return metadata_.Float(Name(key)); }
  Result<double> FloatOr(std::string_view key, double fallback) const {
    return metadata_.FloatOr(Name(key), fallback);
  }

  /// A count that may be one number or one per layer; per layer, all layers that have any must agree
  /// (some exporters write 0 for the KV heads of linear layers).
  Result<int64_t> PerLayer(std::string_view key, int64_t max) const {
    WEIR_TRY(const std::vector<int64_t> values, metadata_.Ints(Name(key)));
    int64_t count = 0;
    for (int64_t value : values) {
      if (value == 0) continue;
      if (count != 0 && value != count) {
        return BadInput("{} differs between layers ({} and {}): weir runs models with one value",
                        Name(key), count, value);
      }
      count = value;
    }
    if (count < 1 || count > max) {
      return BadInput("{}: expected 1 to {}, found {}", Name(key), max, count);
    }
    return count;
  }

  const Metadata& metadata() const { return metadata_; }

 private:
  const Metadata& metadata_;
  std::string arch_;
};

Status Require(bool condition, const Keys& keys, std::string_view key, std::string_view expected,
               int64_t found) {
  if (condition) return {};
  return BadInput("{}: expected {}, found {}", keys.Name(key), expected, found);
}

Status ReadAttention(const Keys& keys, ModelConfig& config) {
  WEIR_TRY(config.n_heads, keys.PerLayer("attention.head_count", kMaxWidth));
  config.n_kv_heads = config.n_heads;
  if (keys.Has("attention.head_count_kv")) {
    WEIR_TRY(config.n_kv_heads, keys.PerLayer("attention.head_count_kv", kMaxWidth));
  }
  WEIR_RETURN_IF_ERROR(Require(config.n_heads % config.n_kv_heads == 0, keys,
                               "attention.head_count_kv", "a divisor of attention.head_count",
                               config.n_kv_heads));
  const int64_t shared_width = std::max<int64_t>(config.n_embd / config.n_heads, 1);
  WEIR_TRY(config.head_dim, keys.IntOr("attention.key_length", shared_width, 1, kMaxWidth));
  WEIR_TRY(const int64_t value_length,
           keys.IntOr("attention.value_length", config.head_dim, 1, kMaxWidth));
  WEIR_RETURN_IF_ERROR(Require(config.head_dim % 32 == 0 && config.head_dim <= kMaxHeadDim, keys,
                               "attention.key_length", "a multiple of 32 up to 256",
                               config.head_dim));
  WEIR_RETURN_IF_ERROR(Require(config.n_heads * config.head_dim <= kMaxWidth, keys,
                               "attention.head_count", "at most 2^20 values in all heads",
                               config.n_heads));
  WEIR_RETURN_IF_ERROR(Require(value_length == config.head_dim, keys, "attention.value_length",
                               "the same as attention.key_length", value_length));
  WEIR_TRY(config.n_rot, keys.IntOr("rope.dimension_count", config.head_dim, 2, config.head_dim));
  WEIR_RETURN_IF_ERROR(Require(config.n_rot % 2 == 0, keys, "rope.dimension_count",
                               "an even number", config.n_rot));
  if (config.rope_adjacent) {
    WEIR_RETURN_IF_ERROR(Require(config.n_rot == config.head_dim, keys, "rope.dimension_count",
                                 "the head dimension", config.n_rot));
  }
  WEIR_TRY(const double base, keys.FloatOr("rope.freq_base", 10000.0));
  config.rope_base = static_cast<float>(base);
  if (!(config.rope_base > 0)) {
    return BadInput("{}: expected a positive number, found {}", keys.Name("rope.freq_base"), base);
  }
  if (keys.Has("rope.scaling.type")) {
    WEIR_TRY(const std::string type, keys.metadata().String(keys.Name("rope.scaling.type")));
    if (type != "none") {
      return BadInput("{}: '{}' is not supported (supported: none)",
                      keys.Name("rope.scaling.type"), type);
    }
  }
  return {};
}

/// Which layers are linear: an explicit list, or all but every full_attention_interval-th.
Result<std::vector<bool>> ReadLayerKinds(const Keys& keys, int64_t n_layers) {
  std::vector<bool> recurrent(static_cast<size_t>(n_layers));
  if (keys.Has("attention.recurrent_layers")) {
    WEIR_TRY(const std::vector<int64_t> list,
             keys.metadata().Ints(keys.Name("attention.recurrent_layers")));
    if (static_cast<int64_t>(list.size()) < n_layers) {
      return BadInput("{}: expected {} entries, found {}", keys.Name("attention.recurrent_layers"),
                      n_layers, list.size());
    }
    for (size_t i = 0; i < recurrent.size(); ++i) recurrent[i] = list[i] != 0;
    return recurrent;
  }
  WEIR_TRY(const int64_t interval, keys.IntOr("full_attention_interval", 4, 1, kMaxLayers));
  for (int64_t i = 0; i < n_layers; ++i) {
    recurrent[static_cast<size_t>(i)] = (i + 1) % interval != 0;
  }
  return recurrent;
}

Status ReadLinearAttention(const Keys& keys, ModelConfig& config) {
  WEIR_TRY(config.recurrent, ReadLayerKinds(keys, config.n_layers));
  WEIR_TRY(const int64_t kernel, keys.Int("ssm.conv_kernel", 1, kMaxWidth));
  WEIR_RETURN_IF_ERROR(Require(kernel == 4, keys, "ssm.conv_kernel", "4", kernel));
  WEIR_TRY(config.linear_dim, keys.Int("ssm.state_size", 1, kMaxWidth));
  WEIR_RETURN_IF_ERROR(Require(config.linear_dim % 32 == 0 && config.linear_dim <= kMaxHeadDim,
                               keys, "ssm.state_size", "a multiple of 32 up to 256",
                               config.linear_dim));
  WEIR_TRY(config.n_key_heads, keys.Int("ssm.group_count", 1, kMaxWidth));
  WEIR_TRY(config.n_value_heads, keys.Int("ssm.time_step_rank", 1, kMaxWidth));
  WEIR_RETURN_IF_ERROR(Require(config.n_value_heads % config.n_key_heads == 0, keys,
                               "ssm.time_step_rank", "a multiple of ssm.group_count",
                               config.n_value_heads));
  WEIR_TRY(const int64_t inner, keys.Int("ssm.inner_size", 1, kMaxWidth));
  return Require(inner == config.value_dim(), keys, "ssm.inner_size",
                 "ssm.time_step_rank x ssm.state_size", inner);
}

Status ReadExperts(const Keys& keys, ModelConfig& config) {
  WEIR_TRY(config.n_experts, keys.Int("expert_count", 1, 1 << 16));
  WEIR_TRY(config.n_experts_used, keys.Int("expert_used_count", 1, config.n_experts));
  WEIR_TRY(config.n_ff_expert, keys.Int("expert_feed_forward_length", 1, kMaxWidth));
  WEIR_TRY(config.n_ff_shared, keys.Int("expert_shared_feed_forward_length", 1, kMaxWidth));
  config.n_ff = 0;
  return {};
}

/// Row kernels work on multiples of 16.
Status CheckWidths(const Keys& keys, const ModelConfig& config) {
  const std::pair<std::string_view, int64_t> widths[] = {
      {"embedding_length", config.n_embd},
      {"feed_forward_length", config.n_ff},
      {"expert_feed_forward_length", config.n_ff_expert},
      {"expert_shared_feed_forward_length", config.n_ff_shared},
  };
  for (const auto& [key, width] : widths) {
    WEIR_RETURN_IF_ERROR(Require(width % 16 == 0, keys, key, "a multiple of 16", width));
  }
  return {};
}

Result<int64_t> VocabularySize(const ModelSource& source) {
  for (const TensorInfo& tensor : source.tensors()) {
    if (tensor.name == "token_embd.weight") return tensor.ne[1];
  }
  return BadInput("no tensor token_embd.weight: the file holds no model, only metadata");
}

Status ReadArch(const Metadata& metadata, ModelConfig& config) {
  WEIR_TRY(config.arch_name, metadata.String("general.architecture"));
  const auto* arch = std::find_if(kArchs.begin(), kArchs.end(),
                                  [&](const auto& a) { return a.first == config.arch_name; });
  if (arch == kArchs.end()) {
    return BadInput("architecture '{}' is not supported (supported: qwen35, qwen35moe, qwen3, "
                    "qwen2, llama)",
                    config.arch_name);
  }
  config.arch = arch->second;
  const bool hybrid = config.arch == Arch::kQwen35 || config.arch == Arch::kQwen35Moe;
  config.rope_adjacent = config.arch == Arch::kLlama;
  config.gated_attention = hybrid;
  config.qk_norm = hybrid || config.arch == Arch::kQwen3;
  return {};
}

/// ReadConfig, without the name of the source in its errors.
Result<ModelConfig> Read(const ModelSource& source) {
  const Metadata& metadata = source.metadata();
  ModelConfig config;
  WEIR_RETURN_IF_ERROR(ReadArch(metadata, config));

  const Keys keys(metadata, config.arch_name);
  WEIR_TRY(const int64_t n_blocks, keys.Int("block_count", 1, kMaxLayers));
  WEIR_TRY(const int64_t n_mtp, keys.IntOr("nextn_predict_layers", 0, 0, n_blocks - 1));
  config.n_layers = n_blocks - n_mtp;
  config.recurrent.assign(static_cast<size_t>(config.n_layers), false);
  WEIR_TRY(config.context_length, keys.Int("context_length", 1, kMaxContext));
  WEIR_TRY(config.n_embd, keys.Int("embedding_length", 1, kMaxWidth));
  WEIR_TRY(const double eps, keys.Float("attention.layer_norm_rms_epsilon"));
  config.rms_eps = static_cast<float>(eps);
  if (!(config.rms_eps >= 0 && config.rms_eps < 1)) {
    return BadInput("{}: expected 0 to 1, found {}", keys.Name("attention.layer_norm_rms_epsilon"),
                    eps);
  }
  WEIR_TRY(config.n_vocab, VocabularySize(source));
  WEIR_RETURN_IF_ERROR(ReadAttention(keys, config));
  if (config.gated_attention) WEIR_RETURN_IF_ERROR(ReadLinearAttention(keys, config));
  if (config.arch == Arch::kQwen35Moe) {
    WEIR_RETURN_IF_ERROR(ReadExperts(keys, config));
  } else {
    WEIR_TRY(const int64_t n_experts, keys.IntOr("expert_count", 0, 0, 1 << 16));
    WEIR_RETURN_IF_ERROR(Require(n_experts == 0, keys, "expert_count",
                                 "0 (experts are supported in qwen35moe)", n_experts));
    WEIR_TRY(config.n_ff, keys.PerLayer("feed_forward_length", kMaxWidth));
  }
  WEIR_RETURN_IF_ERROR(CheckWidths(keys, config));
  return config;
}

}  // namespace

int64_t ModelConfig::n_full_layers() const {
  return n_layers - std::count(recurrent.begin(), recurrent.end(), true);
}

Result<ModelConfig> ReadConfig(const ModelSource& source) {
  Result<ModelConfig> config = Read(source);
  if (!config) return In(source.name(), config.error());
  return config;
}

}  // namespace weir
