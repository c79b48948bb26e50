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
  size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
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
