#include "model/cache.h"

#include <cstring>

namespace weir {
namespace {

int64_t DeltaFloats(const ModelConfig& config) {
  return config.n_value_heads * config.linear_dim * config.linear_dim;
}
int64_t ConvFloats(const ModelConfig& config) { return 3 * config.conv_dim(); }

}  // namespace

int64_t KvBytesPerToken(const ModelConfig& config, KvType kv_type) {
  return config.n_full_layers() * 2 * config.n_kv_heads * KvPageBytes(kv_type, config.head_dim) /
         kPageTokens;
}

int64_t StateBytesPerSequence(const ModelConfig& config) {
  return config.n_linear_layers() * (DeltaFloats(config) + ConvFloats(config)) *
         static_cast<int64_t>(sizeof(float));
}

Result<Cache> Cache::Allocate(const ModelConfig& config, KvType kv_type, int64_t n_pages,
                              int64_t n_slots) {
  Cache cache;
  cache.kv_type_ = kv_type;
  cache.n_pages_ = n_pages;
  cache.n_slots_ = n_slots;
  cache.n_full_layers_ = config.n_full_layers();
  cache.n_linear_layers_ = config.n_linear_layers();
  cache.n_kv_heads_ = config.n_kv_heads;
  cache.head_page_bytes_ = KvPageBytes(kv_type, config.head_dim);
  cache.delta_floats_ = DeltaFloats(config);
  cache.conv_floats_ = ConvFloats(config);
  WEIR_TRY(cache.pages_, Buffer::Allocate(static_cast<size_t>(n_pages * kPageTokens *
                                                              KvBytesPerToken(config, kv_type))));
  WEIR_TRY(cache.slots_,
           Buffer::Allocate(static_cast<size_t>(n_slots * StateBytesPerSequence(config))));
  return cache;
}

// Pages lie [full layer][page][K, V][kv head]; a page of one layer is what attention streams through.
uint8_t* Cache::Keys(int64_t full_layer, int64_t page, int64_t kv_head) {
  return pages_.data() +
         (((full_layer * n_pages_ + page) * 2) * n_kv_heads_ + kv_head) * head_page_bytes_;
}

uint8_t* Cache::Values(int64_t full_layer, int64_t page, int64_t kv_head) {
  return Keys(full_layer, page, kv_head) + n_kv_heads_ * head_page_bytes_;
}

// Slots lie [linear layer][slot], delta state first, all convolution states after all delta states.
float* Cache::Delta(int64_t linear_layer, int64_t slot) {
  return slots_.as<float>() + (linear_layer * n_slots_ + slot) * delta_floats_;
}

float* Cache::Conv(int64_t linear_layer, int64_t slot) {
  return slots_.as<float>() + n_linear_layers_ * n_slots_ * delta_floats_ +
         (linear_layer * n_slots_ + slot) * conv_floats_;
}

void Cache::Clear(int64_t linear_layer, int64_t slot) {
  std::memset(Delta(linear_layer, slot), 0, static_cast<size_t>(delta_floats_) * sizeof(float));
  std::memset(Conv(linear_layer, slot), 0, static_cast<size_t>(conv_floats_) * sizeof(float));
}

void Cache::CopySlot(int64_t linear_layer, int64_t from, int64_t to) {
  if (from == to) return;
  std::memcpy(Delta(linear_layer, to), Delta(linear_layer, from),
              static_cast<size_t>(delta_floats_) * sizeof(float));
  std::memcpy(Conv(linear_layer, to), Conv(linear_layer, from),
              static_cast<size_t>(conv_floats_) * sizeof(float));
}

void Cache::CopyPage(int64_t full_layer, int64_t from, int64_t to) {
  if (from == to) return;
  std::memcpy(Keys(full_layer, to, 0), Keys(full_layer, from, 0),
              static_cast<size_t>(2 * n_kv_heads_ * head_page_bytes_));
}

}  // namespace weir
