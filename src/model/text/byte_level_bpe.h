// Byte-level BPE (`tokenizer.ggml.model` = gpt2) with the pre-tokenisers of pre_tokenizer.h
// (spec 9.1 to 9.6).
#pragma once

#include <array>
#include <memory>

#include "gguf/model_source.h"
#include "model/text/merge_table.h"
#include "model/text/piece_encoder.h"
#include "model/text/pre_tokenizer.h"
#include "model/text/vocabulary.h"

namespace weir {

class ByteLevelBpe : public PieceEncoder {
 public:
  /// Reads `tokenizer.ggml.merges`; kBadInput if one is not made of tokens. `vocabulary` outlives
  /// the encoder.
  static Result<std::unique_ptr<ByteLevelBpe>> Create(const Metadata& metadata,
                                                      const PreTokenizer& pre_tokenizer,
                                                      const Vocabulary& vocabulary);

  size_t PieceEnd(std::string_view text, size_t begin) const override {
    return pre_tokenizer_.PieceEnd(text, begin);
  }
  void Encode(std::string_view piece, std::vector<int32_t>* ids) const override;

 private:
  ByteLevelBpe(const PreTokenizer& pre_tokenizer, const Vocabulary& vocabulary, MergeTable merges);

  PreTokenizer pre_tokenizer_;
  const Vocabulary& vocabulary_;
  MergeTable merges_;
  std::array<int32_t, 256> byte_tokens_;  // -1 where the vocabulary has none
};

}  // namespace weir
