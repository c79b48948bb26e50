// Who holds which KV page. Pages are numbers here; their memory is model/cache.h's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace weir {

/// The block table of a sequence: entry i is the page of its positions [64 i, 64 i + 64).
using BlockTable = std::vector<int32_t>;

/// Every page is free or in one or more block tables.
class PagePool {
 public:
  explicit PagePool(int64_t n_pages);

  int64_t n_pages() const { return static_cast<int64_t>(holders_.size()); }
  int64_t n_free() const { return static_cast<int64_t>(free_.size()); }

  /// Appends n free pages to `table`; false, and nothing is taken, if there are fewer.
  bool Take(int64_t n, BlockTable& table);
  /// Appends pages that another table holds to `table`.
  void Share(std::span<const int32_t> pages, BlockTable& table);
  /// Takes back all pages of `table`, which is empty then. Those in no other table are free.
  void Return(BlockTable& table);

 private:
  std::vector<int32_t> free_;     // the last is taken next: it is the likeliest to be in a cache
  std::vector<int32_t> holders_;  // [n_pages], block tables that have the page
};

}  // namespace weir
