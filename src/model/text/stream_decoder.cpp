#include "model/text/stream_decoder.h"

#include "model/text/utf8.h"

namespace weir {

std::string StreamDecoder::Push(int32_t id) {
  std::string text;
  if (tokenizer_.IsControl(id) && !show_control_) return text;
  std::string_view piece = tokenizer_.Piece(id);
  if (drop_space_ && !piece.empty()) {
    if (piece[0] == ' ') piece.remove_prefix(1);
    drop_space_ = false;
  }
  pending_ += piece;
  pending_.erase(0, RepairUtf8(pending_, /*at_end=*/false, &text));
  return text;
}

std::string StreamDecoder::Flush() {
  std::string text;
  RepairUtf8(pending_, /*at_end=*/true, &text);
  pending_.clear();
  return text;
}

}  // namespace weir
