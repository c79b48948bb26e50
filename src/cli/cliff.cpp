// weir cliff: where this machine's memory ends for a model, measured in processes that may die of it.
#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "bench/document.h"
#include "bench/memory_cliff.h"
#include "bench/model_row.h"
#include "cli/fleet.h"
#include "cli/format.h"
#include "cli/hub.h"
#include "cli/load.h"
#include "cli/machine.h"
#include "cli/result_database.h"
#include "cli/row_commands.h"
#include "engine/engine.h"
#include "machine/machine.h"
#include "machine/memory_use.h"
#include "util/child_process.h"
#include "util/interrupt.h"
#include "util/paths.h"
#include "util/take_memory.h"
#include "util/terminal.h"

namespace weir {
namespace {

constexpr int64_t kContextStep = 256, kMostUsers = 4096;
constexpr auto kPoll = std::chrono::milliseconds(20);
constexpr int64_t kAnswerTokens = 2, kPromptTokens = 4;
constexpr const char* kMark = "memory-probe ";  // before what a probe says

struct Flags {
  ModelFlags model;
  int64_t users = 1, context = 4096;
  std::string db, probe;
  bool json = false;
};

struct Load {
  int64_t users, tokens;
};

EngineOptions OptionsFor(const Flags& flags, const Load& load) {
  EngineOptions options;
  options.max_sequences = static_cast<int>(load.users);
  options.context_tokens = load.tokens;
  options.n_threads = flags.model.threads();
  options.kv_type = flags.model.kv_type();
  return options;
}

/// In the child: takes all memory of the load, computes a little, and says how much that was.
Result<int> RunProbe(const Flags& flags, const Load& load) {
  VolunteerForOom();
  TakeBuffersAtOnce();
  WEIR_TRY(const std::unique_ptr<ModelSource> source, OpenModel(flags.model.model));
  WEIR_TRY(const ModelConfig config, ReadConfig(*source));
  WEIR_TRY(const ModelFootprint footprint, Model::Plan(*source, flags.model.dtype()));
  WEIR_TRY(const EnginePlan plan,
           Engine::Plan(config, footprint, flags.model.dtype(), OptionsFor(flags, load), INT64_MAX));
  WEIR_TRY(const LoadedModel loaded, LoadModel(flags.model, *source, 0));
  WEIR_TRY(const std::unique_ptr<Engine> engine, Engine::Start(*loaded.model, nullptr, plan.options));
  std::vector<Stream> streams;
  for (int64_t user = 0; user < load.users; ++user) {
    Request request;
    request.prompt.assign(static_cast<size_t>(std::min(kPromptTokens, load.tokens - kAnswerTokens)), 1);
    request.max_tokens = kAnswerTokens;
    request.ignore_eos = true;
    WEIR_TRY(Stream stream, engine->Submit(std::move(request)));
    streams.push_back(std::move(stream));
  }
  for (Stream& stream : streams) {
    while (const auto event = stream.Next()) {
      if (event->finished == FinishReason::kError) return Failed("{}", event->error);
    }
  }
  const std::optional<int64_t> peak = PeakRssBytes();
  fmt::print("{}{}\n", kMark, Json{{"planned", plan.total_bytes()}, {"peak", OrNull(peak)}}.dump());
  return kExitOk;
}

std::string WhyDied(int code, std::string log) {
  if (code > 128) return fmt::format("killed by signal {}{}", code - 128, code == 128 + 9 ? ": the kernel had no memory left, it seems" : "");
  while (!log.empty() && log.back() == '\n') log.pop_back();
  const std::string last = log.substr(log.rfind('\n') + 1);
  return fmt::format("ended with code {}: {}", code, last);
}

class Cliff {
 public:
  Cliff(const Flags& flags, Store& store, const ModelSource& source, const ModelConfig& config,
        const ModelFootprint& footprint)
      : flags_(flags), store_(store), source_(source), config_(config), footprint_(footprint) {}

  Status Run() {
    WEIR_TRY(const Isa isa, SelectIsa(std::getenv("WEIR_ISA")));
    WEIR_TRY(run_, store_.BeginRun(DescribeRun(ReadMachine(), isa, flags_.model.threads(), 0)));
    WEIR_TRY(model_, store_.AddModel(DescribeModel(flags_.model.model, source_)));
    WEIR_RETURN_IF_ERROR(Search("context_tokens", std::min(kContextStep, config_.context_length), config_.context_length,
                                [&](int64_t size) { return Load{flags_.users, size}; }));
    WEIR_RETURN_IF_ERROR(Search("users", 1, kMostUsers, [&](int64_t size) { return Load{size, flags_.context}; }));
    return store_.EndRun(run_);
  }

