// Dates as people write them.
#pragma once

#include <ctime>
#include <optional>
#include <string_view>

namespace weir {

/// Now, in this machine's time zone.
std::tm LocalTime();

/// "2026-11-22" as midnight of that day, with its day of the week and of the year; nothing for anything else.
std::optional<std::tm> ParseDate(std::string_view text);

}  // namespace weir
