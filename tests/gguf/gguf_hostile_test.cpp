// Files that are cut, flipped or made to harm: each gives one Error, none a crash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "gguf/gguf_bytes.h"
#include "gguf/gguf_file.h"
#include "test_data.h"

namespace weir {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr uint32_t kF32 = 0, kQ8_0 = 8;
constexpr uint64_t kHuge = uint64_t{1} << 63;

struct HostileCase {
  const char* name;
  std::function<void(GgufBytes&)> build;
  const char* message;  // part of the error
};

void PrintTo(const HostileCase& hostile, std::ostream* out) { *out << hostile.name; }

class Hostile : public testing::TestWithParam<HostileCase> {};

TEST_P(Hostile, IsOneClearError) {
  GgufBytes bytes;
  GetParam().build(bytes);
  const auto file = bytes.Parse();
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().code, ErrorCode::kBadInput);
  EXPECT_THAT(file.error().message, StartsWith("test.gguf: "));
  EXPECT_THAT(file.error().message, HasSubstr(GetParam().message));
  EXPECT_LT(file.error().message.size(), 400u);
  EXPECT_EQ(file.error().message.find('\n'), std::string::npos);
}

const HostileCase kCases[] = {
    {"NotGguf", [](GgufBytes& b) { b.U32(0x04034b50).U64(0).U64(0); },
     "magic at offset 0: expected GGUF, found \"PK\\x03\\x04\": not a GGUF file"},
    {"OnlyMagic", [](GgufBytes& b) { b.U32(0x46554747); }, "version at offset 4"},
    {"Version1", [](GgufBytes& b) { b.Header(0, 0, 1); },
     "version at offset 4: expected 2 or 3, found 1"},
    {"Version4", [](GgufBytes& b) { b.Header(0, 0, 4); }, "expected 2 or 3, found 4"},
    {"BigEndian", [](GgufBytes& b) { b.Header(0, 0, 0x03000000); },
     "expected a little-endian file, found a big-endian one"},
    {"TensorCount2To63", [](GgufBytes& b) { b.Header(kHuge, 0); },
     "number of tensors at offset 8: expected at most 0, what the rest of the file can hold, found "
     "9223372036854775808"},
    {"EntryCount2To63", [](GgufBytes& b) { b.Header(0, kHuge); },
     "number of metadata entries at offset 16"},
    {"KeyOf1GB", [](GgufBytes& b) { b.Header(0, 1).U64(1 << 30).Data(64); },
     "metadata entry 0: key at offset 24: expected a length of at most 64 bytes, the rest of the "
     "file, found 1073741824"},
    {"StringOf2To63",
     [](GgufBytes& b) { b.Header(0, 1).Key("k", MetadataType::kString).U64(kHuge); },
     "metadata entry 0 (k): string at offset 37: expected a length of at most 0 bytes"},
    {"ArrayOf2To63Strings",
     [](GgufBytes& b) { b.Header(0, 1).Array("k", MetadataType::kString, kHuge).Data(64); },
     "expected 9223372036854775808 strings"},
    {"ArrayOf2To63Numbers",
     [](GgufBytes& b) { b.Header(0, 1).Array("k", MetadataType::kF64, kHuge).Data(64); },
     "expected 9223372036854775808 x 8 bytes"},
    {"NestedArray",
     [](GgufBytes& b) { b.Header(0, 1).Array("k", MetadataType::kArray, 1).U32(4).U64(0); },
     "element type at offset 37: expected numbers, bools or strings, found a nested array"},
    {"UnknownValueType",
     [](GgufBytes& b) { b.Header(0, 1).Key("k", static_cast<MetadataType>(13)).U64(0); },
     "(k): value type at offset 33: expected a metadata type from 0 to 12, found 13"},
    {"DuplicateKey",
     [](GgufBytes& b) {
       b.Header(0, 2).Key("k", MetadataType::kU32).U32(1).Key("k", MetadataType::kU32).U32(1);
     },
     "metadata entry 1 (k): key at offset 41: expected a key not seen before, found a duplicate"},
    {"ControlBytesInKey",
     [](GgufBytes& b) { b.Header(0, 1).Key("a\x1b[2J\n", static_cast<MetadataType>(99)).U32(0); },
     "metadata entry 0 (a\\x1b[2J\\x0a)"},
    {"AlignmentNotAPowerOfTwo",
     [](GgufBytes& b) { b.Header(0, 1).Key("general.alignment", MetadataType::kU32).U32(24); },
     "general.alignment: expected a power of two, found 24"},
    {"AlignmentZero",
     [](GgufBytes& b) { b.Header(0, 1).Key("general.alignment", MetadataType::kU32).U32(0); },
     "general.alignment: expected an integer from 8 to 1048576, found 0"},
    {"AlignmentText",
     [](GgufBytes& b) {
       b.Header(0, 1).Key("general.alignment", MetadataType::kString).Text("32");
     },
     "general.alignment: expected an integer from 8 to 1048576, found a string"},
    {"SplitCountNegative",
     [](GgufBytes& b) { b.Header(0, 1).Key("split.count", MetadataType::kI32).Put(int32_t{-1}); },
     "split.count: expected an integer from 0 to 65535, found -1"},
    {"Nameless", [](GgufBytes& b) { b.Header(1, 0).Tensor("", {4}, kF32, 0).Data(16); },
     "tensor 0: name at offset 24: expected 1 to 63 bytes, found 0"},
    {"LongName",
     [](GgufBytes& b) { b.Header(1, 0).Tensor(std::string(64, 'n'), {4}, kF32, 0).Data(16); },
     "expected 1 to 63 bytes, found 64"},
    {"DuplicateName",
     [](GgufBytes& b) {
       b.Header(2, 0).Tensor("x", {4}, kF32, 0).Tensor("x", {4}, kF32, 32).Data(48);
     },
     "tensor 1 (x): name at offset 57: expected a name not seen before"},
    {"NoDimensions", [](GgufBytes& b) { b.Header(1, 0).Tensor("x", {}, kF32, 0).Data(16); },
     "number of dimensions at offset 33: expected 1 to 4, found 0"},
    {"FiveDimensions",
     [](GgufBytes& b) {
       b.Header(1, 0).Tensor("x", {1, 1, 1, 1, 1}, kF32, 0).Data(16);
     },
     "expected 1 to 4, found 5"},
    {"DimensionZero",
     [](GgufBytes& b) {
       b.Header(1, 0).Tensor("x", {4, 0}, kF32, 0).Data(16);
     },
     "dimension at offset 45: expected 1 to 2^63 - 1, found 0"},
    {"Dimension2To63", [](GgufBytes& b) { b.Header(1, 0).Tensor("x", {kHuge}, kF32, 0).Data(16); },
     "found 9223372036854775808"},
    {"ElementsOverflow",
     [](GgufBytes& b) {
       b.Header(1, 0).Tensor("x", {1u << 31, 1u << 31, 4}, kF32, 0).Data(16);
     },
     "dimensions at offset 33: expected fewer than 2^63 elements and bytes"},
    {"BytesOverflow",
     [](GgufBytes& b) { b.Header(1, 0).Tensor("x", {kHuge / 2}, kF32, 0).Data(16); },
     "expected fewer than 2^63 elements and bytes"},
    {"TypeOfTheFutureNamed",
     [](GgufBytes& b) { b.Header(1, 0).Tensor("x", {256}, 34, 0).Data(16); },
     "type at offset 45: expected a tensor type that weir reads, found TQ1_0 (type 34)"},
    {"TypeUnknown", [](GgufBytes& b) { b.Header(1, 0).Tensor("x", {256}, 77, 0).Data(16); },
     "found unknown type 77"},
    {"PartOfABlock", [](GgufBytes& b) { b.Header(1, 0).Tensor("x", {48}, kQ8_0, 0).Data(68); },
     "first dimension at offset 33: expected a multiple of 32, the block of Q8_0, found 48"},
    {"OffsetUnaligned", [](GgufBytes& b) { b.Header(1, 0).Tensor("x", {4}, kF32, 8).Data(64); },
     "data offset from the data section at offset 64: expected a multiple of the alignment 32, "
     "found 8"},
    {"OffsetPastTheEnd",
     [](GgufBytes& b) { b.Header(1, 0).Tensor("x", {4}, kF32, 1 << 20).Data(64); },
     "found the end of the file at 128: 1048528 bytes are missing"},
    {"OffsetWrapsAround",
     [](GgufBytes& b) { b.Header(1, 0).Tensor("x", {4}, kF32, uint64_t{0} - 32).Data(64); },
     "expected one inside the file, found 18446744073709551584"},
    {"Truncated", [](GgufBytes& b) { b.Header(1, 0).Tensor("x", {4}, kF32, 0).Data(11); },
     "tensor 0 (x): data at offset 64: expected 16 bytes in a file of at least 80, found the end "
     "of the file at 75: 5 bytes are missing"},
    {"Overlap",
     [](GgufBytes& b) {
       b.Header(2, 0).Tensor("x", {4}, kF32, 32).Tensor("y", {12}, kF32, 0).Data(64);
     },
     "tensor 0 (x): data at offset 128: expected bytes of its own, found an overlap with tensor 1 "
     "(y), which ends at 144"},
    {"SameBytes",
     [](GgufBytes& b) {
       b.Header(2, 0).Tensor("x", {4}, kF32, 0).Tensor("y", {4}, kF32, 0).Data(64);
     },
     "found an overlap with tensor 0 (x)"},
    {"PartOfASplitModel",
     [](GgufBytes& b) {
       b.Header(0, 2).Key("split.count", MetadataType::kU16).Put(uint16_t{3});
       b.Key("split.no", MetadataType::kU16).Put(uint16_t{1});
     },
     "found part 2 of 3"},
};

