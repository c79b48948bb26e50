// Properties of the forward pass that no golden file shows.
#include <algorithm>
#include <numeric>
#include <random>

#include "model/harness.h"

namespace weir {
namespace {

std::vector<int32_t> RandomTokens(size_t n, int64_t n_vocab, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int32_t> tokens(n);
  for (int32_t& token : tokens) token = static_cast<int32_t>(random() % static_cast<uint64_t>(n_vocab));
  return tokens;
}

const char* const kModels[] = {"golden/qwen35-ud-iq2_xxs.gguf", "golden/qwen35moe-q4_k_m.gguf",
                               "golden/llama-ropefreqs-q8_0.gguf", "golden/qwen3-q8_0.gguf"};

TEST(Forward, GivesTheSameBitsOnEveryIsaThreadCountAndChunk) {
  for (const char* name : kModels) {
    std::vector<std::vector<float>> expected;
    for (const Isa isa : BuiltIsas()) {
      if (!Supported(isa)) continue;
      for (const int n_threads : {1, 2}) {
        ThreadPool threads(n_threads);
        const auto model = LoadModel(TestData(name), Dtype::kInt8, isa, threads);
        const auto tokens = RandomTokens(75, model->config().n_vocab, TestSeed());
        for (const size_t chunk : {size_t{75}, size_t{1}, size_t{13}}) {
          if (isa == Isa::kPlain && chunk != 75) continue;  // slow, and the chunks are the others' proof
          const auto logits = AllLogits(*model, tokens, chunk, threads);
          if (expected.empty()) expected = logits;
          ASSERT_EQ(logits, expected) << name << ", " << Name(isa) << ", " << n_threads
                                      << " threads, chunks of " << chunk << ", seed " << TestSeed();
        }
      }
    }
  }
}

const KvType kKvTypes[] = {KvType::kF16, KvType::kBF16, KvType::kQ8_0, KvType::kF32};

TEST(Forward, GivesTheSameBitsInChunksWithEveryKvType) {
  ThreadPool one(1), two(2);
  for (const char* name : {"golden/qwen35-ud-iq2_xxs.gguf", "golden/llama-ropefreqs-q8_0.gguf"}) {
    const auto model = LoadModel(TestData(name), Dtype::kInt8, BestIsa(), two);
    const auto tokens = RandomTokens(150, model->config().n_vocab, TestSeed());
    std::vector<std::vector<std::vector<float>>> of_types;
    for (const KvType type : kKvTypes) {
      const auto expected = AllLogits(*model, tokens, 150, one, type);
      EXPECT_EQ(AllLogits(*model, tokens, 1, two, type), expected) << name << ", " << Name(type);
      EXPECT_EQ(AllLogits(*model, tokens, 67, two, type), expected) << name << ", " << Name(type);
      for (const auto& other : of_types) EXPECT_NE(other, expected) << Name(type);
      of_types.push_back(expected);
    }
  }
}

/// A sequence that stands at `position` of a context made up of random keys and values.
class LongContext {
 public:
  LongContext(const Model& model, KvType type, int64_t position, int64_t max_rows)
      : model_(model), position_(position), pages_(position / kPageTokens + 2) {
    const ModelConfig& config = model.config();
    const int64_t n_pages = static_cast<int64_t>(pages_.size());
    cache_ = Cache::Allocate(config, type, n_pages, 1).value();
    workspace_ = model.MakeWorkspace(max_rows, 1).value();
    std::mt19937_64 random(TestSeed());
    std::iota(pages_.begin(), pages_.end(), 0);
    std::shuffle(pages_.begin(), pages_.end(), random);
    std::vector<float> x(static_cast<size_t>(config.head_dim));
    const RowKernels& rows = Kernels(Isa::kPlain).rows;
    for (int64_t layer = 0; layer < config.n_full_layers(); ++layer) {
      for (int64_t i = 0; i < n_pages * config.n_kv_heads * kPageTokens; ++i) {
        const int64_t page = i / kPageTokens % n_pages, head = i / kPageTokens / n_pages;
        for (float& value : x) value = static_cast<float>(static_cast<int16_t>(random())) * 0x1p-15f;
        const int at = static_cast<int>(i % kPageTokens);
        rows.store_position(x.data(), config.head_dim, type, at, cache_.Keys(layer, page, head));
        rows.store_position(x.data(), config.head_dim, type, at, cache_.Values(layer, page, head));
      }
    }
  }

  /// Logits after the last token, the tokens being fed in chunks. Needs a model without recurrent layers.
  std::vector<float> Feed(std::span<const int32_t> tokens, size_t chunk, ThreadPool& threads) {
    const float* logits = nullptr;
    for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
      const auto part = tokens.subspan(begin, std::min(chunk, tokens.size() - begin));
      const Slice slice{part, position_ + static_cast<int64_t>(begin), pages_, 0, 1};
      logits = model_.Forward({&slice, 1}, cache_, *workspace_, threads, nullptr);
    }
    return {logits, logits + model_.config().n_vocab};
  }

