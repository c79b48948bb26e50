#include "bench/model_row.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "gguf/gguf_file.h"
#include "gguf/quant_name.h"
#include "hub/digest.h"
#include "hub/pull.h"
#include "model/model.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

/// FNV-1a over what makes two files the same work: names, types and shapes of the tensors.
std::string FingerprintOf(const ModelSource& source) {
  uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](std::string_view bytes) {
    for (const char byte : bytes) hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
  };
  for (const TensorInfo& tensor : source.tensors()) {
    add(fmt::format("{} {} {};", tensor.name, Traits(tensor.type).name, fmt::join(tensor.ne, "x")));
  }
  return fmt::format("{:016x}", hash);
}

/// The file that is opened for a model, or its first part: found by what the user called it, by the source's own name,
/// or in the hub's cache. Its folder has no links in its path; the file may be one, because other parts stand beside
/// that and not beside what it points to.
std::string FirstFile(const std::string& name, const std::string& source_name) {
  std::error_code error;
  std::string path = fs::is_regular_file(name, error) ? name : source_name;
  if (IsHubName(path)) {
    const auto reference = ParseHubReference(path);
    const auto settings = ReadHubSettings();
    const auto found = reference && settings ? FindInCache(*settings, *reference) : std::nullopt;
    if (found) path = found->path();
  }
  if (!fs::is_regular_file(path, error)) return "";
  return (fs::canonical(fs::absolute(path, error).parent_path(), error) / fs::path(path).filename()).string();
}

/// `on_bytes` hears of each chunk, and may say that it is enough.
Status AddFile(const std::string& path, BlobDigest& digest, const std::function<bool(int64_t n)>& on_bytes) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Failed("cannot read {}", path);
  std::vector<char> chunk(size_t{4} << 20);
  while (file.read(chunk.data(), static_cast<std::streamsize>(chunk.size())), file.gcount() > 0) {
    digest.Add(chunk.data(), static_cast<size_t>(file.gcount()));
    if (!on_bytes(file.gcount())) return Error{ErrorCode::kInterrupted, "interrupted", {}};
  }
  return {};
}

}  // namespace

ModelRow DescribeModel(const std::string& name, const ModelSource& source) {
  ModelRow row;
  row.name = name;
  row.quant = QuantOf(source);
  row.synthetic = source.synthetic();
  row.fingerprint = FingerprintOf(source);
  if (const auto footprint = Model::Plan(source, Dtype::kInt8)) {
    row.n_params = footprint->n_params;
    row.file_tensor_bytes = footprint->file_tensor_bytes;
    row.packed_bytes = footprint->packed_bytes;
  }
  if (const auto config = ReadConfig(source)) row.arch = config->arch_name;
  return row;
}

ModelFileRow DescribeFile(const std::string& name, const ModelSource& source) {
  ModelFileRow file;
  if (source.synthetic()) return file;
  file.path = FirstFile(name, source.name());
  if (file.path.empty()) return file;
  uint64_t mtime_ns = 0;  // a sum, so that an older part in the place of another is noticed too
  for (const std::string& part : PartPaths(file.path, source.metadata())) {
    std::error_code error;
    file.bytes += static_cast<int64_t>(fs::file_size(part, error));
    mtime_ns += static_cast<uint64_t>(fs::last_write_time(part, error).time_since_epoch() / std::chrono::nanoseconds(1));
  }
  file.mtime_ns = static_cast<int64_t>(mtime_ns);
  std::map<std::string, std::pair<int64_t, int64_t>> types;
  for (const TensorInfo& tensor : source.tensors()) {
    auto& [n_tensors, n_bytes] = types[std::string(Traits(tensor.type).name)];
    ++n_tensors;
    n_bytes += tensor.n_bytes();
  }
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [type, sums] : types) json[type] = {{"tensors", sums.first}, {"bytes", sums.second}};
  file.tensor_types = json.dump();
  return file;
}

Result<std::string> HashFile(const std::string& path,
                             const std::function<bool(int64_t done, int64_t total)>& on_progress) {
  const auto opened = GgufFile::Open(path);
  const std::vector<std::string> parts = opened ? PartPaths(path, (*opened)->metadata()) : std::vector{path};
  int64_t total = 0, done = 0;
  for (const std::string& part : parts) {
    std::error_code error;
    total += static_cast<int64_t>(fs::file_size(part, error));
    if (error) return Failed("cannot read {}", part);
  }
  BlobDigest digest(std::string(64, '0'), total);  // any name of that form makes it SHA-256
  for (const std::string& part : parts) {
    WEIR_RETURN_IF_ERROR(AddFile(part, digest, [&](int64_t n) { return on_progress(done += n, total); }));
  }
  if (done != total) return Failed("{}: changed while it was read: expected {} bytes, found {}", path, total, done);
  return digest.Finish();
}

}  // namespace weir
