#include "kernels/codebooks.h"

#include <gtest/gtest.h>

#include "kernels/sha256.h"

namespace weir {
namespace {

TEST(Codebooks, Sha256IsTheStandardOne) {
  EXPECT_EQ(Sha256("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Codebooks, AreThoseOfTheFormat) {
  const Codebooks& books = GetCodebooks();
  EXPECT_EQ(Sha256(books.iq2xxs, sizeof(books.iq2xxs)),
            "05826b5d3e472a3a78f196be62ac78acf81df0f909626e12ab9fa2a5d490dd54");
  EXPECT_EQ(Sha256(books.iq2xs, sizeof(books.iq2xs)),
            "06e47aaca60b4dc1d9b5a3f34540437058a6b142b4d7a59d5ded769b4d1bf1de");
  EXPECT_EQ(Sha256(books.iq2s, sizeof(books.iq2s)),
            "e1aa1473412b0552c2174c30ef22ab4073f6a181b85a17056e8249bd2932fd88");
  EXPECT_EQ(Sha256(books.iq3xxs, sizeof(books.iq3xxs)),
            "46e35f5a997efdee6c99ce57854c8a0d4f0ff8ca57e5e8a60c0793ea580acf5d");
  EXPECT_EQ(Sha256(books.iq3s, sizeof(books.iq3s)),
            "bd1af4945a1717c65610b0284e4628b9a1ba3b306fae3a06f6e5f597356e349f");
  EXPECT_EQ(Sha256(books.iq1s, sizeof(books.iq1s)),
            "07540ffc1aeaf6ad4d97e96b0fcc765aae39671d4ae4a27bbd0e796fde167c6a");
}

TEST(Codebooks, SignsAreAlwaysEven) {
  for (uint32_t index = 0; index < 128; ++index) {
    EXPECT_EQ(ExpandSigns(index) & 127u, index);
    EXPECT_EQ(__builtin_popcount(ExpandSigns(index)) % 2, 0);
  }
}

}  // namespace
}  // namespace weir
