#include "cli/bench_plan.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>

#include "bench/document.h"
#include "bench/estimate.h"
#include "bench/prompts.h"
#include "bench/questions.h"
#include "bench/slo.h"
#include "bench/target_name.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/hub.h"
#include "machine/machine.h"
#include "util/terminal.h"

namespace weir {
namespace {

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
  std::set<int> seen;
  for (const int n : users) {
    if (!seen.insert(n).second) return BadInput("--users: {} is named twice", n);
  }
  return users;
}

SuiteDefaults DefaultsOf(const BenchFlags& flags) {
  return {flags.kv_name.empty() ? "f16" : flags.kv_name,
          flags.threads > 0 ? flags.threads : DefaultThreads()};
}

std::vector<std::pair<std::string, int>> Product(const std::vector<std::string>& targets, const std::vector<int>& users) {
  std::vector<std::pair<std::string, int>> pairs;
  for (const std::string& target : targets) {
    for (const int n : users) pairs.emplace_back(target, n);
  }
  return pairs;
}

/// The most users of a search; in an open loop they only say how many requests there are.
int MostSearched(const BenchFlags& flags, Arrivals arrivals, const std::vector<int>& users) {
  constexpr int kOpenUsers = 16;
  if (flags.has_users) return *std::max_element(users.begin(), users.end());
  return arrivals == Arrivals::kClosed ? kMostSearchedUsers : kOpenUsers;
}

/// How requests come; a rate says enough.
Result<Arrivals> ArrivalsOf(const BenchFlags& flags) {
  const Arrivals arrivals = flags.load.arrivals;
  if (flags.has_rate && !flags.has_arrivals) return Arrivals::kPoisson;
  if (flags.has_rate && arrivals == Arrivals::kClosed) {
    return WithHint(BadInput("--rate: with --arrivals closed users ask when they are answered"),
                    "say --arrivals poisson, constant or burst");
  }
  if (flags.has_burst && arrivals != Arrivals::kBurst) {
    return WithHint(BadInput("--burst: of bursts only"), "say --arrivals burst");
  }
  return arrivals;
}

/// What only a server has.
Status CheckTargetFlags(const TargetFlags& flags, const std::vector<std::string>& targets) {
  if (!flags.serves.empty() && std::none_of(targets.begin(), targets.end(), IsAddress)) {
    return WithHint(BadInput("--serves: says what a server at http:// computes"), "name it: --target http://HOST:PORT");
  }
  const auto is_engine = [](const std::string& target) { return target == "engine"; };
  if (!std::all_of(targets.begin(), targets.end(), is_engine)) return {};
  for (const auto& [name, value] : {std::pair("--model-name", flags.model_name), {"--tokenizer", flags.tokenizer}}) {
    if (!value.empty()) {
      return WithHint(BadInput("{}: of a server, and only the engine is measured", name),
                      "name it: --target http://HOST:PORT");
    }
  }
  return {};
}

Status AddFlagCells(const BenchFlags& flags, Suite& suite) {
  WEIR_TRY(std::vector<int> users, ParseUsers(flags.users));
  Workload load = flags.load;
  WEIR_TRY(load.arrivals, ArrivalsOf(flags));
  if (load.arrivals == Arrivals::kTrace) {
    WEIR_RETURN_IF_ERROR(SetTrace(load.trace, load));
    if (!flags.has_users) users = {kTraceUsers};
  }
  if (!flags.slo.empty()) users = {MostSearched(flags, load.arrivals, users)};
  const SuiteDefaults defaults = DefaultsOf(flags);
  std::set<std::string> seen;
  std::vector<std::string> targets = flags.target.targets;
  if (targets.empty()) targets = {"engine"};
  suite.options.interleave = targets.size() > 1;
  const bool files = std::any_of(targets.begin(), targets.end(), TakesModel);
  WEIR_RETURN_IF_ERROR(CheckTargetFlags(flags.target, targets));
  for (const std::string& model : files ? flags.models : std::vector{flags.target.model_name}) {
    if (!seen.insert(model).second) return BadInput("MODEL {}: named twice", model);
    for (const auto& [target, n] : Product(targets, users)) {
      CellSpec spec{target, TakesModel(target) ? model : flags.target.model_name, flags.target.tokenizer,
                    IsAddress(target) ? flags.target.serves : "", defaults.kv, defaults.threads, load, flags.slo};
      spec.load.users = n;
      const bool closed = spec.load.arrivals == Arrivals::kClosed;
      if (!flags.slo.empty() && closed && !flags.has_warm_up) spec.load.warm_up_rounds = 1;
      WEIR_RETURN_IF_ERROR(CheckWorkload(spec.load));
      suite.cells.push_back(std::move(spec));
    }
  }
  return {};
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

/// synth:NAME:QUANT becomes the file NAME-QUANT.gguf of the folder, in any case of letters, where there is one.
Status TakeRealFiles(const std::string& folder, Suite& suite) {
  std::error_code error;
  std::map<std::string, std::string> files;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    files[Lower(it->path().filename().string())] = it->path().string();
  }
  if (error) return BadInput("--models {}: {}", folder, error.message());
  for (CellSpec& spec : suite.cells) {
    if (!spec.model.starts_with("synth:")) continue;
    std::string name = Lower(spec.model.substr(6));
    std::replace(name.begin(), name.end(), ':', '-');
    const auto found = files.find(name + ".gguf");
    if (found != files.end()) spec.model = found->second;
  }
  return {};
}

Result<std::unique_ptr<Subject>> OpenSubjectOf(const CellSpec& spec, Isa isa, bool profile) {
  if (spec.target != "engine") return OpenTarget(spec);
  WEIR_RETURN_IF_ERROR(EnsureLocal(spec.model));
  const KvType kv_type = KvTypeNamed(spec.kv).value_or(KvType::kF16);
  return OpenSubject(spec.model, {isa, spec.threads, profile, kv_type});
}

}  // namespace

