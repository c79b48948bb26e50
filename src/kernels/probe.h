// What the machine can do at best, per instruction set: loops that read, write or multiply and do nothing
// else. Every share of the limit that weir prints divides by rates measured with these.
#pragma once

#include <cstdint>

namespace weir {

enum class Isa;

inline constexpr int64_t kProbeBlock = 4096;  // buffers are multiples of this many bytes, 64-byte aligned

struct ProbeKernels {
  /// Returns the sum of the 64-bit words of data. Several access patterns: which one is fastest depends on
  /// the processor's prefetchers, so the best of all counts; the likely winner comes first.
  using ReadFn = uint64_t (*)(const uint8_t* data, int64_t n_bytes);
  const ReadFn* reads;
  int n_reads;

  /// Flips every bit of data in place: n_bytes are read and n_bytes are written.
  using ReadWriteFn = void (*)(uint8_t* data, int64_t n_bytes);
  const ReadWriteFn* read_writes;
  int n_read_writes;

  /// n_rounds rounds of int8_macs_per_round times sum += a * b, in registers (n_rounds <= 2^16, a and b in
  /// [0, 15], so that nothing overflows). Returns the sum over all accumulators.
  int64_t (*multiply_int8)(int a, int b, int64_t n_rounds);
  int64_t int8_macs_per_round;

  /// The same in float32: exact, as n_rounds <= 2^16.
  double (*multiply_f32)(float a, float b, int64_t n_rounds);
  int64_t f32_macs_per_round;
};

/// The loops for an instruction set that is built in and supported.
const ProbeKernels& Probes(Isa isa);

extern const ProbeKernels kProbePlain;
extern const ProbeKernels kProbeAvx2;
extern const ProbeKernels kProbeAvx512;

/// What AVX-VNNI does beyond AVX2: see ProbeKernels::multiply_int8.
inline constexpr int64_t kProbeInt8AvxVnniMacs = 12 * 32;
int64_t ProbeInt8AvxVnni(int a, int b, int64_t n_rounds);

/// And AMX beyond AVX-512: four products of 16 by 16 by 64.
inline constexpr int64_t kProbeInt8AmxMacs = 4 * 16 * 16 * 64;
int64_t ProbeInt8Amx(int a, int b, int64_t n_rounds);

}  // namespace weir
