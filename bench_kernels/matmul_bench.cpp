// Products of weights that come from memory: per type and number of activation rows, GB/s of the file's bytes
// and GMAC/s, and their shares of B and R. 320 MB of tiles, with all of this machine's threads; WEIR_ISA chooses the
// instruction set. `pack` is the speed of packing on one thread. A and B in one run:
//   matmul_bench --benchmark_filter='Q4_K|Q8_0' --benchmark_repetitions=5 --benchmark_enable_random_interleaving
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "ceilings.h"
#include "kernels/kernel_table.h"
#include "util/thread_pool.h"

namespace weir {
namespace {

constexpr int64_t kMatrixBytes = int64_t{320} << 20;
constexpr int64_t kCols = 2048;
constexpr int64_t kMaxRows = 512;
constexpr int64_t kOutputs = 2048;  // of a matrix: the tiles are those of many, one after the other

Buffer Allocate(int64_t n_bytes) {
  auto buffer = Buffer::Allocate(static_cast<size_t>(n_bytes));
  if (!buffer.ok()) std::exit(1);
  return std::move(*buffer);
}

std::vector<uint8_t> RandomBytes(int64_t n) {
  std::mt19937_64 random(1);
  std::vector<uint8_t> bytes(static_cast<size_t>(n));
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() % 100);  // halves stay finite
  return bytes;
}

/// What all benchmarks share: one matrix at a time, and activations in all their forms.
struct Bench {
  explicit Bench(Isa isa)
      : kernels(Kernels(isa)), pool(DefaultThreads()), rates(MeasureCeilings(isa, pool.n_threads())) {
    for (uint8_t byte : RandomBytes(kMaxRows * kCols)) q8.push_back(static_cast<int8_t>(byte));
  }

  /// Fills the memory with copies of 16 tiles.
  PackedMatrix Matrix(TensorType type) {
    const int64_t tile_bytes = TileBytes(type, kCols), n_tiles = kMatrixBytes / tile_bytes;
    if (filled != type) {
      const std::vector<uint8_t> rows = RandomBytes(kTileRows * RowBytes(type, kCols));
      for (int64_t i = 0; i < n_tiles; ++i) {
        uint8_t* tile = tiles.data() + i * tile_bytes;
        if (i < 16) {
          PackTile(type, rows.data(), kTileRows, kCols, tile);
        } else {
          std::memcpy(tile, tiles.data(), static_cast<size_t>(tile_bytes));
        }
      }
      filled = type;
    }
    return {type, n_tiles * kTileRows, kCols, tiles.data()};
  }

  const KernelTable& kernels;
  ThreadPool pool;
  MachineRates rates;
  Buffer tiles = Allocate(kMatrixBytes);
  Buffer blocks = Allocate(ActivationBlocksBytes(kMaxRows, kCols));
  std::optional<TensorType> filled;
  std::vector<int8_t> q8;
  std::vector<float> scale = std::vector<float>(kMaxRows * kCols / kQuantBlock, 0.01f);
  std::vector<int32_t> sum = std::vector<int32_t>(kMaxRows * kCols / kSumBlock, 800);
  std::vector<float> f32 = std::vector<float>(kMaxRows * kCols, 0.5f);
  Buffer y = Allocate(kMaxRows * kOutputs * 4);
};

void MatMul(benchmark::State& state, Bench& bench, TensorType type, int64_t n) {
  const PackedMatrix w = bench.Matrix(type);
  const int64_t n_tiles = std::min(w.n_tiles(), int64_t{8'000'000'000} / (n * kCols * kTileRows));
  Activations x{n, kCols, bench.f32.data(), bench.q8.data(), bench.scale.data(), bench.sum.data(),
                nullptr};
  const KernelTable& k = bench.kernels;
  x.block_rows = k.BlockRows(type, n);
  for (auto _ : state) {
    if (x.block_rows > 0) {
      const int64_t n_blocks = (n + x.block_rows - 1) / x.block_rows;
      const int64_t n_bytes = ActivationBlockBytes(kCols, x.block_rows);
      x.blocks = nullptr;
      bench.pool.ParallelFor(n_blocks, 1, [&](int64_t b, int64_t, int) {
        ArrangeBlock(x, b, bench.blocks.data() + b * n_bytes);
      });
      x.blocks = bench.blocks.data();
    }
    bench.pool.ParallelFor(n_tiles, 8, [&](int64_t begin, int64_t end, int) {
      float* y = reinterpret_cast<float*>(bench.y.data()) + begin * kTileRows % kOutputs;
      k.mat_mul({type, (end - begin) * kTileRows, kCols, w.tiles + begin * TileBytes(type, kCols)}, 0, end - begin, x, y,
                kOutputs);
    });
  }
  const auto weights = static_cast<double>(n_tiles * kTileRows * kCols);
  const double bytes = static_cast<double>(n_tiles * kTileRows * RowBytes(type, kCols));
  Count(state, "GB/s", bytes * 1e-9, "of_B", bench.rates.read_gb_s);
  Count(state, "GMAC/s", weights * static_cast<double>(n) * 1e-9, IsQuantized(type) ? "of_R" : "of_F",
        IsQuantized(type) ? bench.rates.int8_gmac_s : bench.rates.f32_gmac_s);
}

void Pack(benchmark::State& state, Bench& bench, TensorType type) {
  const std::vector<uint8_t> rows = RandomBytes(kTileRows * RowBytes(type, kCols));
  for (auto _ : state) PackTile(type, rows.data(), kTileRows, kCols, bench.tiles.data());
  bench.filled.reset();
  const double moved = static_cast<double>(rows.size()) + static_cast<double>(TileBytes(type, kCols));
  Count(state, "GB/s", moved * 1e-9, "of_B_rw", bench.rates.read_write_gb_s);
}

void Register(Bench& bench) {
  for (const TypeTraits& traits : AllTypes()) {
    const TensorType type = traits.type;
    for (int64_t n : {1, 2, 4, 8, 12, 16, 20, 24, 32, 33, 36, 40, 512}) {
      const std::string name = std::string(traits.name) + "/rows:" + std::to_string(n);
      benchmark::RegisterBenchmark(name.c_str(), [&bench, type, n](benchmark::State& state) {
        MatMul(state, bench, type, n);
      })->UseRealTime()->Unit(benchmark::kMillisecond)->MinTime(0.2);
    }
    const std::string name = std::string(traits.name) + "/pack";
    benchmark::RegisterBenchmark(name.c_str(), [&bench, type](benchmark::State& state) {
      Pack(state, bench, type);
    })->Unit(benchmark::kMicrosecond)->MinTime(0.1);
  }
}

}  // namespace
}  // namespace weir

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const auto isa = weir::SelectIsa(std::getenv("WEIR_ISA"));
  if (!isa.ok()) return 2;
  weir::Bench bench(*isa);
  weir::Register(bench);
  benchmark::RunSpecifiedBenchmarks();
}
