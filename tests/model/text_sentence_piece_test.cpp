#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "gguf/gguf_file.h"
#include "model/text/stream_decoder.h"
#include "model/text/tokenizer.h"
#include "test_data.h"

namespace weir {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6;

/// What a file says about its tokenizer: <unk>, <s>, </s>, then 256 bytes, then what is added.
struct Keys {
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
  std::vector<int64_t> types = {kUnknown, kControl, kControl};
  std::vector<double> scores = {0, 0, 0};
  bool space_prefix = false;

  explicit Keys(bool with_bytes = true) {
    for (int byte = 0; with_bytes && byte < 256; ++byte) {
      Add(fmt::format("<0x{:02X}>", byte), 0, kByte);
    }
  }
  int32_t Add(const std::string& text, double score, int64_t type = kNormal) {
    tokens.push_back(text);
    types.push_back(type);
    scores.push_back(score);
    return static_cast<int32_t>(tokens.size()) - 1;
  }
  Metadata Build() const {
    Metadata metadata;
    metadata.AddString("tokenizer.ggml.model", "llama");
    metadata.AddStrings("tokenizer.ggml.tokens", tokens);
    metadata.AddI32s("tokenizer.ggml.token_type", types);
    metadata.Add({"tokenizer.ggml.scores", MetadataType::kF32, true, scores});
    metadata.AddBool("tokenizer.ggml.add_space_prefix", space_prefix);
    return metadata;
  }
  std::unique_ptr<Tokenizer> Create() const {
    auto tokenizer = Tokenizer::Create(Build());
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().message;
    return std::move(tokenizer).value();
  }
};

constexpr int32_t Byte(int byte) { return 3 + byte; }

std::vector<int32_t> Bytes(std::string_view text) {
  std::vector<int32_t> ids;
  for (const char c : text) ids.push_back(Byte(static_cast<uint8_t>(c)));
  return ids;
}

std::string Decode(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool from_start) {
  StreamDecoder decoder(tokenizer, /*show_control=*/false, from_start);
  std::string text;
  for (const int32_t id : ids) text += decoder.Push(id);
  return text + decoder.Flush();
}

TEST(SentencePiece, MergesTheHighestScoreFirstAndTheLeftmostOfEquals) {
  Keys keys;
  const int32_t a = keys.Add("a", -9), b = keys.Add("b", -9), c = keys.Add("c", -9);
  const int32_t ab = keys.Add("ab", -2), bc = keys.Add("bc", -1), aa = keys.Add("aa", -3);
  const int32_t ba = keys.Add("ba", -3);
  const auto tokenizer = keys.Create();
  EXPECT_THAT(tokenizer->Encode("abc", false), ElementsAre(a, bc));
  EXPECT_THAT(tokenizer->Encode("ab", false), ElementsAre(ab));
  EXPECT_THAT(tokenizer->Encode("aaaaa", false), ElementsAre(aa, aa, a));
  EXPECT_THAT(tokenizer->Encode("baa", false), ElementsAre(ba, a));
  EXPECT_THAT(tokenizer->Encode("cb", false), ElementsAre(c, b));
}

TEST(SentencePiece, CharactersWithoutATokenAreBytesOrUnknown) {
  Keys keys;
  const int32_t e = keys.Add("\u00e9", -1);
  const int32_t two = keys.Add("\u4e00x", -1);  // of characters that are no tokens
  EXPECT_THAT(keys.Create()->Encode("\u00e9\u4e00x\u4e00", false),
              ElementsAre(e, two, Byte(0xE4), Byte(0xB8), Byte(0x80)));
  EXPECT_THAT(keys.Create()->Encode("\n\xFF", false), ElementsAre(Byte('\n'), Byte(0xFF)));
  Keys bare(/*with_bytes=*/false);
  bare.Add("a", -1);
  EXPECT_THAT(bare.Create()->Encode("\u4e00a\n", false), ElementsAre(0, 3, 0));
  bare.types[0] = kControl;  // then text must not become it, not even as the unknown
  EXPECT_THAT(bare.Create()->Encode("\u4e00a\n", false), ElementsAre(3));
}

TEST(SentencePiece, ASpaceComesBeforeTheTextAndAfterSpecialTokens) {
  Keys keys;
  const int32_t space = keys.Add("\u2581", -9), a = keys.Add("a", -9);
  const int32_t spaced = keys.Add("\u2581a", -1);
  const int32_t user = keys.Add("[USER]", 0, kUserDefined);
  EXPECT_THAT(keys.Create()->Encode("a a\u2581a", false), ElementsAre(a, spaced, spaced));
  keys.space_prefix = true;
  const auto tokenizer = keys.Create();
  EXPECT_THAT(tokenizer->Encode("", true), IsEmpty());
  EXPECT_THAT(tokenizer->Encode("a", true), ElementsAre(spaced));
  EXPECT_THAT(tokenizer->Encode(" a", true), ElementsAre(space, spaced));
  EXPECT_THAT(tokenizer->Encode("<s>a</s>[USER]a<s>", true),
              ElementsAre(1, spaced, 2, user, spaced, 1));
  const TypedText chat = {
      {"<s>", Origin::kTemplate}, {"a", Origin::kData}, {"a", Origin::kTemplate}};
  EXPECT_THAT(tokenizer->Encode(chat), ElementsAre(1, spaced, a));
  EXPECT_EQ(Decode(*tokenizer, {spaced, spaced}, /*from_start=*/true), "a a");
  EXPECT_EQ(Decode(*tokenizer, {1, spaced}, /*from_start=*/true), "a");
  EXPECT_EQ(Decode(*tokenizer, {spaced, spaced}, /*from_start=*/false), " a a");
  EXPECT_EQ(Decode(*tokenizer, {a, spaced}, /*from_start=*/true), "a a");
}

TEST(SentencePiece, TextNeverBecomesAControlByteOrUnknownToken) {
  Keys keys;
  for (const char c : std::string("<>/s0xAunk")) keys.Add({c}, -9);
  // As in files whose converter forgot the types: as if merges led to the end of the text.
  keys.types[2] = kNormal;
  for (const char* part : {"</", "s>", "<0", "x0", "A>", "<0x0", "<u", "nk", "<unk", "<s"}) {
    keys.Add(part, -1);
  }
  const auto tokenizer = keys.Create();
  for (const std::string text : {"</s>", "<s>", "<unk>", "<0x0A>"}) {
    for (const TypedText& typed :
         {TypedText{{text, Origin::kData}},
          TypedText{{text.substr(0, 2), Origin::kTemplate}, {text.substr(2), Origin::kData}}}) {
      for (const int32_t id : tokenizer->Encode(typed)) EXPECT_GE(id, Byte(256)) << text;
    }
  }
  EXPECT_THAT(tokenizer->Encode("</s>", true), ElementsAre(2));
}

/// Spec 9.7 word for word, in cubic time; the text has no space.
std::vector<int32_t> EncodeNaively(const Keys& keys, const std::string& text) {
  std::vector<std::string> symbols;
  for (const char c : text) symbols.emplace_back(1, c);
  const auto find = [&](const std::string& symbol) {
    for (size_t id = 0; id < keys.tokens.size(); ++id) {
      const int64_t type = keys.types[id];
      if (keys.tokens[id] == symbol &&
          (type == kNormal || type == kUserDefined || type == kUnused)) {
        return static_cast<int32_t>(id);
      }
    }
    return -1;
  };
  for (;;) {
    size_t best = symbols.size();
    double score = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const int32_t id = find(symbols[i] + symbols[i + 1]);
      if (id >= 0 && (best == symbols.size() || keys.scores[static_cast<size_t>(id)] > score)) {
        best = i;
        score = keys.scores[static_cast<size_t>(id)];
      }
    }
    if (best == symbols.size()) break;
    symbols[best] += symbols[best + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  std::vector<int32_t> ids;
  for (const std::string& symbol : symbols) {
    const int32_t id = find(symbol);
    ids.push_back(id >= 0 ? id : Byte(symbol[0]));
  }
  return ids;
}

TEST(SentencePiece, MergesLikeTheDefinition) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 60; ++round) {
    Keys keys;
    const auto letters = [&](size_t n) {
      std::string text;
      for (; n > 0; --n) text += static_cast<char>('a' + random() % 4);
      return text;
    };
    constexpr int64_t kTypes[] = {kNormal, kNormal, kNormal, kControl, kUserDefined, kUnused};
    for (int i = 0; i < 30; ++i) {
      const std::string token = letters(1 + random() % 5);
      if (std::ranges::count(keys.tokens, token) > 0) continue;
      // Few scores, so that many are equal.
      keys.Add(token, -static_cast<double>(random() % 6), kTypes[random() % std::size(kTypes)]);
    }
    const auto tokenizer = keys.Create();
    for (const size_t length : {1, 2, 5, 20, 48, 49, 80, 150}) {
      const std::string text = letters(length);
      ASSERT_EQ(tokenizer->Encode(text, false), EncodeNaively(keys, text))
          << text << ", seed " << TestSeed();
    }
  }
}

