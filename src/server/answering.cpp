#include "server/answering.h"

#include <chrono>
#include <latch>
#include <nlohmann/json.hpp>
#include <system_error>

#include "model/chat/reasoning_splitter.h"
#include "model/chat/tool_call_parser.h"
#include "model/text/tokenizer.h"
#include "model/text/utf8.h"
#include "server/workers.h"
#include "util/clock.h"

namespace weir {
namespace {

// While nothing comes, something small is written now and then: proxies take silence for death.
constexpr int64_t kHeartbeatMs = 15'000;

int64_t NowSeconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

const char* IdPrefix(AnswerKind kind) {
  switch (kind) {
    case AnswerKind::kChat: return "chatcmpl-";
    case AnswerKind::kResponses: return "resp_";
    case AnswerKind::kAnthropic: return "msg_";
    default: return "cmpl-";
  }
}

AnswerHead MakeHead(const AnswerOrder& order, std::string model_name) {
  return {.id = fmt::format("{}{:016x}", IdPrefix(order.kind), RandomNumber()),
          .model = std::move(model_name),
          .created_s = NowSeconds(),
          .logprobs = order.logprobs,
          .include_usage = order.include_usage,
          .base64 = order.base64};
}

/// Nine letters and digits: some templates insist on that.
std::string CallId() {
  constexpr std::string_view kSigns = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string id;
  for (uint64_t number = RandomNumber(); id.size() < 9; number /= kSigns.size()) {
    id += kSigns[number % kSigns.size()];
  }
  return id;
}

/// Control tokens have no text for users, but by some the parts of an answer are told apart.
bool IsTagText(std::string_view piece) {
  return ReasoningSplitter::IsTagText(piece) || ToolCallParser::IsTagText(piece);
}

}  // namespace

struct Answering::Choice {
  Choice(int the_index, Stream the_stream) : index(the_index), stream(std::move(the_stream)) {
    part.index = index;
  }

  void Push(std::string_view text) {
    if (!splitter) {
      part.content += text;
      return;
    }
    Add(splitter->Push(text));
  }
  void Flush() {
    if (splitter) Add(splitter->Flush());
    if (tools) Add(tools->Flush());
  }

  const int index;
  Stream stream;
  std::optional<ReasoningSplitter> splitter;  // of a chat
  std::optional<ToolCallParser> tools;        // of one that offers some
  bool parallel_calls = true;
  AnswerPart part;                 // not yet sent
  std::vector<LoggedToken> silent;  // tokens whose text has not come yet
  int64_t n_cached = 0, n_tokens = 0, n_reasoning = 0, last_ns = 0;
  std::optional<FinishReason> finished;
  std::string error;
  AnswerShape shape;

  /// What is in `part` has been sent.
  void Sent(const Tokenizer& tokenizer) {
    part.n_calls_before += static_cast<int64_t>(part.calls.size());
    for (const LoggedToken& token : part.tokens) {
      part.n_characters_before += CountCharacters(tokenizer.Piece(token.id));
    }
    part.reasoning.clear();
    part.content.clear();
    part.calls.clear();
    part.tokens.clear();
  }

