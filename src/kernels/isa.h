// The instruction sets that weir has kernels for, and which of them this machine can run.
#pragma once

#include <span>
#include <string_view>

#include "util/error.h"

namespace weir {

enum class Isa {
  kPlain,       // portable C++
  kAvx2,        // AVX2, FMA, F16C
  kAvx512Vnni,  // the above, AVX-512 F, BW, DQ, VL and VNNI
};

/// The instruction sets that this binary was built with, fastest first; kPlain is the last.
std::span<const Isa> BuiltIsas();

/// The name that users see and may force: "avx512vnni", "avx2", "plain".
std::string_view Name(Isa isa);

/// Whether the processor has the instructions and the operating system saves their registers.
bool Supported(Isa isa);

/// The first supported one, or the one named `forced` (the value of WEIR_ISA; null or empty: not forced).
/// kBadInput, listing what could be named, if that one is unknown or not supported here.
Result<Isa> SelectIsa(const char* forced);

}  // namespace weir
