#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "gguf/gguf_file.h"
#include "model/text/merge_symbols.h"
#include "model/text/tokenizer.h"
#include "model/text_testing.h"
#include "test_data.h"

namespace weir {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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

void ExpectGoldenIds(const Tokenizer& tokenizer, const std::string& name, size_t n_expected = 608) {
  const nlohmann::json golden = ReadJson(TestData("tokenizers/vectors.json"));
  size_t n_checked = 0;
  for (const bool specials : {false, true}) {
    const nlohmann::json& of_kind = golden[specials ? "ids_with_specials" : "ids"];
    if (!of_kind.contains(name)) continue;  // their library does not recognise any
    const nlohmann::json& all = of_kind[name];
    for (size_t i = 0; i < golden["strings"].size(); ++i) {
      const std::string text = golden["strings"][i];
      EXPECT_EQ(tokenizer.Encode(text, specials), all[i].get<std::vector<int32_t>>())
          << "string " << i << ": " << text;
      ++n_checked;
    }
  }
  EXPECT_EQ(n_checked, n_expected);
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

TEST(Tokenizer, EncodesGoldenStringsForLlama2) {
  const std::string path = SharedData("golden/tokenizers/llama-spm.gguf");
  WEIR_SKIP_WITHOUT(path);
  ExpectGoldenIds(*Open(path), "llama-spm", 304);
}

/// The 256 bytes in GPT-2's alphabet, by byte.
std::vector<std::string> ByteAlphabet() {
  std::vector<std::string> alphabet;
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool prints = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    alphabet.push_back(Utf8Of(prints ? byte : next++));
  }
  return alphabet;
}

/// What a file says about its tokenizer, to be changed by tests: 256 bytes, then what is added.
struct Keys {
  std::string model = "gpt2", pre = "gpt-2";
  std::vector<std::string> tokens = ByteAlphabet(), merges;
  std::vector<int64_t> types = std::vector<int64_t>(256, 1);

  int32_t AddToken(const std::string& text, int64_t type) {
    tokens.push_back(text);
    types.push_back(type);
    return static_cast<int32_t>(tokens.size()) - 1;
  }
  int32_t AddMerge(const std::string& left, const std::string& right) {
    merges.push_back(left + " " + right);
    return AddToken(left + right, 1);
  }
  Metadata Build() const {
    Metadata metadata;
    metadata.AddString("tokenizer.ggml.model", model);
    metadata.AddString("tokenizer.ggml.pre", pre);
    metadata.AddStrings("tokenizer.ggml.tokens", tokens);
    metadata.AddI32s("tokenizer.ggml.token_type", types);
    metadata.AddStrings("tokenizer.ggml.merges", merges);
    return metadata;
  }
  std::unique_ptr<Tokenizer> Create() const {
    auto tokenizer = Tokenizer::Create(Build());
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().message;
    return std::move(tokenizer).value();
  }
};

std::string Concatenation(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  std::string text;
  for (const int32_t id : ids) text += tokenizer.Piece(id);
  return text;
}

TEST(Tokenizer, AnyBytesComeBack) {
  std::mt19937_64 random(TestSeed());
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (size_t n = random() % 200; n > 0; --n) text += static_cast<char>(random());
    for (const bool specials : {false, true}) {
      ASSERT_EQ(Concatenation(Tiny(), Tiny().Encode(text, specials)), text)
          << "seed " << TestSeed();
    }
  }
}

TEST(Tokenizer, AMegabyteInOnePieceComesBack) {
  for (const std::string& unit : {std::string("a"), std::string(" "), std::string("\n"),
                                  std::string("he"), std::string("\xFF"), std::string("\n ")}) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    ASSERT_EQ(Concatenation(Tiny(), Tiny().Encode(text, true)), text) << unit;
  }
}

