#include "gguf/tensor_type.h"

#include <gtest/gtest.h>

#include <string>

namespace weir {
namespace {

TEST(TensorType, IdsAndNamesLeadBackToTheType) {
  int n_types = 0;
  uint32_t last_id = 0;
  for (const TypeTraits& traits : AllTypes()) {
    const auto id = static_cast<uint32_t>(traits.type);
    EXPECT_TRUE(n_types++ == 0 || id > last_id) << traits.name;
    last_id = id;
    EXPECT_EQ(TypeFromId(id), traits.type);
    EXPECT_EQ(NameOfId(id), traits.name);
    EXPECT_EQ(TypeFromName(traits.name), traits.type);
    EXPECT_EQ(&Traits(traits.type), &traits);
  }
  EXPECT_EQ(n_types, 23);
}

TEST(TensorType, NamesIgnoreCase) {
  EXPECT_EQ(TypeFromName("q4_k"), TensorType::kQ4_K);
  EXPECT_EQ(TypeFromName("Iq2_xXs"), TensorType::kIQ2_XXS);
  EXPECT_EQ(TypeFromName("q4_k_m"), std::nullopt);
}

TEST(TensorType, TypesThatAreNotReadStillHaveNames) {
  EXPECT_EQ(TypeFromId(34), std::nullopt);
  EXPECT_EQ(NameOfId(34), "TQ1_0");
  for (uint32_t retired : {4u, 5u, 31u, 38u, 43u, 0xffffffffu}) {
    EXPECT_EQ(TypeFromId(retired), std::nullopt) << retired;
    EXPECT_EQ(NameOfId(retired), std::nullopt) << retired;
  }
}

TEST(TensorType, RowBytes) {
  EXPECT_EQ(RowBytes(TensorType::kF32, 7), 28);
  EXPECT_EQ(RowBytes(TensorType::kQ8_0, 1024), 1088);
  EXPECT_EQ(RowBytes(TensorType::kQ6_K, 512), 420);
}

}  // namespace
}  // namespace weir
