// Prompts that begin like earlier ones: what is computed, and that it makes no difference to the answer.
#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "engine/engine_testing.h"

namespace weir {
namespace {

std::vector<int32_t> RandomTokens(int64_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int32_t> tokens(n);
  for (int32_t& token : tokens) token = static_cast<int32_t>(random() % 200);
  return tokens;
}

std::vector<int32_t> Joined(std::vector<int32_t> a, const std::vector<int32_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

int64_t PrefillRows(Engine& engine) {
  int64_t n = 0;
  for (const StepRecord& step : engine.TakeSteps()) n += step.n_prefill_rows;
  return n;
}

/// The answer with its number of cached tokens.
struct Reply {
  std::vector<int32_t> tokens;
  int64_t n_cached = -1;
};

Reply Read(Stream& stream) {
  Reply reply;
  while (const auto event = stream.Next()) {
    if (event->token >= 0) reply.tokens.push_back(event->token);
    reply.n_cached = event->n_cached;
  }
  return reply;
}

Reply Reuse(Engine& engine, Request request) {
  Stream stream = MustSubmit(engine, std::move(request));
  return Read(stream);
}

constexpr EngineOptions kReusing{.max_sequences = 4, .context_tokens = 700, .n_checkpoints = 6};

TEST(Reuse, ASecondTurnComputesOnlyWhatIsNew) {
  const auto engine = TinyModel().Start(kReusing);
  const auto fresh = TinyModel().Start({.max_sequences = 1, .context_tokens = 700});
  engine->TakeSteps();
  const std::vector<int32_t> first = RandomTokens(401, 1);
  const Reply answer = Reuse(*engine, Ask(first, 30));
  EXPECT_EQ(answer.n_cached, 0);
  EXPECT_EQ(PrefillRows(*engine), 401);
  EXPECT_EQ(answer.tokens, Complete(*fresh, Ask(first, 30)).tokens);

  // The answer's last token was never an input.
  const std::vector<int32_t> second = Joined(Joined(first, answer.tokens), RandomTokens(20, 2));
  const Reply next = Reuse(*engine, Ask(second, 30));
  EXPECT_EQ(next.n_cached, 401 + 29);
  EXPECT_EQ(PrefillRows(*engine), 21);
  EXPECT_EQ(next.tokens, Complete(*fresh, Ask(second, 30)).tokens);
}

TEST(Reuse, ATurnThatPartsAtACheckpointGoesOnFromThere) {
  const auto engine = TinyModel().Start(kReusing);
  const auto fresh = TinyModel().Start({.max_sequences = 1, .context_tokens = 700});
  engine->TakeSteps();
  const std::vector<int32_t> turn = RandomTokens(300, 3);
  for (int64_t position : {1, 63, 64, 65, 130, 256, 299}) {
    Request request = Ask(turn, 5);
    request.checkpoints = {position};
    Reuse(*engine, request);
  }
  PrefillRows(*engine);
  for (int64_t parts : {299, 131, 64}) {
    std::vector<int32_t> other(turn.begin(), turn.begin() + parts);
    other = Joined(other, RandomTokens(40, 4 + parts));
    const Reply reply = Reuse(*engine, Ask(other, 12));
    const int64_t expected = parts == 131 ? 130 : parts;
    EXPECT_EQ(reply.n_cached, expected);
    EXPECT_EQ(PrefillRows(*engine), parts + 40 - expected);
    EXPECT_EQ(reply.tokens, Complete(*fresh, Ask(other, 12)).tokens) << parts;
  }
}

TEST(Reuse, UsersWithOneSystemPromptPrefillItOnce) {
  const auto engine = TinyModel().Start(
      {.max_sequences = 4, .context_tokens = 700, .prefill_tokens = 50, .n_checkpoints = 20});
  const auto fresh = TinyModel().Start({.max_sequences = 1, .context_tokens = 700});
  engine->TakeSteps();
  const std::vector<int32_t> system = RandomTokens(333, 5);
  std::vector<Stream> streams;
  std::vector<Request> requests;
  for (int user = 0; user < 16; ++user) {
    requests.push_back(Ask(Joined(system, Joined({user}, RandomTokens(9, 100 + user))), 8));
  }
  for (const Request& request : requests) streams.push_back(MustSubmit(*engine, request));
  for (int user = 0; user < 16; ++user) {
    EXPECT_EQ(Read(streams[user]).tokens, Complete(*fresh, requests[user]).tokens) << user;
  }
  EXPECT_EQ(PrefillRows(*engine), 333 + 16 * 10);
}

TEST(Reuse, WithoutRecurrentLayersAnyCommonBeginningIsReused) {
  const TestModel model("golden/qwen3-q8_0.gguf");
  const auto engine = model.Start({.max_sequences = 2, .context_tokens = 300, .n_checkpoints = 4});
  const auto fresh = model.Start({.max_sequences = 1, .context_tokens = 300});
  const std::vector<int32_t> first = RandomTokens(150, 6);
  EXPECT_EQ(Reuse(*engine, Ask(first, 20)).n_cached, 0);
  for (int64_t parts : {1, 64, 100, 128, 149}) {
    std::vector<int32_t> other(first.begin(), first.begin() + parts);
    other = Joined(other, {static_cast<int32_t>(first[parts] ^ 1), 7, 8});
    const Reply reply = Reuse(*engine, Ask(other, 10));
    EXPECT_EQ(reply.n_cached, parts);
    EXPECT_EQ(reply.tokens, Complete(*fresh, Ask(other, 10)).tokens) << parts;
  }
  EXPECT_EQ(Reuse(*engine, Ask(first, 20)).n_cached, 149);  // all but the one whose logits are wanted
}

TEST(Reuse, WhoIsInterruptedForLackOfMemoryGoesOnWithTheSameTokens) {
  const auto fresh = TinyModel().Start({.max_sequences = 1, .context_tokens = 400});
  for (int n_checkpoints : {0, 3}) {
    const auto engine = TinyModel().Start({.max_sequences = 3,
                                           .context_tokens = 400,
                                           .kv_tokens = 450,
                                           .n_checkpoints = n_checkpoints});
    std::vector<Request> requests;
    std::vector<Stream> streams;
    for (int user = 0; user < 3; ++user) {
      requests.push_back(Ask(RandomTokens(100, 200 + user), 200));
      requests.back().sampling.temperature = user == 1 ? 0.9f : 0.f;
      requests.back().sampling.seed = 5;
      streams.push_back(MustSubmit(*engine, requests.back()));
    }
    for (int user = 0; user < 3; ++user) {
      EXPECT_EQ(Read(streams[user]).tokens, Complete(*fresh, requests[user]).tokens) << user;
    }
    EXPECT_GT(engine->CurrentStatus().n_preempted, 0);
  }
}

/// Conversations that share beginnings, in too little memory for all, some of them broken off: whatever is
/// reused or forgotten, the answers stay the same.
TEST(Reuse, MakesNoDifferenceToRandomConversations) {
  const auto fresh = TinyModel().Start({.max_sequences = 1, .context_tokens = 600});
  int64_t n_cached = 0;
  for (uint64_t round = 0; round < 6; ++round) {
    std::mt19937_64 random(TestSeed() * 100 + round);
    const auto below = [&random](int64_t n) { return static_cast<int64_t>(random() % n); };
    const auto engine = TinyModel().Start({.max_sequences = 3,
                                           .context_tokens = 600,
                                           .kv_tokens = 700 + below(1500),
                                           .prefill_tokens = 1 + below(200),
                                           .n_checkpoints = 1 + static_cast<int>(below(5)),
                                           .checkpoint_interval = below(2) * 64});
    std::vector<std::vector<int32_t>> talks{RandomTokens(40 + below(200), round)};
    for (int step = 0; step < 8; ++step) {
      std::vector<Request> requests;
      std::vector<Stream> streams;
      for (int user = 0; user < 3; ++user) {
        std::vector<int32_t> prompt = talks[below(talks.size())];
        if (below(2)) prompt.resize(1 + below(prompt.size()));
        prompt = Joined(prompt, RandomTokens(1 + below(30), random()));
        if (prompt.size() > 560) prompt.resize(560);
        Request request = Ask(prompt, 1 + below(20));
        for (int64_t n = below(3); n > 0; --n) request.checkpoints.push_back(below(600));
        requests.push_back(request);
        streams.push_back(MustSubmit(*engine, request));
      }
      const int64_t leaver = below(6);
      for (int64_t user = 0; user < 3; ++user) {
        if (user == leaver) streams[user].Cancel();
        const Reply reply = Read(streams[user]);
        if (user == leaver) continue;
        ASSERT_EQ(reply.tokens, Complete(*fresh, requests[user]).tokens)
            << "WEIR_SEED=" << TestSeed() << ", round " << round << ", step " << step;
        talks.push_back(Joined(requests[user].prompt, reply.tokens));
      }
    }
    n_cached += engine->CurrentStatus().n_cached_tokens;
  }
  EXPECT_GT(n_cached, 0);
}

}  // namespace
}  // namespace weir
