// Speed of the matrix multiplication from memory: per type and number of activation rows, GB/s of
// the file's bytes and GMAC/s, beside the peaks that the probes reach in the same run, and the
// speed of packing.
//   matmul_bench [THREADS [TYPE...]]
// Median and best of several rounds; WEIR_ISA chooses the instruction set. Time is the process's
// CPU time per thread, so that other processes disturb less; a thread that waits for another one
// spins, and counts.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/probe.h"
#include "util/memory.h"
#include "util/thread_pool.h"

namespace weir {
namespace {

constexpr int64_t kMatrixBytes = int64_t{320} << 20;
constexpr int64_t kCols = 2048;
constexpr int64_t kActivationRows[] = {1, 2, 4, 8, 16, 32, 512};
constexpr int kRounds = 5;

struct Times {
  double median, best;  // seconds
};

template <class Fn>
Times Measure(int n_threads, const Fn& work) {
  std::vector<double> seconds;
  for (int round = 0; round <= kRounds; ++round) {  // the first one warms up
    const std::clock_t begin = std::clock();
    work();
    const double total = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    if (round > 0) seconds.push_back(total / n_threads);
  }
  std::sort(seconds.begin(), seconds.end());
  return {seconds[seconds.size() / 2], seconds[0]};
}

void PrintPeaks(Isa isa, ThreadPool& pool, const Buffer& memory) {
  const ProbeKernels& probes = Probes(isa);
  constexpr int64_t kPart = 1 << 20;
  const int64_t n_parts = static_cast<int64_t>(memory.size()) / kPart;
  double best = 0, best_median = 0;
  for (int i = 0; i < probes.n_reads; ++i) {
    const Times t = Measure(pool.n_threads(), [&] {
      pool.ParallelFor(n_parts, 16, [&](int64_t begin, int64_t end, int) {
        volatile uint64_t sum =
            probes.reads[i](memory.data() + begin * kPart, (end - begin) * kPart);
        static_cast<void>(sum);
      });
    });
    const double gb = static_cast<double>(n_parts * kPart) * 1e-9;
    best = std::max(best, gb / t.best);
    best_median = std::max(best_median, gb / t.median);
  }
  constexpr int64_t kInt8Rounds = 1 << 16;
  const Times t = Measure(pool.n_threads(), [&] {
    pool.ParallelFor(16 * pool.n_threads(), 1, [&](int64_t, int64_t, int) {
      volatile int64_t sum = probes.multiply_int8(3, 5, kInt8Rounds);
      static_cast<void>(sum);
    });
  });
  const double gmac =
      16e-9 * pool.n_threads() * static_cast<double>(kInt8Rounds * probes.int8_macs_per_round);
  fmt::print("peaks: read {:.1f} GB/s (best {:.1f}), int8 {:.0f} GMAC/s (best {:.0f})\n",
             best_median, best, gmac / t.median, gmac / t.best);
}

std::vector<uint8_t> RandomBytes(int64_t n) {
  std::mt19937_64 random(1);
  std::vector<uint8_t> bytes(static_cast<size_t>(n));
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() % 100);  // halves stay finite
  return bytes;
}

/// Packs one tile into all of memory; returns GB/s of the file's bytes on one thread.
double FillWithTiles(TensorType type, int64_t n_tiles, uint8_t* memory) {
  const std::vector<uint8_t> rows = RandomBytes(kTileRows * RowBytes(type, kCols));
  const int64_t tile_bytes = TileBytes(type, kCols);
  const Times t = Measure(1, [&] {
    for (int i = 0; i < 16; ++i)
      PackTile(type, rows.data(), kTileRows, kCols, memory + i * tile_bytes);
  });
  for (int64_t i = 16; i < n_tiles; ++i) {
    std::memcpy(memory + i * tile_bytes, memory, static_cast<size_t>(tile_bytes));
  }
  return 16e-9 * static_cast<double>(rows.size()) / t.best;
}

struct Inputs {
  std::vector<int8_t> q8;
  std::vector<float> scale, f32;
  std::vector<int32_t> sum;
};

Inputs RandomInputs(int64_t n) {
  Inputs x;
  for (uint8_t byte : RandomBytes(n)) x.q8.push_back(static_cast<int8_t>(byte));
  x.scale.assign(static_cast<size_t>(n / 32), 0.01f);
  x.sum.assign(static_cast<size_t>(n / 16), 800);
  x.f32.assign(static_cast<size_t>(n), 0.5f);
  return x;
}

void MeasureType(const TypeTraits& traits, Isa isa, ThreadPool& pool, Buffer& memory,
                 const Inputs& in) {
  const int64_t tile_bytes = TileBytes(traits.type, kCols);
  const int64_t n_tiles = kMatrixBytes / tile_bytes;
  const double packing = FillWithTiles(traits.type, n_tiles, memory.data());
  const PackedMatrix w = {traits.type, n_tiles * kTileRows, kCols, memory.data()};
  fmt::print("{:8} {:6.3f} bits packed, packing {:5.2f} GB/s\n", traits.name,
             static_cast<double>(tile_bytes) * 8 / (kTileRows * kCols), packing);
  std::vector<float> y;
  const KernelTable& kernels = Kernels(isa);
  auto blocks = Buffer::Allocate(static_cast<size_t>(32 * ActivationBlockBytes(kCols)));
  for (int64_t n : kActivationRows) {
    const int64_t tiles = std::min(n_tiles, int64_t{8'000'000'000} / (n * kCols * kTileRows));
    y.resize(static_cast<size_t>(n * w.n_rows));
    Activations x = {n,        kCols, in.f32.data(), in.q8.data(), in.scale.data(), in.sum.data(),
                     nullptr, nullptr};
    const bool arranged = kernels.arrange && n >= kernels.min_arranged_rows;
    if (arranged) x.blocks = blocks->data();
    const Times t = Measure(pool.n_threads(), [&] {
      if (arranged) {
        pool.ParallelFor((n + 15) / 16, 1, [&](int64_t begin, int64_t, int) {
          kernels.arrange(x, begin, blocks->data() + begin * ActivationBlockBytes(kCols));
        });
      }
      pool.ParallelFor(tiles, 8, [&](int64_t begin, int64_t end, int) {
        kernels.mat_mul(w, begin, end, x, y.data(), w.n_rows);
      });
    });
    const double gb = static_cast<double>(tiles * kTileRows * RowBytes(traits.type, kCols)) * 1e-9;
    const double gmac = static_cast<double>(tiles * kTileRows * kCols * n) * 1e-9;
    fmt::print(
        "  {:4} rows: {:6.1f} GB/s {:6.1f} GMAC/s   (best {:6.1f} {:6.1f}; packed {:5.1f} GB/s)\n",
        n, gb / t.median, gmac / t.median, gb / t.best, gmac / t.best,
        static_cast<double>(tiles * tile_bytes) * 1e-9 / t.best);
  }
}

bool Wanted(const TypeTraits& traits, int n_names, char** names) {
  return n_names == 0 || std::any_of(names, names + n_names, [&](const char* name) {
           return TypeFromName(name) == traits.type;
         });
}

int Run(int n_args, char** args) {
  const auto isa = SelectIsa(std::getenv("WEIR_ISA"));
  auto memory = Buffer::Allocate(static_cast<size_t>(kMatrixBytes));
  if (!isa.ok() || !memory.ok()) return 1;
  ThreadPool pool(n_args > 1 ? std::atoi(args[1]) : 2);
  const Inputs in = RandomInputs(512 * kCols);
  std::memset(memory->data(), 1, memory->size());  // untouched pages would all be one
  fmt::print("{}, {} threads, {} columns\n", Name(*isa), pool.n_threads(), kCols);
  PrintPeaks(*isa, pool, *memory);
  for (const TypeTraits& traits : AllTypes()) {
    if (Wanted(traits, std::max(0, n_args - 2), args + 2))
      MeasureType(traits, *isa, pool, *memory, in);
  }
  PrintPeaks(*isa, pool, *memory);
  return 0;
}

}  // namespace
}  // namespace weir

int main(int n_args, char** args) { return weir::Run(n_args, args); }
