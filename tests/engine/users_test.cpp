// Many users at once, from many threads: each gets what it would get alone.
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "engine/engine_testing.h"

namespace weir {
namespace {

std::vector<Request> RandomRequests(std::mt19937_64& random, int64_t n_vocab, int n) {
  std::vector<Request> requests;
  for (int i = 0; i < n; ++i) {
    std::vector<int32_t> prompt(1 + random() % 60);
    for (int32_t& id : prompt) id = static_cast<int32_t>(random() % n_vocab);
    Request request = Ask(std::move(prompt), 1 + random() % 16);
    request.sampling.temperature = i % 2 ? 0.9f : 0.f;
    request.sampling.top_k = i % 3 ? 0 : 20;
    request.sampling.repetition_penalty = i % 4 ? 1 : 1.2f;
    request.sampling.seed = random();
    requests.push_back(std::move(request));
  }
  return requests;
}

class Users : public testing::TestWithParam<const char*> {};

TEST_P(Users, GetTheSameTokensAsAlone) {
  SCOPED_TRACE(fmt::format("WEIR_SEED={}", TestSeed()));
  std::mt19937_64 random(TestSeed());
  const TestModel model(GetParam());
  const std::vector<Request> requests = RandomRequests(random, model.model->config().n_vocab, 16);
  std::vector<std::vector<int32_t>> alone;
  const auto lonely = model.Start({.context_tokens = 128});
  for (const Request& request : requests) alone.push_back(Complete(*lonely, request).tokens);

  for (int n_threads : {1, 2}) {
    const auto engine = model.Start({.max_sequences = 6,
                                     .context_tokens = 128,
                                     .kv_tokens = 400,
                                     .prefill_tokens = n_threads == 1 ? 7 : 40,
                                     .n_threads = n_threads});
    std::vector<Answer> answers(requests.size());
    std::vector<std::thread> users;
    for (size_t user = 0; user < 4; ++user) {
      users.emplace_back([&, user] {
        std::vector<Stream> streams;
        for (size_t i = user; i < requests.size(); i += 4) {
          streams.push_back(MustSubmit(*engine, requests[i]));
        }
        streams.back().Cancel();
        for (size_t n = 0; n < streams.size(); ++n) answers[user + 4 * n] = ReadAll(streams[n]);
      });
    }
    for (std::thread& user : users) user.join();
    for (size_t i = 0; i < requests.size(); ++i) {
      std::vector<int32_t> expected = alone[i];
      if (i >= 12) expected.resize(std::min(expected.size(), answers[i].tokens.size()));
      EXPECT_EQ(answers[i].tokens, expected) << "request " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Users,
                         testing::Values("weir-tiny-q8_0.gguf", "golden/qwen35moe-q4_k_m.gguf",
                                         "golden/llama-q4_k_m.gguf"),
                         [](const auto& test) { return fmt::format("model{}", test.index); });

TEST(Engine, ManyStreamsComeAndGo) {
  const auto engine = TinyModel().Start(
      {.max_sequences = 4, .context_tokens = 64, .kv_tokens = 128, .prefill_tokens = 32});
  std::mt19937_64 random(TestSeed());
  std::vector<Stream> streams;
  size_t n_dropped = 0;
  for (int i = 0; i < 100; ++i) {
    Request request = Ask(std::vector<int32_t>(1 + random() % 20, 3), 1 + random() % 6);
    if (i % 10 == 0) request.gate = Gate{i / 20, 2};
    Stream stream = MustSubmit(*engine, request);
    if (random() % 4 == 0) {
      ++n_dropped;
    } else {
      streams.push_back(std::move(stream));
    }
  }
  for (Stream& stream : streams) EXPECT_EQ(ReadAll(stream).finished, FinishReason::kLength);
  EXPECT_GT(n_dropped, 0u);
}

}  // namespace
}  // namespace weir