Result<Suite> MakeSuite(const BenchFlags& flags) {
  Suite suite;
  std::string name = flags.suite;
  if (name.empty() && flags.models.size() == 1 && flags.models[0].ends_with(".toml")) name = flags.models[0];
  if (name.empty()) {
    if (flags.resume) return WithHint(BadInput("--resume: there is no campaign to go on with"), "name a suite with --suite");
    suite.options = flags.options;
    suite.options.most_repeats = std::max(flags.options.most_repeats, flags.options.repeats);
    if (!flags.slo.empty()) WEIR_RETURN_IF_ERROR(ParseSlo(flags.slo));
    if (!flags.slo.empty() && flags.load.arrivals == Arrivals::kTrace) {
      return BadInput("--slo: a trace has one rate, there is nothing to search for");
    }
    WEIR_RETURN_IF_ERROR(AddFlagCells(flags, suite));
  } else {
    if (!flags.slo.empty()) return WithHint(BadInput("--slo: a suite says that itself"), "write slo = \"...\" into its [[cells]]");
    for (const std::string& flag : flags.of_cells) {
      if (flag == "MODEL" && flags.suite.empty()) continue;  // the suite itself
      return WithHint(BadInput("{}: a suite says that itself", flag),
                      "write it into the [[cells]] of a file (docs/suites.md)");
    }
    WEIR_TRY(const SuiteText text, FindSuite(name));
    WEIR_TRY(suite, ParseSuite(text.text, text.file, DefaultsOf(flags)));
    if (flags.has_repeats) suite.options.repeats = flags.options.repeats;
    if (flags.has_max_repeats) suite.options.most_repeats = flags.options.most_repeats;
    suite.options.most_repeats = std::max(suite.options.most_repeats, suite.options.repeats);
    suite.options.strict |= flags.options.strict;
  }
  if (!flags.precision.empty()) {
    WEIR_TRY(suite.options.precision, ParsePercent("--precision", flags.precision));
  }
  if (flags.has_max_repeats && !suite.options.precision) {
    return WithHint(BadInput("--max-repeats: repeats are added for a precision only"),
                    "say --precision 3%, or --repeats");
  }
  if (flags.timeout_s > 0) suite.options.timeout_ns = int64_t{flags.timeout_s} * 1'000'000'000;
  suite.options.order_seed = flags.load.seed;
  WEIR_RETURN_IF_ERROR(CheckOptions(suite.options));
  if (!flags.models_dir.empty()) WEIR_RETURN_IF_ERROR(TakeRealFiles(flags.models_dir, suite));
  return suite;
}

