// What quantising costs a real model, as its answers tell: docs/quality.md has the whole table.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "gguf/gguf_file.h"
#include "kernels/isa.h"
#include "model/session.h"
#include "model/text/tokenizer.h"
#include "quantise/calibration.h"
#include "quantise/quantised_source.h"
#include "temp_folder.h"
#include "test_data.h"

namespace weir {
namespace {

constexpr int64_t kWindowTokens = 512, kScored = 256, kWindows = 8, kChunk = 64;

std::string F16Model() { return SharedData("models/weir-tiny-f16.gguf"); }

struct Loaded {
  std::unique_ptr<ModelSource> source;
  std::unique_ptr<Model> model;
  std::unique_ptr<Session> session;
};

Loaded Load(const std::string& path, ThreadPool& threads) {
  Loaded loaded;
  loaded.source = OpenModel(path).value();
  LoadOptions options;
  options.isa = SelectIsa(nullptr).value();
  loaded.model = Model::Load(*loaded.source, options, threads).value();
  loaded.session =
      Session::Open(*loaded.model, KvType::kF16, kWindowTokens, kChunk, threads).value();
  return loaded;
}

void LogSoftmax(std::span<const float> logits, std::vector<double>& out) {
  const double largest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  out.clear();
  for (const float logit : logits) {
    out.push_back(static_cast<double>(logit) - largest - std::log(sum));
  }
}

/// Log-probabilities after tokens 255 .. 510 of each of the first windows of the held-out text, one after another.
std::vector<std::vector<double>> Answers(Loaded& loaded) {
  const auto tokenizer = Tokenizer::Create(loaded.source->metadata()).value();
  const std::vector<int32_t> tokens =
      tokenizer->Encode(ReadText(SharedData("models/text/held-out.txt")), false);
  const auto n_vocab = static_cast<size_t>(loaded.model->config().n_vocab);
  std::vector<std::vector<double>> answers;
  for (int64_t w = 0; w < kWindows; ++w) {
    loaded.session->Reset();
    for (int64_t begin = 0; begin < kWindowTokens; begin += kChunk) {
      const std::span chunk(tokens.data() + w * kWindowTokens + begin, kChunk);
      const float* logits = loaded.session->Feed(chunk, kChunk);
      for (int64_t i = 0; i < kChunk; ++i) {
        const int64_t position = begin + i;
        if (position < kScored - 1 || position == kWindowTokens - 1) continue;
        LogSoftmax({logits + static_cast<size_t>(i) * n_vocab, n_vocab}, answers.emplace_back());
      }
    }
  }
  return answers;
}

double MeanDivergence(const std::vector<std::vector<double>>& p,
                      const std::vector<std::vector<double>>& q) {
  double sum = 0;
  for (size_t row = 0; row < p.size(); ++row) {
    for (size_t i = 0; i < p[row].size(); ++i) {
      sum += std::exp(p[row][i]) * (p[row][i] - q[row][i]);
    }
  }
  return sum / static_cast<double>(p.size());
}

/// Windows of text that the model makes up itself: like what it was trained on, and nothing of what it is judged by.
std::vector<int32_t> OwnText(Loaded& loaded, int n_windows) {
  std::mt19937_64 random(20261123);
  std::vector<int32_t> text;
  std::vector<double> log_probabilities;
  const auto n_vocab = static_cast<size_t>(loaded.model->config().n_vocab);
  for (int w = 0; w < n_windows; ++w) {
    loaded.session->Reset();
    auto token = static_cast<int32_t>(random() % 2000);
    for (int64_t i = 0; i < kWindowTokens; ++i) {
      text.push_back(token);
      LogSoftmax({loaded.session->Feed({&token, 1}, 1), n_vocab}, log_probabilities);
      double left = static_cast<double>(random() >> 11) * 0x1p-53;
      for (token = 0; static_cast<size_t>(token) + 1 < n_vocab; ++token) {
        left -= std::exp(log_probabilities[static_cast<size_t>(token)]);
        if (left < 0) break;
      }
    }
  }
  return text;
}

double DivergenceOf(std::string_view type, const Loaded& original, const Calibration* calibration,
                    const std::vector<std::vector<double>>& expected, ThreadPool& threads) {
  const TempFolder folder;
  const std::string path = folder / "quantised.gguf";
  const auto quantised = QuantisedSource::Create(
      *original.source, *FindMixture(type).value(), calibration, false, threads);
  EXPECT_TRUE(WriteGguf(**quantised, path).ok());
  Loaded loaded = Load(path, threads);
  return MeanDivergence(expected, Answers(loaded));
}

// Mean divergences from F16, in nats, of files that the most used quantiser makes under the same names, plain and
// with importance from 30,000 tokens, over all 59 windows of the text and judged by its own engine. The first eight
// windows, which are enough here, are a little easier (by 2 to 10 %).
struct Ladder {
  std::string_view type;
  double plain, calibrated;
};

TEST(Quality, NoTypeLosesMoreThanTheLadderAllows) {
  WEIR_SKIP_WITHOUT(F16Model());
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "skipped: minutes under a sanitizer, and the other tests run the same code";
#endif
  ThreadPool threads(2);
  Loaded original = Load(F16Model(), threads);
  const auto expected = Answers(original);
  for (const Ladder& rung : {Ladder{"Q8_0", 0.00028, 0}, Ladder{"Q6_K", 0.00179, 0},
                             Ladder{"Q4_K_M", 0.00752, 0}, Ladder{"Q4_0", 0.01125, 0},
                             Ladder{"Q3_K_M", 0.02100, 0}, Ladder{"Q2_K", 0.09381, 0}}) {
    const double divergence = DivergenceOf(rung.type, original, nullptr, expected, threads);
    EXPECT_LT(divergence, 0.9 * rung.plain + 0.00003) << rung.type;
    EXPECT_GT(divergence, 0) << rung.type;
  }
}

TEST(Quality, CalibrationEarnsItsTime) {
  WEIR_SKIP_WITHOUT(F16Model());
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "skipped: minutes under a sanitizer, and the other tests run the same code";
#endif
  ThreadPool threads(2);
  Loaded original = Load(F16Model(), threads);
  const auto expected = Answers(original);
  const std::vector<int32_t> text = OwnText(original, 8);
  const auto calibration =
      Calibration::Measure(*original.source, *original.model, *original.session, text, "own text",
                           int64_t{1} << 30, threads, nullptr, nullptr);
  ASSERT_TRUE(calibration.ok());
  for (const Ladder& rung : {Ladder{"Q4_0", 0, 0.00981},
                             Ladder{"IQ2_XXS", 0, 0.17912}}) {
    EXPECT_LT(DivergenceOf(rung.type, original, calibration->get(), expected, threads),
              0.9 * rung.calibrated)
        << rung.type;
  }
}

}  // namespace
}  // namespace weir
