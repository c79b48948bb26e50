#include "bench/model_row.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gguf/gguf_bytes.h"
#include "gguf/gguf_file.h"
#include "hub/digest.h"
#include "temp_folder.h"
#include "test_data.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

std::string HashOf(const std::string& path) {
  const Result<std::string> hash = HashFile(path, [](int64_t, int64_t) { return true; });
  return hash ? *hash : hash.error().message;
}

/// A model of three parts with a tensor each.
class SplitModelRow : public testing::Test {
 protected:
  void Save(int number, const std::string& tensor) {
    GgufBytes part;
    part.Header(1, number == 1 ? 3 : 2);
    part.Key("split.no", MetadataType::kU16).Put(static_cast<uint16_t>(number - 1));
    part.Key("split.count", MetadataType::kU16).Put(uint16_t{3});
    if (number == 1) part.Key("split.tensors.count", MetadataType::kI32).Put(int32_t{3});
    part.Tensor(tensor, {4}, 0, 0).Data(16).Save(Part(number));
  }
  void SetUp() override {
    fs::create_directories(folder_ / snapshot_);
    for (const int number : {1, 2, 3}) Save(number, std::string(1, static_cast<char>('a' + number)));
  }
  std::string Part(int number) const {
    return folder_ / (snapshot_ + "m-Q8_0-0000" + std::to_string(number) + "-of-00003.gguf");
  }
  std::string AllBytes() const { return ReadText(Part(1)) + ReadText(Part(2)) + ReadText(Part(3)); }
  ModelFileRow Describe(const std::string& name) const { return DescribeFile(name, *GgufFile::Open(Part(1)).value()); }

  const std::string commit_ = std::string(40, 'c');
  const std::string snapshot_ = "models--o--r/snapshots/" + commit_ + "/";
  TempFolder folder_;
};

TEST_F(SplitModelRow, IsHashedAsIfItWereOneFile) {
  const ModelFileRow row = Describe(Part(1));
  const std::string first = HashOf(row.path);
  EXPECT_EQ(first, Sha256(AllBytes()));
  EXPECT_EQ(row.bytes, static_cast<int64_t>(AllBytes().size()));
  EXPECT_EQ(row.path, fs::canonical(Part(1)));
  Save(3, "e");
  EXPECT_EQ(HashOf(row.path), Sha256(AllBytes()));
  EXPECT_NE(HashOf(row.path), first);
}

TEST_F(SplitModelRow, IsHashedAgainWhenAnyPartHasAnotherTime) {
  const int64_t before = Describe(Part(1)).mtime_ns;
  fs::last_write_time(Part(2), fs::last_write_time(Part(2)) - std::chrono::hours(1));
  EXPECT_NE(Describe(Part(1)).mtime_ns, before);
}

TEST_F(SplitModelRow, IsFoundInTheHubsCacheWhereFilesAreLinks) {
  fs::create_directories(folder_ / "models--o--r/refs");
  fs::create_directories(folder_ / "models--o--r/blobs");
  std::ofstream(folder_ / "models--o--r/refs/main") << commit_;
  for (const int number : {1, 2, 3}) {
    const std::string blob = folder_ / ("models--o--r/blobs/" + std::to_string(number));
    fs::rename(Part(number), blob);
    fs::create_symlink(blob, Part(number));
  }
  setenv("HF_HUB_CACHE", (folder_ / "").c_str(), 1);
  const ModelFileRow row = Describe("hf:o/r:Q8_0");
  unsetenv("HF_HUB_CACHE");
  EXPECT_EQ(row.path, fs::canonical(fs::path(Part(1)).parent_path()) / fs::path(Part(1)).filename());
  EXPECT_EQ(row.bytes, static_cast<int64_t>(AllBytes().size()));
  EXPECT_EQ(HashOf(row.path), Sha256(AllBytes()));
}

TEST(ModelRow, OneFileHasTheHashOfItsBytes) {
  const std::string path = TestData("weir-tiny-q8_0.gguf");
  const ModelFileRow row = DescribeFile(path, *GgufFile::Open(path).value());
  EXPECT_EQ(row.bytes, static_cast<int64_t>(fs::file_size(path)));
  EXPECT_EQ(HashOf(row.path), Sha256(ReadText(path)));
  EXPECT_EQ(HashFile(path, [](int64_t, int64_t) { return false; }).error().code, ErrorCode::kInterrupted);
}

}  // namespace
}  // namespace weir
