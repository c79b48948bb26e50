// The tokens of a template, with white space trimmed as Hugging Face sets Jinja up: trim_blocks (the line end
// after a block tag goes) and lstrip_blocks (so does the white space before one that begins its line).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/jinja/source.h"

namespace weir::jinja {

enum class TokenType : uint8_t {
  kData, kVariableBegin, kVariableEnd, kBlockBegin, kBlockEnd, kName, kString, kInteger, kFloat,
  kOperator, kEnd
};

struct Token {
  TokenType type;
  size_t at;         // offset in the source
  std::string text;  // of data, name, operator; of a string with its escapes resolved
  int64_t integer = 0;
  double real = 0;

  bool Is(TokenType t, std::string_view s) const { return type == t && text == s; }
  bool IsName(std::string_view s) const { return Is(TokenType::kName, s); }
  bool IsOperator(std::string_view s) const { return Is(TokenType::kOperator, s); }
};

/// All of them, kEnd last. Comments are left out, {% raw %} is data.
Result<std::vector<Token>> Tokenize(const Source& source);

}  // namespace weir::jinja
