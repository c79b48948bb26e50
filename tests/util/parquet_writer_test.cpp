#include "util/parquet_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace weir {
namespace {

using testing::HasSubstr;

/// "15 04" and 'n' as bytes; white space is nothing.
std::string Bytes(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size();) {
    if (hex[i] == ' ' || hex[i] == '\n') {
      ++i;
    } else if (hex[i] == '\'') {
      const size_t end = hex.find('\'', i + 1);
      bytes += hex.substr(i + 1, end - i - 1);
      i = end + 1;
    } else {
      bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
      i += 2;
    }
  }
  return bytes;
}

ParquetWriter::Sink Into(std::string& file) {
  return [&file](std::string_view bytes) {
    file += bytes;
    return Status();
  };
}

/// Derived by hand from parquet.thrift, Thrift's compact protocol and Encodings.md.
constexpr std::string_view kThreeColumns = R"(
'PAR1'
15 00 15 1c 15 1c 2c 15 04 15 00 15 06 15 06 00 00    02 00 00 00 03 01  07 00 00 00 00 00 00 00
15 00 15 20 15 20 2c 15 04 15 00 15 06 15 06 00 00    02 00 00 00 04 01  02 00 00 00 c3 a9 00 00 00 00
15 00 15 0e 15 0e 2c 15 04 15 00 15 06 15 06 00 00    02 00 00 00 03 01  01
15 02
19 4c
  48 06 'schema' 15 06 00
  15 04 25 02 18 01 'n' 00
  15 0c 25 02 18 01 's' 25 00 4c 1c 00 00 00
  15 00 25 02 18 01 'b' 00
16 04
19 1c
  19 3c
    26 00 1c 15 04 19 25 00 06 19 18 01 'n' 15 00 16 04 16 3e 16 3e 26 08 3c 36 02 00 00 00
    26 00 1c 15 0c 19 25 00 06 19 18 01 's' 15 00 16 04 16 42 16 42 26 46 3c 36 00 00 00 00
    26 00 1c 15 00 19 25 00 06 19 18 01 'b' 15 00 16 04 16 30 16 30 26 88 01 3c 36 02 00 00 00
  16 b0 01 16 04 26 08 16 b0 01 00
28 0e 'weir version 1' 00
a7 00 00 00 'PAR1')";

TEST(ParquetWriter, WritesTheBytesOfTheFormat) {
  std::string file;
  ParquetWriter writer({{"n", ParquetType::kInt64}, {"s", ParquetType::kString}, {"b", ParquetType::kBoolean}},
                       "weir version 1", Into(file));
  ASSERT_TRUE(writer.Append({{int64_t{7}, std::string_view("é"), true}}).ok());
  ASSERT_TRUE(writer.Append({{std::monostate(), std::string_view(), std::monostate()}}).ok());
  ASSERT_TRUE(writer.Finish().ok());
  EXPECT_EQ(file, Bytes(kThreeColumns));
}

TEST(ParquetWriter, ATableWithoutRowsHasItsColumns) {
  std::string file;
  ParquetWriter writer({{"x", ParquetType::kDouble}}, "w", Into(file));
  ASSERT_TRUE(writer.Finish().ok());
  EXPECT_EQ(file, Bytes("'PAR1' 15 02 19 2c 48 06 'schema' 15 02 00 15 0a 25 02 18 01 'x' 00 16 00 19 0c 28 01 'w' 00"
                        "1f 00 00 00 'PAR1'"));
}

TEST(ParquetWriter, WritesAGroupWhenEnoughRowsOrBytesWait) {
  for (const ParquetGroupLimit limit : {ParquetGroupLimit{2, 1000}, ParquetGroupLimit{1000, 16}}) {
    std::string file;
    ParquetWriter writer({{"n", ParquetType::kInt64}}, "w", Into(file), limit);
    ASSERT_TRUE(writer.Append({{int64_t{1}}}).ok());
    EXPECT_EQ(file.size(), 0u);
    ASSERT_TRUE(writer.Append({{int64_t{2}}}).ok());
    const size_t n_bytes = file.size();
    EXPECT_GT(n_bytes, 16u);
    ASSERT_TRUE(writer.Append({{int64_t{3}}}).ok());
    EXPECT_EQ(file.size(), n_bytes) << "nothing of this row waits elsewhere";
    ASSERT_TRUE(writer.Finish().ok());
    EXPECT_THAT(file.substr(n_bytes), HasSubstr(Bytes("16 06 19 2c"))) << "three rows, two groups";
  }
}

TEST(ParquetWriter, SaysWhatTheSinkSays) {
  std::optional<size_t> n_left = 3;
  ParquetWriter writer({{"n", ParquetType::kInt64}}, "w",
                       [&](std::string_view) { return --*n_left == 0 ? Status(Failed("disk full")) : Status(); }, {1, 1});
  const Status status = writer.Append({{int64_t{1}}});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "disk full");
}

}  // namespace
}  // namespace weir
