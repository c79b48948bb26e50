#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/text/pre_tokenizer.h"
#include "model/text/unicode.h"
#include "model/text_testing.h"
#include "test_data.h"

namespace weir {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Pieces(std::string_view name, std::string_view text) {
  return Pieces(*PreTokenizer::FromName(name), text);
}

TEST(Unicode, ClassesHaveTheSizesOfVersion15) {
  ASSERT_STREQ(kUnicodeVersion, "15.0.0");
  size_t sizes[5] = {};
  for (uint32_t c = 0; c < kInvalidCodePoint; ++c) ++sizes[static_cast<int>(CharClassTable()[c])];
  EXPECT_EQ(sizes[static_cast<int>(CharClass::kLetter)], 136104u);
  EXPECT_EQ(sizes[static_cast<int>(CharClass::kMark)], 2450u);
  EXPECT_EQ(sizes[static_cast<int>(CharClass::kNumber)], 1831u);
  EXPECT_EQ(sizes[static_cast<int>(CharClass::kSpace)], 25u);
  EXPECT_EQ(CharClassTable()[kInvalidCodePoint], CharClass::kOther);
}

TEST(PreTokenizer, CutsGoldenStrings) {
  const nlohmann::json golden = ReadJson(TestData("tokenizers/vectors.json"));
  for (const char* name : {"qwen35", "qwen2", "llama-bpe", "gpt-2", "smollm"}) {
    ASSERT_EQ(golden["pieces"][name].size(), 304u);
    for (size_t i = 0; i < golden["strings"].size(); ++i) {
      EXPECT_EQ(Pieces(name, golden["strings"][i].get<std::string>()),
                golden["pieces"][name][i].get<std::vector<std::string>>())
          << name << ", string " << i;
    }
  }
}

TEST(PreTokenizer, AliasesMeanTheSame) {
  const std::string text = "It'S 12345 a\u0301\r\n  x";
  EXPECT_EQ(Pieces("llama3", text), Pieces("llama-bpe", text));
  EXPECT_EQ(Pieces("llama-v3", text), Pieces("llama-bpe", text));
  EXPECT_EQ(Pieces("deepseek-r1-qwen", text), Pieces("qwen2", text));
}

TEST(PreTokenizer, AnUnknownOneIsNamedInTheError) {
  const auto pre = PreTokenizer::FromName("falcon\n");
  ASSERT_FALSE(pre.ok());
  EXPECT_EQ(pre.error().code, ErrorCode::kBadInput);
  EXPECT_THAT(pre.error().message, HasSubstr("\"falcon\\n\""));
  EXPECT_THAT(pre.error().message, HasSubstr("qwen35, qwen2, llama-bpe, gpt-2, smollm"));
}

TEST(PreTokenizer, BytesThatAreNotUtf8AreLikePunctuation) {
  for (const char* name : {"qwen35", "qwen2", "llama-bpe"}) {
    EXPECT_THAT(Pieces(name, "a \xFF\xFE\n b"), ElementsAre("a", " \xFF\xFE\n", " b")) << name;
    // One such byte may begin a word, as any one character may; a cut sequence is two of them.
    EXPECT_THAT(Pieces(name,
                       "\xFF"
                       "abc"),
                ElementsAre("\xFF"
                            "abc"))
        << name;
    EXPECT_THAT(Pieces(name,
                       "\xE2\x82"
                       "abc"),
                ElementsAre("\xE2\x82", "abc"))
        << name;
  }
  EXPECT_THAT(Pieces("gpt-2", "a\xED\xA0\x80 \xFF!"), ElementsAre("a", "\xED\xA0\x80", " \xFF!"));
  EXPECT_THAT(Pieces("smollm", "1\xF4\x90"), ElementsAre("1", "\xF4\x90"));
}

}  // namespace
}  // namespace weir
