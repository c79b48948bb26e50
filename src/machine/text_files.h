// Reading the small text files in which Linux describes a machine. A file that is missing or says something
// else is an absent fact, not an error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

/// The whole file; empty if it cannot be read.
std::string ReadTextFile(const std::string& path);

/// The text without the white space around it.
std::string_view Trim(std::string_view text);

/// A decimal integer, all of `text` but white space around it.
std::optional<int64_t> ParseInt(std::string_view text);

/// The value of the first line "key<spaces>:<spaces>value".
std::optional<std::string_view> Field(std::string_view text, std::string_view key);

/// "0-3,8" as 0, 1, 2, 3, 8. Empty if it is not such a list.
std::vector<int> ParseCpuList(std::string_view text);

/// The parts of `text` between separators, empty ones left out.
std::vector<std::string_view> Split(std::string_view text, char separator);

}  // namespace weir
