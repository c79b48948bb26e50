// Cells as rows of a Parquet file: the names of FlatRow, each with one type whatever the rows hold.
#pragma once

#include <string>
#include <vector>

#include "store/store.h"
#include "util/parquet_writer.h"

namespace weir {

/// All columns that FlatRow can give; of energies, those of boundaries that were ever measured in this database.
Result<std::vector<ParquetColumn>> FlatColumns(Store& store);

/// To a table of those columns. What FlatRow lacks is NULL.
Status AppendCell(const CellResult& cell, ParquetWriter& table);

}  // namespace weir
