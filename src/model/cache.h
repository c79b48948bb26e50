// Storage of what sequences remember: KV pages of full-attention layers and the recurrent state of linear
// layers. It has no policy: who owns which page or slot is the engine's business.
#pragma once

#include <cstdint>

#include "kernels/kernel_table.h"
#include "model/config.h"
#include "util/memory.h"

namespace weir {

/// Bytes that one token adds to the KV pages of all full-attention layers.
int64_t KvBytesPerToken(const ModelConfig& config, KvType kv_type);
/// Bytes of recurrent state (delta rule and convolution) of one sequence, constant.
int64_t StateBytesPerSequence(const ModelConfig& config);

class Cache {
 public:
  /// n_pages pages of kPageTokens positions and n_slots recurrent slots. The caller has checked that they fit.
  static Result<Cache> Allocate(const ModelConfig& config, KvType kv_type, int64_t n_pages,
                                int64_t n_slots);

  KvType kv_type() const { return kv_type_; }
  int64_t n_pages() const { return n_pages_; }
  int64_t n_slots() const { return n_slots_; }

  /// K (or V) of one page and KV head in full-attention layer `full_layer` (counted among such layers), in the
  /// layout of KvPageBytes.
  uint8_t* Keys(int64_t full_layer, int64_t page, int64_t kv_head);
  uint8_t* Values(int64_t full_layer, int64_t page, int64_t kv_head);
  /// Delta rule state of a slot in a linear layer: [n_value_heads][linear_dim][linear_dim] f32.
  float* Delta(int64_t linear_layer, int64_t slot);
  /// The last three inputs of the convolution: [3][conv_dim] f32, that of position p in row p mod 3.
  float* Conv(int64_t linear_layer, int64_t slot);
  /// Makes a layer's part of a slot as it is before the first token.
  void Clear(int64_t linear_layer, int64_t slot);
  /// Makes a layer's part of slot `to` that of slot `from`.
  void CopySlot(int64_t linear_layer, int64_t from, int64_t to);
  /// Makes page `to` of a layer what page `from` is.
  void CopyPage(int64_t full_layer, int64_t from, int64_t to);

 private:
  KvType kv_type_ = KvType::kF16;
  int64_t n_pages_ = 0, n_slots_ = 0;
  int64_t n_full_layers_ = 0, n_linear_layers_ = 0;
  int64_t head_page_bytes_ = 0, n_kv_heads_ = 0;
  int64_t delta_floats_ = 0, conv_floats_ = 0;
  Buffer pages_, slots_;
};

}  // namespace weir
