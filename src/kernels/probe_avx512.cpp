#include <immintrin.h>

#include "kernels/probe.h"

namespace weir {
namespace {

// Keeps a register's value from the optimiser: without it equal sums would be computed once, and invariant
// products outside the loop.
inline __m512i Opaque(__m512i x) {
  asm("" : "+v"(x));
  return x;
}
inline __m512 Opaque(__m512 x) {
  asm("" : "+v"(x));
  return x;
}

// The lanes are added in memory: g++ 12 warns inside its own headers about the reducing intrinsics.
inline uint64_t SumOfLanes(__m512i x) {
  alignas(64) uint64_t lanes[8];
  _mm512_store_si512(lanes, x);
  uint64_t sum = 0;
  for (int i = 0; i < 8; ++i) sum += lanes[i];
  return sum;
}

// n_streams interleaved sequential streams, each asking for lines `ahead` bytes before it needs them
// (0: left to the hardware). Two streams and 1 KiB were the best of 25 combinations on an Emerald Rapids
// guest: 37 GB/s against 32 for one stream without prefetching. Running past the end is harmless.
template <int n_streams, int ahead>
uint64_t Read(const uint8_t* data, int64_t n_bytes) {
  constexpr int kLines = 8;
  __m512i sum[kLines];
  for (int i = 0; i < kLines; ++i) sum[i] = _mm512_setzero_si512();
  const int64_t part = n_bytes / n_streams;
  for (int64_t at = 0; at < part; at += 64 * kLines / n_streams) {
#pragma GCC unroll 8
    for (int i = 0; i < kLines; ++i) {
      const uint8_t* line = data + i % n_streams * part + at + i / n_streams * 64;
      if (ahead > 0) _mm_prefetch(line + ahead, _MM_HINT_T1);
      sum[i] = _mm512_add_epi64(sum[i], _mm512_load_si512(line));
    }
  }
  for (int i = 1; i < kLines; ++i) sum[0] = _mm512_add_epi64(sum[0], sum[i]);
  return SumOfLanes(sum[0]);
}

// Streaming stores were tried and lose (37 GB/s against 63): the line is in the cache already.
template <int ahead>
void ReadWrite(uint8_t* data, int64_t n_bytes) {
  const __m512i ones = _mm512_set1_epi64(-1);
  for (int64_t at = 0; at < n_bytes; at += 256) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      uint8_t* line = data + at + i * 64;
      if (ahead > 0) _mm_prefetch(line + ahead, _MM_HINT_T1);
      _mm512_store_si512(line, _mm512_xor_si512(_mm512_load_si512(line), ones));
    }
  }
}

constexpr int kSums = 24;  // with two operands 26 of 32 registers; latency times ports needs at most 12

int64_t MultiplyInt8(int a, int b, int64_t n_rounds) {
  __m512i sum[kSums];
#pragma GCC unroll 24
  for (int i = 0; i < kSums; ++i) sum[i] = Opaque(_mm512_setzero_si512());
  const __m512i x = Opaque(_mm512_set1_epi8(static_cast<char>(a)));
  const __m512i y = Opaque(_mm512_set1_epi8(static_cast<char>(b)));
  for (int64_t round = 0; round < n_rounds; ++round) {
#pragma GCC unroll 24
    for (int i = 0; i < kSums; ++i) sum[i] = _mm512_dpbusd_epi32(sum[i], x, y);
  }
  int64_t total = 0;
#pragma GCC unroll 24
  for (int i = 0; i < kSums; ++i) {
    alignas(64) int32_t lanes[16];
    _mm512_store_si512(lanes, sum[i]);
    for (int lane = 0; lane < 16; ++lane) total += lanes[lane];
  }
  return total;
}

double MultiplyF32(float a, float b, int64_t n_rounds) {
  __m512 sum[kSums];
#pragma GCC unroll 24
  for (int i = 0; i < kSums; ++i) sum[i] = Opaque(_mm512_setzero_ps());
  const __m512 x = Opaque(_mm512_set1_ps(a));
  const __m512 y = Opaque(_mm512_set1_ps(b));
  for (int64_t round = 0; round < n_rounds; ++round) {
#pragma GCC unroll 24
    for (int i = 0; i < kSums; ++i) sum[i] = _mm512_fmadd_ps(x, y, sum[i]);
  }
  double total = 0;
#pragma GCC unroll 24
  for (int i = 0; i < kSums; ++i) {
    alignas(64) float lanes[16];
    _mm512_store_ps(lanes, sum[i]);
    for (int lane = 0; lane < 16; ++lane) total += lanes[lane];
  }
  return total;
}

constexpr ProbeKernels::ReadFn kReads[] = {Read<2, 1024>, Read<1, 0>};
constexpr ProbeKernels::ReadWriteFn kReadWrites[] = {ReadWrite<2048>, ReadWrite<0>};

}  // namespace

const ProbeKernels kProbeAvx512 = {kReads,           2, kReadWrites, 2, MultiplyInt8, kSums * 64,
                                   MultiplyF32, kSums * 16};

}  // namespace weir