INSTANTIATE_TEST_SUITE_P(Gguf, Hostile, testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param.name); });

/// A small file with every kind of record.
GgufBytes SmallFile() {
  GgufBytes b;
  b.Header(2, 5).Key("general.alignment", MetadataType::kU32).U32(32);
  b.Key("name", MetadataType::kString).Text("small");
  b.Key("flag", MetadataType::kBool).Put(uint8_t{1});
  b.Array("tokens", MetadataType::kString, 3).Text("a").Text("bc").Text("");
  b.Array("floats", MetadataType::kF32, 2).Put(1.f).Put(2.f);
  b.Tensor("x", {8, 2}, kF32, 0).Tensor("y", {64}, kQ8_0, 64).Data(64 + 68);
  return b;
}

/// Parses a copy on the heap, of the exact size, so that sanitizers see a read past the end, and
/// touches all of every tensor.
bool ParsesWhole(const uint8_t* data, size_t size) {
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[size]);
  std::copy(data, data + size, exact.get());
  const auto file = GgufFile::Parse("test.gguf", exact.get(), size);
  if (!file.ok()) {
    EXPECT_FALSE(file.error().message.empty());
    return false;
  }
  uint64_t sum = 0;
  for (size_t i = 0; i < (*file)->tensors().size(); ++i) {
    const TensorInfo& tensor = (*file)->tensors()[i];
    const uint8_t* rows = (*file)->Rows(i, 0, tensor.n_rows(), nullptr);
    for (int64_t k = 0; k < tensor.n_bytes(); ++k) sum += rows[k];
  }
  EXPECT_LE(sum, 255 * size);
  return true;
}

