#include "engine/stop_scanner.h"

#include <algorithm>

namespace weir {

std::string StopScanner::Push(std::string_view piece) {
  held_ += piece;
  const size_t stop = FirstStop();
  stopped_ = stop != std::string::npos;
  const size_t n_shown = stopped_ ? stop : held_.size() - HeldBack();
  std::string shown = held_.substr(0, n_shown);
  held_.erase(0, stopped_ ? held_.size() : n_shown);
  return shown;
}

size_t StopScanner::FirstStop() const {
  size_t first_end = held_.size() + 1, first = std::string::npos;
  for (const std::string& stop : stops_) {
    const size_t at = held_.find(stop);
    if (at == std::string::npos) continue;
    const size_t end = at + stop.size();
    if (end > first_end) continue;
    first = end < first_end ? at : std::min(first, at);
    first_end = end;
  }
  return first;
}

size_t StopScanner::HeldBack() const {
  size_t longest = 0;
  for (const std::string& stop : stops_) {
    size_t n = std::min(held_.size(), stop.size() - 1);
    while (n > longest && !held_.ends_with(std::string_view(stop).substr(0, n))) --n;
    longest = std::max(longest, n);
  }
  return longest;
}

}  // namespace weir
