// The bytes of one HTTP answer, as they arrived, to what the bench counts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/openai_chunk.h"
#include "bench/sse_parser.h"
#include "bench/target.h"

namespace weir {

/// Reads a stream of server-sent events, or a JSON document from a server that does not stream. Its
/// events have no request number.
class AnswerReader {
 public:
  static constexpr size_t kMostBytes = size_t{64} << 20;  // of one answer

  /// `tokenizer` may be null.
  explicit AnswerReader(const Tokenizer* tokenizer) : tokenizer_(tokenizer) {}

  /// The first line and the headers: called once for each answer, 100-continue included.
  void Begin(int status, std::string content_type, int64_t time_ns);
  void Feed(std::string_view bytes, int64_t time_ns, std::vector<TargetEvent>* events);
  /// The connection has no more bytes; `problem` says why if that was not the server's wish.
  void Finish(int64_t time_ns, const std::string& problem, std::vector<TargetEvent>* events);
  /// An event with `finished` was given.
  bool Ended() const { return ended_; }
  void SetSent(int64_t time_ns) { facts_.sent_ns = time_ns; }

 private:
  bool IsStream() const;
  void OnChunk(std::string_view json, int64_t time_ns, std::vector<TargetEvent>* events);
  void AddText(const std::string& text, bool reasoning, int64_t time_ns,
               std::vector<TargetEvent>* events);
  void End(int64_t time_ns, std::string error, std::vector<TargetEvent>* events);
  void Count();
  std::string HttpProblem() const;

  const Tokenizer* tokenizer_;
  int status_ = 0;
  std::string content_type_;
  size_t n_bytes_ = 0;
  SseParser sse_;
  std::string body_;               // of an answer that is no stream
  std::vector<std::string> texts_;  // of each event that brought some; kept for the tokenizer
  int64_t n_texts_ = 0;
  std::vector<RankedToken> ranked_;  // not yet given with an event
  OpenAiUsage usage_;
  std::string finish_;
  AnswerFacts facts_;
  bool ended_ = false;
};

/// How many of `n_tokens` each of n_events pieces of text brought, if nobody knows better: the same
/// for each. Empty for one each.
std::vector<int32_t> SpreadTokens(int64_t n_tokens, int64_t n_events);

/// The share by which weir's count is off the server's; 0 for one or two tokens, which may be those that end a turn
/// and have no text.
double CountsDiffer(int64_t server, int64_t recounted);
inline constexpr double kMostCountsDiffer = 0.05;

/// How many tokens of all `texts` together end in each.
std::vector<int32_t> CountTokens(const Tokenizer& tokenizer, const std::vector<std::string>& texts);

}  // namespace weir
