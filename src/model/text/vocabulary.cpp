#include "model/text/vocabulary.h"

#include <array>
#include <bit>
#include <charconv>
#include <functional>
#include <limits>

#include "model/text/utf8.h"

namespace weir {

namespace {

// GPT-2's alphabet: bytes that print stand for themselves as code points, the other 68 follow at
// U+0100.
constexpr int kAlphabetEnd = 0x100 + 68;

constexpr std::array<int16_t, kAlphabetEnd> MakeByteOfCodePoint() {
  std::array<int16_t, kAlphabetEnd> table{};
  for (int16_t& entry : table) entry = -1;
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool prints = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    table[prints ? byte : next++] = static_cast<int16_t>(byte);
  }
  return table;
}
constexpr std::array<int16_t, kAlphabetEnd> kByteOfCodePoint = MakeByteOfCodePoint();

Result<std::vector<TokenType>> ReadTypes(const Metadata& metadata, size_t n_tokens) {
  WEIR_TRY(const std::vector<int64_t> numbers, metadata.Ints("tokenizer.ggml.token_type"));
  if (numbers.size() != n_tokens) {
    return BadInput("tokenizer.ggml.token_type: expected {} entries, one per token, found {}",
                    n_tokens, numbers.size());
  }
  std::vector<TokenType> types;
  types.reserve(n_tokens);
  for (const int64_t number : numbers) {
    if (number < 0 || number > static_cast<int64_t>(TokenType::kByte)) {
      return BadInput("tokenizer.ggml.token_type[{}]: expected 0 to 6, found {}", types.size(),
                      number);
    }
    types.push_back(static_cast<TokenType>(number));
  }
  return types;
}

/// A token of SentencePiece.
void AppendUnmarked(std::string_view text, TokenType type, std::string* bytes) {
  uint8_t byte = 0;
  if (type == TokenType::kControl) {
    bytes->append(text);
  } else if (type == TokenType::kByte && text.size() == 6 && text.starts_with("<0x") &&
             text.ends_with(">") &&
             std::from_chars(text.data() + 3, text.data() + 5, byte, 16).ptr == text.data() + 5) {
    bytes->push_back(static_cast<char>(byte));
  } else {
    constexpr std::string_view kSpaceMark = "\u2581";
    for (size_t mark; (mark = text.find(kSpaceMark)) != std::string_view::npos;) {
      bytes->append(text.substr(0, mark)).push_back(' ');
      text.remove_prefix(mark + kSpaceMark.size());
    }
    bytes->append(text);
  }
}

}  // namespace

void AppendUnmapped(std::string_view text, std::string* bytes) {
  while (!text.empty()) {
    const Utf8Step step = DecodeUtf8(text);
    const int byte = step.code_point < kAlphabetEnd ? kByteOfCodePoint[step.code_point] : -1;
    if (byte >= 0) {
      bytes->push_back(static_cast<char>(byte));
    } else {
      bytes->append(text.substr(0, step.length));
    }
    text.remove_prefix(step.length);
  }
}

Result<Vocabulary> Vocabulary::Create(const Metadata& metadata, Spelling spelling,
                                      std::span<const int32_t> controls) {
  WEIR_TRY(const std::vector<std::string>* tokens, metadata.Strings("tokenizer.ggml.tokens"));
  if (tokens->empty() || tokens->size() > std::numeric_limits<int32_t>::max() / 2) {
    return BadInput("tokenizer.ggml.tokens: expected 1 to 2^30 tokens, found {}", tokens->size());
  }
  Vocabulary vocabulary;
  WEIR_TRY(vocabulary.types_, ReadTypes(metadata, tokens->size()));
  for (const int32_t id : controls) vocabulary.types_[id] = TokenType::kControl;
  vocabulary.ends_.reserve(tokens->size());
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    vocabulary.AppendToken((*tokens)[id], vocabulary.Type(id), spelling);
  }
  vocabulary.slots_.assign(std::bit_ceil(tokens->size() * 2), -1);
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    const TokenType type = vocabulary.Type(id);
    const bool is_text = spelling == Spelling::kByteAlphabet || type == TokenType::kNormal ||
                         type == TokenType::kUnused;
    if (is_text && !vocabulary.IsSpecial(id)) vocabulary.Insert(id);
  }
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary.Type(id) == TokenType::kUserDefined) vocabulary.Insert(id);
  }
  return vocabulary;
}

void Vocabulary::AppendToken(const std::string& text, TokenType type, Spelling spelling) {
  if (spelling == Spelling::kSpaceMark) {
    AppendUnmarked(text, type, &arena_);
  } else if (type == TokenType::kControl || type == TokenType::kUserDefined) {
    arena_ += text;
  } else {
    AppendUnmapped(text, &arena_);
  }
  ends_.push_back(arena_.size());
}

std::string_view Vocabulary::Bytes(int32_t id) const {
  if (id < 0 || id >= size()) return {};
  const size_t begin = id == 0 ? 0 : ends_[id - 1];
  return std::string_view(arena_).substr(begin, ends_[id] - begin);
}

TokenType Vocabulary::Type(int32_t id) const {
  return id < 0 || id >= size() ? TokenType::kUnused : types_[id];
}

bool Vocabulary::IsSpecial(int32_t id) const {
  return Type(id) == TokenType::kControl || Type(id) == TokenType::kUserDefined;
}

std::optional<int32_t> Vocabulary::Find(std::string_view bytes) const {
  const size_t mask = slots_.size() - 1;
  for (size_t slot = std::hash<std::string_view>()(bytes) & mask; slots_[slot] >= 0;
       slot = (slot + 1) & mask) {
    if (Bytes(slots_[slot]) == bytes) return slots_[slot];
  }
  return std::nullopt;
}

void Vocabulary::Insert(int32_t id) {
  const size_t mask = slots_.size() - 1;
  const std::string_view bytes = Bytes(id);
  size_t slot = std::hash<std::string_view>()(bytes) & mask;
  for (; slots_[slot] >= 0; slot = (slot + 1) & mask) {
    if (Bytes(slots_[slot]) == bytes) return;
  }
  slots_[slot] = id;
}

}  // namespace weir
