#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "model/text/special_tokens.h"
#include "test_data.h"

namespace weir {
namespace {

using ::testing::IsEmpty;

SpecialTokens Create(const std::vector<std::string>& tokens, std::vector<int64_t> types = {}) {
  if (types.empty()) types.assign(tokens.size(), 4);
  Metadata metadata;
  metadata.AddStrings("tokenizer.ggml.tokens", tokens);
  metadata.AddI32s("tokenizer.ggml.token_type", types);
  const auto vocabulary = Vocabulary::Create(metadata, Spelling::kByteAlphabet, {});
  EXPECT_TRUE(vocabulary.ok()) << vocabulary.error().message;
  return SpecialTokens(*vocabulary);
}

/// The text with each match as its id in brackets.
std::string Marked(const SpecialTokens& specials, const std::string& text) {
  std::string marked;
  size_t done = 0;
  for (const SpecialTokens::Match& match : specials.FindAll(text)) {
    EXPECT_GE(match.begin, done);
    marked += fmt::format("{}[{}]", text.substr(done, match.begin - done), match.id);
    done = match.begin + match.length;
  }
  return marked + text.substr(done);
}

TEST(SpecialTokens, OnlyControlAndUserDefinedOnesAreFound) {
  const SpecialTokens specials = Create({"a", "b", "c", "d", "e", "f", "g"}, {0, 1, 2, 3, 4, 5, 6});
  EXPECT_EQ(Marked(specials, "abcdefg"), "abc[3][4]fg");
}

TEST(SpecialTokens, TheLongestIsCutOutFirstWhereverItStands) {
  EXPECT_EQ(Marked(Create({"ab", "bcd"}), "abcd"), "a[1]");
  EXPECT_EQ(Marked(Create({"ab", "bc"}), "abc"), "[0]c");
  EXPECT_EQ(Marked(Create({"bc", "ab"}), "abc"), "a[0]");
  EXPECT_EQ(Marked(Create({"aa"}), "aaaaa"), "[0][0]a");
  EXPECT_EQ(Marked(Create({"abc", "ab", "cde"}), "abcde"), "[0]de");
  // "abc" does not fit any more when its turn comes, "ab" does.
  EXPECT_EQ(Marked(Create({"abc", "ab", "cdef"}), "abcdef"), "[1][2]");
}

TEST(SpecialTokens, EmptyOnesAndLaterDuplicatesAreNone) {
  EXPECT_EQ(Marked(Create({"", "ab", "ab"}), "xaby"), "x[1]y");
  EXPECT_THAT(Create({""}).FindAll("abc"), IsEmpty());
  EXPECT_THAT(Create({"abc"}).FindAll(""), IsEmpty());
  EXPECT_EQ(Marked(Create({"\xFF\x80", "\x01"}), "\x01\xFF\x80\xFF"), "[1][0]\xFF");
}

/// Spec 9.4 word for word: token after token, in what is left of the text.
std::string MarkedNaively(const std::vector<std::string>& tokens, const std::string& text) {
  std::vector<size_t> order(tokens.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(tokens[b].size(), a) < std::pair(tokens[a].size(), b);
  });
  // What is cut out keeps its place as one character that is in no token.
  std::string rest = text;
  std::vector<std::pair<size_t, size_t>> found;
  for (const size_t i : order) {
    for (size_t at = 0; (at = rest.find(tokens[i], at)) != std::string::npos;) {
      std::fill_n(rest.begin() + static_cast<std::ptrdiff_t>(at), tokens[i].size(), '#');
      found.emplace_back(at, i);
    }
  }
  std::sort(found.rbegin(), found.rend());
  std::string marked = text;
  for (const auto& [at, i] : found) {
    marked.replace(at, tokens[i].size(), fmt::format("[{}]", i));
  }
  return marked;
}

TEST(SpecialTokens, OverlappingOnesAreFoundLikeTheDefinition) {
  std::mt19937_64 random(TestSeed());
  const auto letters = [&](size_t n) {
    std::string text;
    for (; n > 0; --n) text += static_cast<char>('a' + random() % 2);
    return text;
  };
  for (int i = 0; i < 2000; ++i) {
    std::vector<std::string> tokens;
    for (size_t n = 1 + random() % 6; n > 0; --n) tokens.push_back(letters(1 + random() % 6));
    const std::string text = letters(random() % 40);
    ASSERT_EQ(Marked(Create(tokens), text), MarkedNaively(tokens, text))
        << text << ", seed " << TestSeed();
  }
}

}  // namespace
}  // namespace weir
