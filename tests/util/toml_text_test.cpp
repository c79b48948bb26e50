#include "util/toml_text.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(TomlText, OnlyTheCharactersThatTheParserCannotReadAreRefused) {
  for (const char* text : {"\xEF\xB0\xA5", "\xEF\xBB\xBF name = 1", "\xEF", "a\xEF\xB0", "\xF0\x9F\x98\x80", ""}) {
    EXPECT_TRUE(CheckTomlText(text, "a.toml").ok()) << text;
  }
  for (const char* character : {"\xEF\xB0\xA6", "\xEF\xB8\x8F", "\xEF\xBB\xBE"}) {
    const Status status = CheckTomlText(std::string("name = 1\n# \n\"") + character, "a.toml");
    ASSERT_FALSE(status.ok()) << character;
    EXPECT_EQ(status.error().code, ErrorCode::kBadInput);
    EXPECT_EQ(status.error().message.find("a.toml:3: a character from U+FC26"), 0u);
  }
}

}  // namespace
}  // namespace weir
