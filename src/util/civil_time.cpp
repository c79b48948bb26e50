#include "util/civil_time.h"

#include <charconv>
#include <chrono>

namespace weir {

std::tm LocalTime() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return local;
}

std::optional<std::tm> ParseDate(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto number = [text](size_t begin, size_t end) {
    int value = -1;
    const auto parsed = std::from_chars(text.data() + begin, text.data() + end, value);
    return parsed.ptr == text.data() + end ? value : -1;
  };
  const int y = number(0, 4), m = number(5, 7), d = number(8, 10);
  if (y < 0 || m < 0 || d < 0) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(y),
                                         std::chrono::month(static_cast<unsigned>(m)),
                                         std::chrono::day(static_cast<unsigned>(d))};
  if (!date.ok()) return std::nullopt;
  const std::chrono::sys_days days = date;
  std::tm result{};
  result.tm_year = y - 1900;
  result.tm_mon = m - 1;
  result.tm_mday = d;
  result.tm_wday = static_cast<int>(std::chrono::weekday(days).c_encoding());
  const std::chrono::sys_days new_year = date.year() / std::chrono::January / 1;
  result.tm_yday = static_cast<int>((days - new_year).count());
  result.tm_isdst = -1;
  return result;
}

}  // namespace weir
