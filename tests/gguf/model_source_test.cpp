#include "gguf/model_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Metadata Example() {
  Metadata metadata;
  metadata.AddString("name", "weir");
  metadata.AddU32("layers", 24);
  metadata.AddF32("epsilon", 0.5f);
  metadata.AddBool("flag", true);
  metadata.AddI32s("sections", {11, 11, 10, 0});
  metadata.AddStrings("tokens", {"a", "b"});
  metadata.Add({"negative", MetadataType::kI8, false, int64_t{-3}});
  metadata.Add({"huge", MetadataType::kU64, false, ~uint64_t{0}});
  metadata.Add({"bools", MetadataType::kBool, true, std::vector<bool>{true, false}});
  metadata.Add({"wide", MetadataType::kU64, true, std::vector<uint64_t>{1, ~uint64_t{0}}});
  metadata.Add({"floats", MetadataType::kF64, true, std::vector<double>{0.25, 4}});
  return metadata;
}

TEST(Metadata, FindsValuesOfTheAskedType) {
  const Metadata metadata = Example();
  EXPECT_EQ(*metadata.String("name"), "weir");
  EXPECT_EQ(*metadata.Int("layers", 1, 100), 24);
  EXPECT_EQ(*metadata.Int("negative", -5, 5), -3);
  EXPECT_EQ(*metadata.Float("epsilon"), 0.5);
  EXPECT_EQ(*metadata.Float("layers"), 24.0);
  EXPECT_EQ(*metadata.BoolOr("flag", false), true);
  EXPECT_THAT(*metadata.Ints("sections"), ElementsAre(11, 11, 10, 0));
  EXPECT_THAT(*metadata.Ints("layers"), ElementsAre(24));
  EXPECT_THAT(*metadata.Ints("bools"), ElementsAre(1, 0));
  EXPECT_THAT(*metadata.Floats("floats"), ElementsAre(0.25, 4.0));
  EXPECT_THAT(*metadata.Floats("sections"), ElementsAre(11.0, 11.0, 10.0, 0.0));
  EXPECT_THAT(**metadata.Strings("tokens"), ElementsAre("a", "b"));
}

TEST(Metadata, FallsBackOnlyWhereTheKeyIsAbsent) {
  const Metadata metadata = Example();
  EXPECT_EQ(*metadata.IntOr("absent", 7, 0, 10), 7);
  EXPECT_EQ(*metadata.FloatOr("absent", 7.5), 7.5);
  EXPECT_EQ(*metadata.BoolOr("absent", true), true);
  EXPECT_FALSE(metadata.IntOr("name", 7, 0, 10).ok());
  EXPECT_FALSE(metadata.FloatOr("name", 7.5).ok());
  EXPECT_FALSE(metadata.BoolOr("name", true).ok());
}

TEST(Metadata, ErrorsNameKeyExpectedAndFound) {
  const Metadata metadata = Example();
  EXPECT_EQ(metadata.Int("layers", 1, 16).error().message,
            "metadata key layers: expected an integer from 1 to 16, found 24");
  EXPECT_EQ(metadata.Int("depth", 1, 16).error().message,
            "metadata key depth: expected an integer from 1 to 16, found no such key");
  EXPECT_EQ(metadata.String("tokens").error().message,
            "metadata key tokens: expected a string, found an array of 2 strings");
  EXPECT_EQ(metadata.Int("huge", 0, 5).error().code, ErrorCode::kBadInput);
  EXPECT_THAT(metadata.Ints("wide").error().message, HasSubstr("18446744073709551615"));
  EXPECT_FALSE(metadata.Strings("name").ok());
  EXPECT_FALSE(metadata.Floats("tokens").ok());
}

TEST(TensorInfo, CountsRowsAndBytes) {
  const TensorInfo tensor{"experts", TensorType::kQ8_0, 3, {64, 5, 2, 1}};
  EXPECT_EQ(tensor.n_rows(), 10);
  EXPECT_EQ(tensor.n_elements(), 640);
  EXPECT_EQ(tensor.n_bytes(), 10 * 2 * 34);
}

}  // namespace
}  // namespace weir
