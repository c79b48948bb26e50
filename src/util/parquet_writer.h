// A table as a Parquet file: flat columns, all of them optional, values plain and uncompressed, data pages of
// version 1. Debian 12 has no library for the format; what is used of it is in parquet.thrift and Encodings.md of
// https://github.com/apache/parquet-format.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "util/error.h"

namespace weir {

enum class ParquetType { kBoolean, kInt64, kDouble, kString };

struct ParquetColumn {
  std::string name;
  ParquetType type;
};

/// std::monostate is NULL; text is UTF-8.
using ParquetValue = std::variant<std::monostate, bool, int64_t, double, std::string_view>;

/// When the rows that wait in memory are written: whichever is reached first.
struct ParquetGroupLimit {
  int64_t n_rows = 65536;
  size_t n_bytes = size_t{16} << 20;
};

class ParquetWriter {
 public:
  /// Takes the file's bytes in their order.
  using Sink = std::function<Status(std::string_view bytes)>;

  /// `created_by` as readers expect it: "NAME version NUMBER".
  ParquetWriter(std::vector<ParquetColumn> columns, std::string created_by, Sink sink,
                ParquetGroupLimit limit = {});

  const std::vector<ParquetColumn>& columns() const { return columns_; }

  /// A value for each column, of the column's type or NULL. Fails where the sink does, and for a text above 1 GiB.
  Status Append(std::span<const ParquetValue> row);
  /// What still waits, and the footer, without which it is no Parquet file.
  Status Finish();

 private:
  /// The rows of one column that wait.
  struct Chunk {
    std::string values;         // those that are not NULL, as the file has them
    std::vector<bool> defined;  // per row
    size_t n_defined = 0;
  };

  Status Write(std::string_view bytes);
  Status WriteGroup();

  std::vector<ParquetColumn> columns_;
  std::string created_by_;
  Sink sink_;
  ParquetGroupLimit limit_;
  std::vector<Chunk> chunks_;
  size_t waiting_bytes_ = 0;
  int64_t n_waiting_ = 0, n_rows_ = 0, n_groups_ = 0;
  int64_t offset_ = 0;  // in the file, of the next byte
  std::string groups_;  // what the footer says of the groups that are written
};

}  // namespace weir
