#include "engine/pages.h"

#include "util/error.h"

namespace weir {

PagePool::PagePool(int64_t n_pages) : users_(n_pages, 0), kept_(n_pages, 0) {
  free_.reserve(n_pages);
  for (int64_t page = n_pages - 1; page >= 0; --page) free_.push_back(static_cast<int32_t>(page));
}

bool PagePool::Take(int64_t n, BlockTable& table) {
  if (n > n_free()) return false;
  table.reserve(table.size() + n);
  for (int64_t i = 0; i < n; ++i) {
    users_[free_.back()] = 1;
    table.push_back(free_.back());
    free_.pop_back();
  }
  return true;
}

void PagePool::Share(std::span<const int32_t> pages, BlockTable& table) {
  for (int32_t page : pages) {
    WEIR_CHECK(users_.at(page) + kept_[page] > 0);
    if (users_[page]++ == 0) --n_kept_;
    table.push_back(page);
  }
}

void PagePool::Return(BlockTable& table) {
  for (; !table.empty(); table.pop_back()) {
    const int32_t page = table.back();
    WEIR_CHECK(users_.at(page) > 0);
    if (--users_[page] > 0) continue;
    if (kept_[page] > 0) {
      ++n_kept_;
    } else {
      free_.push_back(page);
    }
  }
}

void PagePool::Keep(std::span<const int32_t> pages, BlockTable& table) {
  for (int32_t page : pages) {
    WEIR_CHECK(users_.at(page) + kept_[page] > 0);
    ++kept_[page];
    table.push_back(page);
  }
}

void PagePool::Drop(BlockTable& table) {
  for (; !table.empty(); table.pop_back()) {
    const int32_t page = table.back();
    WEIR_CHECK(kept_.at(page) > 0);
    if (--kept_[page] > 0 || users_[page] > 0) continue;
    --n_kept_;
    free_.push_back(page);
  }
}

}  // namespace weir
