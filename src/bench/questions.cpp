#include "bench/questions.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "bench/estimate.h"
#include "bench/novel.h"
#include "model/text/tokenizer.h"
#include "model/text/utf8.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

// Who changes the passages, their number or lengths changes this name.
constexpr std::string_view kSet = "novel 1: 8 x 32 words, 32 tokens";
constexpr std::string_view kChatRequest = "Continue this text:\n\n";
constexpr int64_t kWaitNs = 50'000'000;
constexpr int64_t kRoughPromptTokens = kQuestionWords * 4 / 3;

/// The first n words of a text; nothing if it has fewer.
std::string_view FirstWords(std::string_view text, int n) {
  size_t end = 0;
  for (int i = 0; i < n; ++i) {
    const size_t begin = text.find_first_not_of(' ', end);
    if (begin == text.npos) return {};
    end = std::min(text.find(' ', begin), text.size());
  }
  return text.substr(0, end);
}

std::string WhyNotAsked(const Subject& subject, const CellSpec& spec) {
  if (spec.target.starts_with("null")) return "the null target computes nothing";
  if (subject.row().synthetic) return "the weights are random: there is no right answer";
  if (!subject.prompt_ids().empty() && !subject.tokenizer()) return "the model has no tokenizer";
  return "";
}

Result<Query> PlanQuestion(const std::string& text, const Subject& subject, bool chat) {
  Query query;
  query.max_tokens = kAnswerTokens;
  query.fixed_length = false;
  query.top_logprobs = kTopLogprobs;
  if (chat) {
    query.turns = {{"user", std::string(kChatRequest) + text}};
    if (subject.prompt_ids().empty()) return query;
    WEIR_TRY(query.ids, subject.ChatIds(query.turns));
    return query;
  }
  query.text = text;
  if (subject.prompt_ids().empty()) return query;
  const Tokenizer& tokenizer = *subject.tokenizer();
  if (tokenizer.add_bos() && tokenizer.bos()) query.ids.push_back(*tokenizer.bos());
  const std::vector<int32_t> ids = tokenizer.Encode(text, false);
  query.ids.insert(query.ids.end(), ids.begin(), ids.end());
  return query;
}

std::string Repaired(std::string_view text, bool at_end) {
  std::string repaired;
  RepairUtf8(text, at_end, &repaired);
  return repaired;
}

/// One round of questions.
class Asking {
 public:
  Asking(Target& target, const Tokenizer* tokenizer, std::vector<Query> queries)
      : target_(target), tokenizer_(tokenizer), queries_(std::move(queries)), answers_(queries_.size()) {}

  void Run(int n_at_once, int64_t most_ns, const ShouldStop& stop) {
    const int64_t end_ns = target_.Now() + most_ns;
    for (size_t next = 0; next < queries_.size() || !running_.empty();) {
      if (target_.Now() >= end_ns || stop()) break;
      if (next < queries_.size() && std::ssize(running_) < n_at_once) {
        Submit(next++);
        continue;
      }
      if (const auto event = target_.Next(kWaitNs)) Take(*event);
    }
    target_.CancelAll();
  }

  AskedRow TakeRow() {
    AskedRow row;
    size_t n_whole = 0;
    for (size_t i = 0; i < answers_.size(); ++i) {
      Answer& answer = answers_[i];
      n_whole += answer.whole;
      if (!answer.whole && answer.text.empty()) continue;
      row.answers.push_back({static_cast<int>(i), Repaired(answer.text, false), answer.n_tokens, !answer.whole,
                             answer.ranked.empty() ? "" : RankedJson(answer.ranked)});
    }
    if (n_whole == answers_.size()) return row;
    row.note = fmt::format("{} of {} were answered", n_whole, answers_.size());
    row.note += first_error_.empty() ? " in time" : ": " + first_error_;
    return row;
  }

 private:
  struct Answer {
    std::string text;  // as it came: a target in this process may cut characters
    std::vector<RankedToken> ranked = {};
    std::optional<int64_t> n_tokens = {};
    bool ended_by_model = false, whole = false;
  };

  void Submit(size_t question) {
    queries_[question].top_logprobs = ranked_ ? kTopLogprobs : 0;
    const Result<int64_t> id = target_.Submit(queries_[question]);
    if (id) running_[*id] = question;
    else NoteError(id.error().message);
  }

  void NoteError(const std::string& error) {
    if (first_error_.empty()) first_error_ = error;
  }

  void Take(const TargetEvent& event) {
    const auto found = running_.find(event.request);
    if (found == running_.end()) return;
    const size_t question = found->second;
    Answer& answer = answers_[question];
    if (!answer.ended_by_model) AddTo(answer, event);
    if (!event.finished) return;
    running_.erase(found);
    if (event.error.empty()) {
      answer.whole = true;
      if (event.facts && !tokenizer_) answer.n_tokens = event.facts->generated_tokens;
    } else if (ranked_ && answer.text.empty()) {
      ranked_ = false;  // some servers refuse what asks for probabilities
      Submit(question);
    } else {
      NoteError(event.error);
    }
  }

