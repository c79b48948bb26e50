#include "hub/part_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "hub/digest.h"
#include "util/disk.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

constexpr size_t kHeaderBytes = 128;
constexpr int64_t kHashBytes = int64_t{4} << 20;

std::string PartPath(const std::string& blob_path) { return blob_path + ".weir-part"; }
std::string MapPath(const std::string& blob_path) { return blob_path + ".weir-map"; }

/// Another etag, size or grid makes another header, and an old map worthless.
std::string HeaderOf(const std::string& etag, int64_t n_bytes, int64_t chunk_bytes) {
  std::string header = fmt::format("weir download 1\n{}\n{} {}\n", etag, n_bytes, chunk_bytes);
  header.resize(kHeaderBytes, '\n');
  return header;
}

int64_t ChunkCount(int64_t n_bytes, int64_t chunk_bytes) {
  return (n_bytes + chunk_bytes - 1) / chunk_bytes;
}

}  // namespace

int64_t PartFile::end(int64_t chunk) const {
  return std::min(n_bytes_, (chunk + 1) * chunk_bytes_);
}

int64_t PartFile::total_arrived() const {
  int64_t total = 0;
  for (const uint32_t count : counts_) total += count;
  return total;
}

std::string PartFile::Header() const { return HeaderOf(etag_, n_bytes_, chunk_bytes_); }

Result<PartFile> PartFile::Open(const std::string& blob_path, const std::string& etag,
                                int64_t n_bytes, int64_t chunk_bytes) {
  WEIR_CHECK(n_bytes >= 0 && chunk_bytes > 0 && chunk_bytes <= int64_t{1} << 31);
  WEIR_TRY(UpdateFile part, UpdateFile::Open(PartPath(blob_path)));
  WEIR_TRY(UpdateFile map, UpdateFile::Open(MapPath(blob_path)));
  PartFile file(std::move(part), std::move(map));
  file.blob_path_ = blob_path;
  file.etag_ = etag;
  file.n_bytes_ = n_bytes;
  file.chunk_bytes_ = chunk_bytes;
  file.counts_.resize(static_cast<size_t>(ChunkCount(n_bytes, chunk_bytes)));
  if (!file.ReadMap()) WEIR_RETURN_IF_ERROR(file.Clear());
  return file;
}

bool PartFile::ReadMap() {
  const Result<int64_t> part_size = part_.Size();
  std::string header(kHeaderBytes, '\0');
  const Result<size_t> n_header = map_.ReadAt(0, header.data(), header.size());
  const size_t map_bytes = counts_.size() * sizeof(uint32_t);
  const Result<size_t> n_counts = map_.ReadAt(kHeaderBytes, counts_.data(), map_bytes);
  if (!part_size || *part_size != n_bytes_ || !n_header || header != Header() || !n_counts ||
      *n_counts != map_bytes) {
    return false;
  }
  for (int64_t chunk = 0; chunk < n_chunks(); ++chunk) {
    if (arrived(chunk) > end(chunk) - begin(chunk)) return false;
  }
  return true;
}

Status PartFile::Clear() {
  std::fill(counts_.begin(), counts_.end(), 0);
  // First the map: one that outlived its data would be believed.
  WEIR_RETURN_IF_ERROR(map_.Resize(0));
  WEIR_RETURN_IF_ERROR(part_.Resize(0));
  WEIR_RETURN_IF_ERROR(part_.Resize(n_bytes_));
  const std::string header = Header();
  WEIR_RETURN_IF_ERROR(
      map_.Resize(static_cast<int64_t>(kHeaderBytes + counts_.size() * sizeof(uint32_t))));
  return map_.WriteAt(0, header.data(), header.size());
}

int64_t PartFile::BytesKept(const std::string& blob_path, const std::string& etag, int64_t n_bytes,
                            int64_t chunk_bytes) {
  std::FILE* map = std::fopen(MapPath(blob_path).c_str(), "rb");
  if (!map) return 0;
  std::string header(kHeaderBytes, '\0');
  std::vector<uint32_t> counts(static_cast<size_t>(ChunkCount(n_bytes, chunk_bytes)));
  const bool same =
      std::fread(header.data(), 1, header.size(), map) == header.size() &&
      header == HeaderOf(etag, n_bytes, chunk_bytes) &&
      std::fread(counts.data(), sizeof(uint32_t), counts.size(), map) == counts.size();
  std::fclose(map);
  int64_t total = 0;
  for (const uint32_t count : counts) total += count;
  return same ? std::min(total, n_bytes) : 0;
}

void PartFile::Remove(const std::string& blob_path) {
  std::error_code ignored;
  fs::remove(MapPath(blob_path), ignored);
  fs::remove(PartPath(blob_path), ignored);
}

Status PartFile::Record(int64_t chunk, int64_t n) {
  const auto count = static_cast<uint32_t>(n);
  counts_[static_cast<size_t>(chunk)] = count;
  return map_.WriteAt(
      static_cast<int64_t>(kHeaderBytes) + chunk * static_cast<int64_t>(sizeof(count)), &count,
      sizeof(count));
}

Status PartFile::Add(int64_t offset, const uint8_t* data, int64_t n) {
  WEIR_CHECK(offset >= 0 && n <= n_bytes_ - offset);
  WEIR_RETURN_IF_ERROR(part_.WriteAt(offset, data, static_cast<size_t>(n)));
  for (int64_t at = offset; at < offset + n;) {
    const int64_t chunk = at / chunk_bytes_;
    WEIR_CHECK(at == begin(chunk) + arrived(chunk));
    const int64_t next = std::min(offset + n, end(chunk));
    WEIR_RETURN_IF_ERROR(Record(chunk, next - begin(chunk)));
    at = next;
  }
  return {};
}

Status PartFile::Forget(int64_t chunk, int64_t n) {
  return Record(chunk, std::min(n, arrived(chunk)));
}

Status PartFile::Finish(const std::function<bool(int64_t done)>& progress) {
  WEIR_CHECK(whole());
  BlobDigest digest(etag_, n_bytes_);
  std::vector<uint8_t> block(static_cast<size_t>(std::min(kHashBytes, n_bytes_)));
  for (int64_t at = 0; at < n_bytes_;) {
    if (!progress(at)) return Error{ErrorCode::kInterrupted, "stopped while verifying", {}};
    WEIR_TRY(const size_t n, part_.ReadAt(at, block.data(), block.size()));
    if (n == 0)
      return Failed("{}: expected {} bytes, found {}: another program cut it", part_.path(),
                    n_bytes_, at);
    digest.Add(block.data(), n);
    at += static_cast<int64_t>(n);
  }
  if (const std::string found = digest.Finish(); found != etag_) {
    Remove(blob_path_);
    return Failed("checksum: expected {}, found {} in the {} bytes that arrived", etag_, found,
                  n_bytes_);
  }
  WEIR_RETURN_IF_ERROR(part_.Sync());
  if (std::rename(part_.path().c_str(), blob_path_.c_str()) != 0) {
    return Failed("{}: cannot rename {}: {}", blob_path_, part_.path(), std::strerror(errno));
  }
  std::error_code ignored;
  fs::remove(MapPath(blob_path_), ignored);
  return SyncFolder(fs::path(blob_path_).parent_path());
}

}  // namespace weir
