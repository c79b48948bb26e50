// Drawing a token from 248,320 logits: time per user, one thread.
//   warm: the row was read just before, as when one thread made it
//   cold: 64 MB of rows take turns, so that each comes from beyond the second-level cache
// With maxima, as the LM head leaves them, and (scan) without. Every draw has a penalty on the ids
// of a prompt of 500 tokens (long: 20,000). Logits are normal with some 30 ids far above the rest, as trained
// models have them, or (flat) without.
#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "model/sampler.h"

namespace weir {
namespace {

constexpr int64_t kVocab = 248'320;

struct Rows {
  Rows(int64_t n_rows, bool flat, const KernelTable& kernels) {
    std::mt19937_64 random(1);
    std::normal_distribution<float> normal(0, flat ? 1 : 2.5f);
    for (int64_t i = 0; i < n_rows; ++i) {
      std::vector<float>& row = logits.emplace_back(kVocab);
      for (float& x : row) x = normal(random);
      for (int j = 0; !flat && j < 30; ++j) row[random() % kVocab] = 20 - 0.4f * j;
      std::vector<float>& of_row = maxima.emplace_back(LogitBlocks(kVocab));
      for (int64_t b = 0; b < LogitBlocks(kVocab); ++b) {
        of_row[b] = kernels.rows.max(&row[b * kLogitBlock], kLogitBlock);
      }
    }
  }
  std::vector<std::vector<float>> logits, maxima;
};

struct Case {
  const char* name;
  float temperature = 0;
  int top_k = 0;
  float top_p = 1;
  float min_p = 0;
  bool flat = false;
  int n_prompt = 500;
};

/// The penalty changes rows by their last bits only, since they are drawn from again. Answers are
/// short.
void Draw(benchmark::State& state, const Case& c, bool cold, bool scan) {
  constexpr int kAnswer = 256;
  const KernelTable& kernels = Kernels(*SelectIsa(std::getenv("WEIR_ISA")));
  Rows rows(cold ? 64 : 1, c.flat, kernels);
  std::mt19937_64 random(2);
  std::vector<int32_t> prompt(c.n_prompt);
  for (int32_t& id : prompt) id = static_cast<int32_t>(random() % kVocab);
  SamplingParams params;
  params.temperature = c.temperature;
  params.top_k = c.top_k;
  params.top_p = c.top_p;
  params.min_p = c.min_p;
  params.repetition_penalty = 1 + 0x1p-23f;
  const Sampler fresh(params, kVocab, prompt, kAnswer);
  Sampler sampler = fresh;
  SamplerScratch scratch(kVocab, kernels);
  int64_t n = 0;
  for (auto _ : state) {
    const size_t i = n % rows.logits.size();
    const LogitRow row{rows.logits[i], rows.maxima[i]};
    benchmark::DoNotOptimize(scan ? sampler.Draw(row.logits, scratch) : sampler.Draw(row, scratch));
    if (++n % kAnswer == 0) sampler = fresh;
  }
  state.SetLabel(std::string(Name(kernels.isa)));
}

void Register() {
  constexpr Case kCases[] = {
      {"greedy"},
      {"top_k_40", 0.8f, 40},
      {"top_k_64", 0.8f, 64},
      {"full", 1},
      {"full_flat", 1, 0, 1, 0, true},
      {"top_p_0.95", 1, 0, 0.95f},
      {"top_p_0.95_flat", 1, 0, 0.95f, 0, true},
      {"min_p_0.05", 1, 0, 1, 0.05f},
      {"greedy_long_prompt", 0, 0, 1, 0, false, 20'000},
  };
  for (const bool scan : {false, true}) {
    for (const bool cold : {false, true}) {
      for (const Case& c : kCases) {
        const std::string name =
            std::string(c.name) + (cold ? "/cold" : "/warm") + (scan ? "/scan" : "");
        benchmark::RegisterBenchmark(name.c_str(), Draw, c, cold, scan)
            ->Unit(benchmark::kMicrosecond)
            ->MinTime(0.1);
      }
    }
  }
}

}  // namespace
}  // namespace weir

int main(int argc, char** argv) {
  weir::Register();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
