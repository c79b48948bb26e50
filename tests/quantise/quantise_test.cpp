// Whole files: types, sizes, refusals, and the same bytes whatever the threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "gguf/gguf_file.h"
#include "model/session.h"
#include "quantise/calibration.h"
#include "quantise/quantised_source.h"
#include "temp_folder.h"
#include "test_data.h"

namespace weir {
namespace {

using ::testing::HasSubstr;

std::string TinyModel() { return TestData("weir-tiny-q8_0.gguf"); }

/// The model in memory that a test needs: F32 matrices of one block.
class FakeSource : public ModelSource {
 public:
  FakeSource() { metadata_.AddString("general.architecture", "fake"); }
  void Add(const std::string& name, int64_t n_cols, int64_t n_rows) {
    tensors_.push_back({name, TensorType::kF32, 2, {n_cols, n_rows, 1, 1}});
    values_.emplace_back(static_cast<size_t>(n_cols * n_rows), 0.25f);
  }
  float& At(size_t tensor, size_t i) { return values_[tensor][i]; }

  const std::string& name() const override { return name_; }
  bool synthetic() const override { return false; }
  const Metadata& metadata() const override { return metadata_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  const uint8_t* Rows(size_t index, int64_t row, int64_t, uint8_t*) const override {
    return reinterpret_cast<const uint8_t*>(values_[index].data() + row * tensors_[index].ne[0]);
  }

 private:
  std::string name_ = "fake.gguf";
  Metadata metadata_;
  std::vector<TensorInfo> tensors_;
  std::vector<std::vector<float>> values_;
};

struct FileBytes {
  std::string_view type;
  int64_t n_bytes;
};

// What the most used quantiser makes of weir-tiny (F16) under the same names. The Q8_0 file that these tests
// requantise has one more entry of metadata to begin with: alignment may shift the end by some bytes.
constexpr FileBytes kFileBytes[] = {
    {"Q8_0", 5'424'640},   {"Q6_K", 4'217'024}, {"Q5_K_M", 3'719'936},
    {"Q4_K_M", 3'252'224}, {"IQ4_XS", 2'926'912}, {"Q4_0", 3'066'368},
    {"Q3_K_M", 2'774'272}, {"Q2_K", 2'200'256}, {"IQ2_XXS", 1'697'280},
};

TEST(Quantise, FilesHaveTheSizeOfTheirNames) {
  const auto source = GgufFile::Open(TinyModel());
  ASSERT_TRUE(source.ok());
  ThreadPool threads(1);
  for (const FileBytes& expected : kFileBytes) {
    const auto quantised = QuantisedSource::Create(
        **source, *FindMixture(expected.type).value(), nullptr, true, threads);
    ASSERT_TRUE(quantised.ok());
    int64_t n_bytes = 0, n_bytes_before = 0;
    for (const TensorInfo& tensor : (*quantised)->tensors()) n_bytes += tensor.n_bytes();
    for (const TensorInfo& tensor : (*source)->tensors()) n_bytes_before += tensor.n_bytes();
    const int64_t header = (*source)->file_bytes() - n_bytes_before;
    EXPECT_NEAR(static_cast<double>(n_bytes + header), static_cast<double>(expected.n_bytes), 1024)
        << expected.type;
  }
}

TEST(Quantise, FilesLoadAndAnswerWhateverTheThreads) {
  const TempFolder folder;
  const auto source = GgufFile::Open(TinyModel());
  for (const std::string type : {"Q4_0", "IQ4_XS"}) {
    std::string first;
    for (const int n_threads : {1, 3}) {
      ThreadPool threads(n_threads);
      const auto quantised = QuantisedSource::Create(**source, *FindMixture(type).value(), nullptr,
                                                     true, threads);
      const std::string path = folder / (type + ".gguf");
      ASSERT_TRUE(WriteGguf(**quantised, path).ok());
      const std::string bytes = ReadText(path);
      if (first.empty()) first = bytes;
      EXPECT_TRUE(bytes == first) << type << " with " << n_threads << " threads";
    }
    const auto file = OpenModel(folder / (type + ".gguf"));
    ASSERT_TRUE(file.ok());
    EXPECT_EQ((*file)->metadata().Int("general.quantization_version", 0, 99).value(), 2);
    EXPECT_EQ((*file)->metadata().Int("general.file_type", 0, 99).value(), type == "Q4_0" ? 2 : 30);
    ThreadPool threads(1);
    LoadOptions options;
    const auto model = Model::Load(**file, options, threads);
    ASSERT_TRUE(model.ok());
    const auto session = Session::Open(**model, KvType::kF16, 64, 64, threads);
    const int32_t tokens[] = {1, 2, 3};
    const float* logits = (*session)->Feed(tokens, 1);
    EXPECT_TRUE(std::isfinite(logits[0]));
  }
}

TEST(Quantise, QuantisedInputNeedsAWord) {
  const auto source = GgufFile::Open(TinyModel());
  ThreadPool threads(1);
  const auto refused =
      QuantisedSource::Create(**source, *FindMixture("Q4_0").value(), nullptr, false, threads);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kBadInput);
  EXPECT_THAT(refused.error().message, HasSubstr("token_embd.weight is Q8_0 already"));
  EXPECT_THAT(refused.error().hint, HasSubstr("--requantise"));
}

TEST(Quantise, WeightsThatAreNoNumbersAreNamed) {
  const TempFolder folder;
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(), -70000.0f}) {
    FakeSource source;
    source.Add("blk.0.ffn_up.weight", 256, 4);
    source.Add("blk.0.ffn_down.weight", 256, 4);
    source.At(1, 2 * 256 + 7) = bad;
    ThreadPool threads(2);
    const auto quantised =
        QuantisedSource::Create(source, *FindMixture("Q4_K_M").value(), nullptr, false, threads);
    ASSERT_TRUE(quantised.ok()) << quantised.error().message;
    const std::string path = folder / "bad.gguf";
    const Status status = WriteGguf(**quantised, path);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kBadInput);
    EXPECT_THAT(status.error().message, HasSubstr("tensor blk.0.ffn_down.weight, row 2, column 7"));
    EXPECT_FALSE(std::filesystem::exists(path));
  }
}

