#include "cli/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "model/text/utf8.h"

namespace weir {
namespace {

bool IsUnsafe(uint32_t c) {
  const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
  const bool invisible = (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
                         (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c == 0x061c;
  return control || invisible || (c >= 0xe0000 && c <= 0xe0fff);
}

std::string EscapeOf(uint32_t c) {
  switch (c) {
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    case '\\': return "\\\\";
    default: return c < 0x80 ? fmt::format("\\x{:02x}", c) : fmt::format("\\u{{{:x}}}", c);
  }
}

std::string Escape(std::string_view text, bool backslash) {
  std::string out;
  while (!text.empty()) {
    const auto [code_point, length, cut] = DecodeUtf8(text);
    const std::string_view bytes = text.substr(0, length);
    if (code_point == kInvalidCodePoint) {
      for (char c : bytes) out += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
    } else if ((code_point == '\\' && backslash) || IsUnsafe(code_point)) {
      out += EscapeOf(code_point);
    } else {
      out += bytes;
    }
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace

std::string Escaped(std::string_view text) { return Escape(text, true); }
std::string EscapedControls(std::string_view text) { return Escape(text, false); }

std::string WithoutControls(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Utf8Step step = DecodeUtf8(text);
    const uint32_t c = step.code_point;
    const bool control = (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0);
    if (!control) out += text.substr(0, step.length);
    text.remove_prefix(step.length);
  }
  return out;
}

std::string Shorten(std::string_view text, int width) {
  size_t fits = 0;  // bytes that leave room for the ellipsis
  int columns = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Step step = DecodeUtf8(text.substr(at));
    columns += step.code_point < 0x1100 ? 1 : 2;  // wide, or near enough: never too long
    if (columns > width) return std::string(text.substr(0, fits)) + "…";
    at += step.length;
    if (columns < width) fits = at;
  }
  return std::string(text);
}

std::string Grouped(int64_t n) {
  std::string digits = std::to_string(n);
  const int64_t first = n < 0 ? 1 : 0;
  for (int64_t i = static_cast<int64_t>(digits.size()) - 3; i > first; i -= 3) {
    digits.insert(static_cast<size_t>(i), 1, ',');
  }
  return digits;
}

std::string ByteSize(int64_t n_bytes) {
  static constexpr const char* kUnits[] = {"bytes", "kB", "MB", "GB", "TB"};
  if (n_bytes < 1000) return fmt::format("{} bytes", n_bytes);
  double value = static_cast<double>(n_bytes);
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < std::size(kUnits)) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0, kUnits[unit]);
}

std::string Duration(int64_t ms) {
  const int64_t s = std::max<int64_t>(0, ms / 1000);
  if (s < 100) return fmt::format("{} s", s);
  if (s < 100 * 60) return fmt::format("{} min", (s + 30) / 60);
  return fmt::format("{:.1f} h", static_cast<double>(s) / 3600);
}

Result<double> ParsePercent(std::string_view flag, std::string text) {
  const std::string given = text;
  std::erase(text, ' ');
  if (text.ends_with('%')) text.pop_back();
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0 && value <= 1000)) {
    return BadInput("{} {}: expected a percentage such as 3%", flag, given);
  }
  return value / 100;
}

}  // namespace weir
