// Memory and mapped files: the only places that ask the operating system for either.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "util/error.h"

namespace weir {

/// Anonymous zeroed memory, 64-byte aligned (page aligned in fact), huge pages advised, freed on
/// destruction. Allocation that fails is an Error, never a throw: sizes come from files.
class Buffer {
 public:
  Buffer() = default;
  static Result<Buffer> Allocate(size_t n_bytes);
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  uint8_t* data() { return data_; }
  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(data_);
  }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_);
  }

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

/// A whole file mapped read-only. A directory, a missing or an unreadable file is an Error that says so;
/// an empty file maps to size 0.
class MappedFile {
 public:
  MappedFile() = default;
  static Result<MappedFile> Open(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }

  /// Takes whole pages inside [begin, begin + n_bytes) of the mapping out of this process's resident
  /// memory. They stay readable, and in the system's page cache as long as it likes.
  static void Drop(const uint8_t* begin, size_t n_bytes);

 private:
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

/// From now on a read of a mapped byte that its file has no longer, because somebody cut or rewrites it, or that its disk
/// cannot give, ends the process with these words and exit code 1, not with a bus error that says nothing.
void SayWhenMappedBytesAreGone();

}  // namespace weir
