// IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS and IQ3_S: blocks of 256 values, of which each 8 or 4 (a unit) are an entry of a
// codebook with signs, times d * kFactor * (2 s + 1) with a nibble s for each group of 32 or 16.
//
// The error of a unit for entry c at scale t is t^2 B[c] - 2 t A[c] plus a constant, with A[c] = sum w |x| c and
// B[c] = sum w c^2: once these are known, any scale costs one pass over the entries, and all entries are looked at.
// In most formats the minus signs among 8 values must be even in number. Where they are odd, one sign has to be
// wrong, which costs the least that 2 w |x| c can be within the unit: A[c] is less by that much, and no more is needed.
#include <cmath>
#include <cstring>

#include "kernels/codebooks.h"
#include "quantise/descent.h"
#include "quantise/encode_window.h"
#include "quantise/fit.h"

namespace weir {
namespace {

constexpr int kOctet = 8;  // values that share their signs' parity
constexpr int kMaxEntries = 1024;

/// What a window becomes, before it is packed.
struct Block {
  float d = 0;
  int scale[16] = {};      // of groups
  int entry[64] = {};      // of units
  uint8_t signs[32] = {};  // of octets
};

/// Entries as the search reads them: [element][entry].
template <int kEntries, int kUnit>
struct Book {
  float level[kUnit][kEntries];

