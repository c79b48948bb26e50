#include "kernels/kernel_table.h"

#include "kernels/matmul.h"
#include "kernels/rows.h"

namespace weir {
namespace {

// With fewer rows, in the whole model, products are as fast without blocks, or faster.
[[maybe_unused]] constexpr int kMinArrangedRows = 28;

}  // namespace

std::string_view Name(KvType type) {
  switch (type) {
    case KvType::kF16: return "f16";
    case KvType::kBF16: return "bf16";
    case KvType::kQ8_0: return "q8_0";
    case KvType::kF32: return "f32";
  }
  return "";
}

std::optional<KvType> KvTypeNamed(std::string_view name) {
  for (const KvType type : {KvType::kF16, KvType::kBF16, KvType::kQ8_0, KvType::kF32}) {
    if (name == Name(type)) return type;
  }
  return std::nullopt;
}

const KernelTable& Kernels(Isa isa) {
  static const KernelTable plain = {Isa::kPlain, MatMulPlain, kRowsPlain, kSamplingPlain};
#if defined(__x86_64__)
  static const KernelTable avx2 = {Isa::kAvx2, MatMulAvx2, kRowsAvx2, kSamplingAvx2};
  static const KernelTable avxvnni = {Isa::kAvxVnni, MatMulAvxVnni, kRowsAvx2, kSamplingAvx2};
  static const KernelTable avx512 = {Isa::kAvx512Vnni, MatMulAvx512, kRowsAvx512,
                                     kSamplingAvx512};
  static const KernelTable amx = {Isa::kAmx,  MatMulAmx,        kRowsAvx512, kSamplingAvx512,
                                  ArrangeAmx, kMinArrangedRows};
  if (isa == Isa::kAmx) return amx;
  if (isa == Isa::kAvx512Vnni) return avx512;
  if (isa == Isa::kAvxVnni) return avxvnni;
  if (isa == Isa::kAvx2) return avx2;
#endif
  static_cast<void>(isa);
  return plain;
}

}  // namespace weir
