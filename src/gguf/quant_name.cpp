#include "gguf/quant_name.h"

#include <algorithm>
#include <map>

namespace weir {
namespace {

/// general.file_type by number, empty where there is none: it says Q4_K_M of what the tensors only
/// show as a mixture.
constexpr std::string_view kFileTypes[] = {
    "F32",   "F16",     "Q4_0",   "Q4_1",   "",       "",        "",       "Q8_0",   "Q5_0",
    "Q5_1",  "Q2_K",    "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K_S",  "Q4_K_M", "Q5_K_S", "Q5_K_M",
    "Q6_K",  "IQ2_XXS", "IQ2_XS", "Q2_K_S", "IQ3_XS", "IQ3_XXS", "IQ1_S",  "IQ4_NL", "IQ3_S",
    "IQ3_M", "IQ2_S",   "IQ2_M",  "IQ4_XS", "IQ1_M",  "BF16"};

std::string_view NameOfFileType(int64_t file_type) {
  const bool known = file_type >= 0 && file_type < static_cast<int64_t>(std::size(kFileTypes));
  return known ? kFileTypes[file_type] : "";
}

std::string_view LargestType(const ModelSource& source) {
  std::map<TensorType, int64_t> bytes;
  for (const TensorInfo& tensor : source.tensors()) bytes[tensor.type] += tensor.n_bytes();
  const auto most = std::max_element(
      bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == bytes.end() ? "" : Traits(most->first).name;
}

}  // namespace

std::string QuantOf(const ModelSource& source) {
  if (source.synthetic()) return source.name().substr(source.name().rfind(':') + 1);
  const Result<int64_t> file_type = source.metadata().IntOr("general.file_type", -1, 0, 1000);
  const std::string_view name = NameOfFileType(file_type ? *file_type : -1);
  return std::string(name.empty() ? LargestType(source) : name);
}

}  // namespace weir
