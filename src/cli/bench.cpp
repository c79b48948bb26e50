// weir bench: every model with every number of users, into the database and as a table.
#include "bench/bench.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "bench/compare.h"
#include "bench/document.h"
#include "bench/explain.h"
#include "bench/in_process.h"
#include "bench/machine_instruments.h"
#include "cli/bench_live.h"
#include "cli/bench_plan.h"
#include "cli/command.h"
#include "cli/compare_text.h"
#include "cli/fleet.h"
#include "cli/format.h"
#include "cli/load.h"
#include "cli/machine.h"
#include "cli/version.h"
#include "machine/counters.h"
#include "machine/machine.h"
#include "util/interrupt.h"
#include "util/terminal.h"

namespace weir {
namespace {

/// What a run was made with and what came of it, also when the database failed on the way.
struct Run {
  Machine machine;
  Isa isa;
  int threads;
  uint64_t seed;
  MachineInstruments instruments;
  std::string db;
  std::string suite = {};  // empty: none
  bool interleaved = false;
  std::optional<int64_t> campaign = {};
  BenchOutcome outcome = {};
  std::vector<CellResult> cells = {};
  std::vector<CapacityRow> capacities = {};
  std::vector<ComparedAnswers> answers = {};
  SentRows sent = {};
};

/// The campaign of a suite, and which of its cells are left to do.
Result<ResumePlan> BeginCampaign(const BenchFlags& flags, const Suite& suite, Store& store, Run& run) {
  ResumePlan plan;
  plan.left = suite.cells;
  if (suite.name.empty()) return plan;
  WEIR_TRY(const std::optional<CampaignRow> before,
           flags.resume ? store.FindCampaign(suite.name) : Result<std::optional<CampaignRow>>(std::nullopt));
  if (!before) {
    WEIR_TRY(run.campaign, store.AddCampaign(suite.name, suite.text));
    return plan;
  }
  run.campaign = before->id;
  WEIR_RETURN_IF_ERROR(store.SetSuite(before->id, suite.text));
  WEIR_TRY(const std::vector<CellState> states, store.CampaignStates(before->id, OomKills()));
  WEIR_TRY(const std::vector<CapacityRow> capacities, store.CampaignCapacities(before->id));
  plan = PlanResume(suite.cells, states, capacities);
  PrintMessage(fmt::format("campaign {} of {}: {} cells are there, {} to do\n", EscapedControls(suite.name),
                           before->started_at, plan.n_done, plan.left.size() + plan.deadly.size()));
  return plan;
}

/// Rows of cells at which weir died before, so that a campaign gets past them.
Status AddDeadlyCells(const BenchPlan& plan, Store& store, const RunRow& run) {
  if (plan.cells.empty()) return {};
  WEIR_TRY(const int64_t id, store.BeginRun(run));
  for (const PlannedCell& cell : plan.cells) {
    const Workload& load = cell.spec.load;
    WEIR_TRY(const int64_t model, store.AddModel(cell.subject->row()));
    CellRow row{load.users, load.prompt_tokens, load.gen_tokens, load.requests_per_user, 1, {}};
    row.target = cell.spec.target;
    row.key = KeyOf(cell.spec);
    row.config = ConfigOf(cell.spec);
    WEIR_TRY(const int64_t ended, store.BeginCell(id, model, row));
    WEIR_RETURN_IF_ERROR(store.EndCell(ended, CellStatus::kFailed,
                                       "weir was killed here again and again, for want of memory perhaps: not tried again",
                                       {}));
  }
  return store.EndRun(id);
}

/// Cells are begun in random order; people look for them in that of the plan, and those of edited suites at the end.
void SortAsPlanned(const std::vector<CellSpec>& plan, std::vector<CellResult>& cells) {
  std::map<std::string, size_t> places;
  for (const CellSpec& spec : plan) places.emplace(KeyOf(spec), places.size());
  const auto place = [&](const CellResult& cell) {
    const auto found = places.find(cell.row.key);
    return found == places.end() ? places.size() : found->second;
  };
  // What is in no plan: the loads that a search tried.
  std::stable_sort(cells.begin(), cells.end(), [&](const CellResult& a, const CellResult& b) {
    if (place(a) != place(b)) return place(a) < place(b);
    return std::tie(a.model.name, a.row.target, a.row.users) < std::tie(b.model.name, b.row.target, b.row.users);
  });
}

Status Measure(const BenchFlags& flags, const Suite& suite, const BenchPlan& plan, Store& store, Run& run) {
  RunRow row = DescribeRun(run.machine, run.isa, run.threads, run.seed);
  row.campaign = run.campaign;
  BenchOptions options = suite.options;
  if (!flags.kv_name.empty() && flags.kv_name != "f16") {
    options.flags.push_back({"kv_" + flags.kv_name,
                             "keys and values are kept in " + flags.kv_name + ", not in f16"});
  }
  LiveView view(TerminalWidth());
  const auto on_progress = [&](const BenchProgress& progress) { view.Show(progress); };
  run.instruments.MeasureIdle();
  WEIR_TRY(run.outcome, RunBench(options, row, plan.cells, store, run.instruments, on_progress));
  Result<std::vector<CellResult>> cells =
      run.campaign ? store.CampaignCells(*run.campaign) : store.Results(run.outcome.run);
  if (cells) run.cells = std::move(cells).value();
  WEIR_TRY(run.capacities,
           run.campaign ? store.CampaignCapacities(*run.campaign) : store.Capacities(run.outcome.run));
  WEIR_TRY(const std::vector<AskedRow> asked, store.AskedWith(run.outcome.run));
  run.answers = CompareAnswers(asked);
  SortAsPlanned(suite.cells, run.cells);
  return cells || !run.outcome.written.ok() ? Status() : cells.error();
}

constexpr const char* kFigure = "aggregate_tok_s";  // what every kind of target has

/// Of targets that took turns: each against the first.
template <class Fn>
void ForEachComparison(const Run& run, Fn&& fn) {
  if (!run.interleaved) return;
  const auto sides = ByTarget(run.cells);
  for (size_t i = 1; i < sides.size(); ++i) {
    fn(Compare(sides[0].second, sides[i].second, {kFigure, false, true}), sides[0].first, sides[i].first);
  }
}

Json OwnCostJson(const OwnCost& cost) {
  return {{"token_ns", OrNull(cost.token_ns)},
          {"client_token_ns", OrNull(cost.client_token_ns)},
          {"client_streams", OrNull(cost.client_streams)}};
}

/// How fast a target this run could have measured.
std::string OwnCostLine(const OwnCost& cost) {
  std::string line = "instrument:";
  if (cost.token_ns) line += fmt::format(" {} a token in process", fmt::format("{:.3g} us", *cost.token_ns / 1e3));
  if (cost.client_token_ns) {
    line += fmt::format("{} {} over HTTP with {} stream{}, at most {} tok/s", cost.token_ns ? "," : "",
                        fmt::format("{:.3g} us", *cost.client_token_ns / 1e3), *cost.client_streams, *cost.client_streams == 1 ? "" : "s",
                        Grouped(std::llround(1e9 / *cost.client_token_ns)));
  }
  return line + " (of a target that computes nothing)";
}

void PrintDocument(const Run& run) {
  const Status& written = run.outcome.written;
  Json document;
  document["machine"] = MachineJson(run.machine, run.isa, run.instruments.best());
  document["run"] = {{"id", run.outcome.run},
                     {"db", run.db},
                     {"interrupted", run.outcome.interrupted},
                     {"error", written.ok() ? Json(nullptr) : Json(written.error().message)},
                     {"build", VersionText()},
                     {"isa", Name(run.isa)},
                     {"threads", run.threads},
                     {"seed", run.seed},
                     {"suite", OrNull(run.suite)},
                     {"campaign", OrNull(run.campaign)},
                     {"instrument", OwnCostJson(run.outcome.own_cost)},
                     {"fleet", SentJson(run.sent)}};
  document["cells"] = CellsJson(run.cells);
  document["rankings"] = RankingsJson(run.cells);
  document["comparisons"] = Json::array();
  ForEachComparison(run, [&](const Comparison& comparison, const std::string& base, const std::string& other) {
    document["comparisons"].push_back(ComparisonJson(comparison, base, other, kFigure));
  });
  document["answers"] = AnswersJson(run.answers);
  document["capacities"] = CapacitiesJson(run.capacities, run.cells);
  AddExplanations(run.outcome.profiles, run.instruments.best(), run.cells, document["cells"]);
  PrintJson(document);
}

void PrintTable(Run& run) {
  const int width = TerminalWidth();
  const TableStyle style{StdoutStyle("\x1b[1m"), StdoutStyle("\x1b[2m"), StdoutStyle("\x1b[33m"),
                         StdoutStyle("\x1b[0m")};
  const auto print = [&](const std::string& line) { fmt::print("{}\n", Wrap(line, width, 2)); };
  for (CellResult& cell : run.cells) {
    for (std::string* text : {&cell.model.name, &cell.model.quant, &cell.reason, &cell.row.target})
      *text = Escaped(*text);
    for (Flag& flag : cell.flags) flag.detail = Escaped(flag.detail);
  }
  print(fmt::format("{}; {} with {} thread{}", Fingerprint(run.machine), Name(run.isa), run.threads,
                    run.threads == 1 ? "" : "s"));
  fmt::print("\n{}\n", RenderTable(run.cells, width, style));
  if (const MachineRates* rates = run.instruments.best()) {
    print(fmt::format(
        "limit: this machine, at its best in this run, reads {:.1f} GB/s, reads and writes {:.1f} "
        "GB/s, "
        "and multiplies {:.0f} GMAC/s in int8 and {:.0f} in f32",
        rates->read_gb_s, rates->read_write_gb_s, rates->int8_gmac_s, rates->f32_gmac_s));
    print(
        "share of limit: the least time that those rates allow for the bytes and multiplications "
        "of a decode step, "
        "over the time it took (docs/metrics.md)");
  }
  if (run.outcome.own_cost.token_ns || run.outcome.own_cost.client_token_ns) print(OwnCostLine(run.outcome.own_cost));
  for (const std::string& line : RankingLines(run.cells)) print(line);
  ForEachComparison(run, [](const Comparison& comparison, const std::string& base, const std::string& other) {
    PrintComparison(comparison, base, other, kFigure);
  });
  for (const std::string& line : AnswerLines(run.answers)) print(line);
  for (const std::string& line : CapacityLines(run.capacities, run.cells)) print(EscapedControls(line));
  fmt::print("{}", RenderExplanations(run.outcome.profiles, run.instruments.best(), run.cells, style));
  print(fmt::format("rows: {}, run {}", Escaped(run.db), run.outcome.run));
}

/// Rows are what a bench is for: it has failed if not one cell could be measured and some of them
/// broke. Cells that do not fit this machine are an answer.
int ExitCode(const Run& run) {
  if (run.outcome.interrupted) return kExitInterrupted;
  const auto any = [&](std::initializer_list<CellStatus> statuses) {
    return std::any_of(run.cells.begin(), run.cells.end(), [&](const CellResult& cell) {
      return std::find(statuses.begin(), statuses.end(), cell.status) != statuses.end();
    });
  };
  const bool measured = any({CellStatus::kOk, CellStatus::kTooShort});
  return !measured && any({CellStatus::kFailed}) ? kExitFailed : kExitOk;
}

Result<int> RunCommand(const BenchFlags& flags) {
  WEIR_TRY(const Suite suite, MakeSuite(flags));
  WEIR_TRY(const Isa isa, SelectIsa(std::getenv("WEIR_ISA")));
  if (flags.dry_run) {
    WEIR_TRY(const BenchPlan plan, OpenCells(suite.cells, isa, false));
    return PrintDryRun(suite, plan, flags.json);
  }
  WEIR_TRY(Store store, OpenForWriting(flags.db));
  const int threads = flags.threads > 0 ? flags.threads : DefaultThreads();
  Run run{ReadMachine(), isa, threads, flags.load.seed, MachineInstruments(threads, flags.probe_mb << 20),
          std::filesystem::absolute(store.path()).string()};
  run.suite = suite.name;
  run.interleaved = suite.options.interleave;
  WEIR_RETURN_IF_ERROR(run.instruments.SetWallFile(flags.wall_file));
  if (!suite.name.empty()) {
    // All of a suite is opened before anything of it is in the database: a wrong name is found at once.
    WEIR_TRY([[maybe_unused]] const BenchPlan whole, OpenCells(suite.cells, isa, false));
  }
  WEIR_TRY(const ResumePlan resume, BeginCampaign(flags, suite, store, run));
  WEIR_TRY(const BenchPlan plan, OpenCells(resume.left, isa, flags.explain));
  WEIR_TRY(const BenchPlan deadly, OpenCells(resume.deadly, isa, false));
  RunRow row = DescribeRun(run.machine, isa, threads, run.seed);
  row.campaign = run.campaign;
  WEIR_RETURN_IF_ERROR(AddDeadlyCells(deadly, store, row));
  CatchInterrupts();
  WEIR_RETURN_IF_ERROR(Measure(flags, suite, plan, store, run));
  run.sent = SendRows(flags.db, store);
  flags.json ? PrintDocument(run) : PrintTable(run);
  WEIR_RETURN_IF_ERROR(run.outcome.written);
  WEIR_RETURN_IF_ERROR(run.sent.status);
  return ExitCode(run);
}

}  // namespace

Command AddBench(CLI::App& app) {
  auto flags = std::make_shared<BenchFlags>();
  BenchOptions& options = flags->options;
  app.add_option("MODEL", flags->models, "A .gguf file, hf:ORG/REPO[:QUANT] or synth:NAME:QUANT (weir synth --list); or a suite, FILE.toml")
      ->capture_default_str();
  AddTargetFlags(app, flags->target);
  AddLoadFlags(app, flags->load);
  CLI::Option* users = app.add_option("--users", flags->users,
                                      "Numbers of users that ask at the same time, ranges too: 1-8,16")
                           ->delimiter(',')
                           ->capture_default_str();
  app.add_option("--prompt-tokens", flags->load.prompt_tokens, "Length of every prompt")
      ->capture_default_str();
  app.add_option("--gen-tokens", flags->load.gen_tokens, "Length of every answer")
      ->capture_default_str();
  app.add_option("--requests", flags->load.requests_per_user, "Requests of each user in a repeat")
      ->capture_default_str();
  CLI::Option* repeats =
      app.add_option("--repeats", options.repeats, "Measured repeats of each cell, at least")->capture_default_str();
  for (const char* other : {"--arrivals", "--rate", "--burst", "--requests", "--prompt-tokens", "--gen-tokens",
                            "--depth", "--shared-tokens", "--think", "--ramp", "--turns", "--warm-up"}) {
    app.get_option("--trace")->excludes(other);  // which says that itself
  }
  app.add_option("--precision", flags->precision,
                 "Repeat until the median is known to within this share, 3% say, or --max-repeats");
  CLI::Option* most =
      app.add_option("--max-repeats", options.most_repeats, "With --precision: repeats at most")->capture_default_str();
  app.add_option("--timeout", flags->timeout_s, "Seconds after which a repeat has failed (default: none)")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--slo", flags->slo,
                 "Search for the most users, up to --users (256), or the largest rate from --rate upwards, that hold an "
                 "objective: ttft_p95<1s,itl_p95<100ms")
      ->option_text("OBJECTIVE");
  app.add_flag("--strict", options.strict,
               "Make disturbed repeats again, three times at most, and fail cells with none that was quiet");
  app.add_option("--seed", flags->load.seed, "Of the random prompts, and of the order of cells")->capture_default_str();
  app.add_option("--suite", flags->suite,
                 "A campaign: a .toml file (docs/suites.md), or quick, article, capacity, context, peers");
  app.add_option("--models", flags->models_dir,
                 "In a suite, take NAME-QUANT.gguf of this folder for synth:NAME:QUANT where it is there");
  app.add_flag("--resume", flags->resume, "Go on with the last campaign of the suite: cells that are there stay");
  app.add_flag("--dry-run", flags->dry_run, "Show the cells with their time and memory, measure nothing");
  app.add_option("--wall-meter", flags->wall_file,
                 "A file that something appends lines SECONDS,WATTS to, seconds since 1970");
  AddKvFlag(app, flags->kv_name);
  app.add_option("--threads", flags->threads, "Threads (default: those this machine has for us)")
      ->check(CLI::Range(1, 1024));
  app.add_option("--probe-mb", flags->probe_mb,
                 "Measure bandwidth over less memory than 8 times the caches: faster, less honest, "
                 "flagged")
      ->check(CLI::Range(16, 1 << 20));
  app.add_option("--db", flags->db,
                 "Database for the rows: a file, or postgresql://USER@HOST/NAME (default: weir/results.db in the user's data folder)");
  app.add_flag("--explain", flags->explain,
               "Show where the time of a step goes, part by part, beside each part's own limit");
  app.add_flag("--json", flags->json, "One JSON document on stdout");
  app.footer(
      "Examples:\n"
      "  weir bench\n"
      "  weir bench model.gguf --users 1,8,32\n"
      "  weir bench model.gguf --users 1-40 --explain\n"
      "  weir bench --suite quick\n"
      "  weir bench model.gguf --slo 'ttft_p95<1s,itl_p95<100ms'     # how many users?\n"
      "  weir bench model.gguf --slo 'e2e_p95<20s' --arrivals poisson --rate 0.1 --requests 2\n"
      "  weir bench --target http://127.0.0.1:8080 --tokenizer model.gguf\n"
      "  weir bench --target 'peer:llama-server -m model.gguf -t 4 --port {port}'\n"
      "  weir bench suites/article.toml --resume --precision 3%\n"
      "  weir bench synth:qwen3.5-27b:Q4_K_M --users 1 --json\n\n"
      "Before it is measured, each model is asked eight fixed questions at each target, for 30 seconds at most: one whose\n"
      "answers are nobody else's is flagged answers_differ (docs/metrics.md, Answers).\n\n"
      "Ctrl-C keeps what was measured. Exit code: 0 if there are rows, also of models that do not "
      "fit; 1 if\n"
      "nothing could be measured because something failed; 2 for wrong usage; 130 after Ctrl-C.");
  const CLI::Option* warm_up = app.get_option("--warm-up");
  std::vector<const CLI::Option*> of_cells;
  for (const char* name : {"MODEL", "--target", "--model-name", "--tokenizer", "--serves", "--arrivals", "--rate",
                           "--burst", "--trace", "--think", "--ramp", "--turns", "--warm-up", "--prompts",
                           "--shared-tokens", "--depth", "--chat", "--natural", "--users", "--prompt-tokens",
                           "--gen-tokens", "--requests"}) {
    of_cells.push_back(app.get_option(name));
  }
  return [flags, repeats, most, users, warm_up, of_cells] {
    for (const CLI::Option* option : of_cells) {
      if (option->count() > 0) flags->of_cells.push_back(option->get_name());
    }
    const auto given = [&](const char* name) {
      return std::find(flags->of_cells.begin(), flags->of_cells.end(), name) != flags->of_cells.end();
    };
    flags->has_arrivals = given("--arrivals");
    flags->has_rate = given("--rate");
    flags->has_burst = given("--burst");
    flags->has_users = users->count() > 0;
    flags->has_warm_up = warm_up->count() > 0;
    flags->has_repeats = repeats->count() > 0;
    flags->has_max_repeats = most->count() > 0;
    return RunCommand(*flags);
  };
}

}  // namespace weir