TEST(Tokenizer, MergesTheLowestRankFirstAndTheLeftmostOfEquals) {
  Keys keys;
  const int32_t bc = keys.AddMerge("b", "c");
  const int32_t ab = keys.AddMerge("a", "b");
  const int32_t aa = keys.AddMerge("a", "a");
  const int32_t aaa = keys.AddMerge("aa", "a");
  keys.merges.push_back("b c");  // again: the first rank counts
  const auto tokenizer = keys.Create();
  EXPECT_THAT(tokenizer->Encode("abc", false), ElementsAre('a', bc));
  EXPECT_THAT(tokenizer->Encode("ab", false), ElementsAre(ab));
  EXPECT_THAT(tokenizer->Encode("aaaaa", false), ElementsAre(aa, aaa));
  EXPECT_THAT(tokenizer->Encode("aaa", false), ElementsAre(aaa));
}

/// Spec 9.3 word for word, in cubic time.
std::vector<std::string> MergeNaively(
    const std::string& piece, const std::vector<std::pair<std::string, std::string>>& merges) {
  std::vector<std::string> symbols;
  for (const char c : piece) symbols.emplace_back(1, c);
  for (;;) {
    size_t best = merges.size(), position = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const size_t rank =
          std::find(merges.begin(), merges.end(), std::pair(symbols[i], symbols[i + 1])) -
          merges.begin();
      if (rank < best) {
        best = rank;
        position = i;
      }
    }
    if (best == merges.size()) return symbols;
    symbols[position] += symbols[position + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(position) + 1);
  }
}

TEST(Tokenizer, MergesShortAndLongPiecesLikeTheDefinition) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 30; ++round) {
    Keys keys;
    std::vector<std::string> symbols = {"a", "b", "c"};
    std::vector<std::pair<std::string, std::string>> merges;
    while (merges.size() < 20) {
      const std::pair pair(symbols[random() % symbols.size()], symbols[random() % symbols.size()]);
      if (std::ranges::count(merges, pair) > 0) continue;
      merges.push_back(pair);
      if (std::ranges::count(symbols, pair.first + pair.second) > 0) {
        keys.merges.push_back(pair.first + " " + pair.second);
      } else {
        keys.AddMerge(pair.first, pair.second);
        symbols.push_back(pair.first + pair.second);
      }
    }
    const auto tokenizer = keys.Create();
    for (const size_t length : {1, 2, 5, 20, 47, 48, 49, 50, 100, 300}) {
      std::string piece;
      while (piece.size() < length) piece += static_cast<char>('a' + random() % 3);
      std::vector<std::string> pieces;
      for (const int32_t id : tokenizer->Encode(piece, false)) {
        pieces.emplace_back(tokenizer->Piece(id));
      }
      ASSERT_EQ(pieces, MergeNaively(piece, merges)) << piece << ", seed " << TestSeed();
    }
  }
}

TEST(RankQueue, GivesWhatASortedSetWouldGive) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 200; ++round) {
    RankQueue queue;
    std::multiset<std::pair<uint32_t, uint32_t>> expected;
    for (int i = 0; i < 300; ++i) {
      if (random() % 5 < 3) {
        const uint32_t rank = random() % 8, position = random() % 1000;
        queue.Push(rank, position);
        expected.emplace(rank, position);
        continue;
      }
      RankQueue::Entry entry;
      ASSERT_EQ(queue.Pop(&entry), !expected.empty());
      if (expected.empty()) continue;
      ASSERT_EQ(std::pair(entry.rank, entry.position), *expected.begin()) << "seed " << TestSeed();
      expected.erase(expected.begin());
      queue.Ahead();
    }
  }
}

