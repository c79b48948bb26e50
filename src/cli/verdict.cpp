// weir verdict: for whom this machine, or one of the catalogue, is the right choice and for whom
// the wrong one.
#include <algorithm>
#include <cmath>
#include <memory>

#include "cli/format.h"
#include "cli/machines_folder.h"
#include "cli/model_text.h"
#include "cli/progress.h"
#include "cli/result_database.h"
#include "cli/verdict_commands.h"
#include "cli/verdict_document.h"
#include "util/interrupt.h"
#include "util/terminal.h"

namespace weir {
namespace {

constexpr std::ptrdiff_t kMostShown = 8;  // rows that are set aside for one reason

struct Flags {
  std::string machine, machines_folder, db;
  std::string model_at_least, max_ttft;
  Need need;
  bool rules = false, json = false;
};

/// `text` in lines of at most the terminal's width, the further ones indented.
std::string Wrapped(const std::string& text, size_t indent) {
  const auto width = static_cast<size_t>(std::max(40, TerminalWidth()));
  std::string out;
  size_t column = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t end = std::min(text.find(' ', i), text.size());
    if (column > indent && column + 1 + (end - i) > width) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > 0) {
      out += ' ';
      ++column;
    }
    out += text.substr(i, end - i);
    column += end - i;
    i = end + 1;
  }
  return out;
}

void PrintSentences(const MachineVerdict& verdict, Side side) {
  for (const Sentence& sentence : verdict.sentences) {
    if (sentence.side != side) continue;
    fmt::print("\n{}\n", Wrapped(EscapedControls(SentenceText(sentence)), 2));
    for (const Flip& flip : sentence.flips)
      fmt::print("  {}\n", Wrapped(EscapedControls(FlipText(flip)), 4));
    if (!sentence.wanted.empty()) fmt::print("  evidence: {}\n", EscapedControls(sentence.wanted));
    fmt::print("  {}rule {}{}\n", StdoutStyle("\x1b[2m"), sentence.rule, StdoutStyle("\x1b[0m"));
  }
}

std::string SpeedColumn(const Speed& speed) {
  if (speed.basis == Basis::kNone) return "-";
  if (speed.median_tok_s_each) return Digits(*speed.median_tok_s_each);
  return Digits(speed.tok_s_each.low) + "-" + Digits(speed.tok_s_each.high);
}

std::string TtftColumn(const Speed& speed) {
  if (speed.basis == Basis::kNone) return "-";
  const std::string low = Digits(speed.ttft_ms.low * 1e-3),
                    high = Digits(speed.ttft_ms.high * 1e-3);
  return low == high ? low : low + "-" + high;
}

/// Empty for synthetic models: random weights have no quality.
std::string QualityColumn(const Offer& offer) {
  if (!offer.quality) return offer.candidate->synthetic ? "" : "-";
  const std::string ppl = "ppl " + Digits(offer.quality->ppl.value);
  return offer.quality->kl_mean ? ppl + ", KL " + Digits(offer.quality->kl_mean->value) : ppl;
}

void PrintOffers(const char* heading, const std::vector<Offer>& offers, bool prices) {
  if (offers.empty()) return;
  fmt::print("\n{}{:<26} {:<24} {:>11} {:>13} {:>9} {:<10} {:<5} {}{}\n", StdoutStyle("\x1b[1m"),
             heading, "model", "tok/s each", "1st token, s", "memory", "basis", "does",
             prices ? "USD" : "quality", StdoutStyle("\x1b[0m"));
  for (const Offer& offer : offers) {
    const Candidate& candidate = *offer.candidate;
    const std::string model =
        candidate.synthetic ? candidate.model + " " + candidate.quant : candidate.model;
    std::string last = QualityColumn(offer);
    if (prices) {
      last =
          offer.catalogued->price_usd ? Grouped(std::llround(*offer.catalogued->price_usd)) : "-";
      if (offer.catalogued->price_usd && offer.catalogued->price_of != "system")
        last += " (" + offer.catalogued->price_of + ")";
    }
    fmt::print("{:<26} {:<24} {:>11} {:>13} {:>9} {:<10} {:<5} {}\n",
               Shorten(Escaped(offer.machine), 26), Shorten(Escaped(model), 24),
               SpeedColumn(offer.speed), TtftColumn(offer.speed), ByteSize(offer.total_bytes),
               offer.fits() ? Name(offer.speed.basis) : "no memory", Name(offer.meets), last);
  }
}

void PrintSetAside(const std::vector<SetAside>& cells) {
  std::vector<std::pair<std::string, std::vector<int64_t>>> reasons;
  for (const SetAside& cell : cells) {
    auto known = std::find_if(reasons.begin(), reasons.end(),
                              [&](const auto& reason) { return reason.first == cell.why; });
    if (known == reasons.end()) known = reasons.insert(reasons.end(), {cell.why, {}});
    known->second.push_back(cell.cell);
  }
  for (const auto& [why, rows] : reasons) {
    const auto shown = std::min<std::ptrdiff_t>(kMostShown, std::ssize(rows));
    const std::string more =
        std::ssize(rows) > shown ? fmt::format(" and {} more", std::ssize(rows) - shown) : "";
    fmt::print("{}\n",
               Wrapped(fmt::format("Not evidence: row{} {}{} ({})", rows.size() == 1 ? "" : "s",
                                   fmt::join(rows.begin(), rows.begin() + shown, ", "), more,
                                   EscapedControls(why)),
                       2));
  }
}

