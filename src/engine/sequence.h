// One request on its way through the engine thread: what it asked for and how far its answer is.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "engine/outbox.h"
#include "engine/request.h"
#include "engine/stop_scanner.h"
#include "model/constrain/token_mask.h"
#include "model/sampler.h"
#include "model/text/stream_decoder.h"

namespace weir {

struct Sequence {
  /// `tokenizer` may be null.
  Sequence(Request the_request, int64_t n_vocab, const Tokenizer* tokenizer,
           std::shared_ptr<Outbox> the_outbox);

  /// Takes the token that was drawn (nothing: none could be) at time_ns and tells the stream. True
  /// if the sequence has ended with it.
  bool Take(std::optional<int32_t> token, int64_t time_ns, const TokenLogprobs& logprobs);
  /// Ends with the hidden state [n_embd] behind the prompt, for a request that embeds.
  void TakeHidden(std::span<const float> state, int64_t time_ns);
  /// Tells the stream that this is the end.
  void End(FinishReason reason);

  bool cancelled() const;

  const Request request;
  Sampler sampler;
  int64_t n_cached = 0;  // tokens of the prompt that needed no computing

 private:
  /// The text that goes with a token, and why the sequence ends with it, if it does.
  void Answer(int32_t token, Event& event);
  void Send(Event event);
  std::string RestOfText();
  void BeginConstraint();
  void Restrict(int32_t token, const std::string& text);

  const Tokenizer* tokenizer_;
  std::optional<StreamDecoder> decoder_;
  StopScanner stop_;
  std::optional<ConstrainedText> constrained_;  // once it begins
  StopScanner await_constraint_;
  int64_t n_generated_ = 0;
  std::shared_ptr<Outbox> outbox_;
};

}  // namespace weir
