// Real models against the reference implementation's answers (PyTorch, float32, on the dequantised
// weights): weir-tiny always, SmolLM2 and longer texts where present.
#include <algorithm>
#include <fstream>

#include "model/harness.h"
#include "model/quality.h"
#include "model/text/stream_decoder.h"
#include "model/text/tokenizer.h"

namespace weir {
namespace {

struct RealModel {
  std::unique_ptr<Model> model;
  std::unique_ptr<Tokenizer> tokenizer;
  nlohmann::json answers;

  RealModel(const std::string& gguf, const std::string& json, Dtype dtype, ThreadPool& threads)
      : model(LoadModel(gguf, dtype, BestIsa(), threads)), answers(ReadJson(json)) {
    auto file = GgufFile::Open(gguf);
    auto created = Tokenizer::Create((*file)->metadata());
    EXPECT_TRUE(created.ok()) << created.error().message;
    tokenizer = std::move(created).value();
  }
};

/// A position of the reference: argmax, norm and the 32 largest logits.
void ExpectPosition(const nlohmann::json& entry, const std::vector<float>& logits) {
  const double l2 = entry["l2"].get<double>();
  double difference = 0, norm = 0;
  for (const float logit : logits) norm += static_cast<double>(logit) * logit;
  EXPECT_NEAR(std::sqrt(norm) / l2, 1.0, 1e-4) << "position " << entry["pos"];
  for (const auto& top : entry["top"]) {
    difference = std::max(difference, std::abs(logits[top[0].get<size_t>()] - top[1].get<double>()));
  }
  EXPECT_LT(difference, 1e-4 * l2) << "position " << entry["pos"];
  EXPECT_EQ(ArgMax(logits), entry["argmax"].get<int32_t>()) << "position " << entry["pos"];
}

/// Tokenises, continues greedily and compares every listed position, in the f32 path.
void ExpectTexts(const RealModel& real, const std::string& key, bool parse_specials,
                 ThreadPool& threads) {
  for (const auto& entry : real.answers[key]) {
    const std::string text = entry["text"].get<std::string>();
    std::vector<int32_t> tokens = real.tokenizer->Encode(text, parse_specials);
    const size_t n_prompt = tokens.size();
    ASSERT_EQ(tokens, entry["prompt"].get<std::vector<int32_t>>()) << text;
    const auto greedy = entry["greedy"].get<std::vector<int32_t>>();
    tokens.insert(tokens.end(), greedy.begin(), greedy.end());
    const auto logits = AllLogits(*real.model, tokens, tokens.size(), threads);
    StreamDecoder decoder(*real.tokenizer);
    std::string continued;
    for (size_t i = 0; i < greedy.size(); ++i) {
      EXPECT_EQ(ArgMax(logits[n_prompt - 1 + i]), greedy[i]) << text << ", token " << i;
      continued += decoder.Push(greedy[i]);
    }
    EXPECT_EQ(continued + decoder.Flush(), entry["greedy_text"].get<std::string>());
    for (const auto& position : entry["positions"]) {
      ExpectPosition(position, logits[position["pos"].get<size_t>()]);
    }
  }
}

TEST(WeirTiny, ContinuesTextsLikeTheReference) {
  ThreadPool threads(2);
  const RealModel tiny(TestData("weir-tiny-q8_0.gguf"), TestData("weir-tiny-q8_0.json"),
                       Dtype::kF32, threads);
  ExpectTexts(tiny, "texts", true, threads);
}

TEST(WeirTiny, KeepsItsStateOver3000Tokens) {
  const std::string text = SharedData("models/text/held-out.txt");
  WEIR_SKIP_WITHOUT(text);
  ThreadPool threads(2);
  const RealModel tiny(TestData("weir-tiny-q8_0.gguf"), TestData("weir-tiny-q8_0.json"),
                       Dtype::kF32, threads);
  std::vector<int32_t> tokens = tiny.tokenizer->Encode(ReadText(text), false);
  tokens.resize(3000);
  const auto logits = AllLogits(*tiny.model, tokens, 256, threads);
  for (const auto& position : tiny.answers["long"]["positions"]) {
    ExpectPosition(position, logits[position["pos"].get<size_t>()]);
  }
}

/// Perplexity over the first windows against the reference's nll of each window.
void ExpectPerplexity(const RealModel& real, int64_t n_windows, double tolerance,
                      ThreadPool& threads) {
  const std::vector<int32_t> tokens =
      real.tokenizer->Encode(ReadText(SharedData("models/text/held-out.txt")), false);
  const auto session = OpenSession(*real.model, 512, 128, threads);
  const auto result = MeasurePerplexity(*session, tokens, real.model->config().n_vocab,
                                        {.window = 512, .max_windows = n_windows}, {});
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(result->n_tokens, n_windows * 511);
  double expected = 0;
  for (int64_t w = 0; w < n_windows; ++w) {
    expected += real.answers["perplexity"]["nll_per_window"][static_cast<size_t>(w)].get<double>();
  }
  EXPECT_NEAR(result->nll.value, expected / static_cast<double>(n_windows), tolerance);
}

TEST(WeirTiny, PerplexityIsTheReferencesInF32) {
  WEIR_SKIP_WITHOUT(SharedData("models/text/held-out.txt"));
  ThreadPool threads(2);
  const RealModel tiny(TestData("weir-tiny-q8_0.gguf"), TestData("weir-tiny-q8_0.json"),
                       Dtype::kF32, threads);
  ExpectPerplexity(tiny, 8, 2e-5, threads);
}

TEST(WeirTiny, PerplexityOfEveryQuantisationIsTheReferencesInF32) {
  ThreadPool threads(2);
  for (const std::string quant : {"f16", "q4_k_m", "iq2_xxs"}) {
    const std::string name = SharedData("models/weir-tiny-" + quant);
    WEIR_SKIP_WITHOUT(name + ".gguf");
    const RealModel tiny(name + ".gguf", name + ".json", Dtype::kF32, threads);
    ExpectPerplexity(tiny, 2, 2e-5, threads);
  }
}

// A trained network does not amplify the rounding of int8 activations as random ones do: 0.7 % per
// projection costs some 1e-3 nats.
TEST(WeirTiny, PerplexityIsTheReferencesInInt8) {
  WEIR_SKIP_WITHOUT(SharedData("models/text/held-out.txt"));
  ThreadPool threads(2);
  const RealModel tiny(TestData("weir-tiny-q8_0.gguf"), TestData("weir-tiny-q8_0.json"),
                       Dtype::kInt8, threads);
  ExpectPerplexity(tiny, 8, 4e-3, threads);
}

TEST(SmolLM2, AnswersLikeTheReference) {
  const std::string gguf = SharedData("models/SmolLM2-135M-Instruct.Q4_1.gguf");
  WEIR_SKIP_WITHOUT(gguf);
  ThreadPool threads(2);
  const RealModel smol(gguf, SharedData("models/smollm2-135m-instruct.json"), Dtype::kF32, threads);
  ExpectTexts(smol, "chats", true, threads);
  ExpectPerplexity(smol, 1, 1e-4, threads);
}

#ifdef __linux__
/// VmHWM, RssAnon or RssFile of this process.
int64_t MemoryOf(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key + ":")) return std::stoll(line.substr(key.size() + 1)) * 1024;
  }
  return -1;
}

TEST(RealModel, LoadingNeverHoldsTheFileAndItsCopy) {
  const std::string path = SharedData("models/SmolLM2-135M-Instruct.Q4_1.gguf");
  WEIR_SKIP_WITHOUT(path);
  ThreadPool threads(2);
  auto file = GgufFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.error().message;
  struct Seen {
    int64_t before = 0, most = 0;
  } seen;
  seen.before = MemoryOf("RssAnon") + MemoryOf("RssFile");
  LoadOptions options;
  options.isa = BestIsa();
  options.context = &seen;
  options.progress = [](void* context, int64_t, int64_t) {
    Seen& s = *static_cast<Seen*>(context);
    s.most = std::max(s.most, MemoryOf("RssAnon") + MemoryOf("RssFile"));
    return true;
  };
  const auto model = Model::Load(**file, options, threads);
  ASSERT_TRUE(model.ok()) << model.error().message;
  (void)options.progress(&seen, 0, 0);
  const double packed = static_cast<double>((*model)->footprint().packed_bytes);
  EXPECT_LT(static_cast<double>(seen.most - seen.before), 1.1 * packed);
}
#endif

}  // namespace
}  // namespace weir
