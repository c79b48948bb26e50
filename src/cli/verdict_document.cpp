#include "cli/verdict_document.h"

#include <cstdlib>
#include <filesystem>

#include "cli/load.h"
#include "cli/result_database.h"
#include "machine/stored_rates.h"
#include "util/paths.h"

namespace weir {
namespace {

Json RangeJson(const Range& range) { return Json{{"low", range.low}, {"high", range.high}}; }

Json NeedJson(const Need& need) {
  return Json{{"users", need.users},
              {"prompt_tokens", need.prompt_tokens},
              {"context_tokens", need.context_tokens},
              {"min_tok_s_each", OrNull(need.min_tok_s)},
              {"max_ttft_ms", OrNull(need.max_ttft_ms)},
              {"least_params", need.least_params},
              {"max_kl_nats", OrNull(need.max_kl)},
              {"budget_usd", OrNull(need.budget_usd)},
              {"usd_per_kwh", OrNull(need.usd_per_kwh)},
              {"years", need.years},
              {"hours_per_day", need.hours_per_day},
              {"host_usd", OrNull(need.host_usd)},
              {"host_w", OrNull(need.host_w)}};
}

Json QualityJson(const std::optional<MeasuredQuality>& quality) {
  if (!quality) return nullptr;
  return Json{{"row", quality->id},
              {"text", quality->text},
              {"ppl", quality->ppl.value},
              {"ppl_se", OrNull(quality->ppl.error)},
              {"reference", OrNull(quality->reference)},
              {"kl_nats", quality->kl_mean ? Json(quality->kl_mean->value) : Json(nullptr)},
              {"kl_nats_se", quality->kl_mean ? OrNull(quality->kl_mean->error) : Json(nullptr)}};
}

Json SpeedJson(const Speed& speed) {
  const bool known = speed.basis != Basis::kNone;
  return Json{{"basis", Name(speed.basis)},
              {"tok_s_each", known ? RangeJson(speed.tok_s_each) : Json(nullptr)},
              {"median_tok_s_each", OrNull(speed.median_tok_s_each)},
              {"ttft_ms", known ? RangeJson(speed.ttft_ms) : Json(nullptr)},
              {"limit_tok_s_each", OrNull(speed.limit_tok_s_each)},
              {"cells", speed.cells}};
}

Json OfferJson(const Offer& offer) {
  Json json{{"machine", offer.machine},
            {"model", offer.candidate->name},
            {"quant", offer.candidate->quant},
            {"synthetic", offer.candidate->synthetic},
            {"bits_per_weight", offer.candidate->bits_per_weight},
            {"meets", Name(offer.meets)},
            {"comfort", Name(offer.comfort)},
            {"total_bytes", offer.total_bytes},
            {"longest_context", offer.longest_context},
            {"speed", SpeedJson(offer.speed)},
            {"quality", QualityJson(offer.quality)}};
  if (!offer.catalogued) return json;
  json["price_usd"] = OrNull(offer.catalogued->price_usd);
  json["price_of"] = OrNull(offer.catalogued->price_of);
  json["power_load_w"] = OrNull(offer.catalogued->power_load_w);
  json["power_of"] = OrNull(offer.catalogued->power_of);
  return json;
}

Json SentenceJson(const Sentence& sentence) {
  Json numbers = Json::object(), flips = Json::array();
  for (const auto& [name, value] : sentence.numbers) numbers[name] = value;
  for (const Flip& flip : sentence.flips) {
    flips.push_back({{"input", flip.input},
                     {"at", flip.at},
                     {"direction", flip.above ? "above" : "below"},
                     {"becomes", flip.becomes},
                     {"text", FlipText(flip)}});
  }
  return Json{{"rule", sentence.rule},
              {"side", Name(sentence.side)},
              {"about", OrNull(sentence.subject)},
              {"text", SentenceText(sentence)},
              {"evidence",
               {{"cells", sentence.cells}, {"quality", sentence.quality}, {"numbers", numbers}}},
              {"flips", flips},
              {"wanted", OrNull(sentence.wanted)}};
}

}  // namespace

Result<Home> ThisHome() {
  WEIR_TRY(const Isa isa, SelectIsa(std::getenv("WEIR_ISA")));
  const Machine machine = ReadMachine();
  Home home;
  home.name = "this machine";
  home.title = machine.cpu_model.empty() ? "this machine" : machine.cpu_model;
  home.fingerprint = Fingerprint(machine);
  home.isa = Name(isa);
  home.threads = machine.default_threads;
  home.memory.available_bytes = AvailableMemory();
  home.memory.memory_bytes = machine.memory_bytes.value_or(home.memory.available_bytes);
  if (const Result<std::string> folder = DataDirectory()) {
    home.rates = ReadStoredRates(*folder + "/machine-rates", home.fingerprint, home.threads);
  }
  return home;
}

Result<MachineVerdict> VerdictOn(const Need& need, const std::string& machine,
                                 const std::string& db, const MachineCatalogue& catalogue,
                                 FigureReader& figures) {
  Home home;
  if (machine.empty()) {
    WEIR_TRY(home, ThisHome());
  } else {
    WEIR_TRY(const CatalogueMachine* found, catalogue.Find(machine));
    home = HomeOf(*found);
  }
  WEIR_TRY(const std::string path, DatabasePath(db));
  std::error_code error;
  if (db.empty() && !std::filesystem::exists(path, error)) {
    return JudgeMachine(need, home, Evidence{}, catalogue, FindCandidates({}));
  }
  WEIR_TRY(Store store, OpenResults(path, {.machine = home.fingerprint}));
  return JudgeMachine(need, home, store, catalogue, figures);
}

Json VerdictJson(const MachineVerdict& verdict) {
  Json sentences = Json::array(), here = Json::array(), elsewhere = Json::array(),
       aside = Json::array();
  for (const Sentence& sentence : verdict.sentences) sentences.push_back(SentenceJson(sentence));
  for (const Offer& offer : verdict.here) here.push_back(OfferJson(offer));
  for (const Offer& offer : verdict.elsewhere) elsewhere.push_back(OfferJson(offer));
  for (const SetAside& cell : verdict.set_aside)
    aside.push_back({{"cell", cell.cell}, {"why", cell.why}});
  const Home& home = verdict.home;
  return Json{{"machine",
               {{"name", home.name},
                {"title", home.title},
                {"memory_bytes", home.memory.memory_bytes},
                {"available_bytes", home.memory.available_bytes},
                {"catalogued", home.catalogued != nullptr}}},
              {"need", NeedJson(verdict.need)},
              {"sentences", sentences},
              {"here", here},
              {"elsewhere", elsewhere},
              {"set_aside", aside}};
}

Json RulesJson() {
  Json rules = Json::array();
  for (const Rule& rule : VerdictRules()) {
    rules.push_back(
        {{"rule", rule.name}, {"reads", rule.reads}, {"says", rule.says}, {"flips", rule.flips}});
  }
  return rules;
}

}  // namespace weir
