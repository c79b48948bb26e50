// What the methods of strings and the filters on them have in common.
#pragma once

#include <optional>
#include <string_view>

#include "model/jinja/runtime.h"

namespace weir::jinja {

enum class Case : uint8_t { kLower, kUpper, kTitle, kCapitalize, kSwap };

Result<Value> ChangeCase(Runtime& runtime, const Text& text, Case to);

/// Without the characters of `chars` at its ends; without white space if that is null.
Result<Value> Strip(Runtime& runtime, const Text& text, const Text* chars, bool left, bool right);

/// Every `old`, at most `count` if that is not negative, replaced by `with`. An empty one stands before every
/// character and at the end.
Result<Value> Replace(Runtime& runtime, const Text& text, const Text& old, const Text& with,
                      int64_t count);

/// The parts joined, all as strings, with `separator` between them.
Result<Value> JoinText(Runtime& runtime, const std::vector<Value>& parts, const Text& separator);

/// In the middle of `width` characters filled with `fill`.
Result<Value> Pad(Runtime& runtime, const Text& text, int64_t width, const Text* fill, bool left,
                  bool right);

/// Parts of `text` from the lines that it has, as str.splitlines: [begin, end) without the line's end.
std::vector<std::pair<size_t, size_t>> Lines(std::string_view text, bool keep_ends);

/// Bytes [begin, end) of `text` as a value.
Value Part(Runtime& runtime, const Text& text, size_t begin, size_t end);

/// Whether there are letters of this case, and none of the other.
Result<bool> IsAllCase(Runtime& runtime, const Text& text, bool upper);

uint32_t ToUpper(uint32_t code_point);
uint32_t ToLower(uint32_t code_point);

/// int(text, base) and float(text) of Python.
std::optional<int64_t> ParseInteger(std::string_view text, int64_t base);
std::optional<double> ParseFloat(std::string_view text);

}  // namespace weir::jinja