  int64_t run() const { return run_; }

 private:
  Status Search(const std::string& unit, int64_t step, int64_t most, const std::function<Load(int64_t)>& load_of) {
    const int64_t available = AvailableMemory();
    const int64_t predicted = LargestThatFits(step, most, [&](int64_t size) {
      return Engine::Plan(config_, footprint_, flags_.model.dtype(), OptionsFor(flags_, load_of(size)), available).ok();
    });
    std::map<int64_t, int64_t> cells;
    WEIR_TRY(const MemoryCliff cliff, FindMemoryCliff(predicted, step, most, [&](int64_t size) -> Result<MemoryProbe> {
      WEIR_TRY(const MemoryProbe probe, Probe(load_of(size)));
      WEIR_TRY(cells[size], AddCell(load_of(size), unit, probe));
      PrintMessage(fmt::format("{} {}: {}\n", size, unit == "users" ? "users" : "tokens of context", Words(probe)));
      return probe;
    }));
    CapacityRow row;
    row.model = model_;
    row.key = fmt::format("memory {} {} kv={} users={} context={}", unit, flags_.model.model, flags_.model.kv_name,
                          flags_.users, flags_.context);
    row.objective = "memory";
    row.unit = unit;
    row.best = static_cast<double>(cliff.best);
    row.predicted = static_cast<double>(predicted);
    if (cliff.best > 0) row.cell = cells[cliff.best];
    if (cliff.broken) {
      row.broken = static_cast<double>(*cliff.broken);
      row.why = cliff.probes.at(*cliff.broken).died;
    }
    return store_.AddCapacity(run_, row);
  }

  static std::string Words(const MemoryProbe& probe) {
    if (!probe.died.empty()) return EscapedControls(probe.died);
    return fmt::format("{}, planned {}", probe.peak_bytes ? ByteSize(*probe.peak_bytes) : "unknown",
                       probe.planned_bytes ? ByteSize(*probe.planned_bytes) : "unknown");
  }

  Result<MemoryProbe> Probe(const Load& load) {
    WEIR_TRY(const std::string folder, DataDirectory());
    ChildOptions options;
    options.command = {ExecutablePath(), "cliff", flags_.model.model, "--probe", fmt::format("{}:{}", load.users, load.tokens),
                       "--threads", std::to_string(flags_.model.threads()), "--dtype", flags_.model.dtype_name};
    if (!flags_.model.kv_name.empty()) options.command.insert(options.command.end(), {"--kv", flags_.model.kv_name});
    options.log_path = folder + "/memory-probe.log";
    WEIR_TRY(const std::unique_ptr<ChildProcess> child, ChildProcess::Start(options));
    std::optional<int> code;
    while (!(code = child->ExitCode())) {
      if (Interrupted()) return Error{ErrorCode::kInterrupted, "interrupted", {}};
      std::this_thread::sleep_for(kPoll);
    }
    MemoryProbe probe;
    // What it will take, if it could.
    if (const auto plan = Engine::Plan(config_, footprint_, flags_.model.dtype(), OptionsFor(flags_, load), INT64_MAX)) {
      probe.planned_bytes = plan->total_bytes();
    }
    const std::string log = child->LogEnd();
    const size_t at = log.rfind(kMark);
    if (*code == 0 && at != log.npos) {
      const Json said = Json::parse(log.substr(at + std::strlen(kMark)), nullptr, false);
      if (said.is_object() && said["peak"].is_number()) probe.peak_bytes = said["peak"].get<int64_t>();
    } else {
      probe.died = WhyDied(*code, log);
    }
    return probe;
  }

  Result<int64_t> AddCell(const Load& load, const std::string& unit, const MemoryProbe& probe) {
    CellRow row{static_cast<int>(load.users), load.tokens - kAnswerTokens, kAnswerTokens, 1, 1, probe.planned_bytes};
    row.key = fmt::format("memory {} users={} context={} kv={}", flags_.model.model, load.users, load.tokens,
                          flags_.model.kv_name);
    row.search = "memory";
    row.config = Json{{"unit", unit}, {"model", flags_.model.model}, {"users", load.users},
                      {"context_tokens", load.tokens}}.dump();
    WEIR_TRY(const int64_t cell, store_.BeginCell(run_, model_, row));
    WEIR_TRY(AttemptWriter writer, store_.BeginAttempt(cell, 1, std::nullopt));
    AttemptRow attempt;
    attempt.status = probe.died.empty() ? AttemptStatus::kOk : AttemptStatus::kFailed;
    attempt.reason = probe.died;
    attempt.peak_memory_bytes = probe.peak_bytes;
    WEIR_RETURN_IF_ERROR(writer.Finish(attempt));
    WEIR_RETURN_IF_ERROR(store_.EndCell(cell, probe.died.empty() ? CellStatus::kOk : CellStatus::kFailed, probe.died, {}));
    return cell;
  }

