// /v1/completions: prompts that are continued as they are.
#include <nlohmann/json.hpp>

#include "model/text/stream_decoder.h"
#include "model/text/tokenizer.h"
#include "server/endpoints.h"

namespace weir {
namespace {

constexpr int64_t kDefaultTokens = 16;  // OpenAI's
constexpr size_t kMaxPrompts = 128;

/// Ids as they are; ids out of range are found by the engine.
bool ReadIds(const Json& list, std::vector<int32_t>* ids) {
  for (const Json& id : list) {
    if (!id.is_number_integer() || id < 0 || id > INT32_MAX) return false;
    ids->push_back(id.get<int32_t>());
  }
  return !ids->empty();
}

/// A text is the whole input of the model: what special tokens it names are meant, and BOS comes first
/// where the model wants it.
std::vector<int32_t> EncodePrompt(const std::string& text, const Tokenizer& tokenizer) {
  std::vector<int32_t> ids = tokenizer.Encode(text, true);
  if (tokenizer.add_bos() && tokenizer.bos()) ids.insert(ids.begin(), *tokenizer.bos());
  return ids;
}

struct Prompt {
  std::vector<int32_t> ids;
  std::string text;  // for `echo`
};

std::string Decode(const std::vector<int32_t>& ids, const Tokenizer& tokenizer) {
  StreamDecoder decoder(tokenizer, /*show_control=*/true);
  std::string text;
  for (const int32_t id : ids) text += decoder.Push(id);
  return text + decoder.Flush();
}

/// A string, an array of token ids, or an array of either.
std::vector<Prompt> ReadPrompts(Fields& fields, const Tokenizer& tokenizer) {
  std::vector<Prompt> prompts;
  const Json* const found = fields.Any("prompt");
  const auto wrong = [&] {
    fields.Fail("prompt", found ? "expected text, an array of token ids, or an array of those"
                                : "missing: expected text or an array of token ids");
    return std::vector<Prompt>();
  };
  if (!found) return wrong();
  const bool single = found->is_string() || (found->is_array() && !found->empty() && (*found)[0].is_number());
  const Json list = single ? Json::array({*found}) : *found;
  if (!list.is_array() || list.empty()) return wrong();
  if (list.size() > kMaxPrompts) {
    fields.Fail("prompt", fmt::format("expected at most {} prompts, found {}", kMaxPrompts, list.size()));
    return {};
  }
  for (const Json& json : list) {
    Prompt prompt;
    if (json.is_string()) {
      prompt.text = json.get<std::string>();
      prompt.ids = EncodePrompt(prompt.text, tokenizer);
      if (prompt.ids.empty()) fields.Fail("prompt", "expected at least one token, found none");
    } else if (json.is_array() && ReadIds(json, &prompt.ids)) {
      prompt.text = Decode(prompt.ids, tokenizer);
    } else {
      return wrong();
    }
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

}  // namespace

std::variant<AnswerOrder, ApiError> ReadCompletion(const Json& body, const ServedModel& model) {
  Fields fields(body);
  AnswerParams params;
  ReadAnswerParams(fields, &params);
  int64_t max_tokens = 0;
  fields.Int("max_tokens", 1, INT32_MAX, &max_tokens);
  if (max_tokens > 0) params.max_tokens = max_tokens;
  fields.Only("best_of", params.n);
  bool echo = false;
  fields.Bool("echo", &echo);
  int64_t n_logprobs = -1;
  fields.Int("logprobs", 0, TokenLogprobs::kMaxTop, &n_logprobs);
  params.n_logprobs = static_cast<int>(n_logprobs);
  if (echo && n_logprobs >= 0) {
    fields.Fail("echo", "not supported together with logprobs: the prompt has none", "unsupported_parameter");
  }
  fields.Only("suffix", "");
  std::vector<Prompt> prompts = ReadPrompts(fields, *model.tokenizer);
  if (const auto error = fields.End()) return *error;

  AnswerOrder order = MakeOrder(AnswerKind::kText, params);
  for (Prompt& prompt : prompts) {
    if (echo) order.echoes.push_back(std::move(prompt.text));
    if (!AddPrompt(fields, params, std::move(prompt.ids), {}, kDefaultTokens,
                   model.engine->options().context_tokens, &order)) {
      return *fields.End();
    }
  }
  return order;
}

}  // namespace weir
