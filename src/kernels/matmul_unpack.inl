// Codes and scales of a panel, unpacked with the Bytes (64 of them) and Floats (16) of the
// including file and the operations that it defines on them.

namespace weir {
namespace {

/// How far ahead of the codes memory is asked for, in bytes: tiles follow one another. Into the
/// second cache, 2 to 4 KiB ahead, a single row gained up to 20 % on an Emerald Rapids guest (Q8_0
/// nothing).
constexpr int kAhead = 3072;

/// Units of a plane of kLow bits and, unless kHigh is 0, one of the kHigh bits above them.
template <int kLow, int kHigh, bool kLevels>
struct Planes {
  static constexpr int kBytes = (kLow + kHigh) * kStepBytes;

  explicit Planes(const uint8_t* levels) : table(kLevels ? LoadLevels(levels) : Set1(0)) {}

  /// The operands of step s. Shifts move bits across bytes, but never into the bits that the masks
  /// keep.
  Bytes Step(const uint8_t* unit, int s) const {
    const Bytes low = LoadBytes(unit + s * kLow / 8 * kStepBytes);
    if (kLow == 8) return low;
    Bytes codes = And(ShiftRight(low, s * kLow % 8), Set1((1 << kLow) - 1));
    if (kHigh > 0) {
      const Bytes high = LoadBytes(unit + (kLow + s * kHigh / 8) * kStepBytes);
      codes =
          AndOr(ShiftRight(high, s * kHigh % 8 - kLow), Set1(((1 << kHigh) - 1) << kLow), codes);
    }
    return kLevels ? Lookup(table, codes) : codes;
  }

  static void Prefetch(const uint8_t* unit) {
#pragma GCC unroll 8
    for (int line = 0; line < kLow + kHigh; ++line) {
      __builtin_prefetch(unit + kAhead + line * kStepBytes, 0, 2);
    }
  }

  Bytes table;
};

/// Calls Visitor<Codes>::Run with the Planes that hold the layout's codes.
template <template <class> class Visitor, class... Args>
auto WithPlanes(const PackLayout& layout, Args... args) {
  switch (layout.bits) {
    case 2:
      return Visitor<Planes<2, 0, false>>::Run(layout, args...);
    case 3:
      return layout.levels ? Visitor<Planes<2, 1, true>>::Run(layout, args...)
                           : Visitor<Planes<2, 1, false>>::Run(layout, args...);
    case 4:
      return layout.levels ? Visitor<Planes<4, 0, true>>::Run(layout, args...)
                           : Visitor<Planes<4, 0, false>>::Run(layout, args...);
    case 5:
      return Visitor<Planes<4, 1, false>>::Run(layout, args...);
    case 6:
      return Visitor<Planes<4, 2, false>>::Run(layout, args...);
  }
  return Visitor<Planes<8, 0, false>>::Run(layout, args...);
}

template <class Codes>
struct UnpackUnits {
  static void Run(const PackLayout& layout, const uint8_t* unit, int n_units, uint8_t* operands) {
    const Codes codes(layout.levels);
    for (int u = 0; u < n_units; ++u, unit += Codes::kBytes) {
      Codes::Prefetch(unit);
#pragma GCC unroll 8
      for (int s = 0; s < kUnitSteps; ++s, operands += kStepBytes) {
        StoreBytes(operands, codes.Step(unit, s));
      }
    }
  }
};

/// Writes the operands of n units, [n_units][8][16][4].
void UnpackOperands(const PackLayout& layout, const uint8_t* units, int n_units,
                    uint8_t* operands) {
  WithPlanes<UnpackUnits>(layout, units, n_units, operands);
}

/// The scales of groups in one super-block: the groups' integers times the halves in `super`.
void UnpackSuper(const PackLayout& layout, const uint8_t* groups, const uint8_t* super,
                 float* scale, float* neg_min) {
  const int group_bytes = GroupBytes(layout), n_groups = kSuperCols / layout.group;
  const Floats d = Times(FromHalves(super), layout.factor);
  if (!layout.has_min) {
    for (int g = 0; g < n_groups; ++g) {
      StoreFloats(scale + g * kTileRows, Mul(d, FromSigned(groups + g * group_bytes)));
    }
    return;
  }
  const Floats neg_d_min = Negated(FromHalves(super + 2 * kTileRows));
  const bool nibbles = layout.scale == ScaleKind::kSuperNibbles;
  for (int g = 0; g < n_groups; ++g, groups += group_bytes) {
    const Floats integer = nibbles ? FromLowNibbles(groups) : FromSigned(groups);
    const Floats min = nibbles ? FromHighNibbles(groups) : FromUnsigned(groups + kTileRows);
    StoreFloats(scale + g * kTileRows, Mul(d, integer));
    StoreFloats(neg_min + g * kTileRows, Mul(neg_d_min, min));
  }
}

/// The scales and negated minima [n_groups][16] of groups that begin a super-block, if there are
/// any.
void UnpackScales(const PackLayout& layout, const uint8_t* groups, const uint8_t* supers,
                  int n_groups, float* scale, float* neg_min) {
  const int group_bytes = GroupBytes(layout);
  if (layout.scale == ScaleKind::kHalf) {
    for (int g = 0; g < n_groups; ++g, groups += group_bytes) {
      StoreFloats(scale + g * kTileRows, FromHalves(groups));
      if (!layout.has_min) continue;
      StoreFloats(neg_min + g * kTileRows, Negated(FromHalves(groups + 2 * kTileRows)));
    }
  } else if (layout.scale == ScaleKind::kExponent) {
    for (int g = 0; g < n_groups; ++g) {
      StoreFloats(scale + g * kTileRows, FromExponents(groups + g * group_bytes));
    }
  } else {
    const int per_super = kSuperCols / layout.group;
    for (int g = 0; g < n_groups; g += per_super, supers += SuperBytes(layout)) {
      UnpackSuper(layout, groups + g * group_bytes, supers, scale + g * kTileRows,
                  neg_min + g * kTileRows);
    }
  }
}

/// n_cols columns of F16 or BF16 as floats [n_cols][16].
void Widen(TensorType type, const uint8_t* values, int n_cols, float* floats) {
  for (int c = 0; c < n_cols; ++c, values += 2 * kTileRows, floats += kTileRows) {
    StoreFloats(floats, type == TensorType::kF16 ? FromHalves(values) : FromBFloats(values));
  }
}

}  // namespace
}  // namespace weir
