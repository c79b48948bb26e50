#include "kernels/isa.h"
#include "kernels/probe.h"

namespace weir {
namespace {

uint64_t Read(const uint8_t* data, int64_t n_bytes) {
  const uint64_t* words = reinterpret_cast<const uint64_t*>(data);
  uint64_t sum[8] = {};
  for (int64_t at = 0; at < n_bytes / 8; at += 8) {
    for (int i = 0; i < 8; ++i) sum[i] += words[at + i];
  }
  uint64_t total = 0;
  for (uint64_t s : sum) total += s;
  return total;
}

void ReadWrite(uint8_t* data, int64_t n_bytes) {
  uint64_t* words = reinterpret_cast<uint64_t*>(data);
  for (int64_t i = 0; i < n_bytes / 8; ++i) words[i] = ~words[i];
}

// One round multiplies two arrays in the first-level cache; the barrier stands for new contents, so that
// the optimiser keeps the products inside the loop.
constexpr int kItems = 64;

void ForgetContents(const void* x, const void* y) { asm volatile("" : : "r"(x), "r"(y) : "memory"); }

int64_t MultiplyInt8(int a, int b, int64_t n_rounds) {
  int8_t x[kItems], y[kItems];
  int32_t sum[kItems] = {};
  for (int i = 0; i < kItems; ++i) {
    x[i] = static_cast<int8_t>(a);
    y[i] = static_cast<int8_t>(b);
  }
  for (int64_t round = 0; round < n_rounds; ++round) {
    ForgetContents(x, y);
    for (int i = 0; i < kItems; ++i) sum[i] += x[i] * y[i];
  }
  int64_t total = 0;
  for (int32_t s : sum) total += s;
  return total;
}

double MultiplyF32(float a, float b, int64_t n_rounds) {
  float x[kItems], y[kItems], sum[kItems] = {};
  for (int i = 0; i < kItems; ++i) {
    x[i] = a;
    y[i] = b;
  }
  for (int64_t round = 0; round < n_rounds; ++round) {
    ForgetContents(x, y);
    for (int i = 0; i < kItems; ++i) sum[i] += x[i] * y[i];
  }
  double total = 0;
  for (float s : sum) total += s;
  return total;
}

constexpr ProbeKernels::ReadFn kReads[] = {Read};
constexpr ProbeKernels::ReadWriteFn kReadWrites[] = {ReadWrite};

}  // namespace

#if defined(__x86_64__)
/// The loops of another instruction set, which multiplies int8 in its own way.
ProbeKernels WithInt8(ProbeKernels probes, int64_t (*multiply)(int, int, int64_t), int64_t macs) {
  probes.multiply_int8 = multiply;
  probes.int8_macs_per_round = macs;
  return probes;
}
#endif

const ProbeKernels kProbePlain = {kReads, 1, kReadWrites, 1, MultiplyInt8, kItems, MultiplyF32, kItems};

const ProbeKernels& Probes(Isa isa) {
#if defined(__x86_64__)
  static const ProbeKernels avxvnni =
      WithInt8(kProbeAvx2, ProbeInt8AvxVnni, kProbeInt8AvxVnniMacs);
  static const ProbeKernels amx = WithInt8(kProbeAvx512, ProbeInt8Amx, kProbeInt8AmxMacs);
#endif
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAmx: return amx;
    case Isa::kAvx512Vnni: return kProbeAvx512;
    case Isa::kAvxVnni: return avxvnni;
    case Isa::kAvx2: return kProbeAvx2;
#endif
    default: break;
  }
  return kProbePlain;
}

}  // namespace weir
