// Times the row operations on one thread: one line per operation and instruction set, the median
// and the best of several rounds in which the instruction sets take turns (machines drift). CPU
// time, so that other processes disturb less.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "kernels/rows.h"
#include "util/memory.h"

namespace weir {
namespace {

constexpr int kRounds = 7;

struct Table {
  const char* name;
  const RowKernels* rows;
};

std::vector<Table> Tables() {
  std::vector<Table> tables;
#if defined(__x86_64__)
  if (Supported(Isa::kAvx2)) tables.push_back({"avx2", &kRowsAvx2});
  if (Supported(Isa::kAvx512Vnni)) tables.push_back({"avx512vnni", &kRowsAvx512});
#endif
  return tables;
}

std::string filter;  // operations without it in their name are left out

/// Times work(rows), which does `amount` of `unit`, and prints amount per nanosecond (so GB/s for
/// bytes) and nanoseconds per unit.
void Measure(const std::string& what, double amount, const char* unit,
             const std::function<void(const RowKernels&)>& work) {
  if (what.find(filter) == std::string::npos) return;
  const std::vector<Table> tables = Tables();
  std::vector<std::vector<double>> ns(tables.size());
  for (int round = 0; round < kRounds; ++round) {
    for (size_t t = 0; t < tables.size(); ++t) {
      const std::clock_t begin = std::clock();
      work(*tables[t].rows);
      ns[t].push_back(static_cast<double>(std::clock() - begin) * (1e9 / CLOCKS_PER_SEC));
    }
  }
  for (size_t t = 0; t < tables.size(); ++t) {
    std::sort(ns[t].begin(), ns[t].end());
    const double median = ns[t][kRounds / 2], best = ns[t][0];
    fmt::print("{:48} {:12} median {:9.3f} ms, {:7.2f} G{}/s (best {:7.2f}), {:8.4f} ns per {}\n",
               what, tables[t].name, median * 1e-6, amount / median, unit, amount / best,
               median / amount, unit);
  }
}

std::vector<float> Ramp(int64_t n) {
  std::vector<float> values(n);
  for (int64_t i = 0; i < n; ++i) values[i] = std::sin(static_cast<float>(i) * 0.37f);
  return values;
}

/// Zeroed memory in huge pages, as the engine's.
template <class T>
T* Memory(Buffer& buffer, int64_t n) {
  auto allocated = Buffer::Allocate(n * sizeof(T));
  if (!allocated.ok()) {
    fmt::print(stderr, "{}\n", allocated.error().message);
    std::exit(1);
  }
  buffer = std::move(allocated.value());
  return buffer.as<T>();
}

/// One decode step of 32 users of Qwen3.5 0.8B: 18 layers of 16 heads of 128 x 128, and the same
/// memory read and written by the simplest kernel.
void MeasureDeltaRule() {
  constexpr int64_t kDim = 128;
  constexpr int64_t kHeads = 32 * 18 * 16;
  constexpr double kBytes = 2.0 * kHeads * kDim * kDim * sizeof(float);
  Buffer buffer;
  float* state = Memory<float>(buffer, kHeads * kDim * kDim);
  constexpr int64_t kTokens = 64, kWidth = 6144;
  const float decay = 0.98f, beta = 0.5f;
  Buffer u_buffer;
  float* u = Memory<float>(u_buffer, kTokens * kWidth);
  std::ranges::copy(Ramp(kTokens * kWidth), u);
  for (int64_t t = 0; t < kTokens; ++t) kRowsPlain.l2_norm(u + t * kWidth, 2 * kDim, 0, 1);
  std::vector<float> out(kTokens * kDim);
  const auto run = [&](const RowKernels& rows, int64_t head, int64_t n_tokens) {
    rows.delta_rule(&state[head * kDim * kDim],
                    {.q = &u[0],
                     .k = &u[kDim],
                     .v = &u[2 * kDim],
                     .stride = kWidth,
                     .decay = &decay,
                     .beta = &beta,
                     .gate_stride = 0,
                     .out = out.data(),
                     .out_stride = kDim,
                     .n_tokens = n_tokens},
                    kDim);
  };
  Measure("delta_rule, 604 MB of state", kBytes, "B", [&](const RowKernels& rows) {
    for (int64_t h = 0; h < kHeads; ++h) run(rows, h, 1);
  });
  const std::vector<float> zeros(kDim * kDim);
  Measure("add over the memory of delta_rule", kBytes, "B", [&](const RowKernels& rows) {
    for (int64_t h = 0; h < kHeads; ++h)
      rows.add(zeros.data(), kDim * kDim, &state[h * kDim * kDim]);
  });
  Measure("delta_rule, 1 MB of state 500 times", 500.0 * 2 * (1 << 20), "B",
          [&](const RowKernels& rows) {
            for (int64_t h = 0; h < 500 * 16; ++h) run(rows, h % 16, 1);
          });
  Measure("delta_rule, 64 tokens of a prompt", 160.0 * kTokens * 3 * kDim * kDim, "MAC",
          [&](const RowKernels& rows) {
            for (int64_t h = 0; h < 160; ++h) run(rows, h, kTokens);
          });
}

const char* NameOf(KvType type) {
  return type == KvType::kF16    ? "f16"
         : type == KvType::kBF16 ? "bf16"
         : type == KvType::kQ8_0 ? "q8_0"
                                 : "f32";
}

/// n_rows tokens of 4 query heads on one KV head of 256 over n_positions, for n_caches caches after one
/// another. With one row per cache it is decoding, told in bytes of KV; with more it is a tile of a prompt,
/// told in multiply-accumulates.
void MeasureAttention(KvType type, int64_t n_positions, int n_rows, int n_caches, int n_repeats) {
  constexpr int64_t kHeadDim = 256;
  const int64_t page_bytes = KvPageBytes(type, kHeadDim), n_pages = n_positions / kPageTokens;
  Buffer buffer;
  uint8_t* kv = Memory<uint8_t>(buffer, n_caches * n_pages * 2 * page_bytes);
  const auto values = Ramp(kHeadDim);
  for (int64_t page = 0; page < n_caches * n_pages * 2; ++page) {
    for (int j = 0; j < kPageTokens; ++j) {
      kRowsPlain.store_position(values.data(), kHeadDim, type, j, kv + page * page_bytes);
    }
  }
  const int n_queries = 4 * n_rows;
  Buffer q_buffer, out_buffer;  // aligned, as the engine's
  float* q = Memory<float>(q_buffer, n_queries * kHeadDim);
  float* out = Memory<float>(out_buffer, n_queries * kHeadDim);
  std::ranges::copy(Ramp(n_queries * kHeadDim), q);
  std::vector<AttentionQuery> queries(n_queries);
  const double n_runs = n_caches * n_repeats;
  const double bytes = n_runs * static_cast<double>(n_pages * 2 * page_bytes);
  const double macs = n_runs * static_cast<double>(n_queries * n_positions * kHeadDim * 2);
  const std::string what = fmt::format("attention, {}, {} rows, {} positions, {} MB", NameOf(type),
                                       n_rows, n_positions, n_caches * n_pages * 2 * page_bytes >> 20);
  Measure(what, n_rows == 1 ? bytes : macs, n_rows == 1 ? "B" : "MAC", [&](const RowKernels& rows) {
    for (int run = 0; run < n_caches * n_repeats; ++run) {
      for (int i = 0; i < n_queries; ++i) {
        queries[i] = {&q[i * kHeadDim], &out[i * kHeadDim], -INFINITY, 0, kPageTokens};
      }
      const uint8_t* page = kv + run % n_caches * n_pages * 2 * page_bytes;
      for (int64_t n = 0; n < n_pages; ++n, page += 2 * page_bytes) {
        const KvPage kv_page{page, page + page_bytes, type, page + 2 * page_bytes,
                             n + 1 < n_pages ? kPageTokens : 0};
        rows.attend_page(queries.data(), n_queries, kHeadDim, kv_page, 0.0625f);
      }
    }
  });
}

/// Operations on rows of 4096 values that stay in the cache, per value.
void MeasureRows() {
  constexpr int64_t kN = 4096;
  constexpr int kRepeats = 5000;
  const auto a = Ramp(kN), b = Ramp(kN);
  std::vector<float> y = a, w = Ramp(4 * kN);
  std::vector<int8_t> q(kN);
  std::vector<int32_t> sum(kN / kSumBlock);
  std::vector<uint8_t> page(KvPageBytes(KvType::kF16, kN));
  const float* const taps[4] = {&w[0], &w[kN], &w[2 * kN], &w[3 * kN]};
  const auto measure = [&](const std::string& what, const std::function<void(const RowKernels&)>& work) {
    Measure(what, static_cast<double>(kN) * kRepeats, "value", [&](const RowKernels& rows) {
      for (int i = 0; i < kRepeats; ++i) work(rows);
    });
  };
  measure("rms_norm", [&](auto& rows) { rows.rms_norm(a.data(), b.data(), kN, 1e-6f, y.data()); });
  measure("quantize",
          [&](auto& rows) { rows.quantize(a.data(), kN, q.data(), y.data(), sum.data()); });
  measure("silu_mul", [&](auto& rows) { rows.silu_mul(a.data(), b.data(), kN, y.data()); });
  measure("conv_silu", [&](auto& rows) { rows.conv_silu(w.data(), taps, kN, y.data()); });
  measure("add", [&](auto& rows) { rows.add(b.data(), kN, y.data()); });
  for (const KvType type : {KvType::kF16, KvType::kBF16, KvType::kQ8_0}) {
    measure(fmt::format("store_position, {}", NameOf(type)), [&](auto& rows) {
      rows.store_position(a.data(), kN, type, 0, page.data());
    });
  }
  measure("max", [&](auto& rows) { y[0] = rows.max(a.data(), kN); });
}

}  // namespace
}  // namespace weir

/// An argument limits the run to the operations with it in their name.
int main(int argc, char** argv) {
  if (argc > 1) weir::filter = argv[1];
  weir::MeasureRows();
  weir::MeasureDeltaRule();
  for (const weir::KvType type : {weir::KvType::kF16, weir::KvType::kBF16, weir::KvType::kQ8_0}) {
    weir::MeasureAttention(type, 256, 1, 1, 600);
    weir::MeasureAttention(type, 32'768, 1, 8, 1);
    weir::MeasureAttention(type, 32'768, 16, 1, 4);
  }
}
