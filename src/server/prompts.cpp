#include "server/prompts.h"

#include <nlohmann/json.hpp>

#include "model/text/stream_decoder.h"
#include "model/text/tokenizer.h"

namespace weir {
namespace {

bool ReadIds(const Json& list, int32_t n_tokens, std::vector<int32_t>* ids) {
  for (const Json& id : list) {
    if (!id.is_number_integer() || id < 0 || id >= n_tokens) return false;
    ids->push_back(id.get<int32_t>());
  }
  return !ids->empty();
}

/// BOS comes first where the model wants it.
std::vector<int32_t> EncodePrompt(const std::string& text, const Tokenizer& tokenizer, bool parse_specials) {
  std::vector<int32_t> ids = tokenizer.Encode(text, parse_specials);
  if (tokenizer.add_bos() && tokenizer.bos()) ids.insert(ids.begin(), *tokenizer.bos());
  return ids;
}

std::string Decode(const std::vector<int32_t>& ids, const Tokenizer& tokenizer) {
  StreamDecoder decoder(tokenizer, /*show_control=*/true);
  std::string text;
  for (const int32_t id : ids) text += decoder.Push(id);
  return text + decoder.Flush();
}

}  // namespace

std::vector<Prompt> ReadPrompts(Fields& fields, const char* name, size_t max_prompts,
                                const Tokenizer& tokenizer, bool parse_specials) {
  std::vector<Prompt> prompts;
  const Json* const found = fields.Any(name);
  const auto wrong = [&] {
    fields.Fail(name, found ? fmt::format("expected text, an array of token ids from 0 to {}, or an array of those",
                                          tokenizer.n_tokens() - 1)
                            : "missing: expected text or an array of token ids");
    return std::vector<Prompt>();
  };
  if (!found) return wrong();
  const bool single = found->is_string() || (found->is_array() && !found->empty() && (*found)[0].is_number());
  const Json list = single ? Json::array({*found}) : *found;
  if (!list.is_array() || list.empty()) return wrong();
  if (list.size() > max_prompts) {
    fields.Fail(name, fmt::format("expected at most {} texts, found {}", max_prompts, list.size()));
    return {};
  }
  for (const Json& json : list) {
    Prompt prompt;
    if (json.is_string()) {
      prompt.text = json.get<std::string>();
      prompt.ids = EncodePrompt(prompt.text, tokenizer, parse_specials);
      if (prompt.ids.empty()) fields.Fail(name, "expected at least one token, found none");
    } else if (json.is_array() && ReadIds(json, tokenizer.n_tokens(), &prompt.ids)) {
      prompt.text = Decode(prompt.ids, tokenizer);
    } else {
      return wrong();
    }
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

}  // namespace weir
