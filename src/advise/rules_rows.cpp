// Rules that rest on measured rows alone.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include "advise/verdict_rules.h"
#include "model/synth/synth_model.h"

namespace weir {
namespace {

using Cells = std::vector<const MeasuredCell*>;

const Candidate* CandidateOf(const Facts& facts, const MeasuredCell& cell) {
  const auto found =
      std::find_if(facts.candidates.begin(), facts.candidates.end(),
                   [&](const Candidate& candidate) { return SameName(candidate.name, cell.name); });
  return found == facts.candidates.end() ? nullptr : &*found;
}

/// The rows of each model in one quantisation and with prompts of one length, by users.
std::map<std::pair<std::string, int64_t>, Cells> CellsByModel(const Facts& facts) {
  std::map<std::pair<std::string, int64_t>, Cells> groups;
  for (const MeasuredCell& cell : facts.evidence.cells) {
    const Candidate* candidate = CandidateOf(facts, cell);
    if (!candidate || candidate->params < facts.need.least_params) continue;
    groups[{candidate->name, cell.prompt_tokens}].push_back(&cell);
  }
  for (auto& [model, cells] : groups) {
    std::sort(cells.begin(), cells.end(),
              [](const auto* a, const auto* b) { return a->users < b->users; });
  }
  return groups;
}

double Each(const MeasuredCell& cell) { return cell.decode_tok_s.median / cell.users; }

std::string EachText(const MeasuredCell& cell) {
  return fmt::format("{} to {} (row {})", Digits(Each(cell)),
                     cell.users == 1 ? "1 user" : "each of " + UsersText(cell.users),
                     cell.id);
}

/// How many of the cells, by users, give each user what is needed, as far as all before them do.
size_t Served(const Cells& cells, const Need& need) {
  size_t n_served = 0;
  while (n_served < cells.size() && Each(*cells[n_served]) >= *need.min_tok_s) ++n_served;
  return n_served;
}

/// How many users one model gives the needed speed; cells by users, two or more.
Sentence UsersOf(const Candidate& candidate, const Cells& cells, const Need& need) {
  const double wanted = *need.min_tok_s;
  const size_t n_served = Served(cells, need);
  Sentence sentence;
  sentence.numbers = {{"min_tok_s_each", wanted}};
  const std::string tail =
      fmt::format(" {} tok/s each from {}", Plain(wanted), ModelText(candidate));
  Cells shown;
  if (n_served == 0) {
    sentence.side = Side::kWrong;
    sentence.condition = fmt::format("{} or more want{}", UsersText(cells[0]->users), tail);
    sentence.because = "it gives " + EachText(*cells[0]);
    sentence.flips.push_back({"min-tps", std::nextafter(Each(*cells[0]), INFINITY), false,
                              UsersText(cells[0]->users) + " can be served"});
    sentence.flips.push_back({fmt::format("row {} decode_tok_s", cells[0]->id),
                              std::nextafter(wanted * cells[0]->users, 0), true,
                              UsersText(cells[0]->users) + " can be served"});
    shown = {cells[0]};
  } else {
    const MeasuredCell& last = *cells[n_served - 1];
    sentence.side = Side::kRight;
    sentence.condition = fmt::format("up to {} want{}", UsersText(last.users), tail);
    sentence.because = "it gives " + EachText(last);
    sentence.flips.push_back({fmt::format("row {} decode_tok_s", last.id), wanted * last.users,
                              false, "fewer users can be served"});
    shown = {&last};
    double least = Each(*cells[0]);
    for (size_t i = 0; i < n_served; ++i) least = std::min(least, Each(*cells[i]));
    sentence.flips.push_back({"min-tps", least, true, "fewer users can be served"});
    if (n_served < cells.size()) {
      const MeasuredCell& next = *cells[n_served];
      sentence.because += ", and only " + EachText(next);
      sentence.flips.push_back({fmt::format("row {} decode_tok_s", next.id),
                                std::nextafter(wanted * next.users, 0), true,
                                UsersText(next.users) + " can be served"});
      if (next.users > last.users + 1) {
        sentence.wanted = fmt::format("weir bench {} --users {} --prompt-tokens {}", candidate.name,
                                      (last.users + next.users) / 2, last.prompt_tokens);
      }
      shown.push_back(&next);
    } else {
      sentence.wanted = fmt::format("weir bench {} --users {} --prompt-tokens {}", candidate.name,
                                    2 * last.users, last.prompt_tokens);
    }
  }
  sentence.because += CaveatsText(shown);
  for (const MeasuredCell* cell : shown) sentence.cells.push_back(cell->id);
  return sentence;
}

std::string QualityText(const Facts& facts, const Candidate& candidate) {
  if (candidate.synthetic) return "";  // random weights have none
  for (auto row = facts.evidence.quality.rbegin(); row != facts.evidence.quality.rend(); ++row) {
    if (row->name != candidate.name) continue;
    const std::string kl =
        row->kl_mean ? fmt::format(", {} nats from {}", Digits(row->kl_mean->value), row->reference)
                     : "";
    return fmt::format("; perplexity {} on {}{} (row {} of quality)", Digits(row->ppl.value),
                       row->text, kl, row->id);
  }
  return "; of its quality nothing was measured";
}

/// `few` has fewer bits than `many`, of the same model with the same load.
Sentence FewerBitsOf(const Facts& facts, const MeasuredCell& few, const Candidate& few_model,
                     const MeasuredCell& many, const Candidate& many_model) {
  Sentence sentence;
  const Figure &a = many.decode_tok_s, &b = few.decode_tok_s;
  sentence.condition = fmt::format("{} is taken for the speed of it, instead of {}",
                                   ModelText(few_model), many_model.quant);
  sentence.cells = {few.id, many.id};
  sentence.numbers = {{"ratio_of_medians", b.median / a.median}};
  const std::string ratio =
      fmt::format("{} times the tok/s with {} (rows {} and {}){}{}", Digits(b.median / a.median),
                  UsersText(few.users), few.id, many.id, CaveatsText({&few, &many}),
                  QualityText(facts, few_model));
  const std::string few_row = fmt::format("row {} ", few.id);
  if (b.least > a.greatest) {
    sentence.side = Side::kRight;
    sentence.because = "it has " + ratio;
    sentence.flips.push_back({few_row + "slowest", std::nextafter(a.greatest, INFINITY), false,
                              "repeats differ by as much"});
  } else if (b.greatest < a.least) {
    sentence.side = Side::kWrong;
    sentence.because = "it has only " + ratio;
    sentence.flips.push_back(
        {few_row + "fastest", std::nextafter(a.least, 0), true, "repeats differ by as much"});
  } else {
    sentence.because = "repeats differ by as much as these two: " + ratio;
    sentence.flips.push_back({few_row + "slowest", a.greatest, true, "it is faster"});
    sentence.wanted = fmt::format("weir bench {} {} --users {} --prompt-tokens {} --precision 2%",
                                  few.name, many.name, few.users, few.prompt_tokens);
  }
  return sentence;
}

/// The number of users nearest to what is needed for which both have a row.
std::optional<std::pair<const MeasuredCell*, const MeasuredCell*>> NearestPair(const Cells& few,
                                                                               const Cells& many,
                                                                               int users) {
  std::optional<std::pair<const MeasuredCell*, const MeasuredCell*>> best;
  for (const MeasuredCell* a : few) {
    for (const MeasuredCell* b : many) {
      if (a->users != b->users) continue;
      if (!best || std::abs(a->users - users) < std::abs(best->first->users - users)) best = {a, b};
    }
  }
  return best;
}

}  // namespace

// Of each model the quantisation that serves most users, of equal ones that with the most bits.
std::vector<Sentence> RuleUsers(const Facts& facts) {
  struct Best {
    const Candidate* candidate = nullptr;
    const Cells* cells = nullptr;
    std::pair<int, double> rank;
  };
  const auto groups = CellsByModel(facts);
  std::map<std::string, Best> models;
  for (const auto& [key, cells] : groups) {
    if (cells.size() < 2) continue;
    const Candidate* candidate = CandidateOf(facts, *cells[0]);
    const size_t n_served = Served(cells, facts.need);
    const Best one{candidate,
                   &cells,
                   {n_served > 0 ? cells[n_served - 1]->users : 0, candidate->bits_per_weight}};
    Best& best = models[candidate->model];
    if (!best.candidate || one.rank > best.rank) best = one;
  }
  std::vector<Sentence> sentences;
  for (const auto& [model, best] : models)
    sentences.push_back(UsersOf(*best.candidate, *best.cells, facts.need));
  return sentences;
}

std::vector<Sentence> RuleFewerBits(const Facts& facts) {
  const auto groups = CellsByModel(facts);
  std::vector<Sentence> sentences;
  for (const auto& [few_key, few] : groups) {
    const Candidate& few_model = *CandidateOf(facts, *few[0]);
    // Against the same model in the fewest bits that are still more.
    const Candidate* next = nullptr;
    const Cells* many = nullptr;
    for (const auto& [many_key, cells] : groups) {
      const Candidate& other = *CandidateOf(facts, *cells[0]);
      if (many_key.second != few_key.second || !few_model.synthetic ||
          other.model != few_model.model || !other.synthetic)
        continue;
      if (other.bits_per_weight <= few_model.bits_per_weight) continue;
      if (!next || other.bits_per_weight < next->bits_per_weight) next = &other, many = &cells;
    }
    if (!next) continue;
    if (const auto pair = NearestPair(few, *many, facts.need.users)) {
      sentences.push_back(FewerBitsOf(facts, *pair->first, few_model, *pair->second, *next));
    }
  }
  return sentences;
}

std::vector<Sentence> RuleQuality(const Facts& facts) {
  const Need& need = facts.need;
  const Offer* choice = facts.choice();
  if (!choice) return {};
  const Candidate& model = *choice->candidate;
  Sentence sentence;
  const bool known = choice->quality && choice->quality->kl_mean;
  if (!known) {
    if (model.synthetic && !need.max_kl) return {};  // the place stays empty
    sentence.condition = "answers must be close to the original's";
    sentence.because =
        model.synthetic
            ? fmt::format(
                  "{} was chosen by its shapes: synthetic weights say nothing about answers",
                  ModelText(model))
            : fmt::format("the distance of {} from its original was not measured",
                          ModelText(model));
    sentence.wanted =
        fmt::format("weir perplexity {} --against ORIGINAL.gguf --file TEXT",
                    model.synthetic ? model.model + "-" + model.quant + ".gguf" : model.name);
    return {sentence};
  }
  const MeasuredQuality& row = *choice->quality;
  const Range kl = IntervalOf(*row.kl_mean);
  const double wanted = need.max_kl.value_or(kl.high);
  sentence.condition = fmt::format("answers may be {} nats from those of {}",
                                   need.max_kl ? Plain(wanted) : Digits(wanted), row.reference);
  sentence.because =
      fmt::format("{} is {} nats from it on {}, perplexity {} (row {} of quality)",
                  ModelText(model), RangeText(kl), row.text, Digits(row.ppl.value), row.id);
  sentence.quality = {row.id};
  sentence.numbers = {{"kl_low", kl.low}, {"kl_high", kl.high}, {"ppl", row.ppl.value}};
  if (wanted >= kl.high) {
    sentence.side = Side::kRight;
    sentence.flips.push_back({"max-kl", kl.high, false, "another has to do, or none is sure to"});
  } else {
    sentence.flips.push_back(
        {"max-kl", std::nextafter(kl.high, 0), true, "it is sure to be close enough"});
  }
  return {sentence};
}

}  // namespace weir
