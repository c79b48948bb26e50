// The operations of a forward pass, one table of function pointers per instruction set.
//
// Bits: every kernel gives the same bits on every instruction set, for any number of activation rows and
// any split of the work. Sums over a vector run in 16 lanes (element i goes to lane i mod 16, with fused
// multiply-add), and the lanes are added pairwise: 8 apart, then 4, 2, 1. exp() is one polynomial for all.
// The plain table (portable C++, *_plain.cpp) is the specification; the others are tested against it,
// bit by bit. Vector lengths n are multiples of 16 unless said otherwise; no alignment is needed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "kernels/activation_blocks.h"
#include "kernels/isa.h"
#include "kernels/packed_matrix.h"
#include "kernels/sampling.h"

namespace weir {

inline constexpr int kPageTokens = 64;  // positions per KV page: attention's unit of accumulation

/// n_rows rows of activations of n_cols columns, in the forms that matrices multiply with: f32 for float types; for
/// quantised ones the blocks (or, without vector instructions, what they are made of). int8 values are in [-127, 127].
struct Activations {
  int64_t n_rows = 0;
  int64_t n_cols = 0;
  const float* f32 = nullptr;      // [n_rows][n_cols]
  const int8_t* q8 = nullptr;      // [n_rows][n_cols]
  const float* scale = nullptr;    // [n_rows][n_cols / 32]
  const int32_t* sum = nullptr;    // [n_rows][n_cols / 16], of q8
  const int32_t* pick = nullptr;   // if set: row i of the product uses activation row pick[i]
  int block_rows = 0;              // see KernelTable::BlockRows; the last block has what is left
  const uint8_t* blocks = nullptr;  // rows i of the product, arranged (kernels/activation_blocks.h), 64-byte aligned
};

/// y[i * y_stride + r] = sum over c of W[r][c] x[i][c], for the rows r of tiles [tile_begin, tile_end) (rows
/// past w.n_rows are not written) and i < x.n_rows. Per group of columns the int8 products are summed
/// exactly, then added to the output with one fused multiply-add per group, groups in order:
///   acc = fma(scale_w * scale_x, float(sum q_w q_x - zero * sum q_x), acc), and where the type has minima
///   acc = fma(-min_w, scale_x * float(sum q_x), acc) directly after.
/// F32, F16, BF16: four chains of fma, over columns c mod 4, added (0 + 1) + (2 + 3).
/// Returns the number of tiles unpacked: each once, for some 4096 activation rows (float types: 1024; blocks of AMX:
/// 64 or more).
using MatMulFn = int64_t (*)(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end,
                             const Activations& x, float* y, int64_t y_stride);

/// How keys and values are kept. kQ8_0: blocks of 32 components, int8 times a half scale, as GGUF's Q8_0.
enum class KvType { kF16, kBF16, kQ8_0, kF32 };

/// "f16", "bf16", "q8_0", "f32", and back; nothing for other names.
std::string_view Name(KvType type);
std::optional<KvType> KvTypeNamed(std::string_view name);

/// Bytes of the keys (or the values) of one page and one KV head: [kPageTokens][head_dim] of the type; with
/// kQ8_0 [kPageTokens][head_dim] of int8, then [kPageTokens][head_dim / 32] of half.
constexpr int64_t KvPageBytes(KvType type, int64_t head_dim) {
  if (type == KvType::kF32) return kPageTokens * head_dim * 4;
  if (type == KvType::kQ8_0) return kPageTokens * (head_dim + head_dim / 32 * 2);
  return kPageTokens * head_dim * 2;
}

/// One page of one KV head, and what to fetch into the cache meanwhile: the keys of the page that is next.
struct KvPage {
  const void* k;
  const void* v;
  KvType type;
  const void* next_k = nullptr;  // null: none
  int n_next_positions = 0;
};

/// A query head of one token, and its running softmax over pages of its KV head.
struct AttentionQuery {
  const float* q;   // [head_dim]
  float* out;       // [head_dim], 0 at the start; divide by sum at the end
  float max;        // -infinity at the start
  float sum;        // 0 at the start
  int n_positions;  // it sees positions [0, n_positions) of the page at hand, 1 to kPageTokens
};

/// Consecutive tokens of one value head, as they lie in rows of the step: those of q, k and v are `stride`
/// floats apart, and so on.
struct DeltaTokens {
  const float* q;  // [n_tokens][dim], already scaled
  const float* k;
  const float* v;
  int64_t stride;
  const float* decay;  // [n_tokens], e^g
  const float* beta;
  int64_t gate_stride;
  float* out;  // [n_tokens][dim]
  int64_t out_stride;
  int64_t n_tokens;