 private:
  const Model& model_;
  int64_t position_;
  Cache cache_;
  std::unique_ptr<Model::Workspace> workspace_;
  std::vector<int32_t> pages_;
};

// One row is cut into spans for threads, a tile of rows takes the spans in turn, and each thread count cuts
// differently; the positions straddle a page, a span of eight, and the end of 32k tokens.
TEST(Forward, GivesTheSameBitsAtTheEndOfALongContext) {
  ThreadPool one(1), two(2), many(7);
  const auto model = LoadModel(TestData("golden/qwen3-q8_0.gguf"), Dtype::kInt8, BestIsa(), two);
  const auto tokens = RandomTokens(40, model->config().n_vocab, TestSeed());
  for (const auto& [type, position] : {std::pair{KvType::kF16, 32'768 - 40}, {KvType::kQ8_0, 32'740},
                                       {KvType::kBF16, 490}, {KvType::kF16, 1000}}) {
    LongContext context(*model, type, position, 40);
    const auto expected = context.Feed(tokens, 40, one);
    EXPECT_EQ(context.Feed(tokens, 1, one), expected) << position;
    EXPECT_EQ(context.Feed(tokens, 1, many), expected) << position;
    EXPECT_EQ(context.Feed(tokens, 9, many), expected) << position;
    EXPECT_EQ(context.Feed(tokens, 39, two), expected) << position;
    const auto other = RandomTokens(40, model->config().n_vocab, TestSeed() + 1);
    EXPECT_NE(context.Feed(other, 40, one), expected);
  }
}

// The decoded-once promise: unpacked tiles per step do not depend on how many users share it.
TEST(Forward, UnpacksEachWeightTileOncePerStepForAnyNumberOfUsers) {
  ThreadPool threads(2);
  for (const char* name : {"golden/qwen35-ud-iq2_xxs.gguf", "golden/llama-q4_k_m.gguf"}) {
    const auto model = LoadModel(TestData(name), Dtype::kInt8, BestIsa(), threads);
    const ModelConfig& config = model->config();
    auto cache = Cache::Allocate(config, KvType::kF16, 9, 9);
    auto workspace = model->MakeWorkspace(16, 9);
    ASSERT_TRUE(cache.ok() && workspace.ok());
    int64_t alone = 0;
    for (const size_t n_users : {1, 2, 9}) {
      std::vector<int32_t> pages(n_users), tokens = RandomTokens(n_users, config.n_vocab, 1);
      std::vector<Slice> slices;
      for (size_t user = 0; user < n_users; ++user) {
        pages[user] = static_cast<int32_t>(user);
        slices.push_back({{&tokens[user], 1}, 0, {&pages[user], 1}, static_cast<int32_t>(user), 1});
      }
      const int64_t before = model->n_tiles_unpacked();
      model->Forward(slices, *cache, **workspace, threads, nullptr);
      const int64_t unpacked = model->n_tiles_unpacked() - before;
      if (n_users == 1) alone = unpacked;
      EXPECT_GT(alone, 0);
      EXPECT_EQ(unpacked, alone) << name << " with " << n_users << " users";
    }
  }
}

TEST(Forward, CountsTheWorkOfAStep) {
  ThreadPool threads(1);
  const auto model = LoadModel(TestData("golden/qwen35-q4_k_m.gguf"), Dtype::kInt8, BestIsa(), threads);
  const ModelConfig& config = model->config();
  auto cache = Cache::Allocate(config, KvType::kF16, 2, 1);
  auto workspace = model->MakeWorkspace(70, 1);
  const auto tokens = RandomTokens(70, config.n_vocab, 1);
  const int32_t pages[] = {0, 1};
  StepCost prefill, decode;
  const Slice first{{tokens.data(), 69}, 0, pages, 0, 0};
  model->Forward({&first, 1}, *cache, **workspace, threads, &prefill);
  const Slice second{{tokens.data() + 69, 1}, 69, pages, 0, 1};
  model->Forward({&second, 1}, *cache, **workspace, threads, &decode);
  // Tied embeddings: the whole file streams once for a step with logits, all but the head without.
  EXPECT_EQ(decode.weight_bytes, model->footprint().file_tensor_bytes);
  const int64_t head_macs = config.n_vocab * config.n_embd;
  EXPECT_EQ(prefill.int8_macs, 69 * (decode.int8_macs - head_macs));
  EXPECT_EQ(decode.kv_bytes, 70 * KvBytesPerToken(config, KvType::kF16));
  EXPECT_EQ(decode.state_bytes, 2 * StateBytesPerSequence(config));
  // 1 full layer of 2 heads of 256 over 70 positions; 3 linear layers of 4 states of 128 x 128.
  EXPECT_EQ(decode.f32_macs, 2 * 256 * 2 * 70 + 3 * 4 * 3 * 128 * 128);
}

}  // namespace
}  // namespace weir
