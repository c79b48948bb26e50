// Who holds which KV page. Pages are numbers here; their memory is model/cache.h's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace weir {

/// The block table of a sequence: entry i is the page of its positions [64 i, 64 i + 64).
using BlockTable = std::vector<int32_t>;

/// Every page is free or in one or more block tables: those of sequences, and those of what is kept for later.
class PagePool {
 public:
  explicit PagePool(int64_t n_pages);

  int64_t n_pages() const { return static_cast<int64_t>(users_.size()); }
  int64_t n_free() const { return static_cast<int64_t>(free_.size()); }
  /// Pages that no sequence has, but something that is kept.
  int64_t n_kept() const { return n_kept_; }

  /// Appends n free pages to the table of a sequence; false, and nothing is taken, if there are fewer.
  bool Take(int64_t n, BlockTable& table);
  /// Appends pages that another table holds to the table of a sequence.
  void Share(std::span<const int32_t> pages, BlockTable& table);
  /// Takes back all pages of a sequence's table, which is empty then. Those in no other table are free.
  void Return(BlockTable& table);
  /// As Share and Return, for the table of what is kept.
  void Keep(std::span<const int32_t> pages, BlockTable& table);
  void Drop(BlockTable& table);

 private:
  std::vector<int32_t> free_;   // the last is taken next: it is the likeliest to be in a cache
  std::vector<int32_t> users_;  // [n_pages], tables of sequences that have the page,
  std::vector<int32_t> kept_;   // [n_pages], and other tables
  int64_t n_kept_ = 0;
};

}  // namespace weir
