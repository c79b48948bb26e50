// What rows of other tools can put into the database: what was imported can be read and exported again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bench/flat_rows.h"
#include "bench/foreign_rows.h"
#include "bench/parquet_rows.h"

namespace {

using namespace weir;

void Require(bool condition) {
  if (!condition) std::abort();
}

/// A database of a few thousand imports, then a new one: what the rows weigh must not be what is measured.
Store& SomeStore() {
  constexpr int kMostUses = 5000;
  static std::optional<Store> store;
  static int n_uses = 0;
  if (n_uses++ % kMostUses == 0) store.emplace(Store::Open(":memory:").value());
  return *store;
}

/// The bytes of a Parquet file of these cells.
size_t ParquetSize(Store& store, const std::vector<CellResult>& cells) {
  size_t n_bytes = 0;
  ParquetWriter table(FlatColumns(store).value(), "fuzz", [&](std::string_view bytes) {
    n_bytes += bytes.size();
    return Status();
  });
  for (const CellResult& cell : cells) Require(AppendCell(cell, table).ok());
  Require(table.Finish().ok());
  return n_bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto lines = ParseCsv(text, "f.csv")) {
    for (const auto& fields : *lines) Require(!fields.empty());
  }
  Store& store = SomeStore();
  const auto outcome = ImportForeignRows(text, "f", store);
  if (!outcome) {
    Require(!outcome.error().message.empty());
    return 0;
  }
  const auto cells = store.Results(outcome->run);
  Require(cells.ok());
  for (const CellResult& cell : *cells) {
    Require(cell.row.users > 0 && !cell.foreign_tool.empty());
    for (const auto& [name, figure] : cell.figures) Require(figure.median > 0);
    const std::vector<nlohmann::ordered_json> flat{FlatRow(cell)};
    Require(ParseCsv(CsvOf(flat), "again").ok() && !JsonLinesOf(flat).empty());
  }
  Require(ParquetSize(store, *cells) > 0);
  return 0;
}
