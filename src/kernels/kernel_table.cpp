#include "kernels/kernel_table.h"

#include "kernels/matmul.h"
#include "kernels/rows.h"

namespace weir {
namespace {

// Fewer are as fast without blocks, or faster.
[[maybe_unused]] constexpr int kMinArrangedRows = 5;

}  // namespace

const KernelTable& Kernels(Isa isa) {
  static const KernelTable plain = {Isa::kPlain, MatMulPlain, kRowsPlain, kSamplingPlain};
#if defined(__x86_64__)
  static const KernelTable avx2 = {Isa::kAvx2, MatMulAvx2, kRowsAvx2, kSamplingAvx2};
  static const KernelTable avx512 = {Isa::kAvx512Vnni, MatMulAvx512, kRowsAvx512,
                                     kSamplingAvx512};
  static const KernelTable amx = {Isa::kAmx,  MatMulAmx,        kRowsAvx512, kSamplingAvx512,
                                  ArrangeAmx, kMinArrangedRows};
  if (isa == Isa::kAmx) return amx;
  if (isa == Isa::kAvx512Vnni) return avx512;
  if (isa == Isa::kAvx2) return avx2;
#endif
  static_cast<void>(isa);
  return plain;
}

}  // namespace weir
