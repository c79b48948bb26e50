#include "engine/sequence.h"

#include "util/clock.h"

namespace weir {

Sequence::Sequence(Request the_request, int64_t n_vocab, const Tokenizer* tokenizer,
                   std::shared_ptr<Outbox> the_outbox)
    : request(std::move(the_request)),
      sampler(request.sampling, n_vocab, request.prompt, request.max_tokens),
      tokenizer_(tokenizer),
      stop_(request.stop),
      await_constraint_({request.constrained_after}),
      outbox_(std::move(the_outbox)) {
  if (tokenizer) decoder_.emplace(*tokenizer);
  if (!request.constraint) return;
  if (request.constrained_after.empty()) {
    BeginConstraint();
  } else if (request.constraint_comes) {
    sampler.Restrict(request.constraint->tokens().unending());
  }
}

void Sequence::BeginConstraint() {
  constrained_.emplace(request.constraint);
  sampler.Restrict(constrained_->Allowed());
}

/// What may follow a token and its text.
void Sequence::Restrict(int32_t token, const std::string& text) {
  if (!request.constraint) return;
  if (constrained_) {
    constrained_->Take(token);
    sampler.Restrict(constrained_->Allowed());
    return;
  }
  // What is awaited may be a control token, which shows no text.
  await_constraint_.Push(tokenizer_->IsControl(token) ? std::string(tokenizer_->Piece(token)) : text);
  if (await_constraint_.stopped()) BeginConstraint();
}

bool Sequence::Take(std::optional<int32_t> token, int64_t time_ns,
                    const TokenLogprobs& logprobs) {
  Event event;
  event.time_ns = time_ns;
  if (token) {
    Answer(*token, event);
    if (request.n_logprobs >= 0) event.logprobs = logprobs;
  } else {
    event.finished = FinishReason::kError;
    event.error = "no token can be drawn: all are forbidden, or their logits are not numbers";
  }
  if (event.finished) event.text += RestOfText();
  const bool ended = event.finished.has_value();
  Send(std::move(event));
  return ended;
}

void Sequence::TakeHidden(std::span<const float> state, int64_t time_ns) {
  Event event;
  event.time_ns = time_ns;
  event.embedding.assign(state.begin(), state.end());
  event.finished = FinishReason::kStop;
  Send(std::move(event));
}

void Sequence::Answer(int32_t token, Event& event) {
  event.token = token;
  ++n_generated_;
  if (tokenizer_ && !request.ignore_eos && tokenizer_->IsEndOfGeneration(token)) {
    event.finished = FinishReason::kStop;
    return;
  }
  if (decoder_) {
    const std::string text = decoder_->Push(token);
    Restrict(token, text);
    event.text = stop_.Push(text);
  }
  if (stop_.stopped()) {
    event.finished = FinishReason::kStop;
  } else if (n_generated_ == request.max_tokens) {
    event.finished = FinishReason::kLength;
  }
}

std::string Sequence::RestOfText() {
  if (!decoder_ || stop_.stopped()) return {};
  return stop_.Push(decoder_->Flush()) + stop_.Flush();
}

void Sequence::End(FinishReason reason) {
  Event event;
  event.text = RestOfText();
  event.time_ns = NowNs();
  event.finished = reason;
  Send(std::move(event));
}

bool Sequence::cancelled() const {
  std::lock_guard lock(outbox_->mutex);
  return outbox_->cancelled;
}

void Sequence::Send(Event event) {
  event.n_cached = n_cached;
  {
    std::lock_guard lock(outbox_->mutex);
    outbox_->ended = event.finished.has_value();
    outbox_->events.push_back(std::move(event));
  }
  outbox_->changed.notify_all();
}

}  // namespace weir
