#include "report/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <vector>

#include "model/text/utf8.h"

namespace weir {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

bool IsShown(uint32_t code) {
  if (code == kInvalidCodePoint) return false;
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return false;
  if (code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e)) return false;
  if (code >= 0x2066 && code <= 0x2069) return false;
  return (code & 0xfffe) != 0xfffe;
}

std::string Clean(std::string_view text, bool keep_lines) {
  std::string clean;
  while (!text.empty()) {
    const Utf8Step head = DecodeUtf8(text);
    const bool is_space = head.code_point == '\n' || head.code_point == '\t' || head.code_point == '\r';
    if (is_space) {
      if (head.code_point != '\r' || !keep_lines) clean += keep_lines ? text[0] : ' ';
    } else if (IsShown(head.code_point)) {
      clean += text.substr(0, head.length);
    } else {
      clean += kReplacement;
    }
    text.remove_prefix(head.length);
  }
  return clean;
}

std::string EscapeXml(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      case '\'': escaped += "&#39;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

/// "6721.4" to "6,721".
std::string Whole(double value) {
  const std::string digits = fmt::format("{:.0f}", std::abs(value));
  std::string text(value < 0 ? 1 : 0, '-');
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

}  // namespace

std::string CleanText(std::string_view text) { return Clean(text, /*keep_lines=*/false); }
std::string XmlText(std::string_view text) { return EscapeXml(Clean(text, /*keep_lines=*/false)); }
std::string XmlLines(std::string_view text) { return EscapeXml(Clean(text, /*keep_lines=*/true)); }

std::string MarkdownText(std::string_view text) {
  std::string escaped;
  for (const char c : CleanText(text)) {
    if (c == '<' || c == '>' || c == '&') {
      escaped += c == '<' ? "&lt;" : c == '>' ? "&gt;" : "&amp;";
      continue;
    }
    if (std::string_view("\\`*_[]|~#$").find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string ShellWord(std::string_view text) {
  const auto is_plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("._-/:+=@%,").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), is_plain)) return std::string(text);
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

std::string ThreeDigits(double value) {
  if (!std::isfinite(value)) return "-";
  const double size = std::abs(value);
  if (size >= 99.95) return Whole(value);
  if (size >= 9.995) return fmt::format("{:.1f}", value);
  if (size >= 0.9995 || size == 0) return fmt::format("{:.2f}", value);
  return fmt::format("{:.3g}", value);
}

std::string ByteText(double bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  size_t unit = 0;
  while (std::abs(bytes) >= 999.5 && unit + 1 < std::size(kUnits)) {
    bytes /= 1000;
    ++unit;
  }
  return fmt::format("{} {}", unit == 0 ? Whole(bytes) : ThreeDigits(bytes), kUnits[unit]);
}

std::string PercentText(double share) { return fmt::format("{:.0f} %", share * 100); }

std::string Count(int64_t n, std::string_view noun) {
  return fmt::format("{} {}{}", Whole(static_cast<double>(n)), noun, n == 1 ? "" : "s");
}

std::string IdRanges(std::span<const int64_t> ids) {
  std::vector<int64_t> sorted(ids.begin(), ids.end());
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  std::string text;
  for (size_t begin = 0; begin < sorted.size();) {
    size_t end = begin;
    while (end + 1 < sorted.size() && sorted[end + 1] == sorted[end] + 1) ++end;
    text += text.empty() ? "" : ", ";
    text += fmt::to_string(sorted[begin]);
    if (end > begin) text += fmt::format("{}{}", end == begin + 1 ? ", " : " to ", sorted[end]);
    begin = end + 1;
  }
  return text;
}

}  // namespace weir