  /// The t-th of them, and those after it.
  DeltaTokens from(int64_t t) const {
    return {q + t * stride,          k + t * stride, v + t * stride,
            stride,                  decay + t * gate_stride, beta + t * gate_stride,
            gate_stride,             out + t * out_stride, out_stride,
            n_tokens - t};
  }
};

struct RowKernels {
  /// Blocks of 32 (n a multiple of 32): scale = max|x| / 127, q = round to nearest even of x * (127 / max|x|),
  /// all zero if max|x| is 0; sum[j] = sum of 16 q.
  void (*quantize)(const float* x, int64_t n, int8_t* q, float* scale, int32_t* sum);
  /// y = x * weight / sqrt(mean(x^2) + eps). y may be x.
  void (*rms_norm)(const float* x, const float* weight, int64_t n, float eps, float* y);
  /// x = x * factor / max(||x||_2, eps), in place.
  void (*l2_norm)(float* x, int64_t n, float eps, float factor);
  /// x += y.
  void (*add)(const float* y, int64_t n, float* x);
  /// x += factor * y.
  void (*add_scaled)(const float* y, float factor, int64_t n, float* x);
  /// y = silu(gate) * up. y may be gate or up.
  void (*silu_mul)(const float* gate, const float* up, int64_t n, float* y);
  /// x *= sigmoid(gate).
  void (*sigmoid_mul)(const float* gate, int64_t n, float* x);
  /// Causal convolution of width 4 per channel, then silu:
  /// y = silu(w[0] x[0] + w[1] x[1] + w[2] x[2] + w[3] x[3]); w [4][n], x: four rows of n, oldest first.
  void (*conv_silu)(const float* w, const float* const x[4], int64_t n, float* y);
  /// Tokens of the gated delta rule, one after the other, for one value head (spec 6.4, single pass). state
  /// [dim][dim], row j is the state of value component j over key components.
  void (*delta_rule)(float* state, const DeltaTokens& tokens, int64_t dim);
  /// Adds one page to the running softmax of queries that share a KV head: for each query the page's softmax
  /// partial (its max, sum and weighted values) is computed on its own and then merged, so the bits depend on
  /// absolute pages only, not on the queries that are beside it.
  void (*attend_page)(AttentionQuery* queries, int n_queries, int64_t head_dim, const KvPage& page,
                      float scale);
  /// Merges a softmax over further pages into `whole`.
  void (*merge_attention)(const AttentionQuery& part, int64_t head_dim, AttentionQuery& whole);
  /// Writes one position of a page of keys or values: to nearest even; kQ8_0: d = max|x| / 127 as a half,
  /// q = round(x * (127 / max|x|)). head_dim of keys and values: a multiple of 32.
  void (*store_position)(const float* x, int64_t head_dim, KvType type, int position, void* page);
  /// The largest of n values (any n >= 1); NaN counts as -infinity.
  float (*max)(const float* x, int64_t n);
};

struct KernelTable {
  Isa isa;
  MatMulFn mat_mul;
  RowKernels rows;
  SamplingKernels sampling;

  /// The height of the blocks in which n_rows rows are multiplied fastest with a matrix of this type; 0: of rows as they
  /// are.
  int BlockRows(TensorType type, int64_t n_rows) const;
};

/// The table of an instruction set that was built in and that this machine supports.
const KernelTable& Kernels(Isa isa);

}  // namespace weir
