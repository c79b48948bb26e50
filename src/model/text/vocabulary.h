// The tokens of a file: their bytes, their types, and the way back from bytes to a token.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
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

/// How a file writes the bytes of its tokens; control and user-defined ones are plain text in both.
enum class Spelling {
  kByteAlphabet,  // in GPT-2's alphabet
  kSpaceMark,     // U+2581 is a space, and <0x0A> of type kByte the byte
};

/// Appends `text`, written in GPT-2's alphabet of 256 printable characters, as the bytes that it
/// stands for. Characters outside the alphabet stand for themselves.
void AppendUnmapped(std::string_view text, std::string* bytes);

class Vocabulary {
 public:
  /// Reads `tokenizer.ggml.tokens` and `tokenizer.ggml.token_type`. The tokens `controls`, ids in
  /// the vocabulary, are control tokens whatever the file calls them.
  static Result<Vocabulary> Create(const Metadata& metadata, Spelling spelling,
                                   std::span<const int32_t> controls);

  int32_t size() const { return static_cast<int32_t>(types_.size()); }

  /// The bytes of a token. Ids outside the vocabulary (a model's matrices are often padded) have
  /// none, and the type kUnused.
  std::string_view Bytes(int32_t id) const;
  TokenType Type(int32_t id) const;

  /// Control or user-defined: written as plain text, matched in the text itself.
  bool IsSpecial(int32_t id) const;

  /// The token with these bytes, never a control token and, with kSpaceMark, a normal, user-defined
  /// or unused one. Of several, one that is not user-defined, then the lowest id.
  std::optional<int32_t> Find(std::string_view bytes) const;

 private:
  void AppendToken(const std::string& text, TokenType type, Spelling spelling);
  void Insert(int32_t id);

  std::string arena_;             // the bytes of all tokens, one after the other
  std::vector<size_t> ends_;      // [size()] of token i in arena_
  std::vector<TokenType> types_;  // [size()]
  // Open addressing at most half full: ids, -1 where empty. Keys are in the arena.
  std::vector<int32_t> slots_;
};

}  // namespace weir
