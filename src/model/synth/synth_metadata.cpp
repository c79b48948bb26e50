#include "model/synth/synth_metadata.h"

#include <string>

#include "model/synth/filler_vocabulary.h"

namespace weir {
namespace {

std::string_view ArchName(Arch arch) {
  switch (arch) {
    case Arch::kQwen35:
      return "qwen35";
    case Arch::kQwen35Moe:
      return "qwen35moe";
    case Arch::kQwen3:
      return "qwen3";
    case Arch::kQwen2:
      return "qwen2";
    case Arch::kLlama:
      return "llama";
  }
  return {};
}

/// Adds keys of one architecture: "block_count" stands for "ARCH.block_count".
class ArchKeys {
 public:
  ArchKeys(std::string_view arch, Metadata& metadata) : arch_(arch), metadata_(metadata) {}
  void U32(std::string_view key, int64_t value) {
    metadata_.AddU32(Name(key), static_cast<uint32_t>(value));
  }
  void F32(std::string_view key, float value) { metadata_.AddF32(Name(key), value); }
  void I32s(std::string_view key, const std::vector<int64_t>& values) {
    metadata_.AddI32s(Name(key), values);
  }

 private:
  std::string Name(std::string_view key) const { return fmt::format("{}.{}", arch_, key); }

  std::string_view arch_;
  Metadata& metadata_;
};

void AddHybridKeys(const SynthModel& model, ArchKeys& keys) {
  keys.I32s("rope.dimension_sections", {11, 11, 10, 0});
  keys.U32("full_attention_interval", kSynthFullAttentionInterval);
  keys.U32("ssm.conv_kernel", kSynthConvWidth);
  keys.U32("ssm.state_size", kSynthLinearDim);
  keys.U32("ssm.group_count", kSynthKeyHeads);
  keys.U32("ssm.time_step_rank", model.n_value_heads);
  keys.U32("ssm.inner_size", model.n_value_heads * kSynthLinearDim);
}

void AddExpertKeys(const SynthModel& model, ArchKeys& keys) {
  keys.U32("expert_count", model.n_experts);
  keys.U32("expert_used_count", model.n_experts_used);
  keys.U32("expert_feed_forward_length", model.n_ff_expert);
  keys.U32("expert_shared_feed_forward_length", model.n_ff_shared);
}

}  // namespace

Metadata SynthMetadata(const SynthModel& model, const Mixture& quant) {
  Metadata metadata;
  const std::string_view arch = ArchName(model.arch);
  metadata.AddString("general.architecture", std::string(arch));
  metadata.AddString("general.name", fmt::format("{} (synthetic weights)", model.shape_of));
  metadata.AddU32("general.file_type", quant.file_type);
  metadata.AddU32("general.quantization_version", 2);
  metadata.AddBool("weir.synthetic", true);

  ArchKeys keys(arch, metadata);
  keys.U32("block_count", model.n_layers);
  keys.U32("context_length", model.context_length);
  keys.U32("embedding_length", model.n_embd);
  if (model.n_ff > 0) keys.U32("feed_forward_length", model.n_ff);
  keys.U32("vocab_size", model.n_vocab);
  keys.U32("attention.head_count", model.n_heads);
  keys.U32("attention.head_count_kv", model.n_kv_heads);
  keys.U32("attention.key_length", model.head_dim);
  keys.U32("attention.value_length", model.head_dim);
  keys.F32("attention.layer_norm_rms_epsilon", model.rms_eps);
  keys.F32("rope.freq_base", model.rope_base);
  keys.U32("rope.dimension_count", model.hybrid() ? kSynthRotatedHybrid : model.head_dim);
  if (model.hybrid()) AddHybridKeys(model, keys);
  if (model.n_experts > 0) AddExpertKeys(model, keys);

  AddFillerVocabulary(model, metadata);
  return metadata;
}

}  // namespace weir
