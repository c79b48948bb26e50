#include "advise/verdict.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "advise/verdict_rules.h"

namespace weir {
namespace {

/// The prompt's length of the newest row, so that what was measured answers unless something else
/// is asked.
int64_t PromptOf(const Need& need, const Evidence& evidence) {
  if (need.prompt_tokens > 0) return need.prompt_tokens;
  const auto newest = std::max_element(evidence.cells.begin(), evidence.cells.end(),
                                       [](const auto& a, const auto& b) { return a.id < b.id; });
  const int64_t usual =
      newest == evidence.cells.end() ? kUsualPrompt : std::max<int64_t>(1, newest->prompt_tokens);
  return std::min(usual, need.context_tokens);
}

/// Of each model the offer to choose; where none will do, the fastest that fits, else the smallest.
std::vector<Offer> BestOfEachModel(const std::vector<Offer>& offers) {
  std::map<std::string, std::vector<Offer>> models;
  for (const Offer& offer : offers) models[offer.candidate->model].push_back(offer);
  std::vector<Offer> best;
  for (const auto& [model, group] : models) {
    const Offer* choice = Choose(group);
    const auto rank = [](const Offer& offer) {
      return std::tuple(offer.fits(), offer.fits() ? offer.speed.tok_s_each.low : 0,
                        -offer.total_bytes);
    };
    best.push_back(choice ? *choice
                          : *std::max_element(
                                group.begin(), group.end(),
                                [&](const Offer& a, const Offer& b) { return rank(a) < rank(b); }));
  }
  std::sort(best.begin(), best.end(), [](const Offer& a, const Offer& b) {
    return a.candidate->params < b.candidate->params;
  });
  return best;
}

double PriceOf(const Offer& offer) { return offer.catalogued->price_usd.value_or(INFINITY); }

std::string Unit(const std::string& input) {
  static const std::map<std::string, std::string, std::less<>> kUnits = {
      {"min-tps", " tok/s for each user"},
      {"prompt", " tokens in a prompt"},
      {"ctx", " tokens of context for each user"},
      {"max-ttft", " s to the first token"},
      {"budget", " USD to spend"},
      {"kwh", " USD for a kWh"},
      {"host-usd", " USD for the computer around it"},
      {"host-watts", " W for the computer around it"},
      {"model-at-least", "B parameters"},
      {"max-kl", " nats of divergence"}};
  if (const auto unit = kUnits.find(input); unit != kUnits.end()) return unit->second;
  const std::string row = input.substr(0, input.find(' ', 4));  // "row 12"
  const std::string part = input.substr(row.size() + 1);
  return fmt::format(" tok/s in {}{}", part == "decode_tok_s" ? "" : "the " + part + " repeat of ",
                     row);
}

}  // namespace

std::string_view Name(Side side) {
  return side == Side::kRight ? "right" : side == Side::kWrong ? "wrong" : "open";
}

std::string Digits(double value) {
  if (std::abs(value) >= 999.5) return Thousands(value);
  const int decimals =
      value != 0 ? 2 - static_cast<int>(std::floor(std::log10(std::abs(value)))) : 0;
  return fmt::format("{:.{}f}", value, std::clamp(decimals, 0, 4));
}

std::string SentenceText(const Sentence& sentence) {
  std::string text = sentence.subject.empty() ? "" : sentence.subject + ": ";
  switch (sentence.side) {
    case Side::kRight:
      text += "Right choice if ";
      break;
    case Side::kWrong:
      text += "Wrong choice if ";
      break;
    case Side::kOpen:
      text += "Not enough evidence if ";
      break;
  }
  return text + sentence.condition + ": " + sentence.because + ".";
}

std::string FlipText(const Flip& flip) {
  // Whole numbers of tokens and users are exact; the rest is rounded for readers.
  const bool whole = flip.at == std::floor(flip.at) && std::abs(flip.at) < 1e9;
  const std::string at = whole ? Thousands(flip.at) : Digits(flip.at);
  return fmt::format("flips {} {}{}: then {}", flip.above ? "above" : "below", at, Unit(flip.input),
                     flip.becomes);
}

Result<MachineVerdict> JudgeMachine(Need need, const Home& home, const Evidence& evidence,
                                    const MachineCatalogue& catalogue,
                                    std::vector<Candidate> found) {
  WEIR_RETURN_IF_ERROR(CheckNeed(need));
  need.prompt_tokens = PromptOf(need, evidence);
  if (!need.min_tok_s) need.min_tok_s = kReadingTokS;
  MachineVerdict verdict;
  verdict.candidates = std::make_shared<const std::vector<Candidate>>(std::move(found));
  const std::vector<Candidate>& candidates = *verdict.candidates;
  SpeedSource speeds(home, evidence);
  Facts facts{need, home, evidence, catalogue, candidates, speeds, {}, {}};
  facts.here = OffersOf(home, evidence, speeds, need, candidates);
  for (const CatalogueMachine& machine : catalogue.machines()) {
    if (machine.name == home.name) continue;
    const Home other = HomeOf(machine);
    const Evidence nothing;
    SpeedSource estimates(other, nothing);
    facts.elsewhere.push_back(OffersOf(other, evidence, estimates, need, candidates));
    const std::optional<double> usd = UsdOf(machine, need);
    const bool affordable = !need.budget_usd || !usd || *usd <= *need.budget_usd;
    const Offer* choice = Choose(facts.elsewhere.back());
    if (choice && affordable) verdict.elsewhere.push_back(*choice);
  }
  for (const Rule& rule : VerdictRules()) {
    for (Sentence& sentence : rule.apply(facts)) {
      sentence.rule = rule.name;
      verdict.sentences.push_back(std::move(sentence));
    }
  }
  std::stable_sort(verdict.elsewhere.begin(), verdict.elsewhere.end(),
                   [](const Offer& a, const Offer& b) { return PriceOf(a) < PriceOf(b); });
  verdict.need = need;
  verdict.home = home;
  verdict.here = BestOfEachModel(facts.here);
  verdict.set_aside = evidence.set_aside;
  return verdict;
}

Result<MachineVerdict> JudgeMachine(const Need& need, const Home& home, Store& store,
                                    const MachineCatalogue& catalogue, FigureReader& figures) {
  WEIR_TRY(const Evidence evidence, ReadEvidence(store, home, figures));
  return JudgeMachine(need, home, evidence, catalogue, FindCandidates(evidence.cells));
}

}  // namespace weir
