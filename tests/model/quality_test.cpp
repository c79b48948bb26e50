// Perplexity and divergence against their definitions, evaluated plainly from the same logits.
#include "model/quality.h"

#include <gmock/gmock.h>

#include <cmath>

#include "model/harness.h"

namespace weir {
namespace {

const std::string kTiny = TestData("weir-tiny-q8_0.gguf");

std::vector<int32_t> SomeTokens(size_t n) {
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < n; ++i)
    tokens.push_back(static_cast<int32_t>((i * i * 7 + 11 * i) % 2000));
  return tokens;
}

std::vector<double> Probabilities(const std::vector<float>& logits) {
  std::vector<double> p;
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  for (const float logit : logits) p.push_back(std::exp(static_cast<double>(logit)) / sum);
  return p;
}

struct Naive {
  std::vector<double> nll, kl;  // per scored token
  double same_top = 0;
};

Naive MeasureNaively(const Model& model, const Model& reference, std::span<const int32_t> tokens,
                     size_t window, size_t n_windows, size_t score_from, ThreadPool& threads) {
  Naive naive;
  for (size_t w = 0; w < n_windows; ++w) {
    const auto text = tokens.subspan(w * window, window);
    const auto logits = AllLogits(model, text, window, threads);
    const auto others = AllLogits(reference, text, window, threads);
    for (size_t i = score_from; i < window; ++i) {
      const std::vector<double> q = Probabilities(logits[i - 1]), p = Probabilities(others[i - 1]);
      naive.nll.push_back(-std::log(q[static_cast<size_t>(text[i])]));
      double kl = 0;
      for (size_t k = 0; k < p.size(); ++k) kl += p[k] * std::log(p[k] / q[k]);
      naive.kl.push_back(kl);
      naive.same_top +=
          std::ranges::max_element(p) - p.begin() == std::ranges::max_element(q) - q.begin();
    }
  }
  return naive;
}

double MeanOf(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

TEST(Quality, IsWhatTheDefinitionsSay) {
  ThreadPool threads(2);
  const auto int8 = LoadModel(kTiny, Dtype::kInt8, BestIsa(), threads);
  const auto f32 = LoadModel(kTiny, Dtype::kF32, BestIsa(), threads);
  const std::vector<int32_t> tokens = SomeTokens(3 * 48 + 20);
  for (const int64_t score_from : {1, 20, 47}) {
    const Naive naive =
        MeasureNaively(*int8, *f32, tokens, 48, 3, static_cast<size_t>(score_from), threads);
    const auto a = OpenSession(*int8, 48, 16, threads), b = OpenSession(*f32, 48, 16, threads);
    const Scoring scoring{.window = 48, .score_from = score_from};
    const auto result =
        MeasureDivergence(*a, *b, tokens, int8->config().n_vocab, scoring, threads, {});
    ASSERT_TRUE(result.ok()) << result.error().message;
    EXPECT_EQ(result->model.n_windows, 3);
    EXPECT_EQ(result->model.n_tokens, 3 * (48 - score_from));
    EXPECT_NEAR(result->model.nll.value, MeanOf(naive.nll), 1e-9);
    EXPECT_NEAR(result->kl.value, MeanOf(naive.kl), 1e-9);
    EXPECT_GT(result->kl.value, 0);
    EXPECT_NEAR(result->kl_max, *std::ranges::max_element(naive.kl), 1e-9);
    EXPECT_NEAR(result->same_top.value, naive.same_top / static_cast<double>(naive.kl.size()),
                1e-12);
    EXPECT_NEAR(result->ln_ratio.value, result->model.nll.value - result->reference.nll.value,
                1e-12);
    EXPECT_LE(result->kl_median, result->kl_p99);
    EXPECT_LE(result->kl_p99, result->kl_max);

    // The standard error of the mean of three windows.
    double squares = 0;
    const size_t n = naive.nll.size() / 3;
    for (size_t w = 0; w < 3; ++w) {
      const auto begin = naive.nll.begin() + static_cast<std::ptrdiff_t>(w * n);
      const double mean = MeanOf({begin, begin + static_cast<std::ptrdiff_t>(n)});
      squares += (mean - MeanOf(naive.nll)) * (mean - MeanOf(naive.nll));
    }
    EXPECT_NEAR(result->model.nll.error.value(), std::sqrt(squares / 2 / 3), 1e-9);

    const auto alone = OpenSession(*int8, 48, 16, threads);
    const auto perplexity = MeasurePerplexity(*alone, tokens, int8->config().n_vocab, scoring, {});
    ASSERT_TRUE(perplexity.ok());
    EXPECT_EQ(perplexity->nll.value, result->model.nll.value);
    EXPECT_NEAR(perplexity->ppl().value, std::exp(perplexity->nll.value), 1e-9);
  }
}

TEST(Quality, AModelIsNoDistanceFromItselfWhateverTheThreads) {
  std::vector<double> nll;
  for (const int n_threads : {1, 2}) {
    ThreadPool threads(n_threads);
    const auto model = LoadModel(kTiny, Dtype::kInt8, BestIsa(), threads);
    const auto a = OpenSession(*model, 64, 32, threads), b = OpenSession(*model, 64, 32, threads);
    const auto result = MeasureDivergence(*a, *b, SomeTokens(70), model->config().n_vocab,
                                          {.window = 64}, threads, {});
    ASSERT_TRUE(result.ok()) << result.error().message;
    EXPECT_EQ(result->kl_max, 0);
    EXPECT_EQ(result->same_top.value, 1);
    EXPECT_EQ(result->ppl_ratio().value, 1);
    EXPECT_EQ(result->kl.error, std::nullopt) << "one window has no error";
    nll.push_back(result->model.nll.value);
  }
  EXPECT_EQ(nll[0], nll[1]);
}

TEST(Quality, StopsInsideAWindow) {
  ThreadPool threads(1);
  const auto model = LoadModel(kTiny, Dtype::kInt8, BestIsa(), threads);
  const auto session = OpenSession(*model, 256, 16, threads);
  int n_asked = 0;
  const auto result = MeasurePerplexity(*session, SomeTokens(256), model->config().n_vocab,
                                        {.window = 256}, {[&] { return ++n_asked == 3; }, nullptr});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kInterrupted);
  EXPECT_EQ(session->position(), 32);
}

TEST(Quality, ATextShorterThanAWindowIsRefused) {
  ThreadPool threads(1);
  const auto model = LoadModel(kTiny, Dtype::kInt8, BestIsa(), threads);
  const auto session = OpenSession(*model, 64, 16, threads);
  const auto result =
      MeasurePerplexity(*session, SomeTokens(63), model->config().n_vocab, {.window = 64}, {});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kBadInput);
  EXPECT_THAT(result.error().message, testing::HasSubstr("63 tokens, fewer than one window of 64"));
}

}  // namespace
}  // namespace weir
