// Times the row operations on one thread: one line per operation and instruction set, the median and the
// best of several rounds in which the instruction sets take turns (machines drift).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "kernels/rows.h"
#include "util/clock.h"

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

/// Times work(rows), which does `amount` of `unit`, and prints amount per nanosecond (so GB/s for bytes)
/// and nanoseconds per unit.
void Measure(const std::string& what, double amount, const char* unit,
             const std::function<void(const RowKernels&)>& work) {
  const std::vector<Table> tables = Tables();
  std::vector<std::vector<double>> ns(tables.size());
  for (int round = 0; round < kRounds; ++round) {
    for (size_t t = 0; t < tables.size(); ++t) {
      const int64_t begin = NowNs();
      work(*tables[t].rows);
      ns[t].push_back(static_cast<double>(NowNs() - begin));
    }
  }
  for (size_t t = 0; t < tables.size(); ++t) {
    std::sort(ns[t].begin(), ns[t].end());
    const double median = ns[t][kRounds / 2], best = ns[t][0];
    fmt::print("{:48} {:12} median {:9.3f} ms, {:7.2f} G{}/s (best {:7.2f}), {:8.4f} ns per {}\n", what,
               tables[t].name, median * 1e-6, amount / median, unit, amount / best, median / amount, unit);
  }
}

std::vector<float> Ramp(int64_t n) {
  std::vector<float> values(n);
  for (int64_t i = 0; i < n; ++i) values[i] = std::sin(static_cast<float>(i) * 0.37f);
  return values;
}

/// One decode step of 32 users of Qwen3.5 0.8B: 18 layers of 16 heads of 128 x 128, and the same memory
/// read and written by the simplest kernel.
void MeasureDeltaRule() {
  constexpr int64_t kDim = 128;
  constexpr int64_t kHeads = 32 * 18 * 16;
  constexpr double kBytes = 2.0 * kHeads * kDim * kDim * sizeof(float);
  std::vector<float> state(kHeads * kDim * kDim);
  auto x = Ramp(3 * kDim);
  kRowsPlain.l2_norm(&x[0], 2 * kDim, 0, 1);
  std::vector<float> out(kDim);
  Measure("delta_rule, 604 MB of state", kBytes, "B", [&](const RowKernels& rows) {
    for (int64_t h = 0; h < kHeads; ++h) {
      rows.delta_rule(&state[h * kDim * kDim], &x[0], &x[kDim], &x[2 * kDim], 0.98f, 0.5f, kDim, out.data());
    }
  });
  const std::vector<float> zeros(kDim * kDim);
  Measure("  add over the same memory", kBytes, "B", [&](const RowKernels& rows) {
    for (int64_t h = 0; h < kHeads; ++h) rows.add(zeros.data(), kDim * kDim, &state[h * kDim * kDim]);
  });
  Measure("  delta_rule, 1 MB of state 500 times", 500.0 * 2 * (1 << 20), "B", [&](const RowKernels& rows) {
    for (int64_t h = 0; h < 500 * 16; ++h) {
      rows.delta_rule(&state[h % 16 * kDim * kDim], &x[0], &x[kDim], &x[2 * kDim], 0.98f, 0.5f, kDim,
                      out.data());
    }
  });
}

/// 8 query heads on 2 KV heads of 256 over 4096 positions, for `caches` caches of 8.4 MB after one another.
void MeasureAttention(int caches, int repeats) {
  constexpr int64_t kHeadDim = 256;
  constexpr int64_t kPositions = 4096;
  constexpr int64_t kPageValues = kPageTokens * kHeadDim;
  const auto q = Ramp(8 * kHeadDim);
  std::vector<uint16_t> kv(caches * 2 * kPositions * kHeadDim * 2);
  const auto values = Ramp(1 << 16);
  for (size_t i = 0; i < kv.size(); i += values.size()) kRowsPlain.to_half(values.data(), 1 << 16, &kv[i]);
  std::vector<float> max(8), sum(8), out(8 * kHeadDim);
  const auto work = [&](const RowKernels& rows) {
    for (int cache = 0; cache < caches * repeats; ++cache) {
      const uint16_t* page = &kv[cache % caches * 2 * kPositions * kHeadDim * 2];
      for (int head = 0; head < 8; head += 4) {
        std::fill_n(&max[head], 4, -INFINITY);
        for (int64_t at = 0; at < kPositions; at += kPageTokens, page += 2 * kPageValues) {
          rows.attend_page(&q[head * kHeadDim], kHeadDim, 4, kHeadDim, page, page + kPageValues, KvType::kF16,
                           kPageTokens, 0.0625f, {&max[head], &sum[head], &out[head * kHeadDim]});
        }
      }
    }
  };
  const double n = static_cast<double>(caches) * repeats;
  const std::string what = fmt::format("attend_page, 4096 positions, {} MB of KV", kv.size() * 2 >> 20);
  Measure(what + ", bytes", n * 2 * kPositions * kHeadDim * 2 * 2, "B", work);
  Measure(what + ", work", n * 8 * kPositions * kHeadDim * 2, "MAC", work);
}

/// Operations on rows of 4096 values that stay in the cache, per value.
void MeasureRows() {
  constexpr int64_t kN = 4096;
  constexpr int kRepeats = 5000;
  const auto a = Ramp(kN), b = Ramp(kN);
  std::vector<float> y = a, w = Ramp(4 * kN);
  std::vector<int8_t> q(kN);
  std::vector<int32_t> sum(kN / kSumBlock);
  std::vector<uint16_t> half(kN);
  const float* const taps[4] = {&w[0], &w[kN], &w[2 * kN], &w[3 * kN]};
  const auto measure = [&](const char* what, const std::function<void(const RowKernels&)>& work) {
    Measure(what, static_cast<double>(kN) * kRepeats, "value", [&](const RowKernels& rows) {
      for (int i = 0; i < kRepeats; ++i) work(rows);
    });
  };
  measure("rms_norm", [&](auto& rows) { rows.rms_norm(a.data(), b.data(), kN, 1e-6f, y.data()); });
  measure("quantize", [&](auto& rows) { rows.quantize(a.data(), kN, q.data(), y.data(), sum.data()); });
  measure("silu_mul", [&](auto& rows) { rows.silu_mul(a.data(), b.data(), kN, y.data()); });
  measure("conv_silu", [&](auto& rows) { rows.conv_silu(w.data(), taps, kN, y.data()); });
  measure("add", [&](auto& rows) { rows.add(b.data(), kN, y.data()); });
  measure("to_half", [&](auto& rows) { rows.to_half(a.data(), kN, half.data()); });
  measure("max", [&](auto& rows) { y[0] = rows.max(a.data(), kN); });
}

}  // namespace
}  // namespace weir

int main() {
  weir::MeasureRows();
  weir::MeasureDeltaRule();
  weir::MeasureAttention(1, 20);
  weir::MeasureAttention(32, 1);
}
