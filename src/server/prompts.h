// Prompts that are no conversations: text, or token ids.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/json_fields.h"

namespace weir {

class Tokenizer;

struct Prompt {
  std::vector<int32_t> ids;  // at least one, BOS included
  std::string text;
};

/// The field `name`: a string, an array of token ids, or an array of at most `max_prompts` of either. Special tokens
/// that a text names become such with `parse_specials` only.
std::vector<Prompt> ReadPrompts(Fields& fields, const char* name, size_t max_prompts,
                                const Tokenizer& tokenizer, bool parse_specials);

}  // namespace weir
