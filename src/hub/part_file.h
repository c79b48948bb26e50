// A file that is being downloaded in pieces: what has arrived, where, surviving the death of the
// process.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "util/update_file.h"

namespace weir {

/// BLOB.weir-part holds the bytes in their final places, BLOB.weir-map how many of each chunk have
/// arrived, from its start. The names differ from the BLOB.incomplete of the hub's own client,
/// which grows from the front: neither takes the other's holes for data. Bytes are written before
/// they are counted, so a process that dies loses none that it counted. A power cut may; the
/// checksum tells then.
class PartFile {
 public:
  /// Goes on where an earlier download of the same blob, size and grid stopped, or starts anew.
  static Result<PartFile> Open(const std::string& blob_path, const std::string& etag,
                               int64_t n_bytes, int64_t chunk_bytes);
  /// Bytes that an earlier download left, without changing anything; 0 if it is of another size or
  /// grid.
  static int64_t BytesKept(const std::string& blob_path, const std::string& etag, int64_t n_bytes,
                           int64_t chunk_bytes);
  static void Remove(const std::string& blob_path);

  int64_t n_bytes() const { return n_bytes_; }
  int64_t n_chunks() const { return static_cast<int64_t>(counts_.size()); }
  int64_t begin(int64_t chunk) const { return chunk * chunk_bytes_; }
  int64_t end(int64_t chunk) const;
  int64_t arrived(int64_t chunk) const { return counts_[static_cast<size_t>(chunk)]; }
  bool whole(int64_t chunk) const { return begin(chunk) + arrived(chunk) == end(chunk); }
  int64_t total_arrived() const;
  bool whole() const { return total_arrived() == n_bytes_; }

  /// Adds bytes of the file at `offset`, which must follow what has arrived of their first chunk;
  /// they may reach into the next ones, which are empty then.
  Status Add(int64_t offset, const uint8_t* data, int64_t n);
  /// Forgets all that has arrived.
  Status Clear();
  /// Forgets what has arrived of a chunk beyond its first n bytes.
  Status Forget(int64_t chunk, int64_t n);

  /// Compares with the etag, flushes, and renames to the blob's path. kFailed if the bytes are not
  /// those of the etag: all of them are gone then. `progress` may stop it (false): kInterrupted.
  Status Finish(const std::function<bool(int64_t done)>& progress);

 private:
  PartFile(UpdateFile part, UpdateFile map) : part_(std::move(part)), map_(std::move(map)) {}
  bool ReadMap();
  Status Record(int64_t chunk, int64_t n);
  std::string Header() const;

  UpdateFile part_, map_;
  std::string blob_path_, etag_;
  int64_t n_bytes_ = 0, chunk_bytes_ = 0;
  std::vector<uint32_t> counts_;
};

}  // namespace weir
