#include "util/parquet_writer.h"

#include <algorithm>
#include <bit>
#include <initializer_list>
#include <utility>

namespace weir {
namespace {

constexpr std::string_view kMagic = "PAR1";
constexpr size_t kMaxText = size_t{1} << 30;  // a page's size has 31 bits

// Numbers of parquet.thrift's enumerations.
constexpr int kPlain = 0, kRle = 3;
constexpr int kDataPage = 0, kUncompressed = 0, kOptional = 1, kUtf8 = 0;

int PhysicalType(ParquetType type) {
  switch (type) {
    case ParquetType::kBoolean: return 0;
    case ParquetType::kInt64: return 2;
    case ParquetType::kDouble: return 5;
    case ParquetType::kString: return 6;
  }
  return 6;
}

void AppendLittleEndian(uint64_t value, int n_bytes, std::string& out) {
  for (int i = 0; i < n_bytes; ++i) out += static_cast<char>(value >> (8 * i));
}

void AppendVarint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

/// Thrift's compact protocol, as far as Parquet's headers need it: structs of integers, texts, structs and lists,
/// whose fields are given in ascending order.
class ThriftStruct {
 public:
  explicit ThriftStruct(std::string& out) : out_(out) {}
  ThriftStruct(const ThriftStruct&) = delete;
  ThriftStruct& operator=(const ThriftStruct&) = delete;
  ~ThriftStruct() { out_ += '\0'; }

  void I32(int field, int64_t value) { Integer(field, 5, value); }
  void I64(int field, int64_t value) { Integer(field, 6, value); }
  void Text(int field, std::string_view text) {
    Header(field, 8);
    AppendText(text);
  }
  /// The fields of a struct within are written before any further one of this.
  ThriftStruct Struct(int field) {
    Header(field, 12);
    return ThriftStruct(out_);
  }
  /// So are the structs of a list.
  void Structs(int field, int64_t n) { List(field, 12, n); }
  void I32s(int field, std::initializer_list<int> values) {
    List(field, 5, static_cast<int64_t>(values.size()));
    for (const int value : values) AppendInteger(value);
  }
  void Texts(int field, std::initializer_list<std::string_view> texts) {
    List(field, 8, static_cast<int64_t>(texts.size()));
    for (const std::string_view text : texts) AppendText(text);
  }

 private:
  void Header(int field, int type) {
    out_ += static_cast<char>((field - last_field_) << 4 | type);
    last_field_ = field;
  }
  void Integer(int field, int type, int64_t value) {
    Header(field, type);
    AppendInteger(value);
  }
  void List(int field, int type, int64_t n) {
    Header(field, 9);
    out_ += static_cast<char>(std::min<int64_t>(n, 15) << 4 | type);
    if (n >= 15) AppendVarint(static_cast<uint64_t>(n), out_);
  }
  void AppendInteger(int64_t value) {  // zigzag: the sign is the lowest bit
    AppendVarint(static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63), out_);
  }
  void AppendText(std::string_view text) {
    AppendVarint(text.size(), out_);
    out_ += text;
  }

  std::string& out_;
  int last_field_ = 0;
};

/// A bit for each row, 1 where there is a value, in the hybrid encoding of levels: one run of equal ones, or else one
/// of packed ones.
void AppendLevels(const std::vector<bool>& defined, size_t n_defined, std::string& out) {
  std::string run;
  if (n_defined == 0 || n_defined == defined.size()) {
    AppendVarint(defined.size() << 1, run);
    run += static_cast<char>(n_defined > 0);
  } else {
    const size_t n_groups = (defined.size() + 7) / 8;
    AppendVarint(n_groups << 1 | 1, run);
    const size_t begin = run.size();
    run.resize(begin + n_groups);
    for (size_t i = 0; i < defined.size(); ++i) run[begin + i / 8] |= static_cast<char>(defined[i] << i % 8);
  }
  AppendLittleEndian(run.size(), 4, out);
  out += run;
}

void AppendPageHeader(int64_t n_rows, size_t n_bytes, std::string& out) {
  ThriftStruct page(out);
  page.I32(1, kDataPage);
  page.I32(2, static_cast<int64_t>(n_bytes));  // uncompressed
  page.I32(3, static_cast<int64_t>(n_bytes));  // compressed
  ThriftStruct data = page.Struct(5);
  data.I32(1, n_rows);
  data.I32(2, kPlain);
  data.I32(3, kRle);  // definition levels
  data.I32(4, kRle);  // repetition levels, of which flat columns have none
}

/// What the footer says of a column's part of a group.
struct ChunkPlace {
  int64_t offset = 0, n_bytes = 0, n_nulls = 0;
};

void AppendColumnChunk(const ParquetColumn& column, int64_t n_rows, const ChunkPlace& place, std::string& out) {
  ThriftStruct chunk(out);
  chunk.I64(2, 0);  // of metadata outside the footer: none
  ThriftStruct meta = chunk.Struct(3);
  meta.I32(1, PhysicalType(column.type));
  meta.I32s(2, {kPlain, kRle});
  meta.Texts(3, {column.name});
  meta.I32(4, kUncompressed);
  meta.I64(5, n_rows);
  meta.I64(6, place.n_bytes);
  meta.I64(7, place.n_bytes);
  meta.I64(9, place.offset);
  ThriftStruct statistics = meta.Struct(12);
  statistics.I64(3, place.n_nulls);
}

void AppendSchemaElement(const ParquetColumn& column, std::string& out) {
  ThriftStruct element(out);
  element.I32(1, PhysicalType(column.type));
  element.I32(3, kOptional);
  element.Text(4, column.name);
  if (column.type != ParquetType::kString) return;
  element.I32(6, kUtf8);  // for readers that are older than the next line
  ThriftStruct logical = element.Struct(10);
  logical.Struct(1);
}

void AppendSchemaRoot(size_t n_columns, std::string& out) {
  ThriftStruct root(out);
  root.Text(4, "schema");
  root.I32(5, static_cast<int64_t>(n_columns));
}

/// To the `n` values that are there; returns by how many bytes they grew.
size_t AppendValue(const ParquetValue& value, size_t n, std::string& values) {
  const size_t n_bytes = values.size();
  if (const auto* boolean = std::get_if<bool>(&value)) {
    if (n % 8 == 0) values += '\0';
    values.back() |= static_cast<char>(*boolean << n % 8);
  } else if (const auto* integer = std::get_if<int64_t>(&value)) {
    AppendLittleEndian(static_cast<uint64_t>(*integer), 8, values);
  } else if (const auto* real = std::get_if<double>(&value)) {
    AppendLittleEndian(std::bit_cast<uint64_t>(*real), 8, values);
  } else {
    const auto text = std::get<std::string_view>(value);
    AppendLittleEndian(text.size(), 4, values);
    values += text;
  }
  return values.size() - n_bytes;
}

}  // namespace

