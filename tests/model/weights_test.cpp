// Wrong or missing tensors, shapes, types and keys: one Error that says which, expected and found.
#include <functional>

#include "model/harness.h"

namespace weir {
namespace {

/// A golden file with something changed.
class Altered : public ModelSource {
 public:
  explicit Altered(const std::string& name)
      : file_(GgufFile::Open(TestData("golden/" + name)).value()), tensors_(file_->tensors()) {
    for (size_t i = 0; i < tensors_.size(); ++i) origin_.push_back(i);
    for (const MetadataEntry& entry : file_->metadata().entries()) metadata_.Add(entry);
  }

  void Drop(const std::string& name) {
    const size_t i = Index(name);
    tensors_.erase(tensors_.begin() + static_cast<std::ptrdiff_t>(i));
    origin_.erase(origin_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  TensorInfo& Tensor(const std::string& name) { return tensors_[Index(name)]; }
  void Rename(const std::string& from, const std::string& to) { Tensor(from).name = to; }
  /// Replaces (or, with nothing, removes) a key.
  void Set(const std::string& key, std::optional<MetadataEntry> entry) {
    Metadata changed;
    for (const MetadataEntry& old : metadata_.entries()) {
      if (old.key != key) changed.Add(old);
    }
    if (entry) changed.Add(std::move(*entry));
    metadata_ = std::move(changed);
  }
  void SetInt(const std::string& key, uint64_t value) {
    Set(key, MetadataEntry{key, MetadataType::kU32, false, value});
  }

  const std::string& name() const override { return file_->name(); }
  bool synthetic() const override { return false; }
  const Metadata& metadata() const override { return metadata_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  const uint8_t* Rows(size_t index, int64_t row, int64_t n_rows, uint8_t* scratch) const override {
    return file_->Rows(origin_[index], row, n_rows, scratch);
  }

 private:
  size_t Index(const std::string& name) const {
    for (size_t i = 0; i < tensors_.size(); ++i) {
      if (tensors_[i].name == name) return i;
    }
    ADD_FAILURE() << "no tensor " << name;
    return 0;
  }

  std::unique_ptr<GgufFile> file_;
  std::vector<TensorInfo> tensors_;
  std::vector<size_t> origin_;
  Metadata metadata_;
};

constexpr char kHybrid[] = "qwen35-ud-iq2_xxs.gguf";

/// The Error of planning the altered file; it must be kBadInput and contain all words.
void ExpectError(const char* file, const std::function<void(Altered&)>& alter,
                 const std::vector<std::string>& words) {
  Altered source(file);
  alter(source);
  const auto plan = Model::Plan(source, Dtype::kInt8);
  ASSERT_FALSE(plan.ok()) << "no error, wanted one with " << words[0];
  EXPECT_EQ(plan.error().code, ErrorCode::kBadInput);
  EXPECT_TRUE(plan.error().message.starts_with(source.name())) << plan.error().message;
  for (const std::string& word : words) {
    EXPECT_NE(plan.error().message.find(word), std::string::npos) << plan.error().message;
  }
}

TEST(Weights, AnUnalteredFileHasAPlan) {
  const Altered source(kHybrid);
  const auto plan = Model::Plan(source, Dtype::kInt8);
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  EXPECT_GT(plan->packed_bytes, plan->file_tensor_bytes / 2);
}

TEST(Weights, AMissingTensorIsNamed) {
  for (const char* name : {"token_embd.weight", "output_norm.weight", "blk.0.attn_qkv.weight",
                           "blk.1.ssm_a", "blk.2.ssm_conv1d.weight", "blk.3.attn_k_norm.weight",
                           "blk.3.ffn_down.weight", "blk.0.ssm_dt.bias"}) {
    ExpectError(kHybrid, [&](Altered& source) { source.Drop(name); }, {name});
  }
}

TEST(Weights, AWrongShapeIsNamedWithBothShapes) {
  ExpectError(kHybrid, [](Altered& s) { s.Tensor("blk.3.attn_k.weight").ne[1] = 128; },
              {"blk.3.attn_k.weight", "{256, 256}", "{256, 128}"});
  ExpectError(kHybrid, [](Altered& s) { s.Tensor("blk.0.ssm_norm.weight").ne[0] = 64; },
              {"blk.0.ssm_norm.weight", "{128}", "{64}"});
}

TEST(Weights, AMissingOrWrongKeyIsNamed) {
  for (const char* key : {"general.architecture", "qwen35.block_count", "qwen35.embedding_length",
                          "qwen35.feed_forward_length", "qwen35.attention.head_count",
                          "qwen35.attention.layer_norm_rms_epsilon", "qwen35.ssm.state_size",
                          "qwen35.ssm.conv_kernel", "qwen35.context_length"}) {
    ExpectError(kHybrid, [&](Altered& s) { s.Set(key, std::nullopt); }, {key});
  }
  const std::pair<const char*, uint64_t> wrong[] = {
      {"qwen35.block_count", 0},
      {"qwen35.block_count", uint64_t{1} << 40},
      {"qwen35.embedding_length", 250},
      {"qwen35.attention.head_count_kv", 3},
      {"qwen35.attention.key_length", 24},
      {"qwen35.attention.value_length", 128},
      {"qwen35.rope.dimension_count", 63},
      {"qwen35.ssm.conv_kernel", 5},
      {"qwen35.ssm.time_step_rank", 3},
      {"qwen35.ssm.inner_size", 500},
      {"qwen35.nextn_predict_layers", 4},
      {"qwen35.attention.head_count", 1 << 20},  // of 256: sizes of caches would leave int64
      {"qwen35.context_length", uint64_t{1} << 31},
  };
  for (const auto& [key, value] : wrong) {
    ExpectError(kHybrid, [&, k = key, v = value](Altered& s) { s.SetInt(k, v); }, {key});
  }
}

TEST(Weights, AnEpsilonMustBeASmallNumber) {
  const std::string key = "qwen35.attention.layer_norm_rms_epsilon";
  for (const double eps : {-1e-6, 1.0, std::nan(""), HUGE_VAL}) {
    ExpectError(kHybrid,
                [&](Altered& s) {
                  s.Set(key, MetadataEntry{key, MetadataType::kF32, false, eps});
                },
                {key});
  }
}

TEST(Weights, AnUnknownArchitectureListsTheKnown) {
  const char* key = "general.architecture";
  ExpectError(kHybrid,
              [&](Altered& s) {
                s.Set(key, MetadataEntry{key, MetadataType::kString, false, std::string("mamba3")});
              },
              {"mamba3", "qwen35moe", "llama"});
}

TEST(Weights, ScaledRopeIsRefusedNotGuessed) {
  const char* key = "qwen35.rope.scaling.type";
  ExpectError(kHybrid,
              [&](Altered& s) {
                s.Set(key, MetadataEntry{key, MetadataType::kString, false, std::string("yarn")});
              },
              {key, "yarn"});
}

// What exporters vary (spec 2, 3): per-layer KV heads with 0 on linear layers, ssm_dt without its suffix.
TEST(Weights, KnownVariantsOfFilesLoad) {
  Altered source(kHybrid);
  const char* key = "qwen35.attention.head_count_kv";
  source.Set(key, MetadataEntry{key, MetadataType::kI32, true, std::vector<int64_t>{0, 0, 0, 1}});
  source.Rename("blk.0.ssm_dt.bias", "blk.0.ssm_dt");
  const auto plan = Model::Plan(source, Dtype::kInt8);
  EXPECT_TRUE(plan.ok()) << plan.error().message;
}

// A prediction head at the end (spec 7) is left out of the trunk.
TEST(Weights, PredictionBlocksAreIgnored) {
  Altered source(kHybrid);
  source.SetInt("qwen35.block_count", 5);
  source.SetInt("qwen35.nextn_predict_layers", 1);
  const auto config = ReadConfig(source);
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->n_layers, 4);
  EXPECT_TRUE(Model::Plan(source, Dtype::kInt8).ok());
}

}  // namespace
}  // namespace weir
