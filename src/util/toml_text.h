#pragma once

#include <string>
#include <string_view>

#include "util/error.h"

namespace weir {

/// kBadInput, with file and line, for a text with a character from U+FC26 to U+FEFE (Arabic presentation forms, and the
/// selectors that follow some emoji): to be asked before toml++ parses it, whose version 3.3 has undefined behaviour
/// where one stands outside a string (is_non_ascii_horizontal_whitespace has no case for them).
Status CheckTomlText(std::string_view text, const std::string& path);

}  // namespace weir
