#include "bench/answer_reader.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <utility>

#include "model/text/tokenizer.h"

namespace weir {
namespace {

constexpr size_t kMostQuoted = 200;  // of what a server says

std::string Quoted(std::string_view text) {
  std::string line(text.substr(0, kMostQuoted));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return text.size() > kMostQuoted ? line + "..." : line;
}

}  // namespace

void AnswerReader::Begin(int status, std::string content_type, int64_t time_ns) {
  status_ = status;
  content_type_ = std::move(content_type);
  facts_.headers_ns = time_ns;
}

bool AnswerReader::IsStream() const {
  return status_ == 200 && content_type_.find("application/json") == std::string::npos;
}

void AnswerReader::Feed(std::string_view bytes, int64_t time_ns, std::vector<TargetEvent>* events) {
  if (ended_) return;
  n_bytes_ += bytes.size();
  if (n_bytes_ > kMostBytes) return End(time_ns, "the answer is longer than 64 MiB", events);
  if (!IsStream()) {
    body_ += bytes;
    return;
  }
  std::vector<SseEvent> sse;
  sse_.Feed(bytes, time_ns, &sse);
  for (const SseEvent& event : sse) {
    if (!ended_) OnChunk(event.data, event.time_ns, events);
  }
  if (!ended_ && sse_.TooLong()) End(time_ns, "an event is longer than 16 MiB", events);
}

void AnswerReader::Finish(int64_t time_ns, const std::string& problem,
                          std::vector<TargetEvent>* events) {
  if (ended_) return;
  if (status_ != 0 && status_ != 200) return End(time_ns, HttpProblem(), events);
  if (status_ != 0 && !IsStream()) {
    if (problem.empty()) OnChunk(body_, time_ns, events);
  } else {
    std::vector<SseEvent> sse;
    sse_.Finish(&sse);
    for (const SseEvent& event : sse) {
      if (!ended_) OnChunk(event.data, event.time_ns, events);
    }
  }
  if (ended_) return;
  if (!finish_.empty()) return End(time_ns, "", events);  // all that matters has arrived
  const std::string after = n_texts_ > 0 ? fmt::format(" after {} pieces of text", n_texts_) : "";
  if (!problem.empty()) return End(time_ns, problem + after, events);
  End(time_ns, "the answer ends without a reason" + after + ": expected finish_reason or [DONE]",
      events);
}

std::string AnswerReader::HttpProblem() const {
  const std::optional<OpenAiChunk> chunk = ParseOpenAiChunk(body_);
  const std::string said = chunk && chunk->error ? *chunk->error : body_;
  return fmt::format("HTTP {}{}{}", status_, said.empty() ? "" : ": ", Quoted(said));
}

void AnswerReader::OnChunk(std::string_view json, int64_t time_ns,
                           std::vector<TargetEvent>* events) {
  if (json == "[DONE]") return End(time_ns, "", events);
  const std::optional<OpenAiChunk> chunk = ParseOpenAiChunk(json);
  if (!chunk) {
    return End(time_ns, fmt::format("expected a JSON object, found {}", Quoted(json)), events);
  }
  if (chunk->error) return End(time_ns, Quoted(*chunk->error), events);
  if (!facts_.first_chunk_ns) facts_.first_chunk_ns = time_ns;
  ranked_.insert(ranked_.end(), chunk->ranked.begin(), chunk->ranked.end());
  AddText(chunk->reasoning, true, time_ns, events);
  AddText(chunk->content, false, time_ns, events);
  if (!chunk->finish.empty()) finish_ = chunk->finish;
  // Some servers count in every chunk, others in the last one, after the one that finishes.
  const auto keep = [](std::optional<int64_t>& to, const std::optional<int64_t>& from) {
    if (from) to = from;
  };
  keep(usage_.prompt_tokens, chunk->usage.prompt_tokens);
  keep(usage_.generated_tokens, chunk->usage.generated_tokens);
  keep(usage_.cached_tokens, chunk->usage.cached_tokens);
}

void AnswerReader::AddText(const std::string& text, bool reasoning, int64_t time_ns,
                           std::vector<TargetEvent>* events) {
  if (text.empty()) return;
  TargetEvent event;
  event.token = true;
  event.time_ns = time_ns;
  event.reasoning = reasoning;
  event.text = text;
  event.ranked = std::exchange(ranked_, {});
  events->push_back(std::move(event));
  ++n_texts_;
  if (tokenizer_) texts_.push_back(text);
}

void AnswerReader::End(int64_t time_ns, std::string error, std::vector<TargetEvent>* events) {
  ended_ = true;
  if (error.empty() && n_texts_ == 0) error = "the answer has no text";
  Count();
  TargetEvent event;
  event.time_ns = time_ns;
  event.error = std::move(error);
  event.finished = !event.error.empty() ? FinishReason::kError
                   : finish_ == "length" ? FinishReason::kLength
                                         : FinishReason::kStop;
  event.facts = facts_;
  event.ranked = std::exchange(ranked_, {});
  events->push_back(std::move(event));
}

void AnswerReader::Count() {
  facts_.prompt_tokens = usage_.prompt_tokens;
  facts_.cached_tokens = usage_.cached_tokens;
  if (tokenizer_) {
    facts_.tokens_of_event = CountTokens(*tokenizer_, texts_);
    facts_.recounted_tokens = std::accumulate(facts_.tokens_of_event.begin(),
                                              facts_.tokens_of_event.end(), int64_t{0});
  }
  if (usage_.generated_tokens) {
    facts_.counted_by = CountedBy::kUsage;
    facts_.generated_tokens = *usage_.generated_tokens;
    // Texts that the model did not mean as such, of random weights say, have other tokens than it made.
    const bool recounted = tokenizer_ && CountsDiffer(facts_.generated_tokens, *facts_.recounted_tokens) <= kMostCountsDiffer;
    if (!recounted) facts_.tokens_of_event = SpreadTokens(facts_.generated_tokens, n_texts_);
  } else if (tokenizer_) {
    facts_.counted_by = CountedBy::kTokenizer;
    facts_.generated_tokens = *facts_.recounted_tokens;
  } else {
    facts_.counted_by = CountedBy::kChunks;
    facts_.generated_tokens = n_texts_;
  }
}

std::vector<int32_t> SpreadTokens(int64_t n_tokens, int64_t n_events) {
  // One more than there are pieces: the token that ended the answer, which has no text.
  if (n_events == 0 || n_tokens == n_events || n_tokens == n_events + 1) return {};
  std::vector<int32_t> spread;
  const auto before = [&](int64_t i) {
    const int64_t floor = i * n_tokens / n_events;
    // Fewer tokens than pieces: the first piece has one, because something was there by then.
    return n_tokens < n_events && i * n_tokens % n_events > 0 ? floor + 1 : floor;
  };
  for (int64_t i = 0; i < n_events; ++i) {
    spread.push_back(static_cast<int32_t>(before(i + 1) - before(i)));
  }
  return spread;
}

double CountsDiffer(int64_t server, int64_t recounted) {
  const int64_t difference = std::abs(recounted - server);
  if (difference <= 2 || server == 0) return 0;
  return static_cast<double>(difference) / static_cast<double>(server);
}

std::vector<int32_t> CountTokens(const Tokenizer& tokenizer,
                                 const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += text;
  std::vector<int32_t> counts(texts.size());
  size_t event = 0, event_end = texts.empty() ? 0 : texts[0].size(), token_end = 0;
  for (int32_t id : tokenizer.Encode(all, false)) {
    token_end = std::min(token_end + tokenizer.Piece(id).size(), all.size());
    while (event + 1 < texts.size() && token_end > event_end) event_end += texts[++event].size();
    if (!counts.empty()) ++counts[event];
  }
  return counts;
}

}  // namespace weir