ParquetWriter::ParquetWriter(std::vector<ParquetColumn> columns, std::string created_by, Sink sink,
                             ParquetGroupLimit limit)
    : columns_(std::move(columns)),
      created_by_(std::move(created_by)),
      sink_(std::move(sink)),
      limit_(limit),
      chunks_(columns_.size()) {}

Status ParquetWriter::Append(std::span<const ParquetValue> row) {
  WEIR_CHECK(row.size() == columns_.size());
  for (size_t c = 0; c < row.size(); ++c) {
    const auto* text = std::get_if<std::string_view>(&row[c]);
    if (text && text->size() > kMaxText) {
      return Failed("column {}: expected a text of at most {} bytes, found {}", columns_[c].name, kMaxText, text->size());
    }
  }
  for (size_t c = 0; c < row.size(); ++c) {
    const bool defined = !std::holds_alternative<std::monostate>(row[c]);
    if (defined) {
      WEIR_CHECK(row[c].index() == static_cast<size_t>(columns_[c].type) + 1);
      waiting_bytes_ += AppendValue(row[c], chunks_[c].n_defined, chunks_[c].values);
    }
    chunks_[c].defined.push_back(defined);
    chunks_[c].n_defined += defined;
  }
  ++n_waiting_;
  return n_waiting_ >= limit_.n_rows || waiting_bytes_ >= limit_.n_bytes ? WriteGroup() : Status();
}

Status ParquetWriter::Finish() {
  if (n_waiting_ > 0) WEIR_RETURN_IF_ERROR(WriteGroup());
  if (offset_ == 0) WEIR_RETURN_IF_ERROR(Write(kMagic));
  std::string footer;
  {
    ThriftStruct file(footer);
    file.I32(1, 1);  // version of the format
    file.Structs(2, static_cast<int64_t>(columns_.size()) + 1);
    AppendSchemaRoot(columns_.size(), footer);
    for (const ParquetColumn& column : columns_) AppendSchemaElement(column, footer);
    file.I64(3, n_rows_);
    file.Structs(4, n_groups_);
    footer += groups_;
    file.Text(6, created_by_);
  }
  AppendLittleEndian(footer.size(), 4, footer);
  footer += kMagic;
  return Write(footer);
}

Status ParquetWriter::Write(std::string_view bytes) {
  offset_ += static_cast<int64_t>(bytes.size());
  return sink_(bytes);
}

Status ParquetWriter::WriteGroup() {
  if (offset_ == 0) WEIR_RETURN_IF_ERROR(Write(kMagic));
  const int64_t begin = offset_;
  ThriftStruct group(groups_);
  group.Structs(1, static_cast<int64_t>(columns_.size()));
  for (size_t c = 0; c < columns_.size(); ++c) {
    const Chunk chunk = std::exchange(chunks_[c], {});
    const int64_t chunk_begin = offset_;
    std::string levels, header;
    AppendLevels(chunk.defined, chunk.n_defined, levels);
    AppendPageHeader(n_waiting_, levels.size() + chunk.values.size(), header);
    WEIR_RETURN_IF_ERROR(Write(header));
    WEIR_RETURN_IF_ERROR(Write(levels));
    WEIR_RETURN_IF_ERROR(Write(chunk.values));
    const auto n_nulls = n_waiting_ - static_cast<int64_t>(chunk.n_defined);
    AppendColumnChunk(columns_[c], n_waiting_, {chunk_begin, offset_ - chunk_begin, n_nulls}, groups_);
  }
  group.I64(2, offset_ - begin);
  group.I64(3, n_waiting_);
  group.I64(5, begin);
  group.I64(6, offset_ - begin);
  n_rows_ += std::exchange(n_waiting_, 0);
  waiting_bytes_ = 0;
  ++n_groups_;
  return {};
}

}  // namespace weir
