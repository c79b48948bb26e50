#include "kernels/intrinsics.h"
#include "kernels/probe.h"

namespace weir {
namespace {

// Keeps a register's value from the optimiser: see probe_avx512.cpp.
inline __m256i Opaque(__m256i x) {
  asm("" : "+x"(x));
  return x;
}

constexpr int kSums = kProbeInt8AvxVnniMacs / 32;  // latency times ports needs at most 10

}  // namespace

int64_t ProbeInt8AvxVnni(int a, int b, int64_t n_rounds) {
  __m256i sum[kSums];
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) sum[i] = _mm256_setzero_si256();
  const __m256i x = Opaque(_mm256_set1_epi8(static_cast<char>(a)));
  const __m256i y = Opaque(_mm256_set1_epi8(static_cast<char>(b)));
  for (int64_t round = 0; round < n_rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sum[i] = _mm256_dpbusd_avx_epi32(sum[i], x, y);
  }
  int64_t total = 0;
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) {
    alignas(32) int32_t lanes[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sum[i]);
    for (int lane = 0; lane < 8; ++lane) total += lanes[lane];
  }
  return total;
}

}  // namespace weir
