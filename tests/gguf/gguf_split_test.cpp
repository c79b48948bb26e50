#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "gguf/gguf_bytes.h"
#include "gguf/gguf_file.h"
#include "temp_folder.h"

namespace weir {
namespace {

using testing::HasSubstr;

/// A model in three parts, one or two tensors each, in a folder of its own.
class SplitModel : public testing::Test {
 protected:
  void SetUp() override {
    GgufBytes first;
    PutSplit(first.Header(1, 5), 0, 3);
    first.Key("general.architecture", MetadataType::kString).Text("llama");
    first.Key("split.tensors.count", MetadataType::kI32).Put(int32_t{4});
    first.Key("general.name", MetadataType::kString).Text("tiny");
    first.Tensor("a", {4}, 0, 0).Data(16).Save(Part(1));
    GgufBytes second;
    PutSplit(second.Header(2, 2), 1, 3);
    second.Tensor("b", {4}, 0, 0).Tensor("c", {4}, 0, 32).Data(48).Save(Part(2));
    SaveThird("d", 2, 3);
  }

  static void PutSplit(GgufBytes& bytes, uint16_t number, uint16_t count) {
    bytes.Key("split.no", MetadataType::kU16).Put(number);
    bytes.Key("split.count", MetadataType::kU16).Put(count);
  }
  void SaveThird(const std::string& tensor, uint16_t number, uint16_t count) {
    GgufBytes third;
    PutSplit(third.Header(1, 2), number, count);
    third.Tensor(tensor, {4}, 0, 0).Data(16).Save(Part(3));
  }
  std::string Part(int number) const {
    return folder_ / ("m-0000" + std::to_string(number) + "-of-00003.gguf");
  }
  std::string ErrorOf(const std::string& path) const {
    const auto file = GgufFile::Open(path);
    return file.ok() ? "no error" : file.error().message + " | " + file.error().hint;
  }

  TempFolder folder_;
};

TEST_F(SplitModel, OpensThroughItsFirstPart) {
  auto opened = GgufFile::Open(Part(1));
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  const GgufFile& file = **opened;
  EXPECT_EQ(file.n_parts(), 3);
  ASSERT_EQ(file.tensors().size(), 4u);
  EXPECT_EQ(file.tensors()[3].name, "d");
  EXPECT_EQ(*file.Rows(2, 0, 1, nullptr), 32);
  EXPECT_EQ(*file.Rows(3, 0, 1, nullptr), 0);
  EXPECT_EQ(*file.metadata().String("general.name"), "tiny");
  int64_t bytes = 0;
  for (int i = 1; i <= 3; ++i) bytes += static_cast<int64_t>(std::filesystem::file_size(Part(i)));
  EXPECT_EQ(file.file_bytes(), bytes);
}

TEST_F(SplitModel, OtherPartsNameTheFirst) {
  const std::string error = ErrorOf(Part(2));
  EXPECT_THAT(error, HasSubstr("found part 2 of 3"));
  EXPECT_THAT(error, HasSubstr("open " + Part(1)));
}

TEST_F(SplitModel, AMissingPartIsNamed) {
  std::filesystem::remove(Part(3));
  EXPECT_THAT(ErrorOf(Part(1)), HasSubstr(Part(3) + ": cannot open"));
}

TEST_F(SplitModel, ATruncatedPartIsNamed) {
  std::filesystem::resize_file(Part(2), std::filesystem::file_size(Part(2)) - 5);
  EXPECT_THAT(ErrorOf(Part(1)), HasSubstr(Part(2) + ": tensor 1 (c): "));
  EXPECT_THAT(ErrorOf(Part(1)), HasSubstr("5 bytes are missing"));
}

TEST_F(SplitModel, ARenamedFirstPartCannotFindTheOthers) {
  std::filesystem::rename(Part(1), folder_ / "model.gguf");
  EXPECT_THAT(ErrorOf(folder_ / "model.gguf"), HasSubstr("-00001-of-00003.gguf"));
}

TEST_F(SplitModel, PartsMustBelongTogether) {
  SaveThird("d", 1, 3);
  EXPECT_THAT(ErrorOf(Part(1)), HasSubstr("split.no: expected 2, found 1"));
  SaveThird("d", 2, 4);
  EXPECT_THAT(ErrorOf(Part(1)), HasSubstr("split.count: expected 3, found 4"));
  SaveThird("b", 2, 3);
  EXPECT_THAT(ErrorOf(Part(1)), HasSubstr("tensor b: expected in one part, found in two"));
  GgufBytes without_tensors;
  PutSplit(without_tensors.Header(0, 2), 2, 3);
  without_tensors.Save(Part(3));
  EXPECT_THAT(ErrorOf(Part(1)), HasSubstr("split.tensors.count: expected 4, found 3 tensors"));
  GgufBytes unsplit;
  unsplit.Header(0, 0).Save(Part(3));
  EXPECT_THAT(ErrorOf(Part(1)), HasSubstr(Part(3)));
}

}  // namespace
}  // namespace weir
