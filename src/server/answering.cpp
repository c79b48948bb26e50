#include "server/answering.h"

#include <chrono>
#include <latch>
#include <nlohmann/json.hpp>
#include <random>
#include <system_error>

#include "model/chat/reasoning_splitter.h"
#include "model/text/tokenizer.h"
#include "server/workers.h"
#include "util/clock.h"

namespace weir {
namespace {

// While nothing comes, something small is written now and then: proxies take silence for death.
constexpr int64_t kHeartbeatMs = 15'000;
constexpr size_t kMaxStops = 64;
constexpr float kMaxBias = 100, kMaxPenalty = 2, kMaxTemperature = 2;

uint64_t RandomNumber() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

int64_t NowSeconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string EventText(const Json& json) {
  return "data: " + json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n\n";
}

void ReadStops(Fields& fields, std::vector<std::string>* stops) {
  const Json* const stop = fields.Any("stop");
  if (!stop) return;
  const Json list = stop->is_array() ? *stop : Json::array({*stop});
  for (const Json& text : list) {
    if (!text.is_string() || text.get_ref<const std::string&>().empty()) {
      return fields.Fail("stop", "expected a string or an array of strings, none of them empty");
    }
    stops->push_back(text.get<std::string>());
  }
  if (stops->size() > kMaxStops) {
    fields.Fail("stop", fmt::format("expected at most {} strings", kMaxStops));
  }
}

void ReadLogitBias(Fields& fields, SamplingParams* sampling) {
  const Json* const bias = fields.Any("logit_bias");
  if (!bias) return;
  const auto wrong = [&] {
    fields.Fail("logit_bias", fmt::format("expected an object of token ids and numbers from {} to {}",
                                          -kMaxBias, kMaxBias));
  };
  if (!bias->is_object()) return wrong();
  for (const auto& [name, value] : bias->items()) {
    const bool is_id = !name.empty() && name.size() < 10 &&
                       name.find_first_not_of("0123456789") == std::string::npos;
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

void ReadAnswerParams(Fields& fields, AnswerParams* params) {
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
  ReadLogitBias(fields, &sampling);
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
  return order;
}

bool AddPrompt(Fields& fields, const AnswerParams& params, std::vector<int32_t> prompt,
                std::vector<int64_t> checkpoints, int64_t max_tokens, int64_t context_tokens,
                AnswerOrder* order) {
  const int64_t n_prompt = static_cast<int64_t>(prompt.size()), left = context_tokens - n_prompt;
  const int64_t n_answer = params.max_tokens.value_or(max_tokens > 0 ? std::min(max_tokens, left) : left);
  if (left < 1 || n_answer > left) {
    fields.Fail(order->kind == AnswerKind::kChat ? "messages" : "prompt",
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
  request.checkpoints = std::move(checkpoints);
  request.sampling.seed = params.seed ? *params.seed : RandomNumber();
  order->requests.push_back(std::move(request));
  order->n_prompt_tokens += n_prompt;
  return true;
}

struct Answering::Choice {
  Choice(int the_index, Stream the_stream) : index(the_index), stream(std::move(the_stream)) {}

  const int index;
  Stream stream;
  std::optional<ReasoningSplitter> splitter;  // of a chat
  std::string reasoning, content;             // not yet sent
  int64_t n_cached = 0, n_tokens = 0, last_ns = 0;
  std::optional<FinishReason> finished;
  std::string error;

  void Add(const AnswerPiece& piece) {
    reasoning += piece.reasoning;
    content += piece.content;
  }
};

Answering::Answering(AnswerOrder order, std::string model_name, const Tokenizer& tokenizer, Metrics& metrics)
    : order_(std::move(order)),
      model_name_(std::move(model_name)),
      id_(fmt::format("{}-{:016x}", order_.kind == AnswerKind::kChat ? "chatcmpl" : "cmpl",
                      RandomNumber())),
      created_s_(NowSeconds()),
      tokenizer_(tokenizer),
      metrics_(metrics) {}

Answering::~Answering() = default;

std::optional<ApiError> Answering::Submit(Engine& engine) {
  for (const Request& request : order_.requests) {
    for (size_t i = 0; i < order_.n_choices; ++i) {
      Request choice = request;
      choice.sampling.seed += i;
      Result<Stream> stream = engine.Submit(std::move(choice));
      if (!stream) return ApiError{400, stream.error().message, "", "invalid_value"};
      choices_.push_back(
          std::make_unique<Choice>(static_cast<int>(choices_.size()), std::move(stream).value()));
      if (order_.kind == AnswerKind::kChat) choices_.back()->splitter.emplace(order_.reasoning_prompt);
    }
  }
  order_.requests.clear();
  return std::nullopt;
}

void Answering::Cancel() {
  for (const std::unique_ptr<Choice>& choice : choices_) choice->stream.Cancel();
}

/// True at the end of the choice.
bool Answering::Take(Choice& choice, const Event& event) {
  if (event.token >= 0) {
    if (choice.n_tokens++ == 0) {
      metrics_.AddTtft(static_cast<double>(event.time_ns - order_.received_ns) * 1e-9);
    } else {
      metrics_.AddItl(static_cast<double>(event.time_ns - choice.last_ns) * 1e-9);
    }
    choice.last_ns = event.time_ns;
  }
  choice.n_cached = event.n_cached;
  choice.finished = event.finished;
  choice.error = event.error;
  if (!choice.splitter) {
    choice.content += event.text;
    return event.finished.has_value();
  }
  // Where the tags of thinking are control tokens they have no text, but this is what shows them.
  if (event.text.empty() && event.token >= 0 && tokenizer_.IsControl(event.token) &&
      ReasoningSplitter::IsTagText(tokenizer_.Piece(event.token))) {
    choice.Add(choice.splitter->Push(tokenizer_.Piece(event.token)));
  }
  choice.Add(choice.splitter->Push(event.text));
  if (event.finished) choice.Add(choice.splitter->Flush());
  return event.finished.has_value();
}

namespace {

Json FinishJson(const std::optional<FinishReason>& finished) {
  if (!finished) return nullptr;
  return *finished == FinishReason::kLength ? "length" : "stop";
}

}  // namespace

Json Answering::ChoiceJson(const Choice& choice) const {
  Json json;
  json["index"] = choice.index;
  if (order_.kind == AnswerKind::kText) {
    json["text"] = choice.content;
  } else {
    Json message{{"role", "assistant"}, {"content", choice.content}};
    if (!choice.reasoning.empty()) message["reasoning_content"] = choice.reasoning;
    json["message"] = std::move(message);
  }
  json["logprobs"] = nullptr;
  json["finish_reason"] = FinishJson(choice.finished);
  return json;
}

Json Answering::ChunkJson(const Choice& choice) const {
  Json json;
  json["index"] = choice.index;
  if (order_.kind == AnswerKind::kText) {
    json["text"] = choice.content;
  } else {
    Json delta = Json::object();
    if (!choice.reasoning.empty()) delta["reasoning_content"] = choice.reasoning;
    if (!choice.content.empty()) delta["content"] = choice.content;
    json["delta"] = std::move(delta);
  }
  json["logprobs"] = nullptr;
  json["finish_reason"] = FinishJson(choice.finished);
  return json;
}

Json Answering::Document(const char* object, Json choices) const {
  Json json;
  json["id"] = id_;
  json["object"] = object;
  json["created"] = created_s_;
  json["model"] = model_name_;
  json["choices"] = std::move(choices);
  return json;
}

Json Answering::Usage() const {
  int64_t n_tokens = 0;
  for (const auto& choice : choices_) n_tokens += choice->n_tokens;
  Json json;
  json["prompt_tokens"] = order_.n_prompt_tokens;
  json["completion_tokens"] = n_tokens;
  json["total_tokens"] = order_.n_prompt_tokens + n_tokens;
  json["prompt_tokens_details"] = Json{{"cached_tokens", CachedTokens()}};
  return json;
}

/// Of the first choice of each prompt, as prompts are counted once.
int64_t Answering::CachedTokens() const {
  int64_t n = 0;
  for (size_t i = 0; i < choices_.size(); i += order_.n_choices) n += choices_[i]->n_cached;
  return n;
}

/// What went wrong with a choice that the client still waits for.
std::optional<ApiError> Answering::Failure() const {
  for (const auto& choice : choices_) {
    if (choice->finished == FinishReason::kError) return ApiError{500, choice->error, "", "no_token"};
    if (choice->finished == FinishReason::kCancelled) {
      return ApiError{503, "the server is shutting down", "", "shutting_down"};
    }
  }
  return std::nullopt;
}

AnswerSummary Answering::Summary(const Responder& responder) const {
  AnswerSummary summary;
  summary.n_prompt_tokens = order_.n_prompt_tokens;
  summary.n_cached_tokens = CachedTokens();
  for (const auto& choice : choices_) summary.n_answer_tokens += choice->n_tokens;
  const std::optional<ApiError> failure = Failure();
  if (responder.gone()) {
    summary.status = 499;  // nginx's number for it
    summary.end = "client gone";
  } else if (failure) {
    summary.status = failure->status;
    summary.end = failure->status == 500 ? "error" : "cancelled";
  } else {
    summary.end = choices_[0]->finished == FinishReason::kLength ? "length" : "stop";
  }
  return summary;
}

AnswerSummary Answering::Deliver(Responder& responder, Workers& workers) {
  responder.OnGone([self = shared_from_this()] { self->Cancel(); });
  return order_.stream ? DeliverStream(responder, workers) : DeliverWhole(responder);
}

AnswerSummary Answering::DeliverWhole(Responder& responder) {
  Json list = Json::array();
  for (const auto& choice : choices_) {
    while (const std::optional<Event> event = choice->stream.Next()) Take(*choice, *event);
    list.push_back(ChoiceJson(*choice));
  }
  const AnswerSummary summary = Summary(responder);
  if (const std::optional<ApiError> failure = Failure()) {
    responder.Send(ErrorAnswer(*failure));
    return summary;
  }
  Json json = Document(order_.kind == AnswerKind::kChat ? "chat.completion" : "text_completion",
                       std::move(list));
  json["usage"] = Usage();
  responder.Send({200, json.dump(-1, ' ', false, Json::error_handler_t::replace)});
  return summary;
}

Json Answering::Chunk(Json choices) const {
  Json json = Document(order_.kind == AnswerKind::kChat ? "chat.completion.chunk" : "text_completion",
                       std::move(choices));
  if (order_.include_usage) json["usage"] = nullptr;
  return json;
}

void Answering::StreamChoice(Choice& choice, Responder& responder) {
  for (bool ended = false; !ended;) {
    const std::optional<Event> event = choice.stream.Next(kHeartbeatMs);
    if (!event) {
      responder.Write(": waiting\n\n");
      continue;
    }
    ended = Take(choice, *event);
    if (choice.finished == FinishReason::kCancelled || choice.finished == FinishReason::kError) return;
    if (!ended && choice.content.empty() && choice.reasoning.empty()) continue;
    if (!responder.Write(EventText(Chunk(Json::array({ChunkJson(choice)}))))) choice.stream.Cancel();
    choice.content.clear();
    choice.reasoning.clear();
  }
}

AnswerSummary Answering::DeliverStream(Responder& responder, Workers& workers) {
  HttpAnswer head{200, "", "text/event-stream", {{"X-Accel-Buffering", "no"}}};
  if (order_.kind == AnswerKind::kChat) {
    for (const auto& choice : choices_) {
      Json first;
      first["index"] = choice->index;
      first["delta"] = Json{{"role", "assistant"}, {"content", ""}};
      first["logprobs"] = nullptr;
      first["finish_reason"] = nullptr;
      head.body += EventText(Chunk(Json::array({std::move(first)})));
    }
  }
  responder.Begin(head);

  std::latch others(static_cast<std::ptrdiff_t>(choices_.size()) - 1);
  for (size_t i = 1; i < choices_.size(); ++i) {
    const auto read = [this, i, &responder, &others] {
      StreamChoice(*choices_[i], responder);
      others.count_down();
    };
    try {
      workers.Run(read);
    } catch (const std::system_error&) {
      read();  // no further thread is to be had: one after the other
    }
  }
  StreamChoice(*choices_[0], responder);
  others.wait();

  const AnswerSummary summary = Summary(responder);
  if (const std::optional<ApiError> failure = Failure()) {
    responder.Write("data: " + ErrorText(*failure) + "\n\n");
  } else {
    if (order_.include_usage) {
      Json json = Chunk(Json::array());
      json["usage"] = Usage();
      responder.Write(EventText(json));
    }
    responder.Write("data: [DONE]\n\n");
  }
  responder.End();
  return summary;
}

}  // namespace weir