  void AddTo(Answer& answer, const TargetEvent& event) {
    if (event.id >= 0 && tokenizer_->IsEndOfGeneration(event.id)) {
      answer.ended_by_model = true;  // the engine of the bench goes on: it has no tokenizer
      return;
    }
    answer.ranked.insert(answer.ranked.end(), event.ranked.begin(), event.ranked.end());
    if (event.id < 0) {
      answer.text += event.text;
      return;
    }
    answer.n_tokens = answer.n_tokens.value_or(0) + 1;
    if (!tokenizer_->IsControl(event.id)) answer.text += tokenizer_->Piece(event.id);
  }

  Target& target_;
  const Tokenizer* const tokenizer_;  // of a target that shows ids
  std::vector<Query> queries_;
  std::vector<Answer> answers_;
  std::map<int64_t, size_t> running_;  // request -> question
  bool ranked_ = true;
  std::string first_error_;
};

/// The error is the note of a row without answers.
Result<AskedRow> TryAsking(Subject& subject, const CellSpec& spec, int64_t most_ns, const ShouldStop& stop) {
  if (const std::string why = WhyNotAsked(subject, spec); !why.empty()) return Failed("{}", why);
  std::vector<Query> queries;
  int64_t longest = 0;
  for (const std::string& text : QuestionTexts()) {
    WEIR_TRY(Query query, PlanQuestion(text, subject, spec.load.chat));
    longest = std::max(longest, static_cast<int64_t>(query.ids.size()) + kAnswerTokens);
    queries.push_back(std::move(query));
  }
  const bool in_process = !subject.prompt_ids().empty();
  const int n_at_once = in_process && subject.Plan(kQuestions, longest).ok() ? kQuestions : 1;
  if (n_at_once == 1) WEIR_RETURN_IF_ERROR(subject.Plan(1, longest));
  WEIR_TRY(const std::unique_ptr<Target> target, subject.Start(n_at_once, longest));
  Asking asking(*target, in_process ? subject.tokenizer() : nullptr, std::move(queries));
  asking.Run(n_at_once, most_ns, stop);
  return asking.TakeRow();
}

}  // namespace

std::vector<std::string> QuestionTexts() {
  const std::string_view novel = NovelText();
  std::vector<std::string> texts;
  for (size_t i = 0; i < kQuestions; ++i) {
    // From evenly spaced places, the next paragraph that is long enough.
    std::string_view words;
    for (size_t at = novel.size() * i / kQuestions; words.empty();) {
      at = novel.find('\n', at) + 1;
      words = FirstWords(novel.substr(at, novel.find('\n', at) - at), kQuestionWords);
    }
    texts.emplace_back(words);
  }
  return texts;
}

AskedRow AskQuestions(Subject& subject, const CellSpec& spec, int64_t most_ns, const ShouldStop& stop) {
  Result<AskedRow> asked = TryAsking(subject, spec, most_ns, stop);
  AskedRow row = asked ? std::move(asked).value() : AskedRow{};
  if (!asked) row.note = asked.error().message;
  row.target = spec.target;
  row.named = spec.model;
  row.questions = fmt::format("{}{}", kSet, spec.load.chat ? ", chat" : "");
  return row;
}

double RoughAskingSeconds(const Subject& subject, const CellSpec& spec) {
  constexpr double kMost = static_cast<double>(kMostAskingNs) / 1e9;
  if (!WhyNotAsked(subject, spec).empty()) return 0;
  if (subject.row().file_tensor_bytes == 0) return kMost;  // of a server that does not say what it serves
  Workload load{1, kQuestions, kRoughPromptTokens, kAnswerTokens};
  if (!subject.prompt_ids().empty()) std::swap(load.users, load.requests_per_user);
  return std::min(kMost, RoughSeconds(subject.row(), load));
}

std::string RankedJson(const std::vector<RankedToken>& tokens) {
  Json json = Json::array();
  for (const RankedToken& token : tokens) {
    Json top = Json::array();
    // Six decimals are more than the difference of two orders of summation in float32.
    for (const auto& [text, logprob] : token.top) top.push_back({Repaired(text, true), std::round(logprob * 1e6) / 1e6});
    json.push_back(Json::array({Repaired(token.text, true), std::move(top)}));
  }
  return json.dump();
}

std::vector<RankedToken> ParseRanked(std::string_view text) {
  std::vector<RankedToken> tokens;
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array()) return tokens;
  for (const Json& entry : json) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_array()) return {};
    RankedToken& token = tokens.emplace_back(RankedToken{entry[0].get<std::string>(), {}});
    for (const Json& likely : entry[1]) {
      if (!likely.is_array() || likely.size() != 2 || !likely[0].is_string() || !likely[1].is_number()) return {};
      token.top.emplace_back(likely[0].get<std::string>(), likely[1].get<double>());
    }
  }
  return tokens;
}

}  // namespace weir
