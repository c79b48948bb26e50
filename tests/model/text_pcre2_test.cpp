// The scanners against the regular expressions that define them, run by PCRE2 where it is
// installed.
#include <gtest/gtest.h>

#ifndef WEIR_HAVE_PCRE2
TEST(Pcre2, AgreesWithTheScanners) { GTEST_SKIP() << "skipped: built without PCRE2"; }
#else

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <memory>
#include <random>

#include "model/text/unicode.h"
#include "model/text_testing.h"
#include "test_data.h"

namespace weir {
namespace {

// Spelled out: PCRE2's \s has U+180E, which Unicode has no longer; and (?i) would fold U+017F to s.
#define WEIR_SPACE                                                                \
  "\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}" \
  "\\x{205F}\\x{3000}"
#define WEIR_TAIL "[" WEIR_SPACE "]+(?![^" WEIR_SPACE "])|[" WEIR_SPACE "]+"
#define WEIR_LINES(word, numbers)                                                               \
  "'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])|[^\\r\\n\\p{L}\\p{N}]?[" word "]+|\\p{N}" numbers \
  "| ?[^" WEIR_SPACE word "\\p{N}]+[\\r\\n]*|[" WEIR_SPACE "]*[\\r\\n]+|" WEIR_TAIL

constexpr const char* kQwen35 = WEIR_LINES("\\p{L}\\p{M}", "");
constexpr const char* kQwen2 = WEIR_LINES("\\p{L}", "");
constexpr const char* kLlama = WEIR_LINES("\\p{L}", "{1,3}");
constexpr const char* kGpt2 =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" WEIR_SPACE "\\p{L}\\p{N}]+|" WEIR_TAIL;

class Regex {
 public:
  explicit Regex(const char* pattern)
      : code_(pcre2_compile(Bytes(pattern), PCRE2_ZERO_TERMINATED,
                            PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &error_, &offset_, nullptr),
              pcre2_code_free),
        match_(pcre2_match_data_create(1, nullptr), pcre2_match_data_free) {
    EXPECT_NE(code_, nullptr) << pattern << ": error " << error_ << " at " << offset_;
  }

  /// Bytes matched at `begin`; 0 if there is no match.
  size_t MatchLength(const std::string& text, size_t begin) const {
    const int n = pcre2_match(code_.get(), Bytes(text.c_str()), text.size(), begin,
                              PCRE2_NO_UTF_CHECK, match_.get(), nullptr);
    return n < 0 ? 0 : pcre2_get_ovector_pointer(match_.get())[1] - begin;
  }

  std::vector<std::string> Pieces(const std::string& text) const {
    std::vector<std::string> pieces;
    for (size_t begin = 0; begin < text.size(); begin += pieces.back().size()) {
      pieces.push_back(text.substr(begin, MatchLength(text, begin)));
      if (pieces.back().empty()) {
        ADD_FAILURE() << "the pattern does not match at " << begin;
        break;
      }
    }
    return pieces;
  }

 private:
  static PCRE2_SPTR Bytes(const char* text) { return reinterpret_cast<PCRE2_SPTR>(text); }

  int error_ = 0;
  size_t offset_ = 0;
  std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code_;
  std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match_;
};

/// Code points that PCRE2 puts into the same class as weir, which is all of those that it knows.
const std::vector<uint32_t>& AgreedCodePoints() {
  static const std::vector<uint32_t> agreed = [] {
    const Regex assigned("\\P{Cn}");
    const Regex classes[] = {Regex("[^\\p{L}\\p{M}\\p{N}" WEIR_SPACE "]"), Regex("\\p{L}"),
                             Regex("\\p{M}"), Regex("\\p{N}"), Regex("[" WEIR_SPACE "]")};
    std::vector<uint32_t> result;
    for (uint32_t c = 0; c < kInvalidCodePoint; ++c) {
      if (c >= 0xD800 && c < 0xE000) continue;
      const std::string text = Utf8Of(c);
      if (classes[static_cast<int>(CharClassTable()[c])].MatchLength(text, 0) > 0) {
        result.push_back(c);
      } else {
        EXPECT_EQ(assigned.MatchLength(text, 0), 0u) << "U+" << std::hex << c;
      }
    }
    return result;
  }();
  return agreed;
}

/// Text of short runs, rich in the characters that the patterns treat specially.
std::string RandomText(std::mt19937_64& random) {
  static constexpr char32_t kPicks[] =
      U"'''sStTmMdDrReEvVlL    \t\r\n\n\u0085\u00A0\u180E\u2028\u3000"
      U"019\u00BD\u2167\u0663"
      U"azAZ\u00E9\u017F\u212A\u4E00\uAC00\u0301\u0303\u094D\u20E3.,!?-_$\u200B\u200D\uFEFF\u00AD"
      U"\U0001F601\U0001F1E9\uE000\u0378\U0003FFFD\U0001D7D9\U00010348\U000E0100\U00000001";
  const std::vector<uint32_t>& agreed = AgreedCodePoints();
  std::string text;
  for (size_t n = random() % 24; n > 0; --n) {
    const uint32_t c = random() % 5 == 0 ? agreed[random() % agreed.size()]
                                         : kPicks[random() % (std::size(kPicks) - 1)];
    for (size_t run = random() % 4 == 0 ? 1 + random() % 4 : 1; run > 0; --run) text += Utf8Of(c);
  }
  return text;
}

void ExpectSamePieces(const char* name, const char* pattern) {
  const PreTokenizer pre = *PreTokenizer::FromName(name);
  const Regex regex(pattern);
  std::mt19937_64 random(TestSeed());
  for (int i = 0; i < 20000; ++i) {
    const std::string text = RandomText(random);
    ASSERT_EQ(Pieces(pre, text), regex.Pieces(text)) << name << ", seed " << TestSeed();
  }
}

TEST(Pcre2, KnowsNoCodePointOfAnotherClass) { EXPECT_GT(AgreedCodePoints().size(), 1'100'000u); }
TEST(Pcre2, CutsLikeQwen35) { ExpectSamePieces("qwen35", kQwen35); }
TEST(Pcre2, CutsLikeQwen2) { ExpectSamePieces("qwen2", kQwen2); }
TEST(Pcre2, CutsLikeLlamaBpe) { ExpectSamePieces("llama-bpe", kLlama); }
TEST(Pcre2, CutsLikeGpt2) { ExpectSamePieces("gpt-2", kGpt2); }

TEST(Pcre2, CutsLikeSmolLm) {
  const PreTokenizer pre = *PreTokenizer::FromName("smollm");
  const Regex gpt2(kGpt2), number("\\p{N}"), stretch("\\P{N}+");
  std::mt19937_64 random(TestSeed());
  for (int i = 0; i < 20000; ++i) {
    const std::string text = RandomText(random);
    std::vector<std::string> expected;
    for (size_t begin = 0; begin < text.size();) {
      const size_t n = number.MatchLength(text, begin);
      const std::string part = text.substr(begin, n > 0 ? n : stretch.MatchLength(text, begin));
      for (const std::string& piece : gpt2.Pieces(part)) expected.push_back(piece);
      begin += part.size();
    }
    ASSERT_EQ(Pieces(pre, text), expected) << "seed " << TestSeed();
  }
}

}  // namespace
}  // namespace weir
#endif
