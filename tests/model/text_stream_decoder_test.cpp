#include <gtest/gtest.h>

#include <random>

#include "gguf/gguf_file.h"
#include "model/text/stream_decoder.h"
#include "model/text/utf8.h"
#include "test_data.h"

namespace weir {
namespace {

const Tokenizer& Tiny() {
  static const std::unique_ptr<Tokenizer> tokenizer = [] {
    const auto file = GgufFile::Open(TestData("weir-tiny-q8_0.gguf"));
    EXPECT_TRUE(file.ok()) << file.error().message;
    return std::move(Tokenizer::Create((*file)->metadata())).value();
  }();
  return *tokenizer;
}

std::string Decode(const std::vector<int32_t>& ids, bool show_control = false) {
  StreamDecoder decoder(Tiny(), show_control);
  std::string text;
  for (const int32_t id : ids) {
    const std::string part = decoder.Push(id);
    EXPECT_TRUE(IsValidUtf8(part));
    text += part;
  }
  return text + decoder.Flush();
}

TEST(StreamDecoder, GoldenStringsComeBack) {
  const nlohmann::json golden = ReadJson(TestData("tokenizers/vectors.json"));
  for (const auto& string : golden["strings"]) {
    const std::string text = string;
    EXPECT_EQ(Decode(Tiny().Encode(text, false)), text);
    EXPECT_EQ(Decode(Tiny().Encode(text, true), /*show_control=*/true), text);
  }
}

TEST(StreamDecoder, ACharacterComesWithItsLastByte) {
  const std::vector<int32_t> ids = Tiny().Encode("\U0001F600", false);
  ASSERT_GT(ids.size(), 1u);
  StreamDecoder decoder(Tiny());
  for (size_t i = 0; i + 1 < ids.size(); ++i) EXPECT_EQ(decoder.Push(ids[i]), "");
  EXPECT_EQ(decoder.Push(ids.back()), "\U0001F600");
  EXPECT_EQ(decoder.Flush(), "");
}

TEST(StreamDecoder, ACutCharacterIsReplacedAtTheEndOrByWhatFollows) {
  std::vector<int32_t> ids = Tiny().Encode("\U0001F600", false);
  ids.pop_back();
  EXPECT_EQ(Decode(ids), "\uFFFD");
  ids.push_back('a' - 33);
  ASSERT_EQ(Tiny().Piece(ids.back()), "a");
  EXPECT_EQ(Decode(ids), "\uFFFDa");
}

TEST(StreamDecoder, ControlTokensAreSilentUnlessAskedFor) {
  const std::vector<int32_t> ids = Tiny().Encode("<|im_start|>x<think>y<|im_end|>", true);
  EXPECT_EQ(Decode(ids), "x<think>y");
  EXPECT_EQ(Decode(ids, /*show_control=*/true), "<|im_start|>x<think>y<|im_end|>");
}

TEST(StreamDecoder, AnySplitOfAnyBytesGivesTheSameText) {
  std::mt19937_64 random(TestSeed());
  for (int i = 0; i < 2000; ++i) {
    // Mostly bytes of multi-byte characters, cut and mixed.
    std::string bytes;
    for (size_t n = random() % 40; n > 0; --n) {
      static constexpr std::string_view kParts[] = {
          "a",        "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
          "\xE2\x82", "\xF0\x9F", "\x80",         "\xFF"};
      bytes += kParts[random() % std::size(kParts)];
    }
    // One token per byte, and as few tokens as the merges give.
    std::vector<int32_t> split;
    for (const char c : bytes) split.push_back(Tiny().Encode({&c, 1}, false).at(0));
    std::string expected;
    RepairUtf8(bytes, /*at_end=*/true, &expected);
    ASSERT_EQ(Decode(split), expected) << "seed " << TestSeed();
    ASSERT_EQ(Decode(Tiny().Encode(bytes, false)), expected) << "seed " << TestSeed();
  }
}

}  // namespace
}  // namespace weir
