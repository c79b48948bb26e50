// What weir fit and weir verdict say, in the report's form.
#include "advise/verdict.h"

#include <algorithm>

#include "report/sections.h"
#include "report/text.h"

namespace weir {
namespace {

std::vector<VerdictLine> LinesOf(const MachineVerdict& verdict) {
  std::vector<VerdictLine> lines;
  for (const Side side : {Side::kRight, Side::kWrong, Side::kOpen}) {
    for (const Sentence& sentence : verdict.sentences) {
      if (sentence.side != side) continue;
      VerdictLine line{std::string(sentence.rule), SentenceText(sentence), {}, sentence.wanted, sentence.cells};
      for (const Flip& flip : sentence.flips) line.flips.push_back(FlipText(flip));
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

std::vector<FitBar> BarsOf(const MachineVerdict& verdict) {
  std::vector<FitBar> bars;
  for (const Offer& offer : verdict.here) {
    const EnginePlan& plan = offer.plan;
    const Candidate& model = *offer.candidate;
    bars.push_back({fmt::format("{} {}", model.model, model.quant),
                    fmt::format("weir fit {} --users {} --ctx {}", ShellWord(model.name), verdict.need.users, verdict.need.context_tokens),
                    plan.weights_bytes, plan.kv_bytes, plan.state_bytes,
                    plan.workspace_bytes + kRuntimeBytes, std::string(Name(offer.comfort)), offer.longest_context});
  }
  std::stable_sort(bars.begin(), bars.end(), [](const FitBar& a, const FitBar& b) { return a.weights_bytes < b.weights_bytes; });
  return bars;
}

/// What changes whenever a verdict may. Rates that are measured between two repeats do not count: it has the last before
/// its newest cell ended.
Result<std::string> StateOf(Database& database, const Home& home) {
  WEIR_TRY(Statement query, database.Prepare(R"sql(
    SELECT count(*) || ' ' || sum(cell.id) || ' ' || max(run.started_at) || ' ' || (SELECT count(*) FROM flag) || ' ' ||
           (SELECT count(*) FROM quality)
    FROM cell JOIN run ON run.id = cell.run WHERE cell.status <> 'interrupted')sql"));
  WEIR_TRY(const bool any, query.Step());
  return fmt::format("{} {} {} {}", home.fingerprint, home.newest_cell, home.memory.available_bytes, any ? query.Text(0) : "");
}

}  // namespace

Result<Advice> ReportReader::ReadAdvice(Store& store, const ReportData& data, const MachineCatalogue& catalogue) {
  Advice advice;
  WEIR_TRY(const std::optional<Home> home, HomeOfNewestRow(store));
  // Judged is one machine: the one that this report is about.
  if (!home || data.machines.size() != 1 || data.machines[0].fingerprint != home->fingerprint) return advice;
  WEIR_TRY(std::string state, StateOf(store.database(), *home));
  if (state == advised_) return advice_;
  WEIR_TRY(const MachineVerdict verdict, JudgeMachine(Need{}, *home, store, catalogue, figures_));
  advice.users = verdict.need.users;
  advice.context_tokens = verdict.need.context_tokens;
  advice.available_bytes = home->memory.available_bytes;
  advice.cell = home->newest_cell;
  advice.fits = BarsOf(verdict);
  advice.verdict = LinesOf(verdict);
  advised_ = std::move(state);
  advice_ = advice;
  return advice;
}

Section VerdictSection(const ReportView& view) {
  Section section{"verdict", "The verdict", {}, {}, false, {}, {}};
  if (view.data.advice->verdict.empty()) {
    section.sentences.push_back({"No verdict: it is about the machine of the newest row of weir's own engine, which is not the one machine of this page.", {}});
    return section;
  }
  section.sentences.push_back({"For one user who reads along, from all rows of this machine and the catalogue of machines; estimates are called so. For another need: "
                               "weir verdict --users 4 --min-tps 10 --max-ttft 2s.", {}});
  for (const VerdictLine& line : view.data.advice->verdict) {
    ReportSentence sentence{line.text, line.cells};
    for (const std::string& flip : line.flips) sentence.details.push_back(flip);
    if (!line.wanted.empty()) sentence.details.push_back("evidence would come from: " + line.wanted);
    sentence.details.push_back("rule " + line.rule);
    section.sentences.push_back(std::move(sentence));
  }
  return section;
}

}  // namespace weir
