#include "model/synth/random_rows.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/dequantize.h"

namespace weir {
namespace {

using enum TensorType;

/// The random bits after `seed` (splitmix64).
class RandomBits {
 public:
  explicit RandomBits(uint64_t seed) : state_(seed) {}
  uint64_t Next() { return Mix(state_ += 0x9e3779b97f4a7c15); }

 private:
  uint64_t state_;
};

void FillBits(RandomBits& random, int64_t n_bytes, uint8_t* bytes) {
  int64_t i = 0;
  for (; i + 8 <= n_bytes; i += 8) {
    const uint64_t bits = random.Next();
    std::memcpy(bytes + i, &bits, 8);
  }
  const uint64_t bits = random.Next();
  std::memcpy(bytes + i, &bits, static_cast<size_t>(n_bytes - i));
}

// Where the scale of a block is; and where types with minima keep theirs, and in which ratio to the
// scale it has to be for values around 0: half the largest code (Q4_1 adds its minimum, K-quants
// subtract it).
struct ScaleLayout {
  TensorType type;
  int scale_offset;
  int min_offset = -1;
  double min_ratio = 0;
};
constexpr ScaleLayout kScaleLayouts[] = {
    {kQ4_0, 0},
    {kQ4_1, 0, 2, -7.5},
    {kQ5_0, 0},
    {kQ5_1, 0, 2, -15.5},
    {kQ8_0, 0},
    {kQ2_K, 80, 82, 1.5},
    {kQ3_K, 108},
    {kQ4_K, 0, 2, 7.5},
    {kQ5_K, 0, 2, 15.5},
    {kQ6_K, 208},
    {kIQ1_S, 0},
    {kIQ2_XXS, 0},
    {kIQ2_XS, 0},
    {kIQ2_S, 0},
    {kIQ3_XXS, 0},
    {kIQ3_S, 0},
    {kIQ4_NL, 0},
    {kIQ4_XS, 0},
    // Not halves in one place: written by StampScales itself.
    {kIQ1_M, -1},
    {kMXFP4, -1},
};

const ScaleLayout* FindLayout(TensorType type) {
  const auto* layout = std::find_if(std::begin(kScaleLayouts), std::end(kScaleLayouts),
                                    [&](const ScaleLayout& l) { return l.type == type; });
  return layout == std::end(kScaleLayouts) ? nullptr : layout;
}

/// Gives every sub-block's minimum the random bits of its scale, so that the ratio of the two is
/// that of the block and no sub-block is off centre.
void TieMinimaToScales(TensorType type, uint8_t* block) {
  if (type == kQ2_K) {
    for (int i = 0; i < 16; ++i) block[i] = static_cast<uint8_t>((block[i] & 15) * 17);
  } else if (type == kQ4_K || type == kQ5_K) {
    uint8_t* packed = block + 4;
    std::memcpy(packed + 4, packed, 4);
    for (int i = 8; i < 12; ++i) packed[i] = static_cast<uint8_t>((packed[i] & 15) * 17);
  }
}

void StampScales(const ScaleLayout& layout, RandomRows::BlockScales scales, uint8_t* block) {
  if (layout.type == kMXFP4) {
    block[0] = static_cast<uint8_t>(scales.scale);
  } else if (layout.type == kIQ1_M) {
    for (int i = 0; i < 4; ++i) {
      uint8_t& byte = block[49 + 2 * i];
      byte = static_cast<uint8_t>((byte & 15) | ((scales.scale >> (4 * i)) & 15) << 4);
    }
  } else {
    std::memcpy(block + layout.scale_offset, &scales.scale, 2);
  }
  if (layout.min_offset >= 0) {
    std::memcpy(block + layout.min_offset, &scales.min, 2);
    TieMinimaToScales(layout.type, block);
  }
}

void FillBlocks(const ScaleLayout& layout, RandomRows::BlockScales scales, RandomBits random,
                int64_t n_bytes, uint8_t* row) {
  FillBits(random, n_bytes, row);
  const int block_bytes = Traits(layout.type).block_bytes;
  for (uint8_t* block = row; block < row + n_bytes; block += block_bytes) {
    StampScales(layout, scales, block);
  }
}

RandomRows::BlockScales ScalesFor(const ScaleLayout& layout, double scale) {
  RandomRows::BlockScales scales;
  if (layout.type == kMXFP4) {
    scales.scale = static_cast<uint16_t>(std::clamp(128 + std::lround(std::log2(scale)), 0L, 254L));
    return scales;
  }
  scales.scale = FloatToHalf(static_cast<float>(scale));
  scales.min = FloatToHalf(static_cast<float>(HalfToFloat(scales.scale) * layout.min_ratio));
  return scales;
}

/// Root mean square of the values of random blocks of scale 1.
double MeasureUnitRms(const ScaleLayout& layout) {
  constexpr int64_t kElements = 1 << 15;
  std::vector<uint8_t> row(static_cast<size_t>(RowBytes(layout.type, kElements)));
  FillBlocks(layout, ScalesFor(layout, 1), RandomBits(1), static_cast<int64_t>(row.size()),
             row.data());
  std::vector<float> values(kElements);
  DequantizeRow(layout.type, row.data(), kElements, values.data());
  double sum = 0;
  for (float value : values) sum += double{value} * value;
  return std::sqrt(sum / kElements);
}

double UnitRms(const ScaleLayout& layout) {
  static const auto kRms = [] {
    std::array<double, std::size(kScaleLayouts)> rms;
    std::transform(std::begin(kScaleLayouts), std::end(kScaleLayouts), rms.begin(), MeasureUnitRms);
    return rms;
  }();
  return kRms[static_cast<size_t>(&layout - kScaleLayouts)];
}

uint32_t FloatBits(TensorType type, float value) {
  if (type == kF16) return FloatToHalf(value);
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return type == kBF16 ? bits >> 16 : bits;
}

/// 256 values evenly spread over an interval around 0.
std::vector<uint32_t> EvenValues(TensorType type, double std) {
  std::vector<uint32_t> values(256);
  for (int i = 0; i < 256; ++i) {
    const double x = (2 * i + 1) / 256.0 - 1;  // of variance 1/3
    values[static_cast<size_t>(i)] = FloatBits(type, static_cast<float>(x * std * std::sqrt(3.0)));
  }
  return values;
}

template <class Word>
void FillWords(const std::vector<uint32_t>& values, RandomBits random, int64_t n, uint8_t* row) {
  for (int64_t i = 0; i < n; i += 8) {
    uint64_t bits = random.Next();
    Word words[8];
    for (Word& word : words) {
      word = static_cast<Word>(values[bits & 255]);
      bits >>= 8;
    }
    std::memcpy(row + i * static_cast<int64_t>(sizeof(Word)), words,
                static_cast<size_t>(std::min<int64_t>(n - i, 8)) * sizeof(Word));
  }
}

}  // namespace

RandomRows::RandomRows(TensorType type, double std) : type_(type) {
  if (const ScaleLayout* layout = FindLayout(type)) {
    scales_ = ScalesFor(*layout, std / UnitRms(*layout));
  } else {
    values_ = EvenValues(type, std);
  }
}

void RandomRows::Fill(uint64_t seed, int64_t n, uint8_t* row) const {
  const RandomBits random(seed);
  switch (type_) {
    case kF32:
      return FillWords<uint32_t>(values_, random, n, row);
    case kF16:
    case kBF16:
      return FillWords<uint16_t>(values_, random, n, row);
    default:
      return FillBlocks(*FindLayout(type_), scales_, random, RowBytes(type_, n), row);
  }
}

}  // namespace weir
