// The promise that everything else rests on: a sequence's logits have the same bits whoever shares
// its steps, however its prompt is cut, and with any number of threads.
#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "engine/logits_hash.h"
#include "engine/scheduler.h"
#include "model/harness.h"
#include "model/workspace.h"
#include "test_data.h"

namespace weir {
namespace {

struct Answer {
  std::vector<int32_t> tokens;
  std::vector<uint64_t> logits;  // hash of the row that each token was drawn from
};

struct Asked {
  Request request;
  int64_t cancel_after = -1;  // tokens; -1: never
};

/// Runs requests to their end without an engine: Scheduler, Model::Forward, Sampler.
class Batch {
 public:
  Batch(const Model& model, KvType kv_type, int64_t prefill_tokens, ThreadPool& threads)
      : model_(model),
        threads_(threads),
        prefill_tokens_(prefill_tokens),
        scratch_(model.config().n_vocab, Kernels(model.isa())),
        cache_(Cache::Allocate(model.config(), kv_type, kPages, kSlots).value()),
        workspace_(model.MakeWorkspace(prefill_tokens + kSlots, kSlots).value()) {}

  std::vector<Answer> Run(const std::vector<Asked>& asked) {
    Scheduler scheduler({.max_sequences = kSlots, .n_pages = kPages});
    std::vector<Answer> answers(asked.size());
    std::vector<Sampler> samplers;
    for (size_t i = 0; i < asked.size(); ++i) {
      const Request& request = asked[i].request;
      scheduler.Add(i, {request.prompt, request.max_tokens});
      samplers.emplace_back(request.sampling, model_.config().n_vocab, request.prompt,
                            request.max_tokens);
    }
    for (;;) {
      const std::span<const PlannedSlice> view = scheduler.Plan(prefill_tokens_);
      const std::vector<PlannedSlice> plan(view.begin(), view.end());
      if (plan.empty()) return answers;
      float* logits = Forward(plan);
      int64_t logit_row = 0;
      std::vector<int32_t> sampled;
      for (const PlannedSlice& planned : plan) {
        if (!planned.samples) continue;
        const std::span row(logits, model_.config().n_vocab);
        logits += row.size();
        const std::span bits(reinterpret_cast<const uint32_t*>(row.data()), row.size());
        ExpectSummaries(row, logit_row++);
        Answer& answer = answers[planned.id];
        answer.logits.push_back(HashWords(std::vector<uint64_t>(bits.begin(), bits.end())));
        answer.tokens.push_back(samplers[planned.id].Draw(row, scratch_).value());
        sampled.push_back(answer.tokens.back());
      }
      scheduler.Commit(sampled);
      for (const PlannedSlice& planned : plan) {
        if (!planned.samples) continue;
        const int64_t n = answers[planned.id].tokens.size();
        if (n == asked[planned.id].request.max_tokens || n == asked[planned.id].cancel_after) {
          scheduler.Finish(planned.id);
        }
      }
    }
  }

 private:
  static constexpr int kSlots = 5, kPages = 16;  // so that some wait

  /// What the LM head left behind, against the row itself.
  void ExpectSummaries(std::span<const float> row, int64_t logit_row) {
    int64_t b = logit_row * LogitBlocks(row.size());
    for (size_t i = 0; i < row.size(); i += kLogitBlock, ++b) {
      const auto block = row.subspan(i, std::min<size_t>(kLogitBlock, row.size() - i));
      EXPECT_EQ(workspace_->logit_maxima[b], *std::max_element(block.begin(), block.end()));
      EXPECT_EQ(workspace_->logit_hashes[b], kSamplingPlain.hash(block.data(), block.size()));
    }
  }

  float* Forward(const std::vector<PlannedSlice>& plan) {
    std::vector<Slice> slices;
    for (const PlannedSlice& planned : plan) {
      slices.push_back(
          {planned.tokens, planned.position, planned.pages, planned.slot, planned.samples});
    }
    return model_.Forward(slices, cache_, *workspace_, threads_, nullptr);
  }