TEST(SentencePiece, AnyTextComesBack) {
  Keys keys;
  keys.space_prefix = true;
  keys.Add("\u2581", -5);
  for (const char* token : {"a", "b", "\u2581a", "ab", "\u2581\u2581", "\u00e9", "b\u2581"}) {
    keys.Add(token, -4);
  }
  const auto tokenizer = keys.Create();
  std::mt19937_64 random(TestSeed());
  for (int i = 0; i < 2000; ++i) {
    static constexpr std::string_view kParts[] = {"a",      "b",      " ",          "  ", "\n",
                                                  "\u00e9", "\u4e00", "\U0001F600", "<s>"};
    std::string text;
    for (size_t n = random() % 30; n > 0; --n) text += kParts[random() % std::size(kParts)];
    ASSERT_EQ(Decode(*tokenizer, tokenizer->Encode(text, false), /*from_start=*/true), text)
        << "seed " << TestSeed();
  }
}

TEST(SentencePiece, AMegabyteInOnePieceComesBack) {
  Keys keys;
  keys.Add("\u2581", -9);
  for (std::string token = "a"; token.size() <= 16; token += token) keys.Add(token, -1);
  const auto tokenizer = keys.Create();
  for (const std::string unit : {"a", " ", "\u4e00", "aab"}) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    ASSERT_EQ(Decode(*tokenizer, tokenizer->Encode(text, true), true), text) << unit;
  }
}

