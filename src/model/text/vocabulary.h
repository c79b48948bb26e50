// The tokens of a file: their bytes, their types, and the way back from bytes to a token.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/model_source.h"

namespace weir {

enum class TokenType : uint8_t {
  kUndefined = 0,
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

/// Appends `text`, written in GPT-2's alphabet of 256 printable characters, as the bytes that it
/// stands for. Characters outside the alphabet stand for themselves.
void AppendUnmapped(std::string_view text, std::string* bytes);

class Vocabulary {
 public:
  /// Reads `tokenizer.ggml.tokens` (in GPT-2's alphabet, except control and user-defined ones,
  /// which are plain text) and `tokenizer.ggml.token_type`.
  static Result<Vocabulary> Create(const Metadata& metadata);

  int32_t size() const { return static_cast<int32_t>(types_.size()); }

  /// The bytes of a token. Ids outside the vocabulary (a model's matrices are often padded) have
  /// none, and the type kUnused.
  std::string_view Bytes(int32_t id) const;
  TokenType Type(int32_t id) const;

  /// Control or user-defined: written as plain text, matched in the text itself.
  bool IsSpecial(int32_t id) const;

  /// The token with these bytes, never a control token. Of several, one that is not user-defined,
  /// then the lowest id.
  std::optional<int32_t> Find(std::string_view bytes) const;

 private:
  void Insert(int32_t id);

  std::string arena_;             // the bytes of all tokens, one after the other
  std::vector<size_t> ends_;      // [size()] of token i in arena_
  std::vector<TokenType> types_;  // [size()]
  // Open addressing at most half full: ids, -1 where empty. Keys are in the arena.
  std::vector<int32_t> slots_;
};

}  // namespace weir
