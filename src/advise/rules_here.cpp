// Rules about the machine itself: what it holds, how fast it is, what it could be at best.
#include <algorithm>
#include <cmath>
#include <functional>

#include "advise/verdict_rules.h"

namespace weir {
namespace {

using Score = std::function<double(const Offer&)>;

/// Of the offers that fit, the one with the most of something; null if none fits.
const Offer* Most(const std::vector<Offer>& offers, const Score& score) {
  const Offer* best = nullptr;
  for (const Offer& offer : offers) {
    if (offer.fits() && offer.speed.basis != Basis::kNone && (!best || score(offer) > score(*best)))
      best = &offer;
  }
  return best;
}

const Offer* FirstFitting(const std::vector<Offer>& offers) {
  const auto found =
      std::find_if(offers.begin(), offers.end(), [](const Offer& offer) { return offer.fits(); });
  return found == offers.end() ? nullptr : &*found;
}

/// What to say where nothing is known of the speed of this machine.
Sentence UnknownSpeed(const Facts& facts, std::string condition) {
  Sentence sentence;
  sentence.condition = std::move(condition);
  sentence.because = "nothing was measured on this machine, not even its bandwidth";
  const Offer* offer = facts.choice() ? facts.choice() : FirstFitting(facts.here);
  if (offer) sentence.wanted = BenchCommand(*offer->candidate, facts.need);
  return sentence;
}

/// The most parameters of a model that fits with this need's users and context; 0: none does.
double LargestThatFits(const Facts& facts) {
  Need any = facts.need;
  any.least_params = 0;
  double params = 0;
  for (const Offer& offer :
       OffersOf(facts.home, facts.evidence, facts.speeds, any, facts.candidates)) {
    if (offer.fits()) params = std::max(params, offer.candidate->params);
  }
  return params;
}

/// The longest prompt, up to the context, for which `holds`; 0: not even one of one token. It holds
/// for all shorter ones.
int64_t LongestPrompt(const Facts& facts, const std::function<bool(const Need&)>& holds) {
  int64_t good = 0, bad = facts.need.context_tokens + 1;
  while (bad - good > 1) {
    Need need = facts.need;
    need.prompt_tokens = good + (bad - good) / 2;
    (holds(need) ? good : bad) = need.prompt_tokens;
  }
  return good;
}

/// Whether any model that fits has its first token in time, surely (the range's upper end) or
/// perhaps.
bool SomeSoonEnough(const Facts& facts, const Need& need, bool surely) {
  return std::any_of(facts.here.begin(), facts.here.end(), [&](const Offer& offer) {
    if (!offer.fits()) return false;
    const Range ttft_ms = facts.speeds.Of(*offer.candidate, need).ttft_ms;
    return (surely ? ttft_ms.high : ttft_ms.low) <= *need.max_ttft_ms;
  });
}

std::string Seconds(double ms) { return Plain(ms * 1e-3) + " s"; }

/// `longest`: what fits with the longest context, if anything does.
void AddWhatDoesNotFit(const Facts& facts, const Offer& longest, Sentence* sentence) {
  sentence->side = Side::kWrong;
  const auto smallest = std::min_element(
      facts.here.begin(), facts.here.end(),
      [](const Offer& a, const Offer& b) { return a.total_bytes < b.total_bytes; });
  sentence->because = fmt::format("the smallest, {}, takes {} of the {} that are available",
                                  ModelText(*smallest->candidate), BytesText(smallest->total_bytes),
                                  BytesText(facts.home.memory.available_bytes));
  if (longest.longest_context > 0) {
    sentence->flips.push_back({"ctx", static_cast<double>(longest.longest_context) + 1, false,
                               ModelText(*longest.candidate) + " fits"});
  }
  if (const double params = LargestThatFits(facts); params > 0) {
    sentence->flips.push_back({"model-at-least", std::nextafter(params * 1e-9, INFINITY), false,
                               "there is a model that fits"});
  }
}

/// The quickest is sure to answer after high_ms, and may after low_ms. What was measured was so
/// with the row's prompt; for others it would be predicted, and prompts turn predictions only.
void AddFirstTokenFlips(const Facts& facts, double high_ms, double low_ms, bool measured,
                        Sentence* sentence) {
  const bool right = sentence->side == Side::kRight;
  if (right) {
    sentence->flips = {{"max-ttft", high_ms * 1e-3, false, "none is sure to answer in time"}};
  } else if (sentence->side == Side::kOpen) {
    sentence->flips = {{"max-ttft", low_ms * 1e-3, false, "none answers in time"}};
  } else {
    sentence->flips = {
        {"max-ttft", std::nextafter(low_ms * 1e-3, 0), true, "some may answer in time"}};
  }
  if (measured) return;
  const int64_t longest =
      LongestPrompt(facts, [&](const Need& need) { return SomeSoonEnough(facts, need, true); });
  if (right && longest < facts.need.context_tokens) {
    sentence->flips.push_back(
        {"prompt", static_cast<double>(longest), true, "none is sure to answer in time"});
  } else if (!right && longest > 0) {
    sentence->flips.push_back(
        {"prompt", static_cast<double>(longest + 1), false, "some are sure to answer in time"});
  }
}

std::vector<Sentence> NoModelSoLarge(const Facts& facts) {
  double params = 0;
  for (const Candidate& candidate : facts.candidates) params = std::max(params, candidate.params);
  Sentence sentence;
  sentence.condition = WantText(facts.need);
  sentence.because =
      fmt::format("the largest model whose shapes are known, or that was measured here, has {}B",
                  Plain(params * 1e-9));
  sentence.flips.push_back({"model-at-least", std::nextafter(params * 1e-9, INFINITY), false,
                            "there is one to judge by"});
  return {sentence};
}

}  // namespace

std::vector<Sentence> RuleMemory(const Facts& facts) {
  const Need& need = facts.need;
  const auto longest = std::max_element(
      facts.here.begin(), facts.here.end(),
      [](const Offer& a, const Offer& b) { return a.longest_context < b.longest_context; });
  if (longest == facts.here.end()) return NoModelSoLarge(facts);
  Sentence sentence;
  sentence.condition = fmt::format(
      "{} want{} {} with {} tokens of context{}", UsersText(need.users), need.users == 1 ? "s" : "",
      SizeText(need), Thousands(static_cast<double>(need.context_tokens)), need.users == 1 ? "" : " each");
  const Offer* offer = facts.choice() ? facts.choice() : FirstFitting(facts.here);
  const auto at_longest = static_cast<double>(longest->longest_context);
  if (!offer) {
    AddWhatDoesNotFit(facts, *longest, &sentence);
    return {sentence};
  }
  sentence.side = Side::kRight;
  sentence.because =
      fmt::format("{} takes {} of the {} that are available, {}", ModelText(*offer->candidate),
                  BytesText(offer->total_bytes), BytesText(facts.home.memory.available_bytes),
                  Name(offer->comfort));
  sentence.numbers = {{"total_bytes", static_cast<double>(offer->total_bytes)},
                      {"available_bytes", static_cast<double>(facts.home.memory.available_bytes)},
                      {"longest_context", static_cast<double>(offer->longest_context)}};
  if (offer->longest_context < longest->longest_context) {
    sentence.flips.push_back({"ctx", static_cast<double>(offer->longest_context), true,
                              "another model or quantisation has to do"});
  }
  sentence.flips.push_back({"ctx", at_longest, true, "none of them fits"});
  return {sentence};
}

std::vector<Sentence> RuleSpeed(const Facts& facts) {
  const Need& need = facts.need;
  std::string condition = WantText(need);
  if (!FirstFitting(facts.here)) return {};  // which the rule of memory says
  const Offer* sure =
      Most(facts.here, [](const Offer& offer) { return offer.speed.tok_s_each.low; });
  if (!sure) return {UnknownSpeed(facts, condition)};
  const Offer* most =
      Most(facts.here, [](const Offer& offer) { return offer.speed.tok_s_each.high; });
  const double low = sure->speed.tok_s_each.low, high = most->speed.tok_s_each.high;
  Sentence sentence;
  sentence.condition = std::move(condition);
  const Offer* named = *need.min_tok_s <= low ? sure : most;
  const Offer* choice = facts.choice();
  if (choice && FastEnough(choice->speed, need) == FastEnough(named->speed, need)) named = choice;
  sentence.because =
      fmt::format("{} gives {}{}", ModelText(*named->candidate), SpeedText(named->speed),
                  CaveatsText(facts, named->speed));
  sentence.cells = named->speed.cells;
  sentence.numbers = {{"low", named->speed.tok_s_each.low}, {"high", named->speed.tok_s_each.high}};
  if (*need.min_tok_s <= low) {
    sentence.side = Side::kRight;
    if (named->speed.tok_s_each.low < low) {
      sentence.flips.push_back({"min-tps", named->speed.tok_s_each.low, true,
                                "another model or quantisation has to do"});
    }
    sentence.flips.push_back({"min-tps", low, true, "none is sure to be fast enough"});
    return {sentence};
  }
  const Flip sure_below{"min-tps", std::nextafter(low, INFINITY), false,
                        ModelText(*sure->candidate) + " is sure to do"};
  if (*need.min_tok_s > high) {
    sentence.side = Side::kWrong;
    sentence.flips = {{"min-tps", std::nextafter(high, INFINITY), false, "some may do"}};
    if (low < high) sentence.flips.push_back(sure_below);
  } else {
    sentence.side = Side::kOpen;
    sentence.flips = {sure_below, {"min-tps", high, true, "none is fast enough"}};
  }
  if (most->speed.basis != Basis::kMeasured)
    sentence.wanted = BenchCommand(*named->candidate, need);
  return {sentence};
}

std::vector<Sentence> RuleFirstToken(const Facts& facts) {
  const Need& need = facts.need;
  if (!need.max_ttft_ms || !FirstFitting(facts.here)) return {};
  std::string condition = fmt::format(
      "a prompt of {} tokens must be answered within {}{}", Thousands(static_cast<double>(need.prompt_tokens)),
      Seconds(*need.max_ttft_ms),
      need.users == 1 ? ""
                      : fmt::format(", of {} who ask at once the last", UsersText(need.users)));
  const Offer* sure =
      Most(facts.here, [](const Offer& offer) { return -offer.speed.ttft_ms.high; });
  if (!sure) return {UnknownSpeed(facts, condition)};
  const Offer* most = Most(facts.here, [](const Offer& offer) { return -offer.speed.ttft_ms.low; });
  const double high_ms = sure->speed.ttft_ms.high, low_ms = most->speed.ttft_ms.low;
  Sentence sentence;
  sentence.condition = std::move(condition);
  const Offer* named = *need.max_ttft_ms >= high_ms ? sure : most;
  sentence.side = *need.max_ttft_ms >= high_ms ? Side::kRight
                  : *need.max_ttft_ms < low_ms ? Side::kWrong
                                               : Side::kOpen;
  const bool measured = named->speed.basis == Basis::kMeasured;
  // As the rule of speed: the model that would be chosen speaks, unless its answer is another one.
  const Offer* choice = facts.choice();
  if (choice && choice->speed.basis != Basis::kNone &&
      SoonEnough(choice->speed, need) == SoonEnough(named->speed, need))
    named = choice;
  const Speed& speed = named->speed;
  sentence.because =
      fmt::format("with {} the first token comes after {} s ({}{}){}", ModelText(*named->candidate),
                  RangeText({speed.ttft_ms.low * 1e-3, speed.ttft_ms.high * 1e-3}), Name(speed.basis),
                  speed.cells.empty() ? "" : ", " + RowsText(speed.cells), CaveatsText(facts, speed));
  sentence.cells = speed.cells;
  sentence.numbers = {{"ttft_low_ms", speed.ttft_ms.low}, {"ttft_high_ms", speed.ttft_ms.high}};
  AddFirstTokenFlips(facts, high_ms, low_ms, measured, &sentence);
  if (sentence.side == Side::kRight && speed.ttft_ms.high > high_ms) {
    sentence.flips.insert(sentence.flips.begin(), {"max-ttft", speed.ttft_ms.high * 1e-3, false,
                                                   "another model or quantisation has to do"});
  }
  if (sentence.side != Side::kRight && speed.basis != Basis::kMeasured) {
    sentence.wanted = BenchCommand(*named->candidate, need);
  }
  return {sentence};
}

std::vector<Sentence> RuleLimit(const Facts& facts) {
  const Need& need = facts.need;
  const Offer* best =
      Most(facts.here, [](const Offer& offer) { return offer.speed.limit_tok_s_each.value_or(0); });
  if (!best || !best->speed.limit_tok_s_each) return {};
  const double limit = *best->speed.limit_tok_s_each;
  Sentence sentence;
  sentence.numbers = {{"limit_tok_s_each", limit}};
  if (*need.min_tok_s > limit) {
    sentence.side = Side::kWrong;
    sentence.condition = WantText(need);
    sentence.because = fmt::format(
        "whatever software runs {}, this machine's memory and multipliers allow {} tok/s each",
        ModelText(*best->candidate), Digits(limit));
    sentence.flips.push_back({"min-tps", std::nextafter(limit, INFINITY), false, "it is possible"});
    return {sentence};
  }
  const Offer* named =
      facts.choice() && facts.choice()->speed.limit_tok_s_each ? facts.choice() : best;
  const double named_limit = *named->speed.limit_tok_s_each;
  sentence.side = Side::kRight;
  sentence.condition = "what this machine's memory and multipliers allow is enough";
  sentence.because =
      fmt::format("with {} that is {} tok/s each, whatever software runs it (speculation aside)",
                  ModelText(*named->candidate), Digits(named_limit));
  sentence.cells = named->speed.cells;
  if (named->speed.basis == Basis::kEstimated) {
    sentence.because += "; no row says how much of it is reached";
  } else {
    const Range each = named->speed.tok_s_each;
    const double share =
        named->speed.median_tok_s_each.value_or((each.low + each.high) / 2) / named_limit;
    sentence.because += fmt::format(
        "; {:.0f} % of it is reached ({}, {}), so that better software gains {} times at most",
        100 * share, Name(named->speed.basis), RowsText(named->speed.cells),
        Digits(std::max(1.0, 1 / share)));
    sentence.because += CaveatsText(facts, named->speed, CaveatOf::kLimit);
    sentence.numbers.emplace_back("share", share);
  }
  sentence.flips.push_back({"min-tps", limit, true, "no software is fast enough"});
  return {sentence};
}

}  // namespace weir
