// GGUF files, read (version 2 and 3, little endian, split files) and written (version 3).
//
// A file is not trusted: every count, length and offset is checked against the bytes that are there
// before anything is allocated for it, and the first thing wrong is an Error with its offset.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gguf/gguf_header.h"
#include "gguf/model_source.h"
#include "util/memory.h"

namespace weir {

class GgufFile : public ModelSource {
 public:
  /// Opens `path`; part 1 of a split file (PREFIX-00001-of-0000N.gguf) opens the other parts too.
  static Result<std::unique_ptr<GgufFile>> Open(const std::string& path);
  /// Parses one unsplit file from memory, which must outlive the result (tests, the fuzzer).
  static Result<std::unique_ptr<GgufFile>> Parse(const std::string& name, const uint8_t* data,
                                                 size_t size);

  /// The parts of a model whose data is not at hand: everything but rows, which must not be asked for.
  struct Part {
    std::string name;
    GgufHeader header;
    int64_t n_bytes = 0;
  };
  static Result<std::unique_ptr<GgufFile>> FromHeaders(const std::string& name, std::vector<Part> parts);

  /// What the user calls it, where that is not the path.
  void SetName(std::string name) { name_ = std::move(name); }

  const std::string& name() const override { return name_; }
  bool synthetic() const override;  // general metadata says weir.synthetic = true
  const Metadata& metadata() const override { return metadata_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  const uint8_t* Rows(size_t index, int64_t row, int64_t n_rows, uint8_t* scratch) const override;
  void Release(size_t index, int64_t row, int64_t n_rows) const override;

  int n_parts() const { return n_parts_; }
  int64_t file_bytes() const { return file_bytes_; }

 private:
  explicit GgufFile(std::string name) : name_(std::move(name)) {}
  Status AddPart(const std::string& part_name, const uint8_t* data, size_t size);
  /// `data` is null if only the header is known.
  Status AddHeader(const std::string& part_name, GgufHeader header, const uint8_t* data, int64_t size);
  Status OpenOtherParts(int64_t count);
  Status CheckAllParts(int64_t count) const;
  Status CheckUniqueNames() const;

  std::string name_;
  int n_parts_ = 0;
  int64_t file_bytes_ = 0;
  Metadata metadata_;
  std::vector<TensorInfo> tensors_;
  std::vector<const uint8_t*> tensor_data_;
  std::vector<MappedFile> parts_;
};

/// The files of the model whose first file is `path` and says this: `path` alone unless it is part 1 of a split file.
std::vector<std::string> PartPaths(const std::string& path, const Metadata& metadata);

/// Writes `source` as one GGUF file, version 3, tensors in order, with the alignment that its
/// metadata names (32 if none), without split.* keys. Written to PATH.tmp and renamed, so PATH is
/// never half a file. `progress(context, bytes_done, bytes_total)` of tensor data may be null.
/// kInterrupted when the user asks to stop (util/interrupt.h).
Status WriteGguf(const ModelSource& source, const std::string& path,
                 void (*progress)(void* context, int64_t bytes_done, int64_t bytes_total) = nullptr,
                 void* context = nullptr);

}  // namespace weir
