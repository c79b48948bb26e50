#include "report/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace weir {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

/// The character at the head of `text`: its code point and length; length 0 where the bytes are no UTF-8.
struct Character {
  uint32_t code = 0;
  size_t n_bytes = 0;
};
Character Head(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return {byte(0), 1};
  const size_t n = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < n) return {};
  uint32_t code = byte(0) & (0xffu >> (n + 1));
  for (size_t i = 1; i < n; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return {};
  return {code, n};
}

bool IsShown(uint32_t code) {
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return false;
  if (code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e)) return false;
  if (code >= 0x2066 && code <= 0x2069) return false;
  return (code & 0xfffe) != 0xfffe;
}

std::string Clean(std::string_view text, bool keep_lines) {
  std::string clean;
  while (!text.empty()) {
    const Character head = Head(text);
    const bool is_space = head.code == '\n' || head.code == '\t' || head.code == '\r';
    if (head.n_bytes == 1 && is_space) {
      if (head.code != '\r' || !keep_lines) clean += keep_lines ? text[0] : ' ';
    } else if (head.n_bytes > 0 && IsShown(head.code)) {
      clean += text.substr(0, head.n_bytes);
    } else {
      clean += kReplacement;
    }
    text.remove_prefix(std::max<size_t>(head.n_bytes, 1));
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