  explicit Book(const uint8_t (&grid)[kEntries][kUnit]) {
    for (int c = 0; c < kEntries; ++c) {
      for (int k = 0; k < kUnit; ++k) level[k][c] = grid[c][k];
    }
  }
};

uint32_t SevenSigns(uint8_t signs) { return signs & 127u; }

void Store32(uint32_t value, uint8_t* out) {
  Store16(value, out);
  Store16(value >> 16, out + 2);
}

struct IQ2_XXS {
  static constexpr int kEntries = 256, kUnit = 8, kGroup = 32;
  static constexpr bool kEvenSigns = true;
  static constexpr float kFactor = 0.125f, kSmallest = 8, kLargest = 43;
  static const auto& Grid() { return GetCodebooks().iq2xxs; }
  static void Pack(const Block& block, uint8_t* out) {
    StoreHalf(block.d, out);
    for (int g = 0; g < 8; ++g) {
      uint32_t word = static_cast<uint32_t>(block.scale[g]) << 28;
      for (int l = 0; l < 4; ++l) {
        out[2 + 8 * g + l] = static_cast<uint8_t>(block.entry[4 * g + l]);
        word |= SevenSigns(block.signs[4 * g + l]) << (7 * l);
      }
      Store32(word, out + 2 + 8 * g + 4);
    }
  }
};

/// Two scales of groups of 16 to a byte.
void PackScalePairs(const Block& block, uint8_t* out) {
  for (int b = 0; b < 8; ++b) {
    out[b] = static_cast<uint8_t>(block.scale[2 * b] | block.scale[2 * b + 1] << 4);
  }
}

struct IQ2_XS {
  static constexpr int kEntries = 512, kUnit = 8, kGroup = 16;
  static constexpr bool kEvenSigns = true;
  static constexpr float kFactor = 0.125f, kSmallest = 8, kLargest = 43;
  static const auto& Grid() { return GetCodebooks().iq2xs; }
  static void Pack(const Block& block, uint8_t* out) {
    StoreHalf(block.d, out);
    for (int i = 0; i < 32; ++i) {
      Store16(static_cast<uint32_t>(block.entry[i]) | SevenSigns(block.signs[i]) << 9, out + 2 + 2 * i);
    }
    PackScalePairs(block, out + 66);
  }
};

struct IQ2_S {
  static constexpr int kEntries = 1024, kUnit = 8, kGroup = 16;
  static constexpr bool kEvenSigns = false;
  static constexpr float kFactor = 0.125f, kSmallest = 8, kLargest = 43;
  static const auto& Grid() { return GetCodebooks().iq2s; }
  static void Pack(const Block& block, uint8_t* out) {
    StoreHalf(block.d, out);
    std::memset(out + 66, 0, 8);
    for (int i = 0; i < 32; ++i) {
      out[2 + i] = static_cast<uint8_t>(block.entry[i]);
      out[34 + i] = block.signs[i];
      out[66 + i / 4] = static_cast<uint8_t>(out[66 + i / 4] | block.entry[i] >> 8 << (i % 4 * 2));
    }
    PackScalePairs(block, out + 74);
  }
};

struct IQ3_XXS {
  static constexpr int kEntries = 256, kUnit = 4, kGroup = 32;
  static constexpr bool kEvenSigns = true;
  static constexpr float kFactor = 0.25f, kSmallest = 4, kLargest = 62;
  static const auto& Grid() { return GetCodebooks().iq3xxs; }
  static void Pack(const Block& block, uint8_t* out) {
    StoreHalf(block.d, out);
    for (int i = 0; i < 64; ++i) out[2 + i] = static_cast<uint8_t>(block.entry[i]);
    for (int g = 0; g < 8; ++g) {
      uint32_t word = static_cast<uint32_t>(block.scale[g]) << 28;
      for (int l = 0; l < 4; ++l) word |= SevenSigns(block.signs[4 * g + l]) << (7 * l);
      Store32(word, out + 66 + 4 * g);
    }
  }
};

struct IQ3_S {
  static constexpr int kEntries = 512, kUnit = 4, kGroup = 32;
  static constexpr bool kEvenSigns = false;
  static constexpr float kFactor = 1, kSmallest = 1, kLargest = 15;
  static const auto& Grid() { return GetCodebooks().iq3s; }
  static void Pack(const Block& block, uint8_t* out) {
    StoreHalf(block.d, out);
    std::memset(out + 66, 0, 8);
    for (int i = 0; i < 64; ++i) {
      out[2 + i] = static_cast<uint8_t>(block.entry[i]);
      out[66 + i / 8] = static_cast<uint8_t>(out[66 + i / 8] | block.entry[i] >> 8 << (i % 8));
    }
    std::memcpy(out + 74, block.signs, 32);
    for (int b = 0; b < 4; ++b) {
      out[106 + b] = static_cast<uint8_t>(block.scale[2 * b] | block.scale[2 * b + 1] << 4);
    }
  }
};

/// A and B of every entry for a unit; and A where one sign is wrong.
struct UnitCosts {
  float a[kMaxEntries], odd_a[kMaxEntries], b[kMaxEntries];
};

/// An entry and its costs.
struct Entry {
  int index;
  float a, b;
  float Error(float t) const { return t * (t * b - 2 * a); }
};

/// The place of the least of n values error(c) = F4 of c .. c + 3, the lowest at a tie. n is a multiple of 16.
template <int n, class Fn>
inline int ArgMin(Fn error) {
  constexpr int kChains = 4;  // so that comparisons need not wait for each other
  F4 best[kChains];
  I4 index[kChains];
  for (int k = 0; k < kChains; ++k) {
    best[k] = error(4 * k);
    index[k] = I4{4 * k, 4 * k + 1, 4 * k + 2, 4 * k + 3};
  }
  I4 at[kChains] = {index[0], index[1], index[2], index[3]};
  for (int c = 4 * kChains; c < n; c += 4 * kChains) {
    for (int k = 0; k < kChains; ++k) {
      const F4 value = error(c + 4 * k);
      const I4 less = value < best[k];
      index[k] += 4 * kChains;
      at[k] = less ? index[k] : at[k];
      best[k] = less ? value : best[k];
    }
  }
  float least = best[0][0];
  int place = at[0][0];
  for (int k = 0; k < kChains; ++k) {
    for (int lane = 0; lane < 4; ++lane) {
      const float value = best[k][lane];
      if (value < least || (value == least && at[k][lane] < place)) {
        least = value;
        place = at[k][lane];
      }
    }
  }
  return place;
}

/// The entry of least error at scale t, the lowest at a tie.
template <int kEntries>
Entry Nearest(const float* a, const float* b, float t) {
  const F4 squared = All(t * t), twice = All(2 * t);
  const int c = ArgMin<kEntries>([&](int i) { return squared * Load(b + i) - twice * Load(a + i); });
  return {c, a[c], b[c]};
}

/// Entries that won at some scale: all that are worth a look at other scales between.
struct Winners {
  Entry entry[16];
  int n = 0;
  void Add(const Entry& e) {
    for (int i = 0; i < n; ++i) {
      if (entry[i].index == e.index) return;
    }
    if (n < 16) entry[n++] = e;
  }
  Entry Best(float t) const {
    Entry best = entry[0];
    for (int i = 1; i < n; ++i) {
      if (entry[i].Error(t) < best.Error(t)) best = entry[i];
    }
    return best;
  }
};

template <class Format>
class Encoder {
 public:
  Encoder(const Window& window, const Book<Format::kEntries, Format::kUnit>& book)
      : window_(window), book_(book) {}

