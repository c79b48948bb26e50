// /v1/completions: prompts that are continued as they are.
#include <nlohmann/json.hpp>

#include "model/text/tokenizer.h"
#include "server/endpoints.h"
#include "server/prompts.h"

namespace weir {
namespace {

constexpr int64_t kDefaultTokens = 16;  // OpenAI's
constexpr size_t kMaxPrompts = 128;

}  // namespace

std::variant<AnswerOrder, ApiError> ReadCompletion(const Json& body, const ServedModel& model) {
  Fields fields(body);
  AnswerParams params;
  ReadAnswerParams(fields, model.tokenizer->n_tokens(), &params);
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
  std::vector<Prompt> prompts = ReadPrompts(fields, "prompt", kMaxPrompts, *model.tokenizer, /*parse_specials=*/true);
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