TEST(SentencePiece, DefaultsAreThoseOfItsFiles) {
  Metadata metadata;
  const Metadata whole = Keys().Build();
  for (const MetadataEntry& entry : whole.entries()) {
    if (entry.key != "tokenizer.ggml.add_space_prefix") metadata.Add(entry);
  }
  const auto tokenizer = Tokenizer::Create(metadata);
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_TRUE((*tokenizer)->space_prefix());
  EXPECT_TRUE((*tokenizer)->add_bos());
  EXPECT_EQ((*tokenizer)->bos(), 1);
  EXPECT_EQ((*tokenizer)->eos(), 2);
  EXPECT_TRUE((*tokenizer)->IsEndOfGeneration(2));
  EXPECT_FALSE((*tokenizer)->IsEndOfGeneration(1));
}

TEST(SentencePiece, StrangeVocabulariesGiveTextOrAnErrorThatNamesTheKey) {
  Keys keys;
  keys.scores.pop_back();
  auto tokenizer = Tokenizer::Create(keys.Build());
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_THAT(tokenizer.error().message, HasSubstr("scores: expected 259 entries"));
  keys.scores.push_back(std::nan(""));
  tokenizer = Tokenizer::Create(keys.Build());
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_THAT(tokenizer.error().message, HasSubstr("scores[258]: expected a number"));

  // No bytes, malformed bytes, an empty token, invalid UTF-8, infinite scores, the same text twice.
  Keys strange(/*with_bytes=*/false);
  strange.Add("<0xZZ>", 0, kByte);
  strange.Add("<0x0>", 0, kByte);
  strange.Add("", 1e300);
  const int32_t invalid = strange.Add("\xFF\xFE", INFINITY);
  const int32_t first = strange.Add("a", -INFINITY);
  strange.Add("a", 5);
  EXPECT_THAT(strange.Create()->Encode("\xFF\xFE\xFF", false), ElementsAre(invalid, 0));
  EXPECT_THAT(strange.Create()->Encode("a\n", false), ElementsAre(first, 0));

  Keys tiny(/*with_bytes=*/false);
  tiny.tokens.resize(1);
  tiny.types.resize(1);
  tiny.scores.resize(1);
  EXPECT_EQ(tiny.Create()->bos(), std::nullopt);
  EXPECT_THAT(tiny.Create()->Encode("ab", true), ElementsAre(0, 0));
}

TEST(SentencePiece, BytesOfACharacterComeTogether) {
  const auto tokenizer = Keys().Create();
  StreamDecoder decoder(*tokenizer);
  const std::vector<int32_t> ids = Bytes("\u4e00");
  EXPECT_THAT(tokenizer->Encode("\u4e00", false), ElementsAreArray(ids));
  EXPECT_EQ(decoder.Push(ids[0]), "");
  EXPECT_EQ(decoder.Push(ids[1]), "");
  EXPECT_EQ(decoder.Push(ids[2]), "\u4e00");
}

}  // namespace
}  // namespace weir
