// Rules about machines of the catalogue: what could be bought instead. Their speeds are estimates,
// and said to be.
#include <algorithm>
#include <cmath>
#include <functional>

#include "advise/verdict_rules.h"

namespace weir {
namespace {

constexpr double kDaysPerYear = 365.25;
// What a machine draws while it decodes, of the load that its maker states, which is a maximum.
constexpr double kLeastLoad = 0.5;

/// Whether price, or power, are those of a part around which a computer has to be bought.
bool IsPart(const std::string& of) { return of != "system"; }

}  // namespace

std::optional<double> UsdOf(const CatalogueMachine& machine, const Need& need) {
  if (!machine.price_usd) return std::nullopt;
  return *machine.price_usd + (IsPart(machine.price_of) ? need.host_usd.value_or(0) : 0);
}

namespace {

struct Priced {
  const Offer* offer = nullptr;
  double usd = 0;
  bool without_host = false;  // the computer around it is not in it
};

std::optional<Priced> PriceOf(const Offer& offer, const Need& need) {
  const CatalogueMachine* machine = offer.catalogued;
  if (!machine || !machine->price_usd) return std::nullopt;
  return Priced{&offer, *UsdOf(*machine, need), IsPart(machine->price_of) && !need.host_usd};
}

std::string PriceText(const Priced& priced) {
  return fmt::format(
      "{} USD{}", Thousands(priced.usd),
      priced.without_host ? " for the " + priced.offer->catalogued->price_of + " alone" : "");
}

/// Whether somebody with this need's budget could buy it.
bool Affordable(const Priced& priced, const Need& need) {
  return !need.budget_usd || priced.usd <= *need.budget_usd;
}

/// Of each machine the offer that is sure to do, cheapest first.
std::vector<Priced> SureToDo(const Facts& facts) {
  std::vector<Priced> sure;
  for (const std::vector<Offer>& offers : facts.elsewhere) {
    const Offer* choice = Choose(offers);
    if (!choice || choice->meets != Answer::kYes) continue;
    if (const auto priced = PriceOf(*choice, facts.need)) sure.push_back(*priced);
  }
  std::stable_sort(sure.begin(), sure.end(),
                   [](const Priced& a, const Priced& b) { return a.usd < b.usd; });
  return sure;
}

const std::vector<Offer>& OffersBeside(const Facts& facts, const Offer& offer) {
  return *std::find_if(facts.elsewhere.begin(), facts.elsewhere.end(),
                       [&](const std::vector<Offer>& offers) {
                         return !offers.empty() && offers[0].machine == offer.machine;
                       });
}

/// What no machine gives, of what is needed: the first of these that none has together with those before it.
std::string WhyNoneIsSure(const Facts& facts) {
  const Need& need = facts.need;
  if (facts.here.empty()) return "no model is known that is as large";
  bool fits = false, fast = false, soon = false, faithful = false;
  for (const std::vector<Offer>& offers : facts.elsewhere) {
    for (const Offer& offer : offers) {
      if (!offer.fits()) continue;
      fits = true;
      if (FastEnough(offer.speed, need) != Answer::kYes) continue;
      fast = true;
      if (SoonEnough(offer.speed, need) != Answer::kYes) continue;
      soon = true;
      faithful |= FaithfulEnough(offer.quality, need) == Answer::kYes;
    }
  }
  return !fits       ? "none holds such a model with that context"
         : !fast     ? "none is sure to be fast enough, as far as estimates go"
         : !soon     ? "none is sure to answer in time, as far as estimates go"
         : !faithful ? fmt::format("of no model that is fast enough a divergence of {} nats or less was measured",
                                   Plain(*need.max_kl))
                     : "of none that is sure to do the price is known";
}

std::string NeedText(const Need& need) {
  std::string text = WantText(need);
  if (need.max_ttft_ms)
    text += fmt::format(", the first token within {} s", Plain(*need.max_ttft_ms * 1e-3));
  return text;
}

}  // namespace

std::vector<Sentence> RulePurchase(const Facts& facts) {
  const Need& need = facts.need;
  const std::vector<Priced> sure = SureToDo(facts);
  Sentence sentence;
  sentence.condition = NeedText(need);
  if (need.budget_usd)
    sentence.condition += fmt::format(" and {} USD can be spent", Thousands(*need.budget_usd));
  if (sure.empty() || !Affordable(sure[0], need)) {
    sentence.side = Side::kOpen;
    sentence.subject = "Any machine of the catalogue";
    sentence.because = sure.empty() ? WhyNoneIsSure(facts)
                                    : fmt::format("what is sure to do, as far as estimates go, costs {} USD or more",
                                                  Thousands(sure[0].usd));
    if (!sure.empty()) {
      sentence.flips.push_back({"budget", std::nextafter(sure[0].usd, 0), true,
                                fmt::format("{} is sure to do", sure[0].offer->title)});
    }
    return {sentence};
  }
  const Priced& cheapest = sure[0];
  const Offer& offer = *cheapest.offer;
  sentence.side = Side::kRight;
  sentence.subject = offer.title;
  sentence.because =
      fmt::format("it is the cheapest of the catalogue that is sure to do, with {}: {}; {}",
                  ModelText(*offer.candidate), SpeedText(offer.speed), PriceText(cheapest));
  sentence.numbers = {{"usd", cheapest.usd},
                      {"low", offer.speed.tok_s_each.low},
                      {"high", offer.speed.tok_s_each.high}};
  if (need.budget_usd)
    sentence.flips.push_back(
        {"budget", cheapest.usd, false, "no machine of the catalogue is sure to do"});
  // Of the model that is named, and then of any that the machine would do with.
  double fastest = 0, longest = 0;
  const double own_fastest = offer.speed.tok_s_each.low;
  const auto own_longest = static_cast<double>(offer.longest_context);
  for (const Offer& other : OffersBeside(facts, offer)) {
    if (!other.fits() || SoonEnough(other.speed, need) != Answer::kYes) continue;
    fastest = std::max(fastest, other.speed.tok_s_each.low);
    if (other.meets == Answer::kYes)
      longest = std::max(longest, static_cast<double>(other.longest_context));
  }
  const char* kAnother = "another model or quantisation has to do";
  if (own_fastest < fastest) sentence.flips.push_back({"min-tps", own_fastest, true, kAnother});
  sentence.flips.push_back({"min-tps", fastest, true, "it is not sure to be fast enough"});
  if (own_longest < longest) sentence.flips.push_back({"ctx", own_longest, true, kAnother});
  sentence.flips.push_back({"ctx", longest, true, "it does not hold what is fast enough"});
  return {sentence};
}

namespace {

/// The same model and quantisation here and there.
struct Duel {
  const Candidate* candidate = nullptr;
  Offer here, there;
  bool there_wins() const {
    return there.fits() &&
           (!here.fits() || there.speed.tok_s_each.low > here.speed.tok_s_each.high);
  }
};

/// All models in the quantisation of the choice, from small to large.
std::vector<Duel> DuelsWith(const Facts& facts, const CatalogueMachine& machine,
                            const std::string& quant) {
  Need any = facts.need;
  any.least_params = 0;
  std::vector<Candidate> models;
  for (const Candidate& candidate : facts.candidates) {
    if (candidate.synthetic && candidate.quant == quant) models.push_back(candidate);
  }
  const Home other = HomeOf(machine);
  const Evidence nothing;
  SpeedSource estimates(other, nothing);
  const std::vector<Offer> here = OffersOf(facts.home, facts.evidence, facts.speeds, any, models);
  const std::vector<Offer> there = OffersOf(other, nothing, estimates, any, models);
  std::vector<Duel> duels;
  for (size_t i = 0; i < models.size(); ++i) {
    const auto known =
        std::find_if(facts.candidates.begin(), facts.candidates.end(),
                     [&](const Candidate& candidate) { return candidate.name == models[i].name; });
    duels.push_back({&*known, here[i], there[i]});
    duels.back().here.candidate = duels.back().there.candidate = &*known;
  }
  std::stable_sort(duels.begin(), duels.end(), [](const Duel& a, const Duel& b) {
    return a.candidate->params < b.candidate->params;
  });
  return duels;
}

/// Machines with less memory than this one has and more bandwidth, cheapest first.
std::vector<const CatalogueMachine*> SmallerFaster(const Facts& facts) {
  std::vector<const CatalogueMachine*> found;
  const std::optional<MachineRates>& rates =
      facts.evidence.experience.rates ? facts.evidence.experience.rates : facts.home.rates;
  for (const CatalogueMachine& machine : facts.catalogue.machines()) {
    const bool smaller = machine.AvailableBytes() < facts.home.memory.available_bytes;
    const std::optional<double> usd = UsdOf(machine, facts.need);
    const bool affordable = usd && (!facts.need.budget_usd || *usd <= *facts.need.budget_usd);
    if (rates && smaller && affordable && machine.bandwidth_gb_s > rates->read_gb_s)
      found.push_back(&machine);
  }
  std::stable_sort(found.begin(), found.end(), [&](const auto* a, const auto* b) {
    return *UsdOf(*a, facts.need) < *UsdOf(*b, facts.need);
  });
  return found;
}

Sentence WinsUpTo(const Need& need, const CatalogueMachine& machine, const std::vector<Duel>& duels,
                  const Duel& won) {
  const auto kept = std::find_if(duels.rbegin(), duels.rend(), [](const Duel& duel) {
    return duel.here.fits() && !duel.there.fits();
  });
  Sentence sentence;
  sentence.side = Side::kWrong;
  sentence.condition = fmt::format("{} is the largest that will be run", ModelText(*won.candidate));
  sentence.because =
      fmt::format("{} ({} USD for the {}{}) gives {}, this machine {}", machine.title,
                  Thousands(*UsdOf(machine, need)), machine.price_of,
                  IsPart(machine.price_of) && need.host_usd ? " and the computer around it" : "",
                  SpeedText(won.there.speed),
                  won.here.fits() ? SpeedText(won.here.speed) : "does not hold it");
  if (kept != duels.rend() && kept->candidate->params > won.candidate->params) {
    sentence.because +=
        fmt::format("; {}, which this machine holds, does not fit there", kept->candidate->model);
  }
  sentence.cells = won.here.speed.cells;
  sentence.numbers = {{"there_low", won.there.speed.tok_s_each.low},
                      {"here_high", won.here.speed.tok_s_each.high}};
  sentence.flips.push_back(
      {"ctx", static_cast<double>(won.there.longest_context), true, "it does not fit there"});
  return sentence;
}

}  // namespace

// The cheapest machine that surely wins with any model speaks.
std::vector<Sentence> RuleSmallerFaster(const Facts& facts) {
  const std::string quant = facts.choice() ? facts.choice()->candidate->quant : "Q4_K_M";
  for (const CatalogueMachine* machine : SmallerFaster(facts)) {
    const std::vector<Duel> duels = DuelsWith(facts, *machine, quant);
    const auto won = std::find_if(duels.rbegin(), duels.rend(),
                                  [](const Duel& duel) { return duel.there_wins(); });
    if (won != duels.rend()) return {WinsUpTo(facts.need, *machine, duels, *won)};
  }
  return {};
}

namespace {

/// A machine in a comparison of costs: `tokens` for (fixed + per_rate * rate + host * part).
struct Runner {
  const Offer* offer = nullptr;
  Range tokens;
  double fixed = 0;  // what it costs whatever energy costs: USD, or W where energy is compared
  Range energy;      // kWh in all those years; 0 where energy itself is compared
  bool part = false;
  double MiddleTokens() const { return std::sqrt(tokens.low * tokens.high); }
  double MiddleEnergy() const { return std::sqrt(energy.low * energy.high); }
  double Middle(double rate, double host) const {
    return MiddleTokens() / (fixed + rate * MiddleEnergy() + (part ? host : 0));
  }
  Range PerCost(double rate, double host) const {
    const double more = fixed + (part ? host : 0);
    return {tokens.low / (more + rate * energy.high), tokens.high / (more + rate * energy.low)};
  }
};

/// All machines that may do with the candidate that is compared.
std::vector<const Offer*> OffersOfOne(const Facts& facts, const Candidate& candidate) {
  std::vector<const Offer*> found;
  const auto collect = [&](const std::vector<Offer>& offers) {
    for (const Offer& offer : offers) {
      if (offer.candidate == &candidate && offer.catalogued && offer.meets != Answer::kNo)
        found.push_back(&offer);
    }
  };
  collect(facts.here);
  for (const std::vector<Offer>& offers : facts.elsewhere) collect(offers);
  return found;
}

/// What is compared on all machines: what is chosen here, or else what the cheapest that will do
/// would run.
const Candidate* Compared(const Facts& facts) {
  if (const Offer* choice = facts.choice()) return choice->candidate;
  const std::vector<Priced> sure = SureToDo(facts);
  return sure.empty() ? nullptr : sure[0].offer->candidate;
}

const Runner* Leader(const std::vector<Runner>& runners, double rate, std::optional<double> host) {
  const Runner* best = nullptr;
  for (const Runner& runner : runners) {
    if (runner.part && !host) continue;
    if (!best || runner.Middle(rate, host.value_or(0)) > best->Middle(rate, host.value_or(0)))
      best = &runner;
  }
  return best;
}

/// Where another machine leads, next to the present value on either side: crossings of the leader's
/// line with the others'. cost(runner) = a + b x.
struct Line {
  double a = 0, b = 0;
};
void AddCrossings(const std::vector<Runner>& runners, const Runner& leader,
                  const std::string& input, double now,
                  const std::function<std::optional<Line>(const Runner&)>& cost,
                  std::vector<Flip>* flips) {
  std::optional<std::pair<double, const Runner*>> above, below;
  const std::optional<Line> mine = cost(leader);
  for (const Runner& other : runners) {
    const std::optional<Line> line = cost(other);
    if (&other == &leader || !line || !mine) continue;
    const double share = other.MiddleTokens() / leader.MiddleTokens();
    const double slope = share * mine->b - line->b;
    if (slope == 0) continue;
    const double x = (line->a - share * mine->a) / slope;
    if (!(x >= 0)) continue;
    if (x > now && (!above || x < above->first)) above = {x, &other};
    if (x < now && (!below || x > below->first)) below = {x, &other};
  }
  if (above) flips->push_back({input, above->first, true, above->second->offer->title + " leads"});
  if (below) flips->push_back({input, below->first, false, below->second->offer->title + " leads"});
}

Sentence CompareRunners(const std::vector<Runner>& runners, const Runner& leader, double rate,
                        double host, const std::string& unit, bool parts_run) {
  Sentence sentence;
  sentence.subject = leader.offer->title;
  const Range mine = leader.PerCost(rate, host);
  std::vector<std::string> close;
  for (const Runner& other : runners) {
    if (&other == &leader || (other.part && !parts_run)) continue;
    if (other.PerCost(rate, host).high >= mine.low) close.push_back(other.offer->title);
  }
  sentence.side = close.empty() ? Side::kRight : Side::kOpen;
  sentence.because = fmt::format("with {} it gives {} {}", ModelText(*leader.offer->candidate),
                                 RangeText(mine), unit);
  sentence.because +=
      close.empty()
          ? ", more than any other that may do"
          : fmt::format(
                ", the most; but the ranges of {} others reach into that: {}", close.size(),
                fmt::join(close.begin(),
                          close.begin() + std::min<std::ptrdiff_t>(3, std::ssize(close)), "; ")) +
                (close.size() > 3 ? fmt::format("; and {} more", close.size() - 3) : "");
  sentence.numbers = {{"low", mine.low}, {"high", mine.high}};
  return sentence;
}

/// Where only cards and processors will do, and nothing was said of the computer around them.
std::vector<Sentence> NoSystem(const std::vector<Runner>& runners, const char* condition,
                               const char* unknown, const char* flag) {
  if (runners.empty()) return {};
  Sentence sentence;
  sentence.condition = condition;
  sentence.because =
      fmt::format("no whole system will do, and nothing was said of {}: {} {} left out", unknown,
                  runners.size() == 1 ? runners[0].offer->title
                                      : fmt::format("{} cards and processors", runners.size()),
                  runners.size() == 1 ? "is" : "are");
  sentence.wanted = fmt::format("weir verdict {}", flag);
  return {sentence};
}

}  // namespace

std::vector<Sentence> RuleTokensPerDollar(const Facts& facts) {
  const Need& need = facts.need;
  const Candidate* candidate = Compared(facts);
  if (!candidate) return {};
  const double hours = need.years * kDaysPerYear * need.hours_per_day,
               rate = need.usd_per_kwh.value_or(0);
  std::vector<Runner> runners;
  for (const Offer* offer : OffersOfOne(facts, *candidate)) {
    const CatalogueMachine& machine = *offer->catalogued;
    if (!machine.price_usd || !machine.power_load_w) continue;
    const bool part = IsPart(machine.price_of);
    const double watts =
        *machine.power_load_w + (IsPart(machine.power_of) ? need.host_w.value_or(0) : 0);
    const double each = need.users * hours * 3600 * 1e-6;
    Runner runner{offer,
                  {offer->speed.tok_s_each.low * each, offer->speed.tok_s_each.high * each},
                  *machine.price_usd,
                  {kLeastLoad * watts * hours * 1e-3, watts * hours * 1e-3},
                  part};
    if (need.budget_usd &&
        *machine.price_usd + (part ? need.host_usd.value_or(0) : 0) > *need.budget_usd)
      continue;
    runners.push_back(runner);
  }
  const Runner* leader = Leader(runners, rate, need.host_usd);
  if (!leader)
    return NoSystem(runners, "cost decides", "what the computer around a card costs",
                    "--host-usd USD");
  const double host = need.host_usd.value_or(0);
  Sentence sentence = CompareRunners(runners, *leader, rate, host, "million tokens per dollar",
                                     need.host_usd.has_value());
  sentence.condition = fmt::format(
      "cost decides, over {} years of {} hours a day{}{}", Plain(need.years),
      Plain(need.hours_per_day),
      need.usd_per_kwh ? fmt::format(" at {} USD for a kWh", Plain(rate)) : ", energy not counted",
      need.host_usd ? "" : ", whole systems only");
  const bool parts_run = need.host_usd.has_value();
  AddCrossings(
      runners, *leader, "kwh", rate,
      [&](const Runner& runner) -> std::optional<Line> {
        if (runner.part && !parts_run) return std::nullopt;
        return Line{runner.fixed + (runner.part ? host : 0), runner.MiddleEnergy()};
      },
      &sentence.flips);
  // What a computer around a card may cost: without a word about it, cards do not take part.
  AddCrossings(
      runners, *leader, "host-usd", parts_run ? host : INFINITY,
      [&](const Runner& runner) -> std::optional<Line> {
        return Line{runner.fixed + rate * runner.MiddleEnergy(), runner.part ? 1.0 : 0.0};
      },
      &sentence.flips);
  return {sentence};
}

std::vector<Sentence> RuleTokensPerWattHour(const Facts& facts) {
  const Need& need = facts.need;
  const Candidate* candidate = Compared(facts);
  if (!candidate) return {};
  std::vector<Runner> runners;
  for (const Offer* offer : OffersOfOne(facts, *candidate)) {
    const CatalogueMachine& machine = *offer->catalogued;
    if (!machine.power_load_w) continue;
    const double tokens = 3600.0 * need.users;  // in an hour, of 1 tok/s each
    // Watts are what tokens are divided by; that load may be half of what is stated widens the
    // tokens' range.
    runners.push_back(
        {offer,
         {offer->speed.tok_s_each.low * tokens, offer->speed.tok_s_each.high * tokens / kLeastLoad},
         *machine.power_load_w,
         {0, 0},
         IsPart(machine.power_of)});
  }
  const Runner* leader = Leader(runners, 0, need.host_w);
  if (!leader)
    return NoSystem(runners, "energy decides", "what the computer around a card takes",
                    "--host-watts W");
  const double host = need.host_w.value_or(0);
  Sentence sentence =
      CompareRunners(runners, *leader, 0, host, "tokens per watt-hour", need.host_w.has_value());
  sentence.condition = need.host_w ? "energy decides" : "energy decides, whole systems only";
  if (const Offer* choice = facts.choice(); choice && choice->speed.basis == Basis::kMeasured) {
    for (const MeasuredCell& cell : facts.evidence.cells) {
      if (cell.id != choice->speed.cells[0]) continue;
      for (const auto& [boundary, joules] : cell.joules_per_token) {
        sentence.because += fmt::format("; this machine was measured ({}, row {}): {}", boundary,
                                        cell.id, Digits(3600 / joules));
        sentence.cells = {cell.id};
      }
    }
  }
  AddCrossings(
      runners, *leader, "host-watts", need.host_w ? host : INFINITY,
      [&](const Runner& runner) -> std::optional<Line> {
        return Line{runner.fixed, runner.part ? 1.0 : 0.0};
      },
      &sentence.flips);
  return {sentence};
}

}  // namespace weir
