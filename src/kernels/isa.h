// The instruction sets that weir has kernels for, and which of them this machine can run.
#pragma once

#include <span>
#include <string_view>

#include "util/error.h"

namespace weir {

enum class Isa {
  kPlain,       // portable C++
  kAvx2,        // AVX2, FMA, F16C
  kAvxVnni,     // the above and 256-bit VNNI: Alder Lake, N100 and their successors
  kAvx512Vnni,  // AVX2 and AVX-512 F, BW, DQ, VL and VNNI
  kAmx,         // the above and tiles of int8: Sapphire Rapids and its successors
};

/// The instruction sets that this binary was built with, fastest first; kPlain is the last.
std::span<const Isa> BuiltIsas();

/// The name that users see and may force: "amx", "avx512vnni", "avxvnni", "avx2", "plain".
std::string_view Name(Isa isa);

/// Whether the processor has the instructions and the operating system saves their registers.
bool Supported(Isa isa);

/// The first supported one, or the one named `forced` (the value of WEIR_ISA; null or empty: not forced).
/// kBadInput, listing what could be named, if that one is unknown or not supported here.
Result<Isa> SelectIsa(const char* forced);

}  // namespace weir