Result<BenchPlan> OpenCells(const std::vector<CellSpec>& cells, Isa isa, bool profile) {
  BenchPlan plan;
  std::map<std::string, Subject*> opened;
  for (const CellSpec& spec : cells) {
    Subject*& subject =
        opened[fmt::format("{} {} {} {} {} {}", spec.target, spec.model, spec.tokenizer, spec.serves, spec.kv,
                           spec.threads)];
    if (!subject) {
      WEIR_TRY(std::unique_ptr<Subject> made, OpenSubjectOf(spec, isa, profile));
      subject = made.get();
      plan.subjects.push_back(std::move(made));
    }
    PlannedCell cell{subject, spec};
    Workload& load = cell.spec.load;
    if (load.prompts == PromptKind::kFile) {
      WEIR_TRY(load.prompt_tokens, LongestPrompt(load, *subject));
    }
    WEIR_RETURN_IF_ERROR(CheckContext(load, *subject));
    plan.cells.push_back(std::move(cell));
  }
  return plan;
}

ResumePlan PlanResume(const std::vector<CellSpec>& cells, const std::vector<CellState>& states,
                      const std::vector<CapacityRow>& found_capacities) {
  constexpr int kDeadly = 2, kHopeless = 5;  // whoever killed it
  std::set<std::string> answered;
  for (const CapacityRow& capacity : found_capacities) answered.insert(capacity.key);
  std::map<std::string, CellState> known;
  for (const CellState& state : states) known[state.key] = state;
  ResumePlan plan;
  for (const CellSpec& spec : cells) {
    if (!spec.slo.empty()) {
      answered.contains(KeyOf(spec)) ? void(++plan.n_done) : plan.left.push_back(spec);
      continue;
    }
    const auto found = known.find(KeyOf(spec));
    const CellStatus status = found == known.end() ? CellStatus::kInterrupted : found->second.status;
    if (status != CellStatus::kInterrupted && status != CellStatus::kFailed && status != CellStatus::kSkipped) {
      ++plan.n_done;
    } else if (found != known.end() && (found->second.n_deaths >= kDeadly || found->second.n_ends >= kHopeless)) {
      status == CellStatus::kFailed ? void(++plan.n_done) : plan.deadly.push_back(spec);
    } else {
      plan.left.push_back(spec);
    }
  }
  return plan;
}

namespace {

/// What tells cells apart beside the numbers of every row: of those that are not the same in all of them.
std::vector<std::vector<std::string>> Differences(const std::vector<PlannedCell>& cells) {
  using Describe = std::string (*)(const CellSpec& spec);
  static constexpr Describe kWhat[] = {
      [](const CellSpec& spec) { return spec.target; },
      [](const CellSpec& spec) { return spec.slo; },
      [](const CellSpec& spec) { return "kv " + spec.kv; },
      [](const CellSpec& spec) { return fmt::format("{} threads", spec.threads); },
      [](const CellSpec& spec) { return fmt::format("{} requests each", spec.load.requests_per_user); },
      [](const CellSpec& spec) { return spec.load.rate > 0 ? fmt::format("{:.3g}/s", spec.load.rate) : ""; },
      [](const CellSpec& spec) { return std::string(Name(spec.load.arrivals)); },
      [](const CellSpec& spec) { return spec.load.turns > 1 ? fmt::format("{} turns", spec.load.turns) : ""; },
      [](const CellSpec& spec) { return fmt::format("seed {}", spec.load.seed); },
  };
  std::vector<std::vector<std::string>> words(cells.size());
  for (const Describe describe : kWhat) {
    const bool differs = std::any_of(cells.begin(), cells.end(), [&](const PlannedCell& cell) {
      return describe(cell.spec) != describe(cells[0].spec);
    });
    for (size_t i = 0; differs && i < cells.size(); ++i) {
      if (std::string word = describe(cells[i].spec); !word.empty()) words[i].push_back(EscapedControls(word));
    }
  }
  return words;
}

}  // namespace

