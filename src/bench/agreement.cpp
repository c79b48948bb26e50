#include "bench/agreement.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "bench/questions.h"
#include "bench/statistics.h"
#include "model/text/utf8.h"

namespace weir {
namespace {

constexpr double kLeastProbability = 1e-6;  // of what is left: sums of rounded probabilities may exceed 1

struct CommonBeginning {
  int64_t characters = 0;
  double share = 0;
  bool same = false;
};

CommonBeginning Common(const AnswerRow& a, const AnswerRow& b) {
  const AnswerRow& shorter = a.text.size() < b.text.size() ? a : b;
  const AnswerRow& longer = &shorter == &a ? b : a;
  size_t n = std::mismatch(shorter.text.begin(), shorter.text.end(), longer.text.begin()).first - shorter.text.begin();
  // What would have come behind a cut is not known.
  const size_t comparable = shorter.cut ? shorter.text.size() : longer.text.size();
  const bool same = n == comparable;
  while (!same && n > 0 && IsUtf8Continuation(longer.text[n])) --n;  // not within a character
  return {CountCharacters(std::string_view(longer.text).substr(0, n)),
          same ? 1.0 : static_cast<double>(n) / static_cast<double>(comparable), same};
}

std::map<std::string, double> Probabilities(const RankedToken& token) {
  std::map<std::string, double> probabilities;
  for (const auto& [text, logprob] : token.top) probabilities[text] += std::exp(logprob);
  return probabilities;
}

double Term(double p, double q) { return p > 0 ? p * std::log(p / q) : 0; }

/// By the text before them, which includes no part of the prompt.
std::map<std::string, RankedToken> ByPosition(const std::string& logprobs) {
  std::map<std::string, RankedToken> positions;
  std::string before;
  for (RankedToken& token : ParseRanked(logprobs)) {
    const std::string text = token.text;
    if (!token.top.empty()) positions.emplace(before, std::move(token));
    before += text;
  }
  return positions;
}

bool HaveCommonQuestion(const AskedRow& a, const AskedRow& b) {
  const auto of_b = [&](const AnswerRow& answer) {
    return std::any_of(b.answers.begin(), b.answers.end(), [&](const AnswerRow& row) { return row.question == answer.question; });
  };
  return a.questions == b.questions && std::any_of(a.answers.begin(), a.answers.end(), of_b);
}

/// With whom a target's answers were compared.
struct Witnesses {
  int n = 0;
  std::string nearest;
  Agreement best;  // with that one

