#include "engine/pages.h"

#include "util/error.h"

namespace weir {

PagePool::PagePool(int64_t n_pages) : holders_(n_pages, 0) {
  free_.reserve(n_pages);
  for (int64_t page = n_pages - 1; page >= 0; --page) free_.push_back(static_cast<int32_t>(page));
}

bool PagePool::Take(int64_t n, BlockTable& table) {
  if (n > n_free()) return false;
  table.reserve(table.size() + n);
  for (int64_t i = 0; i < n; ++i) {
    holders_[free_.back()] = 1;
    table.push_back(free_.back());
    free_.pop_back();
  }
  return true;
}

void PagePool::Share(std::span<const int32_t> pages, BlockTable& table) {
  for (int32_t page : pages) {
    WEIR_CHECK(holders_.at(page) > 0);
    ++holders_[page];
    table.push_back(page);
  }
}

void PagePool::Return(BlockTable& table) {
  for (; !table.empty(); table.pop_back()) {
    WEIR_CHECK(holders_.at(table.back()) > 0);
    if (--holders_[table.back()] == 0) free_.push_back(table.back());
  }
}

}  // namespace weir