  void Encode(uint8_t* out) {
    for (int octet = 0; octet < kWindow / kOctet; ++octet) {
      const float* x = window_.x + octet * kOctet;
      uint8_t& signs = best_.signs[octet];
      for (int k = 0; k < kOctet; ++k) signs = static_cast<uint8_t>(signs | (x[k] < 0) << k);
      odd_[octet] = Format::kEvenSigns && (__builtin_popcount(signs) & 1);
    }
    for (int g = 0; g < kGroups; ++g) SearchGroup(g);
    SearchHalf();
    for (int g = 0; g < kGroups; ++g) ChooseEntries(g);
    if (window_.products) Refine();
    Format::Pack(best_, out);
  }

 private:
  static constexpr int kUnit = Format::kUnit, kEntries = Format::kEntries, kGroup = Format::kGroup;
  static constexpr int kGroups = kWindow / kGroup, kUnits = kGroup / kUnit;  // kUnits: of a group
  static constexpr int kOctetUnits = kOctet / kUnit;
  static constexpr int kStarts = 13;

  static float ScaleOf(float d, int s) { return d * Format::kFactor * static_cast<float>(2 * s + 1); }

  void FillCosts(int unit, UnitCosts& costs) const {
    const float *x = window_.x + unit * kUnit, *w = window_.w + unit * kUnit;
    float wx[kUnit];
    for (int k = 0; k < kUnit; ++k) wx[k] = w[k] * std::fabs(x[k]);
    for (int c = 0; c < kEntries; c += 4) {
      F4 a = {}, b = {}, least = All(3e38f);
      for (int k = 0; k < kUnit; ++k) {
        const F4 level = Load(book_.level[k] + c), product = All(wx[k]) * level;
        a += product;
        b += All(w[k]) * level * level;
        least = Min(least, product);
      }
      Store(a, costs.a + c);
      Store(b, costs.b + c);
      Store(a - 2 * least, costs.odd_a + c);
    }
  }

  /// The scale that a group would choose for itself, and entries that are good near it.
  void SearchGroup(int g) {
    float top = 0;
    for (int i = g * kGroup; i < (g + 1) * kGroup; ++i) top = std::max(top, std::fabs(window_.x[i]));
    wanted_[g] = 0;
    float starts[kStarts], errors[kStarts] = {};
    for (int s = 0; s < kStarts; ++s) {
      starts[s] = top / Format::kLargest * (0.5f + 0.08f * static_cast<float>(s));
    }
    starts[kStarts - 1] = top / Format::kSmallest;  // values that are all alike
    UnitCosts costs[kOctetUnits];
    for (int octet = g * kGroup / kOctet; octet < (g + 1) * kGroup / kOctet; ++octet) {
      for (int u = 0; u < kOctetUnits; ++u) FillCosts(octet * kOctetUnits + u, costs[u]);
      for (int s = 0; s < kStarts; ++s) {
        for (int u = 0; u < kOctetUnits; ++u) {
          const int unit = octet * kOctetUnits + u;
          if (!odd_[octet] || kOctetUnits > 1) {
            even_[unit].Add(Nearest<kEntries>(costs[u].a, costs[u].b, starts[s]));
          }
          if (odd_[octet]) {
            wrong_[unit].Add(Nearest<kEntries>(costs[u].odd_a, costs[u].b, starts[s]));
          }
        }
        float a = 0, b = 0;
        errors[s] += OctetError(octet, starts[s], &a, &b);
      }
    }
    if (top < kTiny) return;
    int best = 0;
    for (int s = 1; s < kStarts; ++s) best = errors[s] < errors[best] ? s : best;
    wanted_[g] = starts[best];
    float error = errors[best];
    for (int round = 0; round < 3; ++round) {
      float a = 0, b = 0;
      GroupError(g, wanted_[g], &a, &b);
      const float next = a / b;
      float unused_a = 0, unused_b = 0;
      const float next_error = GroupError(g, next, &unused_a, &unused_b);
      if (!(next_error < error)) break;
      error = next_error;
      wanted_[g] = next;
    }
  }

