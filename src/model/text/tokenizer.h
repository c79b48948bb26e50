// Text to token ids and back, for the vocabularies of byte_level_bpe.h and sentence_piece.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/model_source.h"
#include "model/text/piece_encoder.h"
#include "model/text/special_tokens.h"
#include "model/text/typed_text.h"
#include "model/text/vocabulary.h"

namespace weir {

/// Immutable once created; any number of threads may use one.
class Tokenizer {
 public:
  /// Reads the keys `tokenizer.ggml.*`. kBadInput for a kind of tokenizer that weir does not know
  /// (the model may still be of use to those who work on ids) and for anything missing or
  /// inconsistent.
  static Result<std::unique_ptr<Tokenizer>> Create(const Metadata& metadata);

  /// The ids of `text`, without BOS or EOS. Special tokens written in it are recognised with
  /// `parse_specials`; else they are spelled out like any other text, so that nothing a user writes
  /// can become a control token. Bytes that are not UTF-8 are encoded as they are. A byte for which
  /// the vocabulary has no token (SmolLM2 lacks 21) is dropped, as llama.cpp does. With
  /// space_prefix(), text at the start and after a special token gets one more space before it.
  std::vector<int32_t> Encode(std::string_view text, bool parse_specials) const;

  /// The ids of a rendered chat. Special tokens are recognised only where the template wrote every
  /// byte of them; all else is one text, whoever wrote its parts: merges cross their borders.
  std::vector<int32_t> Encode(const TypedText& text) const;

  int32_t n_tokens() const { return vocabulary_.size(); }
  /// The bytes of a token, not UTF-8 by themselves; none for an id outside the vocabulary.
  std::string_view Piece(int32_t id) const { return vocabulary_.Bytes(id); }
  bool IsControl(int32_t id) const { return vocabulary_.Type(id) == TokenType::kControl; }
  /// Generation must stop at such a token: the file's end-of-text and end-of-turn tokens, and those
  /// that are known by name to end a text, a turn or a hole to fill in.
  bool IsEndOfGeneration(int32_t id) const;

  std::optional<int32_t> bos() const { return ids_.bos; }
  std::optional<int32_t> eos() const { return ids_.eos; }
  /// Whether the model expects BOS before a text; only then, and with bos(), is it to be added.
  bool add_bos() const { return ids_.add_bos; }
  /// Whether a text is encoded with a space before it, which is none of its own.
  bool space_prefix() const { return space_prefix_; }

 private:
  /// What the file says about ids; the sets sorted.
  struct SpecialIds {
    std::optional<int32_t> bos, eos, unknown;
    bool add_bos = false;
    std::vector<int32_t> end_of_generation;
    std::vector<int32_t> controls;  // begin or end a text or a turn, so that text must not
  };
  static Result<SpecialIds> ReadIds(const Metadata& metadata, bool sentence_piece, bool add_bos);

  Tokenizer(Vocabulary vocabulary, SpecialIds ids);
  std::vector<int32_t> EncodeAround(std::string_view text,
                                    std::span<const SpecialTokens::Match> specials) const;
  void EncodePlain(std::string_view text, std::vector<int32_t>* ids) const;

  Vocabulary vocabulary_;
  SpecialIds ids_;
  SpecialTokens specials_;
  std::unique_ptr<PieceEncoder> encoder_;
  bool space_prefix_ = false;
};

}  // namespace weir
