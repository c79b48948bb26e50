#include "kernels/kernel_table.h"

#include "kernels/matmul.h"
#include "kernels/pack_layout.h"
#include "kernels/rows.h"

namespace weir {
namespace {

/// With fewer rows AMX is not faster than vectors: it unpacks once what they unpack for each few rows, and loses where
/// there is little to unpack, or more to do for each group than to multiply it.
int64_t MinAmxRows(const PackLayout& layout) {
  if (layout.bits == 8) return 20;
  if (layout.has_min) return 12;
  return layout.group == 16 ? 28 : 8;
}

}  // namespace

int KernelTable::BlockRows(TensorType type, int64_t n_rows) const {
  if (isa == Isa::kPlain || !IsQuantized(type)) return 0;
  const bool amx = isa == Isa::kAmx && n_rows >= MinAmxRows(LayoutOf(type));
  const int most = amx ? kAmxBlockRows : kVectorBlockRows;
  // Blocks of one height: 33 rows are three of 11, not two of 16 and nearly nothing at the price of a third.
  const int64_t n_blocks = (n_rows + most - 1) / most;
  return static_cast<int>((n_rows + n_blocks - 1) / n_blocks);
}

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
  static const KernelTable avx512 = {Isa::kAvx512Vnni, MatMulAvx512, kRowsAvx512, kSamplingAvx512};
  static const KernelTable amx = {Isa::kAmx, MatMulAmx, kRowsAvx512, kSamplingAvx512};
  if (isa == Isa::kAmx) return amx;
  if (isa == Isa::kAvx512Vnni) return avx512;
  if (isa == Isa::kAvxVnni) return avxvnni;
  if (isa == Isa::kAvx2) return avx2;
#endif
  static_cast<void>(isa);
  return plain;
}

}  // namespace weir
