#include "engine/pages.h"

#include "util/error.h"

namespace weir {

PagePool::PagePool(int64_t n_pages) : taken_(n_pages, false) {
  free_.reserve(n_pages);
  for (int64_t page = n_pages - 1; page >= 0; --page) free_.push_back(static_cast<int32_t>(page));
}

bool PagePool::Take(int64_t n, BlockTable& table) {
  if (n > n_free()) return false;
  table.reserve(table.size() + n);
  for (int64_t i = 0; i < n; ++i) {
    taken_[free_.back()] = true;
    table.push_back(free_.back());
    free_.pop_back();
  }
  return true;
}

void PagePool::Return(BlockTable& table) {
  for (; !table.empty(); table.pop_back()) {
    WEIR_CHECK(taken_.at(table.back()));
    taken_[table.back()] = false;
    free_.push_back(table.back());
  }
}

}  // namespace weir