void PrintVerdict(const MachineVerdict& verdict) {
  const Need& need = verdict.need;
  PrintHeading(fmt::format("Verdict on {}", EscapedControls(verdict.home.title)));
  fmt::print(
      "{}\n",
      Wrapped(fmt::format(
                  "{} user{}, {} tok/s each, prompts of {} tokens, {} tokens of context each",
                  need.users, need.users == 1 ? "" : "s", fmt::format("{:.6g}", *need.min_tok_s),
                  Grouped(need.prompt_tokens), Grouped(need.context_tokens)),
              2));
  for (const Side side : {Side::kRight, Side::kWrong, Side::kOpen}) PrintSentences(verdict, side);
  PrintOffers("here", verdict.here, false);
  std::vector<Offer> priced = verdict.elsewhere, unpriced;
  std::copy_if(priced.begin(), priced.end(), std::back_inserter(unpriced),
               [](const Offer& offer) { return !offer.catalogued->price_usd; });
  std::erase_if(priced, [](const Offer& offer) { return !offer.catalogued->price_usd; });
  PrintOffers("instead", priced, true);
  PrintOffers("instead, price unknown", unpriced, true);
  if (!verdict.set_aside.empty()) fmt::print("\n");
  PrintSetAside(verdict.set_aside);
}

int PrintRules(bool json) {
  if (json) {
    PrintJson(RulesJson());
    return kExitOk;
  }
  for (const Rule& rule : VerdictRules()) {
    fmt::print("{}{}{}\n  says   {}\n  reads  {}\n  flips  {}\n", StdoutStyle("\x1b[1m"), rule.name,
               StdoutStyle("\x1b[0m"), Wrapped(std::string(rule.says), 9),
               Wrapped(std::string(rule.reads), 9), Wrapped(std::string(rule.flips), 9));
  }
  return kExitOk;
}

Result<MachineVerdict> JudgeWithProgress(const Flags& flags, const MachineCatalogue& catalogue) {
  CatchInterrupts();
  Progress progress("reading rows");
  FigureReader figures(progress.UntilInterrupted());
  return VerdictOn(flags.need, flags.machine, flags.db, catalogue, figures);
}

Result<int> RunVerdict(Flags& flags) {
  if (flags.rules) return PrintRules(flags.json);
  Need& need = flags.need;
  if (!flags.model_at_least.empty()) {
    WEIR_TRY(need.least_params, ParseParameters("--model-at-least", flags.model_at_least));
  }
  if (!flags.max_ttft.empty()) {
    WEIR_TRY(need.max_ttft_ms, ParseMilliseconds("--max-ttft", flags.max_ttft));
  }
  WEIR_TRY(const MachineCatalogue catalogue, LoadMachines(flags.machines_folder));
  WEIR_TRY(const MachineVerdict verdict, JudgeWithProgress(flags, catalogue));
  if (flags.json) {
    PrintJson(VerdictJson(verdict));
  } else {
    PrintVerdict(verdict);
  }
  return kExitOk;
}

}  // namespace

Command AddVerdict(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->machines_folder = DefaultMachinesFolder();
  Need& need = flags->need;
  const auto optional = [&](const char* name, std::optional<double>& value, const char* help) {
    app.add_option_function<double>(
        name, [&value](const double& given) { value = given; }, help);
  };
  app.add_option("--users", need.users, "Users at the same time")->capture_default_str();
  optional("--min-tps", need.min_tok_s,
           "Tokens a second for each of them (default: 5, as fast as people read)");
  app.add_option("--max-ttft", flags->max_ttft,
                 "Time to the first token for the last of them: 2s, 500ms");
  app.add_option("--model-at-least", flags->model_at_least, "Size of the model: 9b");
  app.add_option("--prompt", need.prompt_tokens,
                 "Tokens of a prompt (default: as in the newest row, else 1024)");
  app.add_option("--ctx", need.context_tokens, "Tokens of context for each user")
      ->capture_default_str();
  optional("--max-kl", need.max_kl,
           "Nats that answers may be from the original's (weir perplexity --against)");
  optional("--budget", need.budget_usd, "USD that can be spent");
  optional("--kwh", need.usd_per_kwh, "USD for a kWh (default: energy is not counted)");
  app.add_option("--years", need.years, "Years of use")->capture_default_str();
  app.add_option("--hours-per-day", need.hours_per_day, "Hours a day at full load; off otherwise")
      ->capture_default_str();
  optional("--host-usd", need.host_usd,
           "Price of the computer around a card (default: cards are not ranked with systems)");
  optional("--host-watts", need.host_w, "Its power under load");
  app.add_option("--machine", flags->machine,
                 "A machine of the catalogue (weir fit --list) instead of this one");
  app.add_option("--machines", flags->machines_folder,
                 "Folder with further machines (*.toml), or better figures")
      ->capture_default_str();
  AddDatabaseFlag(app, flags->db);
  app.add_flag("--rules", flags->rules, "What each rule reads, says and is turned by");
  app.add_flag("--json", flags->json, "One JSON document on stdout");
  app.footer(
      "Measured rows come first, then predictions from rows, then estimates; each sentence says "
      "which, and what\n"
      "would turn it.\n\nExamples:\n"
      "  weir verdict --users 4 --min-tps 10 --max-ttft 2s --model-at-least 9b --budget 1500 --kwh "
      "0.30\n"
      "  weir verdict --machine mac-mini-m4-pro-64gb --model-at-least 27b\n"
      "  weir verdict --users 8 --ctx 16384 --json\n\n"
      "Any answer is an answer: the exit code is 0; 2 for a need that nobody can have.");
  return [flags] { return RunVerdict(*flags); };
}

}  // namespace weir
