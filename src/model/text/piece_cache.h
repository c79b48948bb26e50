// The pieces of a text that were encoded before: most of a text is a few thousand words.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace weir {

/// Keys are views of the text and values are ranges of its ids so far, so that nothing is copied to
/// be remembered. One slot per hash: a newer piece replaces an older one.
class PieceCache {
 public:
  /// For a text of that many bytes; short ones have no room for repetitions.
  explicit PieceCache(size_t n_bytes) {
    if (n_bytes >= kMinTextBytes) slots_.resize(std::bit_ceil(std::min(n_bytes / 64, kMaxSlots)));
  }

  /// Appends the ids of `piece` as they were before; or encode(piece, ids) does it.
  template <class Encode>
  void Append(std::string_view piece, const Encode& encode, std::vector<int32_t>* ids) {
    if (slots_.empty() || piece.size() > kMaxPieceBytes) return encode(piece, ids);
    Slot& slot = slots_[std::hash<std::string_view>()(piece) & (slots_.size() - 1)];
    const size_t first = ids->size();
    if (slot.piece == piece) {
      ids->resize(first + slot.n_ids);
      std::copy_n(ids->begin() + static_cast<std::ptrdiff_t>(slot.first), slot.n_ids,
                  ids->begin() + static_cast<std::ptrdiff_t>(first));
    } else {
      encode(piece, ids);
    }
    // Also when it was known: what is used again is nearer in memory there.
    slot = {piece, first, static_cast<uint32_t>(ids->size() - first)};
  }

 private:
  static constexpr size_t kMinTextBytes = 2048, kMaxSlots = 1 << 14, kMaxPieceBytes = 64;
  struct Slot {
    std::string_view piece;
    size_t first = 0;
    uint32_t n_ids = 0;
  };
  std::vector<Slot> slots_;
};

}  // namespace weir
