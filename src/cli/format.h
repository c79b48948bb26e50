// Numbers and foreign text as people read them in a terminal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "util/error.h"

namespace weir {

/// Text from a file, safe to print on one line: control characters, characters that reorder others and
/// invalid UTF-8 appear as escapes (\n, \x1b, \u{202e}), and so does the backslash.
std::string Escaped(std::string_view text);

/// The same for messages, which are read and not taken apart: the backslash stays single.
std::string EscapedControls(std::string_view text);

/// Text without control characters other than line feed and tab: what a model may send to a terminal.
std::string WithoutControls(std::string_view text);

/// The start of escaped `text` that fits into `width` columns, with "…" for what is cut off.
std::string Shorten(std::string_view text, int width);

/// "800,881,920".
std::string Grouped(int64_t n);

/// "801 MB", "28.6 GB": three digits, powers of ten.
std::string ByteSize(int64_t n_bytes);

/// "61 s", "12 min", "3.5 h": how long something may take.
std::string Duration(int64_t ms);

/// "3%", "3 %" or "3" as 0.03; kBadInput, with the name of the flag, for what is no percentage of 0 or more.
Result<double> ParsePercent(std::string_view flag, std::string text);

}  // namespace weir