  const Flags& flags_;
  Store& store_;
  const ModelSource& source_;
  const ModelConfig& config_;
  const ModelFootprint& footprint_;
  int64_t run_ = 0, model_ = 0;
};

Json CliffJson(const std::vector<CapacityRow>& answers, const std::vector<CellResult>& cells, int64_t run) {
  Json probes = Json::array();
  for (const CellResult& cell : cells) {
    const Figure* peak = cell.Find("peak_memory_bytes");
    probes.push_back({{"cell", cell.id},
                      {"users", cell.row.users},
                      {"context_tokens", cell.row.prompt_tokens + cell.row.gen_tokens},
                      {"status", Name(cell.status)},
                      {"reason", OrNull(cell.reason)},
                      {"planned_bytes", OrNull(cell.row.planned_bytes)},
                      {"peak_memory_bytes", peak ? Json(static_cast<int64_t>(peak->greatest)) : Json()}});
  }
  return Json{{"run", run}, {"capacities", CapacitiesJson(answers, cells)}, {"probes", probes}};
}

Result<int> RunCliff(Flags& flags) {
  if (!flags.probe.empty()) {
    Load load{};
    if (std::sscanf(flags.probe.c_str(), "%" SCNd64 ":%" SCNd64, &load.users, &load.tokens) != 2) {
      return BadInput("--probe {}: expected USERS:TOKENS", flags.probe);
    }
    return RunProbe(flags, load);
  }
  CatchInterrupts();
  WEIR_TRY(const std::unique_ptr<ModelSource> source, OpenOrPull(flags.model.model));
  WEIR_TRY(const ModelConfig config, ReadConfig(*source));
  WEIR_TRY(const ModelFootprint footprint, Model::Plan(*source, flags.model.dtype()));
  WEIR_TRY(Store store, OpenForWriting(flags.db));
  flags.context = std::min(flags.context, config.context_length);
  Cliff cliff(flags, store, *source, config, footprint);
  WEIR_RETURN_IF_ERROR(cliff.Run());
  WEIR_TRY(const std::vector<CapacityRow> answers, store.Capacities(cliff.run()));
  WEIR_TRY(const std::vector<CellResult> cells, store.Results(cliff.run()));
  const SentRows sent = SendRows(flags.db, store);
  if (flags.json) {
    Json document = CliffJson(answers, cells, cliff.run());
    document["fleet"] = SentJson(sent);
    PrintJson(document);
    WEIR_RETURN_IF_ERROR(sent.status);
    return kExitOk;
  }
  const auto print = [](const std::string& line) {
    fmt::print("{}\n", Wrap(EscapedControls(line), TerminalWidth(), 2));
  };
  for (const std::string& line : CapacityLines(answers, cells)) print(line);
  print(fmt::format("rows: {}, run {}", store.path(), cliff.run()));
  WEIR_RETURN_IF_ERROR(sent.status);
  return kExitOk;
}

}  // namespace

Command AddCliff(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  AddModelFlags(app, flags->model);
  app.add_option("--users", flags->users, "when the largest context is searched")->check(CLI::Range(int64_t{1}, kMostUsers));
  app.add_option("--context", flags->context, "tokens of each, when the most users are searched")
      ->check(CLI::Range(int64_t{16}, int64_t{1} << 30));
  AddDatabaseFlag(app, flags->db);
  app.add_flag("--json", flags->json, "one JSON document on stdout");
  app.add_option("--probe", flags->probe, "")->group("");
  app.footer(
      "Examples:\n"
      "  weir cliff model.gguf\n"
      "  weir cliff model.gguf --users 8 --context 16384 --kv q8_0\n\n"
      "Each load is tried by a process of its own that takes all its memory at once, and that the kernel ends first\n"
      "where there is none left. Other programs feel that: close what matters.");
  return [flags] { return RunCliff(*flags); };
}

}  // namespace weir
