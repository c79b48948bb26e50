// GGUF files built field by field, right or wrong, for tests.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/gguf_file.h"

namespace weir {

class GgufBytes {
 public:
  template <class T>
  GgufBytes& Put(T value) {
    const auto* p = reinterpret_cast<const uint8_t*>(&value);
    bytes_.insert(bytes_.end(), p, p + sizeof(T));
    return *this;
  }
  GgufBytes& U32(uint32_t value) { return Put(value); }
  GgufBytes& U64(uint64_t value) { return Put(value); }
  GgufBytes& Text(std::string_view text) {
    U64(text.size());
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    return *this;
  }
  GgufBytes& Header(uint64_t n_tensors, uint64_t n_entries, uint32_t version = 3) {
    bytes_.insert(bytes_.end(), {'G', 'G', 'U', 'F'});
    return U32(version).U64(n_tensors).U64(n_entries);
  }
  GgufBytes& Key(std::string_view key, MetadataType type) {
    return Text(key).U32(static_cast<uint32_t>(type));
  }
  GgufBytes& Array(std::string_view key, MetadataType type, uint64_t n) {
    return Key(key, MetadataType::kArray).U32(static_cast<uint32_t>(type)).U64(n);
  }
  GgufBytes& Tensor(std::string_view name, std::vector<uint64_t> ne, uint32_t type,
                    uint64_t offset) {
    Text(name).U32(static_cast<uint32_t>(ne.size()));
    for (uint64_t n : ne) U64(n);
    return U32(type).U64(offset);
  }
  /// Zeros up to the next multiple of `alignment`, then n_bytes that count up.
  GgufBytes& Data(size_t n_bytes, size_t alignment = 32) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
    for (size_t i = 0; i < n_bytes; ++i) bytes_.push_back(static_cast<uint8_t>(i));
    return *this;
  }

  const std::vector<uint8_t>& bytes() const { return bytes_; }
  void Save(const std::string& path) const {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes_.data()),
               static_cast<std::streamsize>(bytes_.size()));
  }
  /// Parsed in place, so the bytes must outlive the result.
  Result<std::unique_ptr<GgufFile>> Parse() const {
    return GgufFile::Parse("test.gguf", bytes_.data(), bytes_.size());
  }

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace weir
