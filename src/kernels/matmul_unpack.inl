// Codes and scales of a panel, unpacked with the Bytes (64 of them) and Floats (16) of the
// including file and the operations that it defines on them.

namespace weir {
namespace {

/// Units of a plane of kLow bits and, unless kHigh is 0, one of the kHigh bits above them.
template <int kLow, int kHigh, bool kLevels>
struct Planes {
  static constexpr int kBytes = (kLow + kHigh) * kStepBytes;
  static constexpr bool kAreOperands = kLow == 8;
  static constexpr bool kHasLevels = kLevels;

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

  Bytes table;
};

/// Asks for n bytes into the second cache.
void Prefetch(const uint8_t* p, int64_t n) {
  for (int64_t i = 0; i < n; i += 64) __builtin_prefetch(p + i, 0, 2);
}

/// The codes that a unit of the panel asks memory for: a line of either tile with each of its steps, as a burst of
/// requests waits for itself. Into the first cache: what Zen 5 has in the second only comes at half the speed, now and
/// then at a third; others do not mind. (Inlined: a call would spill every vector.)
struct CodesAhead {
  [[gnu::always_inline]] CodesAhead(const Panel& panel, int unit) : n_lines(panel.ahead_lines) {
    const int64_t at = panel.ahead + unit * n_lines * int64_t{64};
    const int64_t past = at - panel.codes_left;
    for (int t = 0; t < kPair; ++t) lines[t] = past < 0 ? panel.units[t] + at : panel.next[t] + past;
  }
  [[gnu::always_inline]] void Prefetch(int t, int step) const {
    if (step < n_lines) __builtin_prefetch(lines[t] + step * 64, 0, 3);
  }
  [[gnu::always_inline]] void PrefetchAll() const {
    for (int step = 0; step < n_lines; ++step) {
      for (int t = 0; t < kPair; ++t) Prefetch(t, step);
    }
  }

  const uint8_t* lines[kPair];
  int n_lines;
};

/// Calls Visitor<Codes, group, has_min>::Run for the layout.
template <template <class, int, bool> class Visitor, class... Args>
auto WithFormat(const PackLayout& layout, Args... args) {
  const bool wide = layout.group == 32;
  switch (layout.bits) {
    case 2:
      return Visitor<Planes<2, 0, false>, 16, true>::Run(args...);
    case 3:
      if (!layout.levels) return Visitor<Planes<2, 1, false>, 16, false>::Run(args...);
      return wide ? Visitor<Planes<2, 1, true>, 32, false>::Run(args...)
                  : Visitor<Planes<2, 1, true>, 16, false>::Run(args...);
    case 4:
      if (layout.levels) return Visitor<Planes<4, 0, true>, 32, false>::Run(args...);
      return layout.has_min ? Visitor<Planes<4, 0, false>, 32, true>::Run(args...)
                            : Visitor<Planes<4, 0, false>, 32, false>::Run(args...);
    case 5:
      return layout.has_min ? Visitor<Planes<4, 1, false>, 32, true>::Run(args...)
                            : Visitor<Planes<4, 1, false>, 32, false>::Run(args...);
    case 6:
      return Visitor<Planes<4, 2, false>, 16, false>::Run(args...);
  }
  return Visitor<Planes<8, 0, false>, 32, false>::Run(args...);
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

}  // namespace
}  // namespace weir
