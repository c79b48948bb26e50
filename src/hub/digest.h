// Checksums that the hub names its files by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace weir {

/// Of an etag with 64 hexadecimal digits the SHA-256 of the file (kept in LFS), of one with 40
/// git's SHA-1 of it, which starts with "blob SIZE\0".
class BlobDigest {
 public:
  /// Whether an etag is one of the two, in lower case; nothing else can be verified.
  static bool Knows(std::string_view etag);
  /// `etag` is one that Knows.
  BlobDigest(std::string_view etag, int64_t n_bytes);
  ~BlobDigest();
  BlobDigest(const BlobDigest&) = delete;
  BlobDigest& operator=(const BlobDigest&) = delete;

  void Add(const void* data, size_t n_bytes);
  /// Lower-case hexadecimal digits; ends the digest.
  std::string Finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

/// In lower-case hexadecimal digits.
std::string Sha256(std::string_view bytes);

}  // namespace weir
