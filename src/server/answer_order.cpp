#include "server/answer_order.h"

#include <nlohmann/json.hpp>
#include <random>

namespace weir {
namespace {

constexpr size_t kMaxStops = 64, kMaxStopBytes = 1024;  // the engine's
constexpr float kMaxBias = 100, kMaxPenalty = 2, kMaxTemperature = 2;

void ReadStops(Fields& fields, std::vector<std::string>* stops) {
  const Json* const stop = fields.Any("stop");
  if (!stop) return;
  const Json list = stop->is_array() ? *stop : Json::array({*stop});
  for (const Json& text : list) {
    const size_t n_bytes = text.is_string() ? text.get_ref<const std::string&>().size() : 0;
    if (n_bytes == 0 || n_bytes > kMaxStopBytes) {
      return fields.Fail("stop", fmt::format("expected a string or an array of strings, each of 1 to {} bytes",
                                             kMaxStopBytes));
    }
    stops->push_back(text.get<std::string>());
  }
  if (stops->size() > kMaxStops) {
    fields.Fail("stop", fmt::format("expected at most {} strings", kMaxStops));
  }
}

void ReadLogitBias(Fields& fields, int32_t n_tokens, SamplingParams* sampling) {
  const Json* const bias = fields.Any("logit_bias");
  if (!bias) return;
  const auto wrong = [&] {
    fields.Fail("logit_bias", fmt::format("expected an object of token ids from 0 to {} and numbers from {} to {}",
                                          n_tokens - 1, -kMaxBias, kMaxBias));
  };
  if (!bias->is_object()) return wrong();
  for (const auto& [name, value] : bias->items()) {
    const bool is_id = !name.empty() && name.size() < 10 &&
                       name.find_first_not_of("0123456789") == std::string::npos && std::stoi(name) < n_tokens;
    if (!is_id || !value.is_number() || !(std::abs(value.get<double>()) <= kMaxBias)) return wrong();
    sampling->logit_bias.emplace_back(std::stoi(name), value.get<float>());
  }
}

void ReadSeed(Fields& fields, std::optional<uint64_t>* seed) {
  const Json* const found = fields.Any("seed");
  if (!found) return;
  if (!found->is_number_integer()) return fields.Fail("seed", "expected a whole number of 64 bits");
  *seed = found->is_number_unsigned() ? found->get<uint64_t>()
                                      : static_cast<uint64_t>(found->get<int64_t>());
}

}  // namespace

uint64_t RandomNumber() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

void ReadAnswerParams(Fields& fields, int32_t n_tokens, AnswerParams* params) {
  fields.Ignore("model");  // any name is answered by the model that is loaded
  fields.Ignore("user");
  SamplingParams& sampling = params->sampling;
  fields.Float("temperature", 0, kMaxTemperature, &sampling.temperature);
  fields.Float("top_p", 0, 1, &sampling.top_p);
  fields.Float("min_p", 0, 1, &sampling.min_p);
  int64_t top_k = 0;
  fields.Int("top_k", 0, 1 << 20, &top_k);
  sampling.top_k = static_cast<int>(top_k);
  fields.Float("repetition_penalty", 0.01f, 100, &sampling.repetition_penalty);
  fields.Float("presence_penalty", -kMaxPenalty, kMaxPenalty, &sampling.presence_penalty);
  fields.Float("frequency_penalty", -kMaxPenalty, kMaxPenalty, &sampling.frequency_penalty);
  ReadLogitBias(fields, n_tokens, &sampling);
  ReadSeed(fields, &params->seed);
  ReadStops(fields, &params->stop);
  fields.Int("n", 1, kMaxChoices, &params->n);
  fields.Bool("ignore_eos", &params->ignore_eos);
  fields.Bool("stream", &params->stream);
  if (const Json* const options = fields.Any("stream_options")) {
    if (!params->stream) fields.Fail("stream_options", "only for a request with \"stream\": true");
    Fields inner(*options, "stream_options");
    inner.Bool("include_usage", &params->include_usage);
    inner.Ignore("include_obfuscation");  // is never added
    if (const auto error = inner.End()) fields.Fail(*error);
  }
}

AnswerOrder MakeOrder(AnswerKind kind, const AnswerParams& params) {
  AnswerOrder order;
  order.kind = kind;
  order.n_choices = static_cast<size_t>(params.n);
  order.stream = params.stream;
  order.include_usage = params.include_usage;
  order.logprobs = params.n_logprobs >= 0;
  return order;
}

bool AddPrompt(Fields& fields, const AnswerParams& params, std::vector<int32_t> prompt,
                std::vector<int64_t> checkpoints, int64_t max_tokens, int64_t context_tokens,
                AnswerOrder* order) {
  const int64_t n_prompt = static_cast<int64_t>(prompt.size()), left = context_tokens - n_prompt;
  const int64_t n_answer = params.max_tokens.value_or(max_tokens > 0 ? std::min(max_tokens, left) : left);
  if (left < 1 || n_answer > left) {
    fields.Fail(order->kind == AnswerKind::kChat   ? "messages"
                : order->kind == AnswerKind::kText ? "prompt"
                                                   : "input",
                fmt::format("a prompt of {} tokens and an answer of {} do not fit the context of {}",
                            n_prompt, std::max<int64_t>(n_answer, 1), context_tokens),
                "context_length_exceeded");
    return false;
  }
  Request request;
  request.prompt = std::move(prompt);
  request.sampling = params.sampling;
  request.max_tokens = n_answer;
  request.stop = params.stop;
  request.ignore_eos = params.ignore_eos;
  request.n_logprobs = params.n_logprobs;
  request.checkpoints = std::move(checkpoints);
  request.sampling.seed = params.seed ? *params.seed : RandomNumber();
  order->requests.push_back(std::move(request));
  order->n_prompt_tokens += n_prompt;
  return true;
}

}  // namespace weir