  /// The least error of an octet at scale t among the winners; adds A and B of those chosen.
  float OctetError(int octet, float t, float* a, float* b) const {
    Entry even[kOctetUnits], wrong[kOctetUnits];
    const int first = octet * kOctetUnits;
    if (!odd_[octet]) {
      float error = 0;
      for (int u = 0; u < kOctetUnits; ++u) {
        even[u] = even_[first + u].Best(t);
        error += even[u].Error(t);
        *a += even[u].a;
        *b += even[u].b;
      }
      return error;
    }
    for (int u = 0; u < kOctetUnits; ++u) {
      wrong[u] = wrong_[first + u].Best(t);
      even[u] = kOctetUnits > 1 ? even_[first + u].Best(t) : wrong[u];
    }
    const int at = UnitOfWrongSign(even, wrong, t);
    float error = 0;
    for (int u = 0; u < kOctetUnits; ++u) {
      const Entry& chosen = u == at ? wrong[u] : even[u];
      error += chosen.Error(t);
      *a += chosen.a;
      *b += chosen.b;
    }
    return error;
  }

  /// Which unit of an octet bears the wrong sign.
  static int UnitOfWrongSign(const Entry* even, const Entry* wrong, float t) {
    if (kOctetUnits == 1) return 0;
    return wrong[0].Error(t) - even[0].Error(t) <= wrong[1].Error(t) - even[1].Error(t) ? 0 : 1;
  }

  float GroupError(int g, float t, float* a, float* b) const {
    float error = 0;
    for (int octet = g * kGroup / kOctet; octet < (g + 1) * kGroup / kOctet; ++octet) {
      error += OctetError(octet, t, a, b);
    }
    return error;
  }

  /// The nibbles of all groups for a half; returns the half that would suit them best.
  float ChooseScales(float d, int* scale, float* error) const {
    double numerator = 0, denominator = 0;
    *error = 0;
    for (int g = 0; g < kGroups; ++g) {
      const int near =
          static_cast<int>(std::nearbyint((wanted_[g] * Inverse(d * Format::kFactor) - 1) * 0.5f));
      float best_error = 3e38f, best_a = 0, best_b = 0;
      for (int s = std::max(near - 1, 0); s <= near + 1 || s == 0; ++s) {
        const int nibble = std::min(s, 15);
        float a = 0, b = 0;
        const float group_error = GroupError(g, ScaleOf(d, nibble), &a, &b);
        if (group_error < best_error) {
          best_error = group_error;
          best_a = a;
          best_b = b;
          scale[g] = nibble;
        }
        if (s >= 15) break;
      }
      *error += best_error;
      const double k = static_cast<double>(Format::kFactor) * (2 * scale[g] + 1);
      numerator += k * static_cast<double>(best_a);
      denominator += k * k * static_cast<double>(best_b);
    }
    return denominator > 0 ? static_cast<float>(numerator / denominator) : 0;
  }

  void SearchHalf() {
    float top = 0;
    for (const float t : wanted_) top = std::max(top, t);
    float best_error = 3e38f, best_next = 0;
    const auto try_half = [&](float d) {
      int scale[kGroups];
      float error;
      const float half = Half(d);
      const float next = ChooseScales(half, scale, &error);
      if (error >= best_error) return false;
      best_error = error;
      best_next = next;
      best_.d = half;
      std::memcpy(best_.scale, scale, sizeof(scale));
      return true;
    };
    const float d = top / (31 * Format::kFactor);
    try_half(d);
    for (int k = 0; k < 16; ++k) try_half(d * (0.84f + 0.03f * static_cast<float>(k)));
    for (int round = 0; round < 4 && try_half(best_next); ++round) {
    }
  }

  /// The entries of a group at its scale, from all there are, and the wrong signs.
  void ChooseEntries(int g) {
    const float t = ScaleOf(best_.d, best_.scale[g]);
    UnitCosts costs[kOctetUnits];
    for (int octet = g * kGroup / kOctet; octet < (g + 1) * kGroup / kOctet; ++octet) {
      Entry even[kOctetUnits], wrong[kOctetUnits];
      for (int u = 0; u < kOctetUnits; ++u) {
        FillCosts(octet * kOctetUnits + u, costs[u]);
        even[u] = Nearest<kEntries>(costs[u].a, costs[u].b, t);
        wrong[u] = Nearest<kEntries>(costs[u].odd_a, costs[u].b, t);
      }
      const int at = odd_[octet] ? UnitOfWrongSign(even, wrong, t) : -1;
      for (int u = 0; u < kOctetUnits; ++u) {
        best_.entry[octet * kOctetUnits + u] = u == at ? wrong[u].index : even[u].index;
      }
      if (at >= 0) FlipCheapest(octet, at);
    }
  }

