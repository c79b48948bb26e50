#include "gguf/tensor_type.h"

#include <array>
#include <cctype>

#include "util/error.h"

namespace weir {
namespace {

constexpr TypeTraits kTypes[] = {
    {TensorType::kF32, "F32", 1, 4},
    {TensorType::kF16, "F16", 1, 2},
    {TensorType::kQ4_0, "Q4_0", 32, 18},
    {TensorType::kQ4_1, "Q4_1", 32, 20},
    {TensorType::kQ5_0, "Q5_0", 32, 22},
    {TensorType::kQ5_1, "Q5_1", 32, 24},
    {TensorType::kQ8_0, "Q8_0", 32, 34},
    {TensorType::kQ2_K, "Q2_K", 256, 84},
    {TensorType::kQ3_K, "Q3_K", 256, 110},
    {TensorType::kQ4_K, "Q4_K", 256, 144},
    {TensorType::kQ5_K, "Q5_K", 256, 176},
    {TensorType::kQ6_K, "Q6_K", 256, 210},
    {TensorType::kIQ2_XXS, "IQ2_XXS", 256, 66},
    {TensorType::kIQ2_XS, "IQ2_XS", 256, 74},
    {TensorType::kIQ3_XXS, "IQ3_XXS", 256, 98},
    {TensorType::kIQ1_S, "IQ1_S", 256, 50},
    {TensorType::kIQ4_NL, "IQ4_NL", 32, 18},
    {TensorType::kIQ3_S, "IQ3_S", 256, 110},
    {TensorType::kIQ2_S, "IQ2_S", 256, 82},
    {TensorType::kIQ4_XS, "IQ4_XS", 256, 136},
    {TensorType::kIQ1_M, "IQ1_M", 256, 56},
    {TensorType::kBF16, "BF16", 1, 2},
    {TensorType::kMXFP4, "MXFP4", 32, 17},
};

struct NamedId {
  uint32_t id;
  std::string_view name;
};

constexpr NamedId kUnreadTypes[] = {
    {9, "Q8_1"}, {15, "Q8_K"},  {24, "I8"},    {25, "I16"},   {26, "I32"},  {27, "I64"},
    {28, "F64"}, {34, "TQ1_0"}, {35, "TQ2_0"}, {40, "NVFP4"}, {41, "Q1_0"}, {42, "Q2_0"},
};

constexpr auto kTypeById = [] {
  std::array<const TypeTraits*, 40> by_id{};
  for (const TypeTraits& traits : kTypes) by_id[static_cast<uint32_t>(traits.type)] = &traits;
  return by_id;
}();

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::toupper(static_cast<unsigned char>(a[i])) !=
        std::toupper(static_cast<unsigned char>(b[i]))) {
      return false;
    }
  }
  return true;
}

}  // namespace

TypeTable AllTypes() { return {std::begin(kTypes), std::end(kTypes)}; }

const TypeTraits& Traits(TensorType type) {
  const auto id = static_cast<uint32_t>(type);
  WEIR_CHECK(id < kTypeById.size() && kTypeById[id]);
  return *kTypeById[id];
}

std::optional<TensorType> TypeFromId(uint32_t id) {
  if (id >= kTypeById.size() || !kTypeById[id]) return std::nullopt;
  return kTypeById[id]->type;
}

std::optional<TensorType> TypeFromName(std::string_view name) {
  for (const TypeTraits& traits : kTypes) {
    if (EqualIgnoringCase(traits.name, name)) return traits.type;
  }
  return std::nullopt;
}

std::optional<std::string_view> NameOfId(uint32_t id) {
  if (auto type = TypeFromId(id)) return Traits(*type).name;
  for (const NamedId& named : kUnreadTypes) {
    if (named.id == id) return named.name;
  }
  return std::nullopt;
}

}  // namespace weir