/// Whatever the text, each symbol is looked up a few times and not once per merge.
TEST(MergeSymbols, LooksUpEachSymbolAFewTimes) {
  std::mt19937_64 random(TestSeed());
  for (const uint32_t n_letters : {1, 2, 10}) {
    std::vector<int32_t> symbols(100'000);
    for (int32_t& symbol : symbols) symbol = static_cast<int32_t>(random() % n_letters);
    // A symbol is a number of letters times 16 plus the first of them; longer ones merge later.
    size_t n_finds = 0;
    const auto find = [&](int32_t left, int32_t right) {
      ++n_finds;
      const int32_t length = left / 16 + 1 + right / 16 + 1;
      return length > 1000 ? Merge()
                           : Merge{static_cast<uint32_t>(length), 16 * (length - 1) + left % 16};
    };
    const size_t n = symbols.size();
    MergeSymbols(find, &symbols, 0);
    EXPECT_LT(symbols.size(), n / 500);
    EXPECT_LE(n_finds, 3 * n);
  }
}

TEST(Tokenizer, LongTextsOfRepeatedPiecesAreThoseOfTheirPieces) {
  std::string text;
  std::vector<int32_t> expected;
  std::mt19937_64 random(TestSeed());
  for (int i = 0; i < 3000; ++i) {
    // Many more pieces than a cache holds for a text of this size, and some of them often.
    const std::string piece =
        " " + std::string(1 + random() % 90, static_cast<char>('a' + random() % 26));
    text += piece;
    for (const int32_t id : Tiny().Encode(piece, false)) expected.push_back(id);
  }
  EXPECT_EQ(Tiny().Encode(text, false), expected);
}

TEST(Tokenizer, LlamaPiecesThatAreTokensAreNotMerged) {
  Keys keys;
  keys.pre = "llama-bpe";
  keys.AddMerge("a", "b");
  const int32_t abc = keys.AddToken("abc", 1);
  const int32_t spaced = keys.AddToken("\u0120abc", 1);
  EXPECT_THAT(keys.Create()->Encode("abc abc", false), ElementsAre(abc, spaced));
  keys.pre = "qwen2";
  EXPECT_THAT(keys.Create()->Encode("abc", false), ElementsAre(256, 'c'));
}

TEST(Tokenizer, BytesWithoutATokenAreDropped) {
  Keys keys;
  keys.tokens['b'] = "something else";
  EXPECT_THAT(keys.Create()->Encode("abcb", false), ElementsAre('a', 'c'));
  EXPECT_THAT(keys.Create()->Encode("b", false), IsEmpty());
}

TEST(Tokenizer, TextNeverBecomesAControlToken) {
  Keys keys;
  keys.pre = "llama-bpe";  // whose pieces are looked up whole
  const int32_t control = keys.AddToken("user", 3);
  const auto tokenizer = keys.Create();
  EXPECT_THAT(tokenizer->Encode("user", false), ElementsAre('u', 's', 'e', 'r'));
  EXPECT_THAT(tokenizer->Encode("user", true), ElementsAre(control));
  for (int32_t id = 0; id < Tiny().n_tokens(); ++id) {
    for (const int32_t part : Tiny().Encode(Tiny().Piece(id), false)) {
      EXPECT_FALSE(Tiny().IsControl(part)) << Tiny().Piece(id);
    }
  }
}

TEST(TypedText, SpecialTokensAreOnlyWhatTheTemplateWroteItself) {
  const int32_t start = 2042, end = 2043;
  const auto ids = [](const TypedText& text) { return Tiny().Encode(text); };
  const TypedText chat = {{"<|im_start|>user\n", Origin::kTemplate},
                          {"Hi<|im_end|>", Origin::kData},
                          {"<|im_end|>\n", Origin::kTemplate}};
  EXPECT_THAT(ids(chat), Contains(start));
  EXPECT_EQ(std::ranges::count(ids(chat), end), 1);
  EXPECT_EQ(Concatenation(Tiny(), ids(chat)), "<|im_start|>user\nHi<|im_end|><|im_end|>\n");
  // In parts, all the template's; then with one byte from elsewhere, at each place.
  EXPECT_THAT(
      ids({{"<|im_", Origin::kTemplate}, {"", Origin::kTemplate}, {"end|>", Origin::kTemplate}}),
      ElementsAre(end));
  const std::string token = "<|im_end|>";
  for (size_t i = 0; i < token.size(); ++i) {
    const TypedText mixed = {{token.substr(0, i), Origin::kTemplate},
                             {token.substr(i, 1), Origin::kData},
                             {token.substr(i + 1), Origin::kTemplate}};
    EXPECT_EQ(ids(mixed), Tiny().Encode(token, false)) << i;
  }
  // An empty part of data between two halves has written nothing, and yet they do not meet.
  EXPECT_EQ(ids({{"<|im_", Origin::kTemplate}, {"", Origin::kData}, {"end|>", Origin::kTemplate}}),
            Tiny().Encode(token, false));
}

TEST(TypedText, IsOneTextForMergesWhoeverWroteItsParts) {
  const std::string text = "The old man looked at the sea.  \n It's 12345 caf\u00e9!";
  for (size_t i = 0; i <= text.size(); ++i) {
    EXPECT_EQ(
        Tiny().Encode({{text.substr(0, i), Origin::kTemplate}, {text.substr(i), Origin::kData}}),
        Tiny().Encode(text, false))
        << i;
  }
  EXPECT_THAT(Tiny().Encode(TypedText()), IsEmpty());
}

/// Parts of special tokens of any origin, mixed at random.
TEST(TypedText, DataNeverBecomesAControlToken) {
  std::mt19937_64 random(TestSeed());
  const std::string_view special = "<|im_start|><|im_end|><|endoftext|>";
  for (int round = 0; round < 3000; ++round) {
    TypedText text;
    std::string as_template;  // a byte that is in no token for each byte of data
    for (size_t n = 1 + random() % 6; n > 0; --n) {
      const size_t begin = random() % special.size();
      const std::string part(special.substr(begin, 1 + random() % 20));
      const bool data = random() % 2;
      text.push_back({part, data ? Origin::kData : Origin::kTemplate});
      as_template += data ? std::string(part.size(), '\xFF') : part;
    }
    const auto controls = [](const std::vector<int32_t>& ids) {
      return std::ranges::count_if(ids, [](int32_t id) { return Tiny().IsControl(id); });
    };
    ASSERT_EQ(controls(Tiny().Encode(text)), controls(Tiny().Encode(as_template, true)))
        << "seed " << TestSeed();
  }
}

TEST(Tokenizer, OfTokensWithTheSameBytesThePlainOneThenTheFirstCounts) {
  Keys keys;
  keys.AddToken("a", 4);
  keys.AddToken("a", 1);
  keys.merges = {"x y"};
  keys.AddToken("xy", 4);
  const int32_t first = keys.AddToken("xy", 1);
  keys.AddToken("xy", 1);
  EXPECT_THAT(keys.Create()->Encode("axy", false), ElementsAre('a', first));
}

TEST(Tokenizer, WhatEndsATextIsNoTextEvenIfTheFileCallsItNormal) {
  Keys keys;
  keys.pre = "llama-bpe";
  const int32_t named = keys.AddToken("<|im_end|>", 1);
  const int32_t by_key = keys.AddToken("</end>", 1);
  Metadata metadata = keys.Build();
  metadata.AddU32("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(by_key));
  metadata.AddU32("tokenizer.ggml.eot_token_id", '\n');
  const auto tokenizer = Tokenizer::Create(metadata);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  const std::string text = "</end><|im_end|>\n";
  EXPECT_THAT((*tokenizer)->Encode(text, true), ElementsAre(by_key, named, '\n'));
  EXPECT_EQ((*tokenizer)->Encode(text, false).size(), text.size());
}

TEST(Tokenizer, EndOfGenerationIsByKeyAndByName) {
  for (int32_t id = 0; id < Tiny().n_tokens(); ++id) {
    const std::string_view piece = Tiny().Piece(id);
    EXPECT_EQ(Tiny().IsEndOfGeneration(id), piece == "<|im_end|>" || piece == "<|endoftext|>");
  }
  EXPECT_EQ(Tiny().eos(), 2043);
  EXPECT_EQ(Tiny().bos(), std::nullopt);

  Metadata metadata = Keys().Build();
  metadata.AddU32("tokenizer.ggml.eot_token_id", 7);
  metadata.AddU32("tokenizer.ggml.bos_token_id", 8);
  const auto tokenizer = Tokenizer::Create(metadata);
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_TRUE((*tokenizer)->IsEndOfGeneration(7));
  EXPECT_FALSE((*tokenizer)->IsEndOfGeneration(8));
  EXPECT_EQ((*tokenizer)->bos(), 8);
  EXPECT_EQ((*tokenizer)->eos(), std::nullopt);
}

TEST(Tokenizer, AddBosIsTheFilesWordOrThePreTokenisersHabit) {
  Keys keys;
  EXPECT_FALSE(keys.Create()->add_bos());
  keys.pre = "llama-bpe";
  EXPECT_TRUE(keys.Create()->add_bos());
  Metadata metadata = keys.Build();
  metadata.AddBool("tokenizer.ggml.add_bos_token", false);
  EXPECT_FALSE((*Tokenizer::Create(metadata))->add_bos());
}

TEST(Tokenizer, IdsOutsideTheVocabularyAreNothing) {
  for (const int32_t id : {-1, 2048, INT32_MAX, INT32_MIN}) {
    EXPECT_EQ(Tiny().Piece(id), "");
    EXPECT_FALSE(Tiny().IsControl(id));
    EXPECT_FALSE(Tiny().IsEndOfGeneration(id));
  }
}

TEST(Tokenizer, WrongKeysAreErrorsThatNameThem) {
  const struct {
    std::string expected;
    void (*change)(Keys*);
  } cases[] = {
      {"tokenizer.ggml.model: expected \"gpt2\" or \"llama\", found \"bert\"",
       [](Keys* k) { k->model = "bert"; }},
      {"tokenizer.ggml.pre: expected one of", [](Keys* k) { k->pre = "qwen36"; }},
      {"tokenizer.ggml.tokens: expected 1 to 2^30", [](Keys* k) { k->tokens.clear(); }},
      {"token_type: expected 256 entries, one per token, found 255",
       [](Keys* k) { k->types.pop_back(); }},
      {"token_type[3]: expected 0 to 6, found 7", [](Keys* k) { k->types[3] = 7; }},
      {"token_type[3]: expected 0 to 6, found -1", [](Keys* k) { k->types[3] = -1; }},
      {"merges[1]: expected two tokens and one space, found \"ab\"",
       [](Keys* k) {
         k->AddMerge("a", "b");
         k->merges.push_back("ab");
       }},
      {"merges[0]: expected two tokens and one space, found \"a b c\"",
       [](Keys* k) { k->merges.push_back("a b c"); }},
      {"merges[0]: the left part of", [](Keys* k) { k->merges.push_back("aa b"); }},
      {"merges[0]: the left part of \" b\"", [](Keys* k) { k->merges.push_back(" b"); }},
      {"merges[0]: the right part of", [](Keys* k) { k->merges.push_back("a bb"); }},
      {"merges[0]: the result of", [](Keys* k) { k->merges.push_back("a b"); }},
      {"merges[0]: the result of",
       [](Keys* k) {
         k->merges.push_back("a b");
         k->AddToken("ab", 3);
       }},
      {"merges[0]: the left part of \"\\xff\\n b\"",
       [](Keys* k) { k->merges.push_back("\xFF\n b"); }},
  };
  for (const auto& c : cases) {
    Keys keys;
    c.change(&keys);
    const auto tokenizer = Tokenizer::Create(keys.Build());
    ASSERT_FALSE(tokenizer.ok()) << c.expected;
    EXPECT_EQ(tokenizer.error().code, ErrorCode::kBadInput);
    EXPECT_THAT(tokenizer.error().message, HasSubstr(c.expected));
  }
}

TEST(Tokenizer, MissingKeysAndIdsOutOfRangeAreErrorsThatNameThem) {
  const Metadata whole = Keys().Build();
  for (const MetadataEntry& left_out : whole.entries()) {
    Metadata metadata;
    for (const MetadataEntry& entry : whole.entries()) {
      if (entry.key != left_out.key) metadata.Add(entry);
    }
    const auto tokenizer = Tokenizer::Create(metadata);
    ASSERT_FALSE(tokenizer.ok()) << left_out.key;
    EXPECT_THAT(tokenizer.error().message, HasSubstr(left_out.key));
  }
  for (const char* key : {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id",
                          "tokenizer.ggml.eot_token_id"}) {
    Metadata metadata = whole;
    metadata.AddU32(key, 256);
    const auto tokenizer = Tokenizer::Create(metadata);
    ASSERT_FALSE(tokenizer.ok()) << key;
    EXPECT_THAT(tokenizer.error().message, HasSubstr(key));
  }
}

}  // namespace
}  // namespace weir
