#include "bench/model_row.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "gguf/quant_name.h"
#include "hub/digest.h"
#include "model/model.h"

namespace weir {
namespace {

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
  namespace fs = std::filesystem;
  ModelFileRow file;
  std::error_code error;
  const std::string& path = fs::is_regular_file(name, error) ? name : source.name();
  if (source.synthetic() || !fs::is_regular_file(path, error)) return file;
  file.path = fs::canonical(path, error).string();
  file.bytes = static_cast<int64_t>(fs::file_size(path, error));
  file.mtime_ns = fs::last_write_time(path, error).time_since_epoch() / std::chrono::nanoseconds(1);
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
  constexpr size_t kChunk = size_t{4} << 20;
  std::error_code error;
  const auto total = static_cast<int64_t>(std::filesystem::file_size(path, error));
  std::ifstream file(path, std::ios::binary);
  if (!file || error) return Failed("cannot read {}", path);
  BlobDigest digest(std::string(64, '0'), total);  // any name of that form makes it SHA-256
  std::vector<char> chunk(kChunk);
  for (int64_t done = 0; done < total;) {
    file.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    const auto n = static_cast<int64_t>(file.gcount());
    if (n == 0) return Failed("cannot read {} beyond byte {}", path, done);
    digest.Add(chunk.data(), static_cast<size_t>(n));
    done += n;
    if (!on_progress(done, total)) return Error{ErrorCode::kInterrupted, "interrupted", {}};
  }
  return digest.Finish();
}

}  // namespace weir
