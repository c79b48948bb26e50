#include "gguf/gguf_file.h"

#include <optional>
#include <unordered_set>
#include <utility>

#include "gguf/gguf_header.h"

namespace weir {
namespace {

constexpr int64_t kMaxParts = 65535;

/// The end of the name of part `number` (from 1) of `count`.
std::string PartSuffix(int64_t number, int64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", number, count);
}

/// Where a part's sibling is, if the part's own name has the form that split files have.
std::optional<std::string> SiblingPath(const std::string& path, int64_t number, int64_t sibling,
                                       int64_t count) {
  const std::string suffix = PartSuffix(number, count);
  if (!path.ends_with(suffix)) return std::nullopt;
  return path.substr(0, path.size() - suffix.size()) + PartSuffix(sibling, count);
}

/// How many parts the model of this metadata has; `number` gets this part's, from 1.
Result<int64_t> SplitCount(const Metadata& metadata, int64_t* number) {
  WEIR_TRY(const int64_t count, metadata.IntOr("split.count", 1, 0, kMaxParts));
  if (count <= 1) return *number = 1;
  WEIR_TRY(const int64_t index, metadata.Int("split.no", 0, count - 1));
  *number = index + 1;
  return count;
}

Error NotFirstPart(const std::string& path, int64_t number, int64_t count) {
  const auto first = SiblingPath(path, number, 1, count);
  return WithHint(
      BadInput("{}: expected part 1 of a split model, found part {} of {}", path, number, count),
      first ? fmt::format("open {}", *first) : "open the file of part 1");
}

}  // namespace

Status GgufFile::AddPart(const std::string& part_name, const uint8_t* data, size_t size) {
  WEIR_TRY(GgufHeader header, ParseGgufHeader(part_name, data, size));
  return AddHeader(part_name, std::move(header), data, static_cast<int64_t>(size));
}

Status GgufFile::AddHeader(const std::string& part_name, GgufHeader header, const uint8_t* data, int64_t size) {
  // Only the first part has all metadata; of the others, just their place matters.
  if (n_parts_ > 0) {
    int64_t number = 0;
    const auto count = SplitCount(header.metadata, &number);
    if (!count.ok()) return In(part_name, count.error());
    if (number != n_parts_ + 1) {
      return BadInput("{}: split.no: expected {}, found {}", part_name, n_parts_, number - 1);
    }
    WEIR_TRY(const int64_t expected, metadata_.Int("split.count", 1, kMaxParts));
    if (*count != expected) {
      return BadInput("{}: split.count: expected {}, found {}", part_name, expected, *count);
    }
  } else {
    metadata_ = std::move(header.metadata);
  }
  for (size_t i = 0; i < header.tensors.size(); ++i) {
    tensors_.push_back(std::move(header.tensors[i]));
    tensor_data_.push_back(data ? data + header.offsets[i] : nullptr);
  }
  ++n_parts_;
  file_bytes_ += size;
  return {};
}

Status GgufFile::OpenOtherParts(int64_t count) {
  for (int64_t number = 2; number <= count; ++number) {
    const auto path = SiblingPath(name_, 1, number, count);
    if (!path) {
      return BadInput("{}: name of part 1 of {}: expected the end {}, found another name", name_,
                      count, PartSuffix(1, count));
    }
    auto file = MappedFile::Open(*path);
    if (!file.ok()) {
      return WithHint(std::move(file).error(), fmt::format("{} is part 1 of {}", name_, count));
    }
    parts_.push_back(std::move(file).value());
    WEIR_RETURN_IF_ERROR(AddPart(*path, parts_.back().data(), parts_.back().size()));
  }
  return CheckAllParts(count);
}

std::vector<std::string> PartPaths(const std::string& path, const Metadata& metadata) {
  int64_t number = 0;
  const auto count = SplitCount(metadata, &number);
  std::vector<std::string> paths{path};
  for (int64_t sibling = 2; count.ok() && number == 1 && sibling <= *count; ++sibling) {
    const auto found = SiblingPath(path, 1, sibling, *count);
    if (!found) break;
    paths.push_back(*found);
  }
  return paths;
}

Status GgufFile::CheckAllParts(int64_t count) const {
  const auto expected = metadata_.Int("split.tensors.count", 0, int64_t{1} << 31);
  if (!expected.ok()) return In(name_, expected.error());
  if (*expected != static_cast<int64_t>(tensors_.size())) {
    return BadInput("{}: split.tensors.count: expected {}, found {} tensors in {} parts", name_,
                    *expected, tensors_.size(), count);
  }
  return CheckUniqueNames();
}

Status GgufFile::CheckUniqueNames() const {
  std::unordered_set<std::string_view> names;
  for (const TensorInfo& tensor : tensors_) {
    if (!names.insert(tensor.name).second) {
      return BadInput("{}: tensor {}: expected in one part, found in two", name_,
                      Printable(tensor.name));
    }
  }
  return {};
}

Result<std::unique_ptr<GgufFile>> GgufFile::Open(const std::string& path) {
  WEIR_TRY(MappedFile mapped, MappedFile::Open(path));
  std::unique_ptr<GgufFile> file(new GgufFile(path));
  WEIR_RETURN_IF_ERROR(file->AddPart(path, mapped.data(), mapped.size()));
  file->parts_.push_back(std::move(mapped));
  int64_t number = 0;
  const auto count = SplitCount(file->metadata_, &number);
  if (!count.ok()) return In(path, count.error());
  if (number != 1) return NotFirstPart(path, number, *count);
  if (*count > 1) WEIR_RETURN_IF_ERROR(file->OpenOtherParts(*count));
  return file;
}

Result<std::unique_ptr<GgufFile>> GgufFile::Parse(const std::string& name, const uint8_t* data,
                                                  size_t size) {
  std::unique_ptr<GgufFile> file(new GgufFile(name));
  WEIR_RETURN_IF_ERROR(file->AddPart(name, data, size));
  int64_t number = 0;
  const auto count = SplitCount(file->metadata_, &number);
  if (!count.ok()) return In(name, count.error());
  if (*count > 1) {
    return BadInput("{}: expected a whole model, found part {} of {}", name, number, *count);
  }
  return file;
}

Result<std::unique_ptr<GgufFile>> GgufFile::FromHeaders(const std::string& name, std::vector<Part> parts) {
  std::unique_ptr<GgufFile> file(new GgufFile(name));
  for (Part& part : parts) {
    WEIR_RETURN_IF_ERROR(file->AddHeader(part.name, std::move(part.header), nullptr, part.n_bytes));
  }
  int64_t number = 0;
  const auto count = SplitCount(file->metadata_, &number);
  if (!count.ok()) return In(name, count.error());
  if (number != 1 || *count != static_cast<int64_t>(parts.size())) {
    return BadInput("{}: expected part 1 of {}, found part {} of {}", name, parts.size(), number, *count);
  }
  if (*count > 1) WEIR_RETURN_IF_ERROR(file->CheckAllParts(*count));
  return file;
}

bool GgufFile::synthetic() const {
  const auto marked = metadata_.BoolOr("weir.synthetic", false);
  return marked.ok() && *marked;
}

const uint8_t* GgufFile::Rows(size_t index, int64_t row, int64_t, uint8_t*) const {
  WEIR_CHECK(tensor_data_[index]);  // of a model that is only a header, nobody asks
  return tensor_data_[index] + row * tensors_[index].row_bytes();
}

void GgufFile::Release(size_t index, int64_t row, int64_t n_rows) const {
  if (parts_.empty()) return;  // the memory is not ours
  const int64_t row_bytes = tensors_[index].row_bytes();
  MappedFile::Drop(tensor_data_[index] + row * row_bytes, static_cast<size_t>(n_rows * row_bytes));
}

}  // namespace weir
