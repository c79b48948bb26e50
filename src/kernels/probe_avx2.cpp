#include <immintrin.h>

#include "kernels/probe.h"

namespace weir {
namespace {

// Keeps a register's value from the optimiser: see probe_avx512.cpp.
inline __m256i Opaque(__m256i x) {
  asm("" : "+x"(x));
  return x;
}
inline __m256 Opaque(__m256 x) {
  asm("" : "+x"(x));
  return x;
}

// Streams and prefetching as in probe_avx512.cpp.
template <int n_streams, int ahead>
uint64_t Read(const uint8_t* data, int64_t n_bytes) {
  constexpr int kLines = 4;
  __m256i sum[2 * kLines];
  for (int i = 0; i < 2 * kLines; ++i) sum[i] = _mm256_setzero_si256();
  const int64_t part = n_bytes / n_streams;
  for (int64_t at = 0; at < part; at += 64 * kLines / n_streams) {
#pragma GCC unroll 4
    for (int i = 0; i < kLines; ++i) {
      const uint8_t* line = data + i % n_streams * part + at + i / n_streams * 64;
      const __m256i* halves = reinterpret_cast<const __m256i*>(line);
      if (ahead > 0) _mm_prefetch(line + ahead, _MM_HINT_T1);
      sum[2 * i] = _mm256_add_epi64(sum[2 * i], _mm256_load_si256(halves));
      sum[2 * i + 1] = _mm256_add_epi64(sum[2 * i + 1], _mm256_load_si256(halves + 1));
    }
  }
  for (int i = 1; i < 2 * kLines; ++i) sum[0] = _mm256_add_epi64(sum[0], sum[i]);
  alignas(32) uint64_t words[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(words), sum[0]);
  return words[0] + words[1] + words[2] + words[3];
}

template <int ahead>
void ReadWrite(uint8_t* data, int64_t n_bytes) {
  const __m256i ones = _mm256_set1_epi64x(-1);
  for (int64_t at = 0; at < n_bytes; at += 256) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      uint8_t* half = data + at + i * 32;
      __m256i* x = reinterpret_cast<__m256i*>(half);
      if (ahead > 0 && i % 2 == 0) _mm_prefetch(half + ahead, _MM_HINT_T1);
      _mm256_store_si256(x, _mm256_xor_si256(_mm256_load_si256(x), ones));
    }
  }
}

// 16 registers hold 12 sums and the operands; latency times ports needs at most 10.
constexpr int kSums = 12;

// Three instructions per 32 products, for any int8 values that do not saturate. Formats of few bits may add
// several products in 16 bits before widening and so get past this rate; a processor with AVX-VNNI and
// without AVX-512 has more as well, and gets a table of its own with its kernels.
int64_t MultiplyInt8(int a, int b, int64_t n_rounds) {
  __m256i sum[kSums];
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) sum[i] = Opaque(_mm256_setzero_si256());
  __m256i x = _mm256_set1_epi8(static_cast<char>(a));
  const __m256i y = Opaque(_mm256_set1_epi8(static_cast<char>(b)));
  const __m256i ones = Opaque(_mm256_set1_epi16(1));
  for (int64_t round = 0; round < n_rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) {
      x = Opaque(x);
      const __m256i products = _mm256_madd_epi16(_mm256_maddubs_epi16(x, y), ones);
      sum[i] = _mm256_add_epi32(sum[i], products);
    }
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

double MultiplyF32(float a, float b, int64_t n_rounds) {
  __m256 sum[kSums];
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) sum[i] = Opaque(_mm256_setzero_ps());
  const __m256 x = Opaque(_mm256_set1_ps(a));
  const __m256 y = Opaque(_mm256_set1_ps(b));
  for (int64_t round = 0; round < n_rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sum[i] = _mm256_fmadd_ps(x, y, sum[i]);
  }
  double total = 0;
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) {
    alignas(32) float lanes[8];
    _mm256_store_ps(lanes, sum[i]);
    for (int lane = 0; lane < 8; ++lane) total += lanes[lane];
  }
  return total;
}

constexpr ProbeKernels::ReadFn kReads[] = {Read<2, 1024>, Read<1, 0>};
constexpr ProbeKernels::ReadWriteFn kReadWrites[] = {ReadWrite<2048>, ReadWrite<0>};

}  // namespace

const ProbeKernels kProbeAvx2 = {kReads,      2,         kReadWrites, 2, MultiplyInt8, kSums * 32,
                                 MultiplyF32, kSums * 8};

}  // namespace weir
