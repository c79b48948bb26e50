#include <gtest/gtest.h>

#include "model/text/utf8.h"
#include "model/text_testing.h"

namespace weir {
namespace {

TEST(Utf8, EveryCodePointDecodesAndSurrogatesDoNot) {
  for (uint32_t c = 0; c < 0x110000; ++c) {
    const std::string bytes = Utf8Of(c);
    const Utf8Step step = DecodeUtf8(bytes + "\x80");
    if (c >= 0xD800 && c < 0xE000) {
      ASSERT_EQ(step.code_point, kInvalidCodePoint) << c;
      ASSERT_FALSE(IsValidUtf8(bytes)) << c;
    } else {
      ASSERT_EQ(step.code_point, c);
      ASSERT_EQ(step.length, bytes.size()) << c;
      ASSERT_TRUE(IsValidUtf8(bytes)) << c;
    }
  }
}

TEST(Utf8, EveryProperPrefixIsCut) {
  for (const uint32_t c : {0x80u, 0x7FFu, 0x800u, 0xD7FFu, 0xE000u, 0xFFFFu, 0x10000u, 0x10FFFFu}) {
    const std::string bytes = Utf8Of(c);
    for (size_t length = 1; length < bytes.size(); ++length) {
      const Utf8Step step = DecodeUtf8(bytes.substr(0, length));
      EXPECT_EQ(step.code_point, kInvalidCodePoint) << c;
      EXPECT_TRUE(step.cut) << c;
      EXPECT_EQ(step.length, length) << c;
    }
  }
}

TEST(Utf8, InvalidPartsBecomeOneReplacementCharacterEach) {
  const struct {
    std::string bytes, repaired;
  } cases[] = {
      {"", ""},
      {"a\xC3\xA9z", "a\u00E9z"},
      {"\x80", "\uFFFD"},
      {"\xC0\xAF", "\uFFFD\uFFFD"},                      // overlong
      {"\xE0\x80\x80", "\uFFFD\uFFFD\uFFFD"},            // overlong
      {"\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD"},            // surrogate
      {"\xF4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"},  // above U+10FFFF
      {"\xF5", "\uFFFD"},
      {"\xE2\x82z", "\uFFFDz"},  // cut by another character
      {"\xF0\x9F\x98\xC3\xA9", "\uFFFD\u00E9"},
      {"\xF0\x9F\x98", "\uFFFD"},  // cut by the end
  };
  for (const auto& c : cases) {
    std::string repaired;
    EXPECT_EQ(RepairUtf8(c.bytes, /*at_end=*/true, &repaired), c.bytes.size());
    EXPECT_EQ(repaired, c.repaired);
    EXPECT_EQ(IsValidUtf8(c.bytes), c.bytes == c.repaired);
  }
}

TEST(Utf8, RepairWaitsForTheRestOfACharacter) {
  std::string out;
  EXPECT_EQ(RepairUtf8("ab\xE2\x82", /*at_end=*/false, &out), 2u);
  EXPECT_EQ(out, "ab");
}

}  // namespace
}  // namespace weir