 private:
  void Add(const AnswerPiece& piece) {
    part.reasoning += piece.reasoning;
    if (!tools) {
      part.content += piece.content;
    } else if (!piece.content.empty()) {
      Add(tools->Push(piece.content));
    }
  }
  void Add(const ToolPiece& piece) {
    if (DoneCalling()) return;
    part.content += piece.content;
    for (const ToolCall& call : piece.calls) {
      if (DoneCalling()) return;
      part.calls.push_back({CallId(), call.name, call.arguments});
    }
  }
  /// Where one call is all that is wanted, nothing that follows it is.
  bool DoneCalling() const {
    return !parallel_calls && part.n_calls_before + static_cast<int64_t>(part.calls.size()) > 0;
  }
};

Answering::Answering(AnswerOrder order, std::string model_name, const Tokenizer& tokenizer, Metrics& metrics)
    : order_(std::move(order)),
      tokenizer_(tokenizer),
      format_(MakeAnswerFormat(order_.kind, MakeHead(order_, std::move(model_name)), tokenizer)),
      metrics_(metrics) {}

Answering::~Answering() = default;

std::optional<ApiError> Answering::Submit(Engine& engine) {
  for (size_t prompt = 0; prompt < order_.requests.size(); ++prompt) {
    for (size_t i = 0; i < order_.n_choices; ++i) {
      Request request = order_.requests[prompt];
      request.sampling.seed += i;
      AnswerShape shape;
      if (!order_.shape_key.empty()) {
        shape = {static_cast<int64_t>(request.prompt.size()), 0, ShapeBlocks(request.prompt, order_.shape_key)};
      }
      Result<Stream> stream = engine.Submit(std::move(request));
      if (!stream) return ApiError{400, stream.error().message, "", "invalid_value"};
      choices_.push_back(
          std::make_unique<Choice>(static_cast<int>(choices_.size()), std::move(stream).value()));
      Choice& choice = *choices_.back();
      choice.shape = std::move(shape);
      if (!order_.echoes.empty()) choice.part.content = order_.echoes[prompt];
      if (!IsChat(order_.kind)) continue;
      choice.splitter.emplace(order_.reasoning_prompt);
      if (order_.tools) choice.tools.emplace(*order_.tools);
      choice.parallel_calls = order_.parallel_calls;
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
  choice.finished = choice.part.finished = event.finished;
  choice.error = event.error;
  choice.part.embedding = event.embedding;
  choice.part.stopped_by_text =
      event.finished == FinishReason::kStop && event.token >= 0 && !tokenizer_.IsEndOfGeneration(event.token);
  const bool was_thinking = choice.splitter && choice.splitter->thinking();
  if (choice.splitter && event.text.empty() && event.token >= 0 && tokenizer_.IsControl(event.token) &&
      IsTagText(tokenizer_.Piece(event.token))) {
    choice.Push(tokenizer_.Piece(event.token));
  }
  choice.Push(event.text);
  const bool thinking = was_thinking || (choice.splitter && choice.splitter->thinking());
  if (thinking && event.token >= 0) ++choice.n_reasoning;
  Log(choice, event, thinking);
  if (event.finished) choice.Flush();
  return event.finished.has_value();
}

/// Tokens are told of with their text, so that those are left out whose text never comes: of a stop string, of
/// the end of a turn, of thinking and its tags.
void Answering::Log(Choice& choice, const Event& event, bool thinking) const {
  if (event.logprobs && !thinking && !tokenizer_.IsControl(event.token)) {
    choice.silent.push_back({event.token, *event.logprobs});
  }
  if (event.text.empty()) return;
  choice.part.tokens.insert(choice.part.tokens.end(), choice.silent.begin(), choice.silent.end());
  choice.silent.clear();
}

AnswerUsage Answering::Usage() const {
  AnswerUsage usage{.n_prompt_tokens = order_.n_prompt_tokens, .n_cached_tokens = CachedTokens()};
  for (const auto& choice : choices_) {
    usage.n_answer_tokens += choice->n_tokens;
    usage.n_reasoning_tokens += choice->n_reasoning;
  }
  return usage;
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
  const AnswerUsage usage = Usage();
  AnswerSummary summary{.n_prompt_tokens = usage.n_prompt_tokens,
                        .n_cached_tokens = usage.n_cached_tokens,
                        .n_answer_tokens = usage.n_answer_tokens};
  for (const auto& choice : choices_) {
    if (order_.shape_key.empty()) break;
    summary.shapes.push_back(choice->shape);
    summary.shapes.back().n_answer_tokens = choice->n_tokens;
  }
  const std::optional<ApiError> failure = Failure();
  if (responder.gone()) {
    summary.status = 499;  // nginx's number for it
    summary.end = "client gone";
  } else if (failure) {
    summary.status = failure->status;
    summary.end = failure->status == 500 ? "error" : "cancelled";
    summary.code = failure->code;
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
  std::vector<const AnswerPart*> parts;
  for (const auto& choice : choices_) {
    while (const std::optional<Event> event = choice->stream.Next()) Take(*choice, *event);
    parts.push_back(&choice->part);
  }
  const AnswerSummary summary = Summary(responder);
  if (const std::optional<ApiError> failure = Failure()) {
    responder.Send(ErrorAnswer(*failure, format_->error_shape()));
    return summary;
  }
  responder.Send(
      {200, format_->Whole(parts, Usage()).dump(-1, ' ', false, Json::error_handler_t::replace)});
  return summary;
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
    if (!ended && choice.part.empty()) continue;
    if (!responder.Write(format_->Part(choice.part))) choice.stream.Cancel();
    choice.Sent(tokenizer_);
  }
}

AnswerSummary Answering::DeliverStream(Responder& responder, Workers& workers) {
  responder.Begin({200, format_->Begin(choices_.size(), Usage()), "text/event-stream", {{"X-Accel-Buffering", "no"}}});

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
  const std::optional<ApiError> failure = Failure();
  responder.Write(failure ? format_->Failure(*failure) : format_->End(Usage()));
  responder.End();
  return summary;
}

}  // namespace weir
