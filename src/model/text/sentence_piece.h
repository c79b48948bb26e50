// SentencePiece BPE (`tokenizer.ggml.model` = llama): pairs of symbols merge when together they are
// a token, the one of the highest score first; what is no token is spelled in bytes (spec 9.7).
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "gguf/model_source.h"
#include "model/text/merge_symbols.h"
#include "model/text/piece_encoder.h"
#include "model/text/vocabulary.h"

namespace weir {

class SentencePiece : public PieceEncoder {
 public:
  /// Reads `tokenizer.ggml.scores`. `unknown` stands for characters without a token in vocabularies
  /// without bytes. `vocabulary` outlives the encoder.
  static Result<std::unique_ptr<SentencePiece>> Create(const Metadata& metadata,
                                                       const Vocabulary& vocabulary,
                                                       std::optional<int32_t> unknown);

  /// There is no pre-tokeniser: a piece ends where no token has these two characters side by side,
  /// which is before most spaces.
  size_t PieceEnd(std::string_view text, size_t begin) const override;
  void Encode(std::string_view piece, std::vector<int32_t>* ids) const override;

 private:
  SentencePiece(const Vocabulary& vocabulary, const std::vector<double>& scores,
                std::optional<int32_t> unknown);

  // A symbol is a token or, negative, the complement of a character that is none.
  int32_t SymbolOf(std::string_view text, uint32_t* length) const;
  void AppendSpelling(int32_t symbol, std::string* bytes) const;
  Merge FindMerge(int32_t left, int32_t right, std::string* scratch) const;
  void AppendBytes(int32_t symbol, std::vector<int32_t>* ids) const;

  void AddNeighbours(std::string_view token);
  size_t NeighboursBit(uint32_t left, uint32_t right) const;
  bool MayBeNeighbours(uint32_t left, uint32_t right) const {
    const size_t bit = NeighboursBit(left, right);
    return neighbours_[bit / 64] >> bit % 64 & 1;
  }

  const Vocabulary& vocabulary_;
  int32_t unknown_;                         // -1: nothing stands for them
  std::vector<uint32_t> ranks_;             // [vocabulary]; equal scores have equal ranks
  std::array<int32_t, 256> byte_tokens_{};  // -1 where the vocabulary has none
  std::array<int32_t, 128> ascii_symbols_{};
  size_t longest_ = 0;  // bytes of a token
  // A Bloom filter of one hash: pairs of characters that are adjacent in some token, and a few
  // more.
  std::vector<uint64_t> neighbours_;
};

}  // namespace weir
