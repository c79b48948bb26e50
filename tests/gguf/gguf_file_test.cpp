#include "gguf/gguf_file.h"

#include <gtest/gtest.h>

#include "test_data.h"

namespace weir {
namespace {

TEST(GgufFile, ReadsAModel) {
  auto file = GgufFile::Open(TestData("golden/llama-q4_k_m.gguf"));
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(*(*file)->metadata().String("general.architecture"), "llama");
  EXPECT_EQ((*file)->n_parts(), 1);
  EXPECT_FALSE((*file)->synthetic());
}

}  // namespace
}  // namespace weir