  void FlipCheapest(int octet, int u) {
    const int begin = octet * kOctet + u * kUnit;
    float size[kUnit];
    for (int k = 0; k < kUnit; ++k) size[k] = std::fabs(window_.x[begin + k]);
    const int k = CheapestSign(window_.w + begin, size, best_.entry[octet * kOctetUnits + u]);
    best_.signs[octet] = static_cast<uint8_t>(best_.signs[octet] ^ 1 << (u * kUnit + k));
  }

  void UnitValues(int unit, float t, float* values) const {
    const uint8_t signs = best_.signs[unit / kOctetUnits];
    const int shift = unit % kOctetUnits * kUnit;
    for (int k = 0; k < kUnit; ++k) {
      const float value = t * book_.level[k][best_.entry[unit]];
      values[k] = signs >> (shift + k) & 1 ? -value : value;
    }
  }

  /// Entries, nibbles and the half in turn, while errors of one column can be paid for in another.
  void Refine() {
    constexpr int kPasses = 6;
    for (int unit = 0; unit < kWindow / kUnit; ++unit) {
      UnitValues(unit, ScaleOf(best_.d, best_.scale[unit / kUnits]), values_ + unit * kUnit);
    }
    Descent descent(window_.x, values_, window_.products, kWindow);
    for (int pass = 0; pass < kPasses; ++pass) {
      bool changed = false;
      for (int unit = 0; unit < kWindow / kUnit; ++unit) changed |= RefineUnit(unit, descent);
      for (int g = 0; g < kGroups; ++g) changed |= RefineScale(g, descent);
      if (best_.d != 0) {
        const float d = Half(best_.d * (1 + descent.Along(values_, 0, kWindow)));
        Rescale(0, kWindow, d / best_.d, descent);
        best_.d = d;
      }
      if (!changed) break;
    }
  }

  /// Values [begin, begin + n) become `factor` times as large.
  void Rescale(int begin, int n, float factor, Descent& descent) {
    float delta[kWindow];
    for (int i = 0; i < n; ++i) {
      delta[i] = values_[begin + i] * (factor - 1);
      values_[begin + i] += delta[i];
    }
    descent.Move(delta, begin, n);
  }

  bool RefineScale(int g, Descent& descent) {
    const float by = 1 + descent.Along(values_ + g * kGroup, g * kGroup, kGroup);
    const float now = static_cast<float>(2 * best_.scale[g] + 1);
    const int next = std::clamp(static_cast<int>(std::nearbyint((now * by - 1) * 0.5f)), 0, 15);
    if (next == best_.scale[g]) return false;
    Rescale(g * kGroup, kGroup, static_cast<float>(2 * next + 1) / now, descent);
    best_.scale[g] = next;
    return true;
  }

  /// What a unit would want next to the errors of its neighbours, and how much each element of that counts.
  struct Wish {
    float size[kUnit], weight[kUnit];
    int signs = 0;      // bit set: negative
    bool flip = false;  // one of them has to be wrong
  };

  Wish WishOf(int unit, const Descent& descent) const {
    const int begin = unit * kUnit;
    Wish wish;
    for (int k = 0; k < kUnit; ++k) {
      wish.weight[k] = descent.curvature(begin + k);
      const float wanted = values_[begin + k] + descent.pull()[begin + k] / wish.weight[k];
      wish.size[k] = std::fabs(wanted);
      wish.signs |= (wanted < 0) << k;
    }
    const int n_minus = __builtin_popcount(wish.signs) + __builtin_popcount(OtherSigns(unit));
    wish.flip = Format::kEvenSigns && n_minus % 2 != 0;
    return wish;
  }

  static int ShiftOf(int unit) { return unit % kOctetUnits * kUnit; }
  /// Of the other unit in the octet, if there is one.
  int OtherSigns(int unit) const {
    return best_.signs[unit / kOctetUnits] & ~(((1 << kUnit) - 1) << ShiftOf(unit));
  }

