#include "kernels/isa.h"

#include <cstdint>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>

#include "util/tile_registers.h"
#endif

namespace weir {
namespace {

#if defined(__x86_64__)

constexpr Isa kBuiltIsas[] = {Isa::kAmx, Isa::kAvx512Vnni, Isa::kAvxVnni, Isa::kAvx2, Isa::kPlain};

constexpr bool HasBits(uint64_t value, uint64_t bits) { return (value & bits) == bits; }
constexpr unsigned Bit(int bit) { return 1u << bit; }

// XCR0: which register states the operating system saves on a context switch.
uint64_t SavedRegisterStates() {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

struct Features {
  bool avx2 = false;
  bool avxvnni = false;
  bool avx512vnni = false;
  bool amx = false;
};

// Bit numbers: Intel SDM volume 2A, CPUID, leaves 1 and 7; XCR0: volume 1, 13.3. cpuid is asked here and not
// /proc/cpuinfo, because emulators (valgrind) answer the former only.
Features Detect() {
  Features found;
  unsigned eax, ebx, ecx, edx;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return found;
  constexpr unsigned kFma = Bit(12), kOsXsave = Bit(27), kAvx = Bit(28), kF16c = Bit(29);
  if (!HasBits(ecx, kFma | kOsXsave | kAvx | kF16c)) return found;
  constexpr uint64_t kYmmStates = 0x06, kZmmStates = 0xe6, kTileStates = 0x60000;
  const uint64_t saved = SavedRegisterStates();
  if (!HasBits(saved, kYmmStates)) return found;
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return found;
  constexpr unsigned kAvx2 = Bit(5), kF = Bit(16), kDq = Bit(17), kBw = Bit(30), kVl = Bit(31);
  constexpr unsigned kVnni = Bit(11), kAmxTile = Bit(24), kAmxInt8 = Bit(25), kAvxVnni = Bit(4);
  found.avx2 = HasBits(ebx, kAvx2);
  found.avx512vnni = found.avx2 && HasBits(saved, kZmmStates) &&
                     HasBits(ebx, kF | kDq | kBw | kVl) && HasBits(ecx, kVnni);
  found.amx = found.avx512vnni && HasBits(saved, kTileStates) &&
              HasBits(edx, kAmxTile | kAmxInt8) && AllowTileRegisters();
  if (eax >= 1 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx)) {
    found.avxvnni = found.avx2 && HasBits(eax, kAvxVnni);
  }
  return found;
}

bool Detected(Isa isa) {
  static const Features found = Detect();
  switch (isa) {
    case Isa::kPlain: return true;
    case Isa::kAvx2: return found.avx2;
    case Isa::kAvxVnni: return found.avxvnni;
    case Isa::kAvx512Vnni: return found.avx512vnni;
    case Isa::kAmx: return found.amx;
  }
  return false;
}

#else

constexpr Isa kBuiltIsas[] = {Isa::kPlain};
bool Detected(Isa isa) { return isa == Isa::kPlain; }

#endif

std::string SupportedNames() {
  std::string names;
  for (Isa isa : BuiltIsas()) {
    if (Supported(isa)) names += (names.empty() ? "" : ", ") + std::string(Name(isa));
  }
  return names;
}

}  // namespace

std::span<const Isa> BuiltIsas() { return kBuiltIsas; }

std::string_view Name(Isa isa) {
  switch (isa) {
    case Isa::kPlain: return "plain";
    case Isa::kAvx2: return "avx2";
    case Isa::kAvxVnni: return "avxvnni";
    case Isa::kAvx512Vnni: return "avx512vnni";
    case Isa::kAmx: return "amx";
  }
  return "unknown";
}

bool Supported(Isa isa) { return Detected(isa); }

Result<Isa> SelectIsa(const char* forced) {
  const std::string_view wanted = forced ? forced : "";
  for (Isa isa : BuiltIsas()) {
    const bool named = Name(isa) == wanted;
    if (Supported(isa) && (named || wanted.empty())) return isa;
    if (named) {
      return BadInput("WEIR_ISA={}: this machine does not support it; expected one of: {}", wanted,
                      SupportedNames());
    }
  }
  return BadInput("WEIR_ISA={}: no such instruction set; expected one of: {}", wanted,
                  SupportedNames());
}

}  // namespace weir
