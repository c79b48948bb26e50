// What differs between the kinds of vocabularies: where a text can be cut, and how what is between
// two cuts is spelled in tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace weir {

class PieceEncoder {
 public:
  virtual ~PieceEncoder() = default;

  /// The end of the piece that starts at `begin`, which is below text.size(). No token spans it.
  virtual size_t PieceEnd(std::string_view text, size_t begin) const = 0;

  /// Appends the ids of a piece, which depend on its bytes alone; never a control token, and -1 for
  /// what the vocabulary cannot say.
  virtual void Encode(std::string_view piece, std::vector<int32_t>* ids) const = 0;
};

}  // namespace weir