TEST(GgufHostile, EveryTruncationIsAnError) {
  const GgufBytes small = SmallFile();
  const std::vector<uint8_t>& bytes = small.bytes();
  ASSERT_TRUE(ParsesWhole(bytes.data(), bytes.size()));
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ParsesWhole(bytes.data(), size)) << size;
  }
}

TEST(GgufHostile, ARealModelCutAnywhereIsAnError) {
  const std::string model = ReadText(TestData("golden/llama-q4_k_m.gguf"));
  const auto* data = reinterpret_cast<const uint8_t*>(model.data());
  // The header ends near 20 KB; the data after it is stepped through more coarsely.
  for (size_t size = 0; size < model.size(); size += size < 30000 ? 101 : 60013) {
    EXPECT_FALSE(GgufFile::Parse("cut.gguf", data, size).ok()) << size;
  }
}

TEST(GgufHostile, FlippedBitsNeverCrash) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "WEIR_SEED=" << seed);
  std::mt19937_64 random(seed);
  const GgufBytes small = SmallFile();
  int n_accepted = 0, n_refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<uint8_t> bytes = small.bytes();
    const uint64_t n_flips = 1 + random() % 4;
    for (uint64_t i = 0; i < n_flips; ++i) {
      bytes[random() % bytes.size()] ^= static_cast<uint8_t>(1u << random() % 8);
    }
    ++(ParsesWhole(bytes.data(), bytes.size()) ? n_accepted : n_refused);
  }
  EXPECT_GT(n_accepted, 0);  // flips in tensor data and text do no harm
  EXPECT_GT(n_refused, 0);
}

TEST(GgufHostile, OverwrittenFieldsNeverCrash) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "WEIR_SEED=" << seed);
  std::mt19937_64 random(seed);
  constexpr uint64_t kValues[] = {0,     1,         255,          0x7fffffff, 0xffffffff,
                                  kHuge, kHuge - 1, ~uint64_t{0}, 1u << 30};
  const GgufBytes small = SmallFile();
  for (size_t offset = 0; offset + 8 <= small.bytes().size(); ++offset) {
    for (uint64_t value : kValues) {
      std::vector<uint8_t> bytes = small.bytes();
      std::memcpy(&bytes[offset], &value, random() % 2 ? 4 : 8);
      ParsesWhole(bytes.data(), bytes.size());
    }
  }
}

}  // namespace
}  // namespace weir
