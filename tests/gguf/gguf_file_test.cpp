#include "gguf/gguf_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>

#include "gguf/gguf_bytes.h"
#include "temp_folder.h"
#include "test_data.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(GgufFile, ReadsAModel) {
  auto opened = GgufFile::Open(TestData("golden/llama-q4_k_m.gguf"));
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  const GgufFile& file = **opened;
  EXPECT_EQ(*file.metadata().String("general.architecture"), "llama");
  EXPECT_EQ(file.n_parts(), 1);
  EXPECT_EQ(file.file_bytes(), 1221728);
  EXPECT_FALSE(file.synthetic());
  ASSERT_EQ(file.tensors().size(), 39u);
  const TensorInfo& first = file.tensors()[0];
  const TensorInfo& second = file.tensors()[1];
  EXPECT_EQ(file.Rows(0, 0, 1, nullptr) + first.n_rows() * first.row_bytes(),
            file.Rows(0, first.n_rows(), 0, nullptr));
  EXPECT_GE(file.Rows(1, 0, 1, nullptr), file.Rows(0, first.n_rows(), 0, nullptr));
  EXPECT_NE(first.name, second.name);
}

GgufBytes& PutScalars(GgufBytes& b) {
  b.Key("u8", MetadataType::kU8).Put(uint8_t{255});
  b.Key("i8", MetadataType::kI8).Put(int8_t{-128});
  b.Key("u16", MetadataType::kU16).Put(uint16_t{65535});
  b.Key("i16", MetadataType::kI16).Put(int16_t{-32768});
  b.Key("u32", MetadataType::kU32).Put(~uint32_t{0});
  b.Key("i32", MetadataType::kI32).Put(std::numeric_limits<int32_t>::min());
  b.Key("f32", MetadataType::kF32).Put(1.5f);
  b.Key("bool", MetadataType::kBool).Put(uint8_t{1});
  b.Key("string", MetadataType::kString).Text(std::string_view("a\0b", 3));
  b.Key("u64", MetadataType::kU64).Put(~uint64_t{0});
  b.Key("i64", MetadataType::kI64).Put(std::numeric_limits<int64_t>::min());
  b.Key("f64", MetadataType::kF64).Put(1e300);
  return b;
}

TEST(GgufFile, ReadsEveryScalarType) {
  GgufBytes bytes;
  PutScalars(bytes.Header(0, 12));
  auto file = bytes.Parse();
  ASSERT_TRUE(file.ok()) << file.error().message;
  const auto& entries = (*file)->metadata().entries();
  ASSERT_EQ(entries.size(), 12u);
  const MetadataValue expected[] = {uint64_t{255},
                                    int64_t{-128},
                                    uint64_t{65535},
                                    int64_t{-32768},
                                    uint64_t{0xffffffff},
                                    int64_t{std::numeric_limits<int32_t>::min()},
                                    1.5,
                                    true,
                                    std::string("a\0b", 3),
                                    ~uint64_t{0},
                                    std::numeric_limits<int64_t>::min(),
                                    1e300};
  for (size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(entries[i].value, expected[i]) << entries[i].key;
    EXPECT_FALSE(entries[i].is_array) << entries[i].key;
  }
  EXPECT_EQ(entries[4].type, MetadataType::kU32);
}

TEST(GgufFile, ReadsArraysOfEveryType) {
  GgufBytes bytes;
  bytes.Header(0, 13);
  bytes.Array("u8", MetadataType::kU8, 2).Put(uint8_t{1}).Put(uint8_t{2});
  bytes.Array("i8", MetadataType::kI8, 1).Put(int8_t{-1});
  bytes.Array("u16", MetadataType::kU16, 1).Put(uint16_t{7});
  bytes.Array("i16", MetadataType::kI16, 1).Put(int16_t{-7});
  bytes.Array("u32", MetadataType::kU32, 1).Put(uint32_t{8});
  bytes.Array("i32", MetadataType::kI32, 2).Put(int32_t{-8}).Put(int32_t{9});
  bytes.Array("u64", MetadataType::kU64, 1).Put(uint64_t{10});
  bytes.Array("i64", MetadataType::kI64, 1).Put(int64_t{-10});
  bytes.Array("f32", MetadataType::kF32, 1).Put(0.5f);
  bytes.Array("f64", MetadataType::kF64, 1).Put(0.25);
  bytes.Array("bool", MetadataType::kBool, 3).Put(uint8_t{1}).Put(uint8_t{0}).Put(uint8_t{1});
  bytes.Array("string", MetadataType::kString, 2).Text("x").Text("");
  bytes.Array("empty", MetadataType::kString, 0);
  auto file = bytes.Parse();
  ASSERT_TRUE(file.ok()) << file.error().message;
  const Metadata& metadata = (*file)->metadata();
  EXPECT_THAT(*metadata.Ints("u8"), ElementsAre(1, 2));
  EXPECT_THAT(*metadata.Ints("i8"), ElementsAre(-1));
  EXPECT_THAT(*metadata.Ints("u16"), ElementsAre(7));
  EXPECT_THAT(*metadata.Ints("i16"), ElementsAre(-7));
  EXPECT_THAT(*metadata.Ints("u32"), ElementsAre(8));
  EXPECT_THAT(*metadata.Ints("i32"), ElementsAre(-8, 9));
  EXPECT_THAT(*metadata.Ints("u64"), ElementsAre(10));
  EXPECT_THAT(*metadata.Ints("i64"), ElementsAre(-10));
  EXPECT_THAT(*metadata.Floats("f32"), ElementsAre(0.5));
  EXPECT_THAT(*metadata.Floats("f64"), ElementsAre(0.25));
  EXPECT_THAT(*metadata.Ints("bool"), ElementsAre(1, 0, 1));
  EXPECT_THAT(**metadata.Strings("string"), ElementsAre("x", ""));
  EXPECT_TRUE((*metadata.Strings("empty"))->empty());
}

