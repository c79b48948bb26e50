// The row operations on one thread: GB/s of state or KV from memory, GMAC/s of a prompt's rows, values per second of
// what stays in the cache, with the shares of B, B_rw and F. WEIR_ISA chooses the instruction set.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "ceilings.h"
#include "kernels/kernel_table.h"

namespace weir {
namespace {

std::vector<float> Ramp(int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) values[i] = std::sin(static_cast<float>(i) * 0.37f);
  return values;
}

/// Zeroed memory in huge pages, as the engine's.
Buffer Allocate(int64_t n_bytes) {
  auto buffer = Buffer::Allocate(static_cast<size_t>(n_bytes));
  if (!buffer.ok()) std::exit(1);
  return std::move(*buffer);
}

struct Bench {
  const RowKernels& rows;
  MachineRates rates;
};

/// Heads of 128 x 128 over n_heads states: one decode step of 32 users of Qwen3.5 0.8B has 32 * 18 * 16. With one
/// token it is told in bytes of state read and written, with more in multiply-accumulates.
void DeltaRule(benchmark::State& state, const Bench& bench, int64_t n_heads, int64_t n_tokens) {
  constexpr int64_t kDim = 128, kWidth = 6144;
  Buffer memory = Allocate(n_heads * kDim * kDim * 4), inputs = Allocate(n_tokens * kWidth * 4);
  float* u = reinterpret_cast<float*>(inputs.data());
  std::ranges::copy(Ramp(n_tokens * kWidth), u);
  for (int64_t t = 0; t < n_tokens; ++t) bench.rows.l2_norm(u + t * kWidth, 2 * kDim, 0, 1);
  const float decay = 0.98f, beta = 0.5f;
  std::vector<float> out(static_cast<size_t>(n_tokens * kDim));
  for (auto _ : state) {
    for (int64_t head = 0; head < n_heads; ++head) {
      bench.rows.delta_rule(reinterpret_cast<float*>(memory.data()) + head * kDim * kDim,
                            {.q = u,
                             .k = u + kDim,
                             .v = u + 2 * kDim,
                             .stride = kWidth,
                             .decay = &decay,
                             .beta = &beta,
                             .gate_stride = 0,
                             .out = out.data(),
                             .out_stride = kDim,
                             .n_tokens = n_tokens},
                            kDim);
    }
  }
  const double floats = static_cast<double>(n_heads * kDim * kDim);
  if (n_tokens == 1) {
    Count(state, "GB/s", floats * 8e-9, "of_B_rw", bench.rates.read_write_gb_s);
  } else {
    Count(state, "GMAC/s", floats * 3e-9 * static_cast<double>(n_tokens), "of_F",
          bench.rates.f32_gmac_s);
  }
}

/// n_rows tokens of 4 query heads on one KV head of 256 over n_positions, for n_caches caches after one another. With
/// one row it is decoding, told in bytes of KV; with more a tile of a prompt, told in multiply-accumulates.
void Attention(benchmark::State& state, const Bench& bench, KvType type, int64_t n_positions, int n_rows,
               int n_caches) {
  constexpr int64_t kHeadDim = 256;
  const int64_t page_bytes = KvPageBytes(type, kHeadDim), n_pages = n_positions / kPageTokens;
  Buffer memory = Allocate(n_caches * n_pages * 2 * page_bytes);
  const std::vector<float> values = Ramp(kHeadDim);
  for (int64_t page = 0; page < n_caches * n_pages * 2; ++page) {
    for (int j = 0; j < kPageTokens; ++j) {
      bench.rows.store_position(values.data(), kHeadDim, type, j,
                                memory.data() + page * page_bytes);
    }
  }
  const int n_queries = 4 * n_rows;
  Buffer q_memory = Allocate(n_queries * kHeadDim * 4), out_memory = Allocate(n_queries * kHeadDim * 4);
  float* q = reinterpret_cast<float*>(q_memory.data());
  float* out = reinterpret_cast<float*>(out_memory.data());
  std::ranges::copy(Ramp(n_queries * kHeadDim), q);
  std::vector<AttentionQuery> queries(static_cast<size_t>(n_queries));
  for (auto _ : state) {
    const uint8_t* page = memory.data();
    for (int cache = 0; cache < n_caches; ++cache) {
      for (int i = 0; i < n_queries; ++i) {
        queries[i] = {q + i * kHeadDim, out + i * kHeadDim, -INFINITY, 0, kPageTokens};
      }
      for (int64_t n = 0; n < n_pages; ++n, page += 2 * page_bytes) {
        const KvPage kv{page, page + page_bytes, type, page + 2 * page_bytes,
                        n + 1 < n_pages ? kPageTokens : 0};
        bench.rows.attend_page(queries.data(), n_queries, kHeadDim, kv, 0.0625f);
      }
    }
  }
  const double caches = n_caches;
  if (n_rows == 1) {
    Count(state, "GB/s", caches * static_cast<double>(n_pages * 2 * page_bytes) * 1e-9, "of_B",
          bench.rates.read_gb_s);
  } else {
    Count(state, "GMAC/s",
          caches * static_cast<double>(n_queries * n_positions * kHeadDim * 2) * 1e-9, "of_F",
          bench.rates.f32_gmac_s);
  }
}

/// Rows of 4096 values that stay in the cache.
void RegisterRows(const Bench& bench) {
  constexpr int64_t kN = 4096;
  static const std::vector<float> a = Ramp(kN), b = Ramp(kN), w = Ramp(4 * kN);
  static std::vector<float> y = a;
  static std::vector<int8_t> q(kN);
  static std::vector<int32_t> sum(kN / kSumBlock);
  static std::vector<uint8_t> page(static_cast<size_t>(KvPageBytes(KvType::kF32, kN)));
  const RowKernels& rows = bench.rows;
  const auto add = [](const std::string& name, std::function<void()> work) {
    benchmark::RegisterBenchmark(name.c_str(), [work](benchmark::State& state) {
      for (auto _ : state) work();
      state.SetItemsProcessed(state.iterations() * kN);
    });
  };
  add("rms_norm", [&] { rows.rms_norm(a.data(), b.data(), kN, 1e-6f, y.data()); });
  add("quantize", [&] { rows.quantize(a.data(), kN, q.data(), y.data(), sum.data()); });
  add("silu_mul", [&] { rows.silu_mul(a.data(), b.data(), kN, y.data()); });
  add("conv_silu", [&] {
    const float* const taps[4] = {&w[0], &w[kN], &w[2 * kN], &w[3 * kN]};
    rows.conv_silu(w.data(), taps, kN, y.data());
  });
  add("add", [&] { rows.add(b.data(), kN, y.data()); });
  add("max", [&] { y[0] = rows.max(a.data(), kN); });
  for (const KvType type : {KvType::kF16, KvType::kBF16, KvType::kQ8_0, KvType::kF32}) {
    add("store_position/" + std::string(Name(type)),
        [&rows, type] { rows.store_position(a.data(), kN, type, 0, page.data()); });
  }
}

void Register(const Bench& bench) {
  RegisterRows(bench);
  const auto delta = [&](const char* name, int64_t n_heads, int64_t n_tokens) {
    benchmark::RegisterBenchmark(name, [&bench, n_heads, n_tokens](benchmark::State& state) {
      DeltaRule(state, bench, n_heads, n_tokens);
    })->Unit(benchmark::kMillisecond);
  };
  delta("delta_rule/604_MB", 32 * 18 * 16, 1);
  delta("delta_rule/1_MB", 16, 1);
  delta("delta_rule/prompt_of_64", 16, 64);
  for (const KvType type : {KvType::kF16, KvType::kBF16, KvType::kQ8_0}) {
    const auto attention = [&](const char* name, int64_t n_positions, int n_rows, int n_caches) {
      benchmark::RegisterBenchmark((std::string(name) + "/" + std::string(Name(type))).c_str(),
                                   [=, &bench](benchmark::State& state) {
                                     Attention(state, bench, type, n_positions, n_rows, n_caches);
                                   })
          ->Unit(benchmark::kMillisecond);
    };
    attention("attention/256_positions", 256, 1, 1);
    attention("attention/32k_positions", 32'768, 1, 8);
    attention("attention/16_rows_at_32k", 32'768, 16, 1);
  }
}

}  // namespace
}  // namespace weir

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const auto isa = weir::SelectIsa(std::getenv("WEIR_ISA"));
  if (!isa.ok()) return 2;
  const weir::Bench bench{weir::Kernels(*isa).rows, weir::MeasureCeilings(*isa, 1)};
  weir::Register(bench);
  benchmark::RunSpecifiedBenchmarks();
}
