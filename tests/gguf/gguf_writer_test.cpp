#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "gguf/gguf_bytes.h"
#include "gguf/gguf_file.h"
#include "temp_folder.h"
#include "test_data.h"

namespace weir {
namespace {

using testing::HasSubstr;

void ExpectEqualModels(const ModelSource& a, const ModelSource& b) {
  ASSERT_EQ(a.metadata().entries().size(), b.metadata().entries().size());
  for (size_t i = 0; i < a.metadata().entries().size(); ++i) {
    const MetadataEntry& x = a.metadata().entries()[i];
    const MetadataEntry& y = b.metadata().entries()[i];
    EXPECT_TRUE(x.key == y.key && x.type == y.type && x.is_array == y.is_array &&
                x.value == y.value)
        << x.key;
  }
  ASSERT_EQ(a.tensors().size(), b.tensors().size());
  for (size_t i = 0; i < a.tensors().size(); ++i) {
    const TensorInfo& x = a.tensors()[i];
    const TensorInfo& y = b.tensors()[i];
    ASSERT_TRUE(x.name == y.name && x.type == y.type && x.n_dims == y.n_dims && x.ne == y.ne);
    EXPECT_EQ(std::memcmp(a.Rows(i, 0, x.n_rows(), nullptr), b.Rows(i, 0, x.n_rows(), nullptr),
                          static_cast<size_t>(x.n_bytes())),
              0)
        << x.name;
  }
}

class GgufWriter : public testing::Test {
 protected:
  TempFolder folder_;
  const std::string path_ = folder_ / "out.gguf";
};

TEST_F(GgufWriter, ModelsReturnAsTheyWere) {
  const std::string original = TestData("golden/llama-q4_k_m.gguf");
  auto source = GgufFile::Open(original);
  ASSERT_TRUE(source.ok());
  int64_t reported[2] = {0, 0};
  const auto progress = [](void* context, int64_t done, int64_t total) {
    auto* last = static_cast<int64_t*>(context);
    EXPECT_GT(done, last[0]);
    last[0] = done;
    last[1] = total;
  };
  const Status written = WriteGguf(**source, path_, progress, reported);
  ASSERT_TRUE(written.ok()) << written.error().message;
  EXPECT_EQ(reported[0], reported[1]);
  auto copy = GgufFile::Open(path_);
  ASSERT_TRUE(copy.ok()) << copy.error().message;
  ExpectEqualModels(**source, **copy);
  // The original was written in the same order and alignment, so the files are the same.
  EXPECT_TRUE(ReadText(path_) == ReadText(original));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".tmp"));
}

TEST_F(GgufWriter, KeepsEveryTypeAndTheAlignment) {
  GgufBytes bytes;
  bytes.Header(2, 11).Key("general.alignment", MetadataType::kU32).U32(128);
  bytes.Key("i8", MetadataType::kI8).Put(int8_t{-5});
  bytes.Key("u64", MetadataType::kU64).U64(~uint64_t{0});
  bytes.Key("f64", MetadataType::kF64).Put(0.1);
  bytes.Key("bool", MetadataType::kBool).Put(uint8_t{1});
  bytes.Array("u8s", MetadataType::kU8, 3).Put(uint8_t{1}).Put(uint8_t{2}).Put(uint8_t{255});
  bytes.Array("i16s", MetadataType::kI16, 2).Put(int16_t{-1}).Put(int16_t{2});
  bytes.Array("f32s", MetadataType::kF32, 1).Put(0.1f);
  bytes.Array("bools", MetadataType::kBool, 2).Put(uint8_t{0}).Put(uint8_t{1});
  bytes.Array("strings", MetadataType::kString, 2).Text("").Text("two");
  bytes.Array("none", MetadataType::kI64, 0);
  bytes.Tensor("x", {1}, 0, 0).Tensor("y", {2, 3}, 1, 128).Data(128 + 12, 128);
  auto source = bytes.Parse();
  ASSERT_TRUE(source.ok()) << source.error().message;
  ASSERT_TRUE(WriteGguf(**source, path_).ok());
  auto copy = GgufFile::Open(path_);
  ASSERT_TRUE(copy.ok()) << copy.error().message;
  ExpectEqualModels(**source, **copy);
}

TEST_F(GgufWriter, ASplitModelBecomesOneFile) {
  GgufBytes first, second;
  first.Header(1, 4).Key("split.no", MetadataType::kU16).Put(uint16_t{0});
  first.Key("split.count", MetadataType::kU16).Put(uint16_t{2});
  first.Key("split.tensors.count", MetadataType::kI32).Put(int32_t{2});
  first.Key("general.name", MetadataType::kString).Text("joined");
  first.Tensor("a", {4}, 0, 0).Data(16).Save(folder_ / "m-00001-of-00002.gguf");
  second.Header(1, 2).Key("split.no", MetadataType::kU16).Put(uint16_t{1});
  second.Key("split.count", MetadataType::kU16).Put(uint16_t{2});
  second.Tensor("b", {4}, 0, 0).Data(16).Save(folder_ / "m-00002-of-00002.gguf");
  auto source = GgufFile::Open(folder_ / "m-00001-of-00002.gguf");
  ASSERT_TRUE(source.ok()) << source.error().message;
  ASSERT_TRUE(WriteGguf(**source, path_).ok());
  auto joined = GgufFile::Open(path_);
  ASSERT_TRUE(joined.ok()) << joined.error().message;
  EXPECT_EQ((*joined)->metadata().entries().size(), 1u);
  EXPECT_EQ((*joined)->tensors().size(), 2u);
}

TEST_F(GgufWriter, PathsThatCannotBeWrittenAreErrors) {
  GgufBytes bytes;
  auto source = bytes.Header(0, 0).Parse();
  ASSERT_TRUE(source.ok());
  const Status absent = WriteGguf(**source, folder_ / "absent/out.gguf");
  ASSERT_FALSE(absent.ok());
  EXPECT_THAT(absent.error().message,
              HasSubstr("absent/out.gguf.tmp: cannot create: No such file"));
  const Status directory = WriteGguf(**source, folder_ / "");
  ASSERT_FALSE(directory.ok());
  EXPECT_THAT(directory.error().message, HasSubstr("not a regular file"));
}

TEST_F(GgufWriter, AFullDiskLeavesTheOldFile) {
  WEIR_SKIP_WITHOUT("/dev/full");
  auto source = GgufFile::Open(TestData("golden/llama-q4_k_m.gguf"));
  ASSERT_TRUE(source.ok());
  GgufBytes old;
  old.Header(0, 0).Save(path_);
  std::filesystem::create_symlink("/dev/full", path_ + ".tmp");
  const Status written = WriteGguf(**source, path_);
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().code, ErrorCode::kFailed);
  EXPECT_THAT(written.error().message, HasSubstr("No space left"));
  EXPECT_EQ(ReadText(path_).size(), old.bytes().size());
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::symlink_status(path_ + ".tmp")));
}

}  // namespace
}  // namespace weir
