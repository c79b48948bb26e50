#include "cli/chat/word_wrapper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <sstream>
#include <vector>

#include "model/text/utf8.h"
#include "util/char_width.h"

namespace weir {
namespace {

using testing::ElementsAre;

std::string Wrapped(int width, std::string_view text) { return WordWrapped(text, width); }

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::stringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(WordWrapper, BreaksAtSpaces) {
  EXPECT_THAT(Lines(Wrapped(11, "the old man and the sea")),
              ElementsAre("the old man", "and the sea"));
  EXPECT_EQ(Wrapped(80, "one line\nand  another\n\n  indented"),
            "one line\nand  another\n\n  indented");
}

TEST(WordWrapper, LeavesOutSpacesThatNobodySees) {
  EXPECT_EQ(Wrapped(5, "abcde   fgh  \n\n x "), "abcde\nfgh\n\n x");
  EXPECT_EQ(Wrapped(4, "          far"), " far");
}

TEST(WordWrapper, CutsOnlyWordsThatAreLongerThanALine) {
  EXPECT_EQ(Wrapped(4, "a bcdefghijk lm"), "a\nbcde\nfghi\njk\nlm");
}

TEST(WordWrapper, TabsGoToStops) {
  EXPECT_EQ(Wrapped(40, "\ta\tbc\td"), "        a       bc      d");
  EXPECT_EQ(Wrapped(3, "\ta\tb"), "  a\nb");
}

TEST(WordWrapper, WideCharactersCountTwiceAndBreakAnywhereButBesideBrackets) {
  EXPECT_EQ(Wrapped(6, "日本語日本"), "日本語\n日本");
  EXPECT_EQ(Wrapped(7, "日本語日本"), "日本語\n日本");
  EXPECT_EQ(Wrapped(6, "日本語。日"), "日本\n語。日");    // a line never begins with a full stop
  EXPECT_EQ(Wrapped(6, "日本（日）"), "日本\n（日）");    // or ends with an opening bracket
  EXPECT_EQ(Wrapped(8, "in 日本語 now"), "in 日本\n語 now");
  EXPECT_EQ(Wrapped(6, "한국어 말"), "한국어\n말");
}

TEST(WordWrapper, MarksStayWithTheirCharacter) {
  EXPECT_EQ(Wrapped(2, "e\u0301e\u0301 e\u0301"), "e\u0301e\u0301\ne\u0301");
  EXPECT_EQ(Wrapped(3, "ab☔\uFE0F"), "ab\n☔\uFE0F");
  EXPECT_EQ(Wrapped(3, "ab☂\uFE0F"), "ab\n☂\uFE0F");  // narrow, and a wide picture with its mark
}

TEST(WordWrapper, AFloodOfMarksIsCut) {
  std::string flood = "a";
  for (int i = 0; i < 100'000; ++i) flood += "\u0301";
  const std::string out = Wrapped(10, flood + "b");
  EXPECT_LT(out.size(), 100u);
  EXPECT_TRUE(out.ends_with("b"));
}

TEST(WordWrapper, NoControlCharacterPasses) {
  EXPECT_EQ(Wrapped(80, "\x1b[31mred\x07\r\b\x7f\u009b2J"), "[31mred2J");
  EXPECT_EQ(Wrapped(80, std::string("a\0b", 3)), "ab");
  EXPECT_EQ(Wrapped(80, "a\u2028b\u2029c"), "a\nb\nc");
}

TEST(WordWrapper, PiecesOfCharactersWait) {
  WordWrapper wrapper(80);
  std::string out;
  for (const char c : std::string_view("日 é")) out += wrapper.Push(std::string_view(&c, 1));
  EXPECT_EQ(out + wrapper.Flush(), "日 é");
  EXPECT_EQ(Wrapped(80, "a\xff\xe6\x97"), "a\uFFFD\uFFFD");
}

TEST(WordWrapper, AWordIsShownWhenItIsComplete) {
  WordWrapper wrapper(80);
  EXPECT_EQ(wrapper.Push("hel"), "");
  EXPECT_EQ(wrapper.Push("lo wor"), "hello");
  EXPECT_EQ(wrapper.Flush(), " wor");
  EXPECT_EQ(wrapper.column(), 9);
}

TEST(WordWrapper, ANewWidthCountsFromTheNextLineOn) {
  WordWrapper wrapper(8);
  std::string out = wrapper.Push("aaaa ");
  wrapper.SetWidth(4);
  out += wrapper.Push("bbb cc dd");
  EXPECT_EQ(out + wrapper.Flush(), "aaaa bbb\ncc\ndd");
}

TEST(WordWrapper, WidthsThatNoTerminalHas) {
  for (const int width : {1, 0, -5}) {
    EXPECT_EQ(Wrapped(width, "ab 日e\u0301"), "a\nb\n日\ne\u0301");
  }
}

int Columns(std::string_view line) {
  int columns = 0;
  while (!line.empty()) {
    const Utf8Step step = DecodeUtf8(line);
    columns += CharWidth(step.code_point);
    line.remove_prefix(step.length);
  }
  return columns;
}

std::string WithoutBlanks(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n' || c == '\t'; });
  return text;
}

TEST(WordWrapper, AnyTextFitsAnyWidthHoweverItComes) {
  const std::vector<std::string> alphabet = {"a", "word", " ",  " ", "\n", "\t", "日", "。", "（", "é",
                                             "\u0301", "☂", "\uFE0F", "😀", "\u200D", "-", "\u00A0"};
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    const int width = 1 + static_cast<int>(random() % 12);
    std::string text;
    for (int i = 0; i < 60; ++i) text += alphabet[random() % alphabet.size()];
    const std::string whole = Wrapped(width, text);
    WordWrapper wrapper(width);
    std::string pieces;
    for (size_t at = 0; at < text.size();) {
      const size_t n = 1 + random() % 5;
      pieces += wrapper.Push(std::string_view(text).substr(at, n));
      at += n;
    }
    pieces += wrapper.Flush();
    ASSERT_EQ(pieces, whole) << width << " " << text;
    ASSERT_EQ(WithoutBlanks(whole), WithoutBlanks(text)) << width;
    for (const std::string& line : Lines(whole)) ASSERT_LE(Columns(line), std::max(width, 2)) << text;
  }
}

}  // namespace
}  // namespace weir
