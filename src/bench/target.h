// What the bench measures, seen through a keyhole: planned requests go in, time-stamped events come
// out. The instrument knows nothing else of an engine, so that one in process and one behind HTTP
// are measured alike.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "store/store.h"

namespace weir {

class Tokenizer;

/// One turn of a chat.
struct ChatTurn {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

/// A request as it is planned, before the clock starts. A prompt can be there in several forms: a
/// target takes the one that it can use, and refuses a query that has none.
struct Query {
  std::vector<int32_t> ids;     // token ids, what a chat template adds included
  std::string text;             // to be continued as it is
  std::vector<ChatTurn> turns;  // to be put into the target's own chat template
  int64_t prompt_tokens = 0;    // as planned; 0: not known before the target counts them
  int64_t max_tokens = 128;
  bool fixed_length = true;  // exactly max_tokens: tokens that would end the answer do not
  std::optional<Gate> gate;  // only where TargetFacts::gates
  int top_logprobs = 0;      // of the likeliest tokens at each position, where the target can say; never measured
};

/// A generated token, and the likeliest ones in its place with the natural logarithms of their probabilities.
struct RankedToken {
  std::string text;
  std::vector<std::pair<std::string, double>> top;
};

/// What can be said of an answer once it is complete.
struct AnswerFacts {
  std::optional<int64_t> sent_ns;     // the connection took the request; nothing in process
  std::optional<int64_t> headers_ns;  // the first byte of the answer
  std::optional<int64_t> first_chunk_ns;  // of any kind, also one that says only who speaks
  std::optional<int64_t> prompt_tokens, cached_tokens;  // as the target counted them
  int64_t generated_tokens = 0;
  std::optional<int64_t> recounted_tokens;  // of the answer's text, by weir's tokenizer
  CountedBy counted_by = CountedBy::kEngine;
  /// Tokens of each event that brought any, in order; empty: one each.
  std::vector<int32_t> tokens_of_event;
};

struct TargetEvent {
  int64_t request = 0;  // as Submit numbered it
  bool token = false;   // brings at least one token
  int64_t time_ns = 0;  // when the token was sampled, or its bytes arrived
  std::optional<FinishReason> finished = {};
  std::string error = {};
  bool reasoning = false;  // the token is of what the model thinks before its answer
  int32_t id = -1;         // of the token, from targets that show it
  std::string text = {};   // of the token, from targets that show it
  std::optional<AnswerFacts> facts = {};  // with `finished`
  std::vector<RankedToken> ranked = {};   // where Query::top_logprobs asks
};

/// Who is measured.
struct TargetFacts {
  std::string engine;          // "weir", "llama.cpp", "null", or what the server calls itself
  std::string version;         // empty: it does not say
  std::string url;             // empty: in this process
  std::optional<int> threads;  // of the engine; nothing: it does not say
  bool gates = false;          // users can be held at a gate until all of them are prefilled
  std::vector<Flag> flags = {};  // that every cell gets
};

/// Accepts requests of a fixed number of users.
class Target {
 public:
  virtual ~Target() = default;
  /// Sends a request; its number in events.
  virtual Result<int64_t> Submit(const Query& query) = 0;
  /// The next event of any request, waiting at most timeout_ns, also while no request is running.
  virtual std::optional<TargetEvent> Next(int64_t timeout_ns) = 0;
  virtual void CancelAll() = 0;
  /// The clock of all stamps.
  virtual int64_t Now() const = 0;
  /// Records of the steps since the last call; none from a target that does not show its steps.
  virtual std::vector<StepRecord> TakeSteps() { return {}; }
  /// Where the time of the steps since the last call went; empty from a target that does not know.
  virtual EngineProfile TakeProfile() { return {}; }
  /// Of the last step, while no request is running; nothing from a target that does not show it.
  virtual std::optional<std::string> LogitsHash() { return std::nullopt; }
};

/// Told how far a long job is; false: stop it.
using OnProgress = std::function<bool(int64_t done, int64_t total)>;

/// A model to measure with different numbers of users; loaded once for all of them.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual const ModelRow& row() const = 0;
  /// Positions that the model was made for; 0: unknown.
  virtual int64_t context_length() const = 0;
  /// Token ids that prompts may be made of: ordinary text. Empty: only text can be sent.
  virtual const std::vector<int32_t>& prompt_ids() const = 0;
  /// Cuts prompts of real text to a length; null: there is none.
  virtual const Tokenizer* tokenizer() const { return nullptr; }
  /// What the model's chat template makes of a chat that the model is to answer. An Error where that is not
  /// the bench's business or the model has no template.
  virtual Result<std::vector<int32_t>> ChatIds(const std::vector<ChatTurn>&) const {
    return BadInput("{}: has no chat template", row().name);
  }
  /// Where its bytes are, without their hash; no path: not in a file.
  virtual ModelFileRow source_file() const { return {}; }
  /// After Load.
  virtual TargetFacts facts() const = 0;
  /// What a step in which each of `users` sequences with `position` tokens behind them gets one more costs at least. Of
  /// targets that show no steps, whose model is known, and that compute it on the processors of this machine; of others
  /// nothing.
  virtual std::optional<StepCost> LeastStep(int /*users*/, int64_t /*position*/) const { return std::nullopt; }
  /// Bytes that `users` sequences of `tokens` positions take, weights included. kRefused if they do
  /// not fit; any other Error says why this model cannot run at all.
  virtual Result<int64_t> Plan(int users, int64_t tokens) const = 0;
  /// kInterrupted if on_progress says so.
  virtual Status Load(const OnProgress& on_progress) = 0;
  virtual void Unload() = 0;
  /// After Load.
  virtual Result<std::unique_ptr<Target>> Start(int users, int64_t tokens) = 0;
};

}  // namespace weir