TEST(GgufFile, ReadsVersion2AndVocabulariesOfFullSize) {
  constexpr uint64_t kVocabulary = 248320;
  GgufBytes bytes;
  bytes.Header(0, 2, 2).Array("tokenizer.ggml.tokens", MetadataType::kString, kVocabulary);
  for (uint64_t i = 0; i < kVocabulary; ++i) bytes.Text(std::to_string(i));
  bytes.Key("weir.synthetic", MetadataType::kBool).Put(uint8_t{1});
  auto file = bytes.Parse();  // ends after the metadata, in the middle of the padding
  ASSERT_TRUE(file.ok()) << file.error().message;
  const auto tokens = (*file)->metadata().Strings("tokenizer.ggml.tokens");
  ASSERT_EQ((*tokens)->size(), kVocabulary);
  EXPECT_EQ((*tokens)->back(), "248319");
  EXPECT_TRUE((*file)->tensors().empty());
  EXPECT_TRUE((*file)->synthetic());
}

TEST(GgufFile, TensorsLieWhereTheFileSays) {
  GgufBytes bytes;
  bytes.Header(2, 1).Key("general.alignment", MetadataType::kU32).U32(64);
  // Out of order and with a gap, which only other readers refuse.
  bytes.Tensor("late", {32, 2, 1, 1}, 8, 128).Tensor("early", {3}, 0, 0).Data(128 + 68, 64);
  auto file = bytes.Parse();
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ((*file)->tensors()[0].n_dims, 4);
  EXPECT_EQ((*file)->tensors()[0].n_bytes(), 68);
  EXPECT_EQ(*(*file)->Rows(0, 0, 1, nullptr), 128);
  EXPECT_EQ(*(*file)->Rows(0, 1, 1, nullptr), 128 + 34);
  EXPECT_EQ(*(*file)->Rows(1, 0, 1, nullptr), 0);
}

TEST(GgufFile, MetadataLargerThanAnyModelNeedsIsRefused) {
  const TempFolder folder;
  const std::string path = folder / "sparse.gguf";
  GgufBytes bytes;
  bytes.Header(0, 1).Array("zeros", MetadataType::kU8, uint64_t{1} << 30).Save(path);
  std::filesystem::resize_file(path, uint64_t{2} << 30);  // a hole: it takes no room on the disk
  const auto file = GgufFile::Open(path);
  ASSERT_FALSE(file.ok());
  EXPECT_THAT(file.error().message, HasSubstr("expected 1073741824 bytes of metadata in all"));
}

TEST(GgufFile, PathsThatAreNoFileAreErrors) {
  const auto missing = GgufFile::Open("/nonexistent/model.gguf");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kBadInput);
  EXPECT_THAT(missing.error().message, HasSubstr("/nonexistent/model.gguf: cannot open: No such"));
  const auto directory = GgufFile::Open(TestData(""));
  ASSERT_FALSE(directory.ok());
  EXPECT_THAT(directory.error().message, HasSubstr("found a directory"));
  const TempFolder folder;
  const std::string path = folder / "empty.gguf";
  GgufBytes().Save(path);
  const auto empty = GgufFile::Open(path);
  ASSERT_FALSE(empty.ok());
  EXPECT_THAT(empty.error().message, HasSubstr("found an empty file"));
}

}  // namespace
}  // namespace weir
