#include "model/text/tokenizer.h"

#include <gtest/gtest.h>

#include <random>

#include "gguf/gguf_file.h"
#include "model/text/stream_decoder.h"
#include "model/text/utf8.h"
#include "test_data.h"

namespace weir {
namespace {

using ::testing::Test;

std::unique_ptr<Tokenizer> Open(const std::string& path) {
  const auto file = GgufFile::Open(path);
  EXPECT_TRUE(file.ok()) << file.error().message;
  auto tokenizer = Tokenizer::Create((*file)->metadata());
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  return std::move(tokenizer).value();
}

const Tokenizer& Tiny() {
  static const std::unique_ptr<Tokenizer> tokenizer = Open(TestData("weir-tiny-q8_0.gguf"));
  return *tokenizer;
}

void ExpectGoldenIds(const Tokenizer& tokenizer, const std::string& name) {
  const nlohmann::json golden = ReadJson(TestData("tokenizers/vectors.json"));
  size_t n_checked = 0;
  for (const bool specials : {false, true}) {
    const nlohmann::json& all = golden[specials ? "ids_with_specials" : "ids"][name];
    for (size_t i = 0; i < golden["strings"].size(); ++i) {
      const std::string text = golden["strings"][i];
      EXPECT_EQ(tokenizer.Encode(text, specials), all[i].get<std::vector<int32_t>>())
          << "string " << i << ": " << text;
      ++n_checked;
    }
  }
  EXPECT_EQ(n_checked, 608u);
}

TEST(Tokenizer, EncodesGoldenStringsForWeirTiny) { ExpectGoldenIds(Tiny(), "weir-tiny"); }

TEST(Tokenizer, EncodesGoldenStringsForSmolLm2) {
  const std::string path = SharedData("models/SmolLM2-135M-Instruct.Q4_1.gguf");
  WEIR_SKIP_WITHOUT(path);
  ExpectGoldenIds(*Open(path), "smollm2");
}

TEST(Tokenizer, EncodesGoldenStringsForGpt2) {
  const std::string path = SharedData("golden/tokenizers/gpt-2.gguf");
  WEIR_SKIP_WITHOUT(path);
  ExpectGoldenIds(*Open(path), "gpt-2");
}

}  // namespace
}  // namespace weir