  void Hear(const std::string& target, const Agreement& agreement) {
    if (n++ > 0 && agreement.common_share <= best.common_share) return;
    nearest = target;
    best = agreement;
  }
};

bool IsServer(const AskedRow& row) { return row.target.starts_with("http"); }

}  // namespace

double KlAtLeast(const RankedToken& p_known, const RankedToken& q_known) {
  const std::map<std::string, double> p = Probabilities(p_known), q = Probabilities(q_known);
  double kl = 0, p_common = 0, q_common = 0, p_alone = 0, q_sum = 0, q_least = 1;
  double n_alone = 0;
  for (const auto& [text, probability] : q) {
    q_sum += probability;
    q_least = std::min(q_least, probability);
  }
  for (const auto& [text, probability] : p) {
    const auto found = q.find(text);
    if (found == q.end()) {
      p_alone += probability;
      ++n_alone;
      continue;
    }
    p_common += probability;
    q_common += found->second;
    kl += Term(probability, found->second);
  }
  const double p_rest = std::max(1 - p_common - p_alone, kLeastProbability);
  const double q_left = std::max(1 - q_common, 2 * kLeastProbability);
  // Groups of tokens instead of tokens make the sum smaller, never larger. Of what q has left, tokens that it does not
  // list get at most its smallest listed probability each; within that, the share that makes the sum least.
  const double most_alone = std::min(n_alone * q_least, std::max(1 - q_sum, kLeastProbability));
  const double q_alone = std::min(most_alone, q_left * p_alone / (p_alone + p_rest));
  if (n_alone > 0) kl += Term(p_alone, std::max(q_alone, kLeastProbability));
  kl += Term(p_rest, std::max(q_left - q_alone, kLeastProbability));
  return std::max(kl, 0.0);
}

std::optional<Agreement> AgreementOf(const AskedRow& base, const AskedRow& other) {
  if (base.questions != other.questions) return std::nullopt;
  Agreement agreement;
  std::vector<double> characters;
  double kl_sum = 0;
  for (const AnswerRow& a : base.answers) {
    const auto b = std::find_if(other.answers.begin(), other.answers.end(),
                                [&](const AnswerRow& row) { return row.question == a.question; });
    if (b == other.answers.end()) continue;
    const CommonBeginning common = Common(a, *b);
    ++agreement.n_questions;
    agreement.n_same += common.same;
    agreement.common_share += common.share;
    characters.push_back(static_cast<double>(common.characters));
    const std::map<std::string, RankedToken> of_b = ByPosition(b->logprobs);
    for (const auto& [before, p] : ByPosition(a.logprobs)) {
      const auto q = of_b.find(before);
      if (q == of_b.end()) continue;
      ++agreement.n_positions;
      kl_sum += KlAtLeast(p, q->second);
    }
  }
  if (agreement.n_questions == 0) return std::nullopt;
  agreement.common_share /= agreement.n_questions;
  agreement.common_characters = Median(characters);
  if (agreement.n_positions > 0) agreement.kl_nats = kl_sum / static_cast<double>(agreement.n_positions);
  return agreement;
}

std::vector<ComparedAnswers> CompareAnswers(const std::vector<AskedRow>& rows) {
  std::vector<ComparedAnswers> compared;
  for (const auto& [i, j] : ComparablePairs(rows)) {
    compared.push_back({rows[i].named, rows[i].target, rows[j].target, *AgreementOf(rows[i], rows[j])});
  }
  return compared;
}

std::vector<ComparedAnswers> CompareAnswers(const std::vector<AskedRow>& bases, const std::vector<AskedRow>& others,
                                            const std::vector<std::pair<int64_t, int64_t>>& ids) {
  const auto find = [](const std::vector<AskedRow>& rows, int64_t id) {
    return std::find_if(rows.begin(), rows.end(), [&](const AskedRow& row) { return row.id == id; });
  };
  std::vector<ComparedAnswers> compared;
  for (const auto& [base_id, other_id] : std::set(ids.begin(), ids.end())) {
    const auto base = find(bases, base_id), other = find(others, other_id);
    if (base == bases.end() || other == others.end()) continue;
    if (const auto agreement = AgreementOf(*base, *other)) {
      compared.push_back({base->named, base->target, other->target, *agreement});
    }
  }
  return compared;
}

std::vector<std::pair<size_t, size_t>> ComparablePairs(const std::vector<AskedRow>& rows) {
  // A server has names of its own for its models: only where there is one on either side it is the same for certain.
  std::set<std::string> files, served;
  for (const AskedRow& row : rows) {
    if (!row.answers.empty()) (IsServer(row) ? served : files).insert(row.named);
  }
  const bool one_model = files.size() == 1 && served.size() == 1;
  std::vector<std::pair<size_t, size_t>> pairs;
  for (size_t i = 0; i < rows.size(); ++i) {
    for (size_t j = i + 1; j < rows.size(); ++j) {
      const bool same_model = rows[i].named == rows[j].named || (one_model && IsServer(rows[i]) != IsServer(rows[j]));
      const bool twice = rows[i].target == rows[j].target && rows[i].run != rows[j].run;  // by a campaign that went on
      if (!same_model || twice || !HaveCommonQuestion(rows[i], rows[j])) continue;
      rows[j].target == "engine" ? pairs.emplace_back(j, i) : pairs.emplace_back(i, j);
    }
  }
  return pairs;
}

std::map<size_t, Flag> JudgeAnswers(const std::vector<AskedRow>& rows) {
  std::map<size_t, Witnesses> targets, configurations;
  for (const auto& [i, j] : ComparablePairs(rows)) {
    const Agreement agreement = *AgreementOf(rows[i], rows[j]);
    auto& witnesses = rows[i].target == rows[j].target ? configurations : targets;
    witnesses[i].Hear(rows[j].target, agreement);
    witnesses[j].Hear(rows[i].target, agreement);
  }
  targets.merge(configurations);  // of those that have no other target
  std::map<size_t, Flag> flags;
  for (const auto& [index, witnesses] : targets) {
    if (witnesses.best.common_share >= kLeastCommonShare) continue;
    flags[index] = {"answers_differ",
                    fmt::format("to the {} fixed questions the answers part after {:.2g} % of their text from those of "
                                "{}{}: one of them does not compute this model",
                                witnesses.best.n_questions, 100 * witnesses.best.common_share,
                                witnesses.n > 1 ? "the nearest other target, " : "", witnesses.nearest)};
  }
  return flags;
}

Status FlagAnswers(int64_t run, Store& store) {
  WEIR_TRY(const std::vector<AskedRow> rows, store.AskedWith(run));
  for (const auto& [index, flag] : JudgeAnswers(rows)) {
    if (rows[index].run == run) WEIR_RETURN_IF_ERROR(store.FlagAsked(rows[index].id, flag));
  }
  return {};
}

}  // namespace weir