  const Model& model_;
  ThreadPool& threads_;
  const int64_t prefill_tokens_;
  SamplerScratch scratch_;
  Cache cache_;
  std::unique_ptr<Model::Workspace> workspace_;
};

std::vector<Asked> RandomUsers(std::mt19937_64& random, int64_t n_vocab) {
  std::vector<Asked> users;
  for (int i = 0; i < 9; ++i) {
    Asked user;
    user.request.prompt.resize(i == 0 ? 1 : i == 1 ? 130 : 1 + random() % 70);
    for (int32_t& id : user.request.prompt) id = static_cast<int32_t>(random() % n_vocab);
    user.request.max_tokens = 1 + random() % 8;
    user.request.sampling.temperature = i % 2 ? 0.8f : 0.f;
    user.request.sampling.seed = random();
    users.push_back(user);
  }
  return users;
}

void CheckBatchedEqualsAlone(const std::string& name, KvType kv_type) {
  std::string path = TestData(name);
  if (!std::filesystem::exists(path)) path = SharedData(name);
  WEIR_SKIP_WITHOUT(path);
  SCOPED_TRACE(fmt::format("WEIR_SEED={}", TestSeed()));
  std::mt19937_64 random(TestSeed());
  ThreadPool one(1), two(2);
  const auto model = LoadModel(path, Dtype::kInt8, BestIsa(), two);
  const std::vector<Asked> users = RandomUsers(random, model->config().n_vocab);
  std::vector<Answer> alone;
  Batch by_itself(*model, kv_type, 256, one);
  for (const Asked& user : users) alone.push_back(by_itself.Run({user})[0]);

  for (int64_t prefill_tokens : {1, 7, 64, 256}) {
    Batch batch(*model, kv_type, prefill_tokens, random() % 2 ? one : two);
    std::vector<size_t> chosen(users.size());
    std::iota(chosen.begin(), chosen.end(), 0);
    std::shuffle(chosen.begin(), chosen.end(), random);
    // All of them, or as many as the finest chunks allow in the time of a test.
    chosen.resize(prefill_tokens == 1 ? 3 : 5 + random() % 5);
    std::vector<Asked> mix;
    for (size_t user : chosen) {
      mix.push_back(users[user]);
      if (random() % 4 == 0) mix.back().cancel_after = 1 + random() % 4;
    }
    const std::vector<Answer> together = batch.Run(mix);
    for (size_t i = 0; i < mix.size(); ++i) {
      SCOPED_TRACE(
          fmt::format("user {} among {}, prefill {}", chosen[i], mix.size(), prefill_tokens));
      const size_t n = together[i].tokens.size();
      Answer expected = alone[chosen[i]];
      ASSERT_GE(expected.tokens.size(), n);
      EXPECT_TRUE(mix[i].cancel_after != -1 || n == expected.tokens.size());
      expected.tokens.resize(n);
      expected.logits.resize(n);
      EXPECT_EQ(together[i].logits, expected.logits);
      EXPECT_EQ(together[i].tokens, expected.tokens);
    }
  }
}

class BatchedEqualsAlone : public testing::TestWithParam<const char*> {};

TEST_P(BatchedEqualsAlone, BitForBit) { CheckBatchedEqualsAlone(GetParam(), KvType::kF16); }

TEST(BatchedEqualsAloneToo, WithEveryKvType) {
  for (const KvType type : {KvType::kBF16, KvType::kQ8_0, KvType::kF32}) {
    SCOPED_TRACE(Name(type));
    CheckBatchedEqualsAlone("golden/qwen35-ud-iq2_xxs.gguf", type);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, BatchedEqualsAlone,
                         testing::Values("weir-tiny-q8_0.gguf", "golden/qwen35-q4_k_m.gguf",
                                         "golden/qwen35-ud-iq2_xxs.gguf",
                                         "golden/qwen35moe-q4_k_m.gguf", "golden/qwen3-q8_0.gguf",
                                         "golden/qwen2-q8_0.gguf", "golden/llama-q4_k_m.gguf",
                                         "golden/llama-ropefreqs-q8_0.gguf",
                                         "golden/qwen35-f16.gguf", "golden/qwen35-all-q5_0.gguf",
                                         "golden/qwen35-all-iq3_s.gguf"),
                         [](const auto& test) {
                           std::string name;
                           for (char c : std::string(test.param)) name += std::isalnum(c) ? c : '_';
                           return name;
                         });

}  // namespace
}  // namespace weir
