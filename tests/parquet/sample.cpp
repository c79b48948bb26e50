// sample FILE ROWS ROWS_PER_GROUP: a table with all that a column can hold, which parquet_test.mjs expects as it is.
#include <cstdlib>
#include <fstream>
#include <limits>

#include "util/parquet_writer.h"

namespace weir {
namespace {

constexpr auto kNull = std::monostate();

Status WriteSample(const char* path, int64_t n_rows, int64_t rows_per_group) {
  using Ints = std::numeric_limits<int64_t>;
  using Reals = std::numeric_limits<double>;
  const std::string blob(1000, 'x');
  const ParquetValue integers[] = {Ints::min(), Ints::max(), int64_t{0}, int64_t{-1}, kNull};
  const ParquetValue reals[] = {Reals::quiet_NaN(), Reals::infinity(), -Reals::infinity(), -0.0, Reals::denorm_min(), kNull};
  const std::string_view nul("a\0b", 3);
  const ParquetValue texts[] = {std::string_view(), std::string_view("ünï→😀"), nul, std::string_view(blob), kNull, kNull, kNull};
  std::ofstream file(path, std::ios::binary);
  ParquetWriter table({{"row", ParquetType::kInt64}, {"boolean", ParquetType::kBoolean}, {"integer", ParquetType::kInt64},
                       {"real", ParquetType::kDouble}, {"text", ParquetType::kString}, {"nothing", ParquetType::kString}},
                      "weir version 1",
                      [&](std::string_view bytes) {
                        return file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()))
                                   ? Status() : Failed("{}: cannot be written", path);
                      },
                      {.n_rows = rows_per_group});
  for (int64_t i = 0; i < n_rows; ++i) {
    const ParquetValue boolean = i % 3 == 0 ? ParquetValue() : i % 2 == 0;
    WEIR_RETURN_IF_ERROR(table.Append({{i, boolean, integers[i % 5], reals[i % 6], texts[i % 7], kNull}}));
  }
  return table.Finish();
}

}  // namespace
}  // namespace weir

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  return weir::WriteSample(argv[1], std::atoll(argv[2]), std::atoll(argv[3])).ok() ? 0 : 1;
}
