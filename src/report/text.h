// Text and numbers on their way into a page: what others named is shown, never obeyed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace weir {

/// Valid UTF-8 without control characters, without characters that reorder others and without those that XML
/// forbids: each of them becomes U+FFFD, a line end a space.
std::string CleanText(std::string_view text);

/// Cleaned, and safe as text and as an attribute in quotes, in HTML and in XML.
std::string XmlText(std::string_view text);
/// The same for a preformatted block: lines and tabs stay.
std::string XmlLines(std::string_view text);

/// Cleaned, and safe in a line and in a table's cell of Markdown.
std::string MarkdownText(std::string_view text);

/// One word of a command, in quotes where it needs them.
std::string ShellWord(std::string_view text);

/// Three digits or so: "0.0123", "7.25", "33.8", "6,721".
std::string ThreeDigits(double value);
/// "801 MB", "28.6 GB": powers of ten.
std::string ByteText(double bytes);
/// "65 %".
std::string PercentText(double share);
/// "1 user", "3 users".
std::string Count(int64_t n, std::string_view noun);
/// "3, 5 to 9, 12".
std::string IdRanges(std::span<const int64_t> ids);

}  // namespace weir
