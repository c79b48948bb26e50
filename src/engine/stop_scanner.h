// Where a text must end: before the first of a request's stop strings to be complete.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

/// Passes on a text that comes in pieces, but never a part of a stop string.
class StopScanner {
 public:
  /// The stop strings are not empty.
  explicit StopScanner(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  /// What can be shown now: all but the longest end that may be the beginning of a stop string.
  /// Once one is complete, the text before it; stopped() from then on.
  std::string Push(std::string_view piece);
  /// The rest, when nothing more comes.
  std::string Flush() { return std::exchange(held_, {}); }
  bool stopped() const { return stopped_; }

 private:
  /// Where the stop string begins that ends first, the longest of those that end there; npos: there
  /// is none.
  size_t FirstStop() const;
  size_t HeldBack() const;

  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace weir