TEST(Quantise, RowsThatBlocksDoNotFitGetOthers) {
  FakeSource source;
  source.Add("output.weight", 96, 4);
  source.Add("blk.0.attn_q.weight", 96, 4);
  source.Add("blk.0.attn_k.weight", 40, 4);
  source.Add("blk.0.attn_norm.weight", 96, 1);
  source.Add("blk.0.ssm_conv1d.weight", 4, 8);
  ThreadPool threads(1);
  const auto quantised =
      QuantisedSource::Create(source, *FindMixture("Q4_K_M").value(), nullptr, false, threads);
  ASSERT_TRUE(quantised.ok());
  const std::vector<TensorInfo>& tensors = (*quantised)->tensors();
  EXPECT_EQ(tensors[0].type, TensorType::kQ8_0);
  EXPECT_EQ(tensors[1].type, TensorType::kQ5_0);
  EXPECT_EQ(tensors[2].type, TensorType::kF16);
  EXPECT_EQ(tensors[3].type, TensorType::kF32);
  EXPECT_EQ(tensors[4].type, TensorType::kF32);
  EXPECT_EQ((*quantised)->n_unfitting(), 3);
}

TEST(Quantise, AnyArchitectureHasAMixture) {
  FakeSource source;
  source.Add("blk.0.attn_v.weight", 256, 4);
  EXPECT_EQ(ReadMixtureShape(source).value().n_layers, 0);
  for (const Mixture& mixture : Mixtures()) {
    ThreadPool threads(1);
    const auto quantised = QuantisedSource::Create(source, mixture, nullptr, false, threads);
    ASSERT_TRUE(quantised.ok()) << mixture.name;
    EXPECT_TRUE(CanEncode((*quantised)->tensors()[0].type)) << mixture.name;
  }
}

/// A calibration of the small model on some tokens.
Result<std::unique_ptr<Calibration>> Calibrate(const std::vector<int32_t>& tokens, int n_threads,
                                               int64_t max_bytes = int64_t{1} << 30) {
  WEIR_TRY(const std::unique_ptr<ModelSource> source, OpenModel(TinyModel()));
  ThreadPool threads(n_threads);
  WEIR_TRY(const std::unique_ptr<Model> model, Model::Load(*source, {}, threads));
  WEIR_TRY(const std::unique_ptr<Session> session,
           Session::Open(*model, KvType::kF16, 128, 32, threads));
  return Calibration::Measure(*source, *model, *session, tokens, "tokens", max_bytes, threads,
                              nullptr, nullptr);
}

std::vector<int32_t> SomeTokens(int n) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < n; ++i) tokens.push_back((i * i * 31 + i * 7) % 2000);
  return tokens;
}

TEST(Calibrate, KnowsEveryMatrixAndIsPositive) {
  const auto source = OpenModel(TinyModel());
  const auto calibration = Calibrate(SomeTokens(300), 1);
  ASSERT_TRUE(calibration.ok()) << calibration.error().message;
  EXPECT_EQ((*calibration)->n_tokens(), 300);
  EXPECT_EQ((*calibration)->n_windows(), 3u);
  EXPECT_EQ((*calibration)->n_tensors(), 32u);
  for (size_t t = 0; t < (*source)->tensors().size(); ++t) {
    const TensorInfo& tensor = (*source)->tensors()[t];
    const Importance importance = (*calibration)->Of(t, tensor.n_rows() - 1);
    ASSERT_EQ(importance.products != nullptr, RoleOf(tensor).has_value()) << tensor.name;
    if (!importance.products) continue;
    for (int64_t i = 0; i < tensor.ne[0]; ++i) {
      EXPECT_GT(importance.squares[i], 0) << tensor.name;
      const float* row = importance.products + i * kWindow;
      EXPECT_FLOAT_EQ(row[i % kWindow], importance.squares[i]) << tensor.name;
      for (int64_t j = i / kWindow * kWindow; j < tensor.ne[0] && j < i; ++j) {
        EXPECT_EQ(row[j % kWindow], importance.products[j * kWindow + i % kWindow]);
      }
    }
  }
}

TEST(Calibrate, IsTheSameForAnyThreads) {
  const auto one = Calibrate(SomeTokens(200), 1), three = Calibrate(SomeTokens(200), 3);
  ASSERT_TRUE(one.ok() && three.ok());
  const float *a = (*one)->Of(0, 0).products, *b = (*three)->Of(0, 0).products;
  EXPECT_TRUE(std::equal(a, a + kWindow * kWindow, b));
}

TEST(Calibrate, RefusesWhatCannotBe) {
  EXPECT_EQ(Calibrate({}, 1).error().code, ErrorCode::kBadInput);
  const auto refused = Calibrate(SomeTokens(100), 1, 1 << 20);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kRefused);
}

}  // namespace
}  // namespace weir