  /// The error of every entry, as if the elements of the unit had nothing to do with each other.
  void FillErrors(const Wish& wish, float t, float* errors) const {
    const F4 flipped = All(wish.flip ? 4 : 0);
    for (int c = 0; c < kEntries; c += 4) {
      F4 error = {}, least = All(3e38f);
      for (int k = 0; k < kUnit; ++k) {
        const F4 level = All(t) * Load(book_.level[k] + c), size = All(wish.size[k]);
        const F4 weighted = All(wish.weight[k]) * level;
        error += weighted * (level - 2 * size);
        least = Min(least, weighted * size);
      }
      Store(error + flipped * least, errors + c);
    }
  }

  /// The element whose sign costs least to have wrong.
  int CheapestSign(const float* weight, const float* size, int entry) const {
    int cheapest = 0;
    float least = 3e38f;
    for (int k = 0; k < kUnit; ++k) {
      const float cost = weight[k] * size[k] * book_.level[k][entry];
      if (cost < least) {
        least = cost;
        cheapest = k;
      }
    }
    return cheapest;
  }

  /// How much less the error is after the values of a unit change by delta.
  static float Gain(const Descent& descent, int begin, const float* delta) {
    float gain = 0;
    for (int k = 0; k < kUnit; ++k) {
      const float* products = descent.products(begin + k) + begin;
      float sum = 0;
      for (int j = 0; j < kUnit; ++j) sum += products[j] * delta[j];
      gain += delta[k] * (2 * descent.pull()[begin + k] - sum);
    }
    return gain;
  }

  /// Tries the entries that are nearest to what the unit alone would want, with all that depends on them.
  bool RefineUnit(int unit, Descent& descent) {
    constexpr int kTries = 8;
    const int begin = unit * kUnit;
    const float t = ScaleOf(best_.d, best_.scale[unit / kUnits]);
    if (t == 0) return false;
    const Wish wish = WishOf(unit, descent);
    float errors[kEntries];
    FillErrors(wish, t, errors);
    float best_gain = 0, best_delta[kUnit];
    int best_entry = -1, best_signs = 0;
    for (int i = 0; i < kTries; ++i) {
      const int entry = ArgMin<kEntries>([&](int c) { return Load(errors + c); });
      errors[entry] = 3e38f;
      const int signs =
          wish.flip ? wish.signs ^ 1 << CheapestSign(wish.weight, wish.size, entry) : wish.signs;
      float delta[kUnit];
      for (int k = 0; k < kUnit; ++k) {
        const float value = t * book_.level[k][entry];
        delta[k] = (signs >> k & 1 ? -value : value) - values_[begin + k];
      }
      const float gain = Gain(descent, begin, delta);
      if (gain > best_gain) {
        best_gain = gain;
        best_entry = entry;
        best_signs = OtherSigns(unit) | signs << ShiftOf(unit);
        std::memcpy(best_delta, delta, sizeof(delta));
      }
    }
    uint8_t& signs_now = best_.signs[unit / kOctetUnits];
    // The entry that is there already can seem to gain by what rounding has left in the pull.
    if (best_entry < 0 || (best_entry == best_.entry[unit] && best_signs == signs_now)) return false;
    descent.Move(best_delta, begin, kUnit);
    for (int k = 0; k < kUnit; ++k) values_[begin + k] += best_delta[k];
    best_.entry[unit] = best_entry;
    signs_now = static_cast<uint8_t>(best_signs);
    return true;
  }

  const Window& window_;
  const Book<Format::kEntries, Format::kUnit>& book_;
  Winners even_[kWindow / kUnit], wrong_[kWindow / kUnit];
  bool odd_[kWindow / kOctet];
  float wanted_[kGroups];
  float values_[kWindow];
  Block best_;
};

template <class Format>
void Encode(const Window& window, uint8_t* out) {
  static const Book<Format::kEntries, Format::kUnit> book(Format::Grid());
  Encoder<Format>(window, book).Encode(out);
}

}  // namespace

void EncodeCodebook(TensorType type, const Window& window, uint8_t* out) {
  switch (type) {
    case TensorType::kIQ2_XXS: return Encode<IQ2_XXS>(window, out);
    case TensorType::kIQ2_XS: return Encode<IQ2_XS>(window, out);
    case TensorType::kIQ2_S: return Encode<IQ2_S>(window, out);
    case TensorType::kIQ3_XXS: return Encode<IQ3_XXS>(window, out);
    default: return Encode<IQ3_S>(window, out);
  }
}

}  // namespace weir
