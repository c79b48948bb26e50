#include "util/char_width.h"

#include <gtest/gtest.h>

#include <string_view>

namespace weir {
namespace {

TEST(CharWidth, NarrowWideAndNothing) {
  for (const char32_t c : std::u32string_view(U"a~ÄßжאΩ€½\u00AD“”’ｱ")) {
    EXPECT_EQ(CharWidth(c), 1) << std::hex << static_cast<uint32_t>(c);
  }
  for (const char32_t c : std::u32string_view(U"日本語한글ㄱあア、！ＡＺ😀🚀🧑🏽⌚🀄㍿𠀀")) {
    EXPECT_EQ(CharWidth(c), 2) << std::hex << static_cast<uint32_t>(c);
  }
  for (const char32_t c :
       std::u32string_view(U"\u0301\u0489\u05B0\u064B\u0E31\u094D\u200B\u200D\u202E\uFE0F\uFEFF\u1160")) {
    EXPECT_EQ(CharWidth(c), 0) << std::hex << static_cast<uint32_t>(c);
  }
}

TEST(CharWidth, AnyNumberHasOne) {
  for (const uint32_t c : {0u, 0x1Fu, 0x7Fu, 0xE0001u, 0x10FFFFu, 0x110000u, 0xFFFFFFFFu}) {
    EXPECT_GE(CharWidth(c), 0);
    EXPECT_LE(CharWidth(c), 2);
  }
}

}  // namespace
}  // namespace weir
