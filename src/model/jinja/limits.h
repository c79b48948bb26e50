// What one rendering may cost. The largest real templates need a thousandth of each.
#pragma once

#include <cstdint>

namespace weir::jinja {

struct Limits {
  int64_t max_source_bytes = int64_t{1} << 20;
  int64_t max_steps = 20'000'000;  // nodes evaluated, elements visited, and one for 64 bytes copied
  int64_t max_string_bytes = int64_t{64} << 20;  // of one string, the output included
  int64_t max_live_bytes = int64_t{256} << 20;   // of all values at one time
  int max_depth = 600;                           // nodes being evaluated inside each other
};

/// Of nested expressions and blocks in a template, and of lists and dictionaries inside each other. Bounds the
/// recursion of whatever walks them, so it is not the caller's to choose.
inline constexpr int kMaxNesting = 200;
/// As the sandbox of Jinja has it.
inline constexpr int64_t kMaxRange = 100'000;

}  // namespace weir::jinja
