// Properties of the forward pass that no golden file shows.
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

// The decoded-once promise: unpacked tiles per step do not depend on how many users share it.
TEST(Forward, UnpacksEachWeightTileOncePerStepForAnyNumberOfUsers) {
  ThreadPool threads(2);
  for (const char* name : {"golden/qwen35-ud-iq2_xxs.gguf", "golden/llama-q4_k_m.gguf"}) {
    const auto model = LoadModel(TestData(name), Dtype::kInt8, BestIsa(), threads);
    const ModelConfig& config = model->config();
    auto cache = Cache::Allocate(config, model->kv_type(), 9, 9);
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
  auto cache = Cache::Allocate(config, model->kv_type(), 2, 1);
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