int PrintDryRun(const Suite& suite, const BenchPlan& plan, bool json) {
  Json cells = Json::array();
  std::set<std::string> failures;
  size_t n_failed = 0;
  double total = 0;
  const Subject* loaded = nullptr;
  const bool deep = std::any_of(plan.cells.begin(), plan.cells.end(),
                                [](const PlannedCell& cell) { return cell.spec.load.depth_tokens > 0; });
  const std::vector<std::vector<std::string>> differences = Differences(plan.cells);
  const auto print = [&](const auto& users, const auto& depth, const auto& prompt, const auto& gen, const auto& repeats,
                         const std::string& seconds, const std::string& memory, const std::string& rest) {
    std::string line = fmt::format("{:>5} ", users);
    if (deep) line += fmt::format("{:>6} ", depth);
    line += fmt::format("{:>6} {:>6} {:>7} {:>8} {:>8}  ", prompt, gen, repeats, seconds, memory);
    fmt::print("{}\n", Wrap(line + rest, TerminalWidth(), 6));
  };
  if (!json) print("users", "depth", "prompt", "gen", "repeats", "seconds", "memory", "model");
  for (size_t i = 0; i < plan.cells.size(); ++i) {
    const PlannedCell& cell = plan.cells[i];
    const Workload& load = cell.spec.load;
    const ModelRow& model = cell.subject->row();
    const bool has_trace = load.arrivals == Arrivals::kTrace;
    const Result<int64_t> bytes = cell.subject->Plan(load.users, TokensOf(load));
    const bool refused = !bytes && bytes.error().code == ErrorCode::kRefused;
    n_failed += !bytes && !refused;
    double seconds = suite.options.repeats * (RoughSeconds(model, load) + 1);
    if (cell.subject != loaded) seconds += RoughLoadSeconds(model) + RoughAskingSeconds(*cell.subject, cell.spec);
    loaded = cell.subject;
    if (bytes) total += seconds;
    if (json) {
      cells.push_back({{"model", model.name}, {"target", cell.spec.target}, {"users", load.users}, {"slo", OrNull(cell.spec.slo)},
                       {"prompt_tokens", load.prompt_tokens}, {"depth_tokens", load.depth_tokens}, {"gen_tokens", load.gen_tokens},
                       {"trace", OrNull(load.trace)},
                       {"trace_requests", has_trace ? Json(load.traced.n_requests) : Json(nullptr)},
                       {"repeats", suite.options.repeats}, {"seconds", bytes ? Json(seconds) : Json(nullptr)},
                       {"memory_bytes", bytes ? Json(*bytes) : Json(nullptr)},
                       {"reason", bytes ? Json(nullptr) : Json(bytes.error().message)}});
      continue;
    }
    const std::string users = cell.spec.slo.empty() ? fmt::to_string(load.users) : fmt::format("<={}", load.users);
    std::vector<std::string> rest{EscapedControls(ModelTitle(model))};
    if (!model.quant.empty()) rest[0] += " " + EscapedControls(model.quant);
    rest.insert(rest.end(), differences[i].begin(), differences[i].end());
    if (has_trace) {
      rest.push_back(fmt::format("{} requests within {:.4g} s of {}", load.traced.n_requests, load.traced.seconds,
                                 EscapedControls(std::filesystem::path(load.trace).filename().string())));
    }
    print(users, load.depth_tokens, load.prompt_tokens, load.gen_tokens, suite.options.repeats,
          bytes ? fmt::format("{:.0f}", seconds) : "-", bytes ? ByteSize(*bytes) : refused ? "too much" : "-",
          fmt::format("{}", fmt::join(rest, ", ")));
    if (!bytes && !refused) failures.insert(bytes.error().message);
  }
  const int exit_code = n_failed > 0 && n_failed == plan.cells.size() ? kExitFailed : kExitOk;
  if (json) {
    PrintJson({{"suite", suite.name.empty() ? Json(nullptr) : Json(suite.name)}, {"cells", cells}, {"seconds", total}});
    return exit_code;
  }
  for (const std::string& failure : failures) {
    fmt::print("{}\n", Wrap("cannot run: " + EscapedControls(failure), TerminalWidth(), 2));
  }
  fmt::print("{} cells, about {} on a machine of ordinary speed{}\n", plan.cells.size(),
             Duration(static_cast<int64_t>(total * 1000)), suite.options.precision ? ", more if repeats spread" : "");
  return exit_code;
}

}  // namespace weir
