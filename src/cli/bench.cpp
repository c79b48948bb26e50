// weir bench: every model with every number of users, into the database and as a table.
#include "bench/bench.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bench/document.h"
#include "bench/explain.h"
#include "bench/in_process.h"
#include "bench/machine_instruments.h"
#include "cli/bench_target.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/hub.h"
#include "cli/load.h"
#include "cli/machine.h"
#include "cli/progress.h"
#include "cli/version.h"
#include "machine/machine.h"
#include "util/interrupt.h"
#include "util/terminal.h"

namespace weir {
namespace {

struct Flags {
  std::vector<std::string> models{"synth:qwen3.5-0.8b:Q8_0", "synth:qwen3.5-2b:UD-IQ2_XXS"};
  TargetFlags target;
  BenchOptions options;
  std::vector<std::string> users{"1", "2", "4"};  // numbers and ranges
  std::string db;
  std::string kv_name;
  int threads = 0;       // 0: what this machine has
  int64_t probe_mb = 0;  // 0: as much as honest rates need
  bool explain = false;
  bool json = false;
};

/// What a run was made with and what came of it, also when the database failed on the way.
struct Run {
  Machine machine;
  Isa isa;
  int threads;
  MachineInstruments instruments;
  std::string db;
  BenchOutcome outcome;
  std::vector<CellResult> cells;
};

/// {"1", "4-6"} as {1, 4, 5, 6}.
Result<std::vector<int>> ParseUsers(const std::vector<std::string>& texts) {
  std::vector<int> users;
  for (const std::string& text : texts) {
    int first = 0, last = 0;
    const char* const end = text.data() + text.size();
    std::from_chars_result read = std::from_chars(text.data(), end, first);
    last = first;
    if (read.ec == std::errc() && read.ptr != end && *read.ptr == '-') {
      read = std::from_chars(read.ptr + 1, end, last);
    }
    if (read.ec != std::errc() || read.ptr != end) {
      return BadInput("--users {}: expected numbers such as 8 or ranges such as 1-40", text);
    }
    if (last < first || int64_t{last} - first > 1000) {
      return BadInput("--users {}: expected a range from fewer to more, of at most 1000 numbers", text);
    }
    for (int n = first; n <= last; ++n) users.push_back(n);
  }
  return users;
}

Result<std::vector<std::unique_ptr<Subject>>> OpenSubjects(const Flags& flags,
                                                           const InProcessOptions& in_process) {
  std::vector<std::unique_ptr<Subject>> subjects;
  if (!flags.target.target.empty()) {
    WEIR_TRY(std::unique_ptr<Subject> subject, OpenTarget(flags.target));
    WEIR_RETURN_IF_ERROR(CheckContext(flags.options, *subject));
    subjects.push_back(std::move(subject));
    return subjects;
  }
  std::set<std::string> seen;
  for (const std::string& model : flags.models) {
    if (!seen.insert(model).second) return BadInput("MODEL {}: named twice", model);
    WEIR_RETURN_IF_ERROR(EnsureLocal(model));
    WEIR_TRY(std::unique_ptr<Subject> subject, OpenSubject(model, in_process));
    WEIR_RETURN_IF_ERROR(CheckContext(flags.options, *subject));
    subjects.push_back(std::move(subject));
  }
  return subjects;
}

Result<Store> OpenStore(const Flags& flags) {
  if (!flags.db.empty()) return Store::Open(flags.db);
  WEIR_TRY(const std::string path, Store::DefaultPath());
  return Store::Open(path);
}

Status Measure(const Flags& flags, const std::vector<std::unique_ptr<Subject>>& subjects,
               Store& store, Run& run) {
  const RunRow row = DescribeRun(run.machine, run.isa, run.threads, flags.options.seed);
  BenchOptions options = flags.options;
  if (!flags.kv_name.empty() && flags.kv_name != "f16") {
    options.flags.push_back({"kv_" + flags.kv_name,
                             "keys and values are kept in " + flags.kv_name + ", not in f16"});
  }
  Progress progress("bench");
  const auto on_progress = [&](const std::string& doing, int64_t done_ms, int64_t total_ms) {
    progress.SetLabel(Escaped(doing));
    progress.Update(done_ms, total_ms);
  };
  WEIR_TRY(run.outcome,
           RunBench(options, row, subjects, store, run.instruments, on_progress));
  Result<std::vector<CellResult>> cells = store.Results(run.outcome.run);
  if (cells) run.cells = std::move(cells).value();
  return cells || !run.outcome.written.ok() ? Status() : cells.error();
}

void PrintDocument(const Run& run, uint64_t seed) {
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
                     {"seed", seed}};
  document["cells"] = CellsJson(run.cells);
  AddExplanations(run.outcome.profiles, run.instruments.best(), run.cells, document["cells"]);
  PrintJson(document);
}

void PrintTable(Run& run) {
  const int width = TerminalWidth();
  const TableStyle style{StdoutStyle("\x1b[1m"), StdoutStyle("\x1b[2m"), StdoutStyle("\x1b[33m"),
                         StdoutStyle("\x1b[0m")};
  const auto print = [&](const std::string& line) { fmt::print("{}\n", Wrap(line, width, 2)); };
  for (CellResult& cell : run.cells) {
    for (std::string* text : {&cell.model.name, &cell.model.quant, &cell.reason})
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

Result<int> RunCommand(Flags& flags) {
  WEIR_TRY(flags.options.users, ParseUsers(flags.users));
  WEIR_RETURN_IF_ERROR(CheckOptions(flags.options));
  WEIR_TRY(const Isa isa, SelectIsa(std::getenv("WEIR_ISA")));
  const int threads = flags.threads > 0 ? flags.threads : DefaultThreads();
  const KvType kv_type = KvTypeNamed(flags.kv_name).value_or(KvType::kF16);
  WEIR_TRY(const auto subjects, OpenSubjects(flags, {isa, threads, flags.explain, kv_type}));
  WEIR_TRY(Store store, OpenStore(flags));
  const std::string db = std::filesystem::absolute(store.path()).string();
  Run run{
      ReadMachine(), isa, threads, MachineInstruments(threads, flags.probe_mb << 20), db, {}, {}};
  CatchInterrupts();
  WEIR_RETURN_IF_ERROR(Measure(flags, subjects, store, run));
  flags.json ? PrintDocument(run, flags.options.seed) : PrintTable(run);
  WEIR_RETURN_IF_ERROR(run.outcome.written);
  return ExitCode(run);
}

}  // namespace

Command AddBench(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  BenchOptions& options = flags->options;
  app.add_option("MODEL", flags->models, "A .gguf file, hf:ORG/REPO[:QUANT] or synth:NAME:QUANT (weir synth --list)")
      ->capture_default_str();
  AddTargetFlags(app, flags->target);
  app.add_option("--users", flags->users,
                 "Numbers of users that ask at the same time, ranges too: 1-8,16")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--prompt-tokens", options.prompt_tokens, "Length of every prompt")
      ->capture_default_str();
  app.add_option("--gen-tokens", options.gen_tokens, "Length of every answer")
      ->capture_default_str();
  app.add_option("--requests", options.requests_per_user, "Requests of each user in a repeat")
      ->capture_default_str();
  app.add_option("--repeats", options.repeats, "Measured repeats of each cell, after a warm-up")
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Of the random prompts")->capture_default_str();
  AddKvFlag(app, flags->kv_name);
  app.add_option("--threads", flags->threads, "Threads (default: those this machine has for us)")
      ->check(CLI::Range(1, 1024));
  app.add_option("--probe-mb", flags->probe_mb,
                 "Measure bandwidth over less memory than 8 times the caches: faster, less honest, "
                 "flagged")
      ->check(CLI::Range(16, 1 << 20));
  app.add_option("--db", flags->db,
                 "Database for the rows (default: weir/results.db in the user's data folder)");
  app.add_flag("--explain", flags->explain,
               "Show where the time of a step goes, part by part, beside each part's own limit");
  app.add_flag("--json", flags->json, "One JSON document on stdout");
  app.footer(
      "Examples:\n"
      "  weir bench\n"
      "  weir bench model.gguf --users 1,8,32\n"
      "  weir bench model.gguf --users 1-40 --explain\n"
      "  weir bench synth:qwen3.5-27b:Q4_K_M --users 1 --json\n"
      "  weir bench --target http://127.0.0.1:8080 --tokenizer model.gguf\n"
      "  weir bench --target 'peer:llama-server -m model.gguf -t 4 --port {port}'\n\n"
      "Ctrl-C keeps what was measured. Exit code: 0 if there are rows, also of models that do not "
      "fit; 1 if\n"
      "nothing could be measured because something failed; 2 for wrong usage; 130 after Ctrl-C.");
  return [flags] { return RunCommand(*flags); };
}

}  // namespace weir
