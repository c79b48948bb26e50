// weir fit: does a model fit, for how many users, and how fast will it be, here or on a machine of the catalogue.
#include "cli/fit.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>

#include "advise/fit.h"
#include "advise/predict.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/hub.h"
#include "cli/load.h"
#include "cli/machine.h"
#include "cli/machines_folder.h"
#include "cli/model_text.h"
#include "cli/progress.h"
#include "cli/result_database.h"
#include "machine/memory_use.h"
#include "model/synth/synth_model.h"
#include "store/store.h"
#include "util/interrupt.h"
#include "util/terminal.h"

namespace weir {
namespace {

constexpr int64_t kDefaultContext = 8192, kDefaultDepth = 1024;
constexpr int kTableUsers[] = {1, 2, 4, 8, 16, 32};

using Flags = FitFlags;

/// The machine that is asked about.
struct Place {
  std::string name, title;
  MemoryOffer memory;
  MachineRates rates;
  const CatalogueMachine* catalogued = nullptr;  // null: this machine
  MachineExperience experience;                  // of this machine
};

struct Answer {
  const ModelSource* source;
  ModelFacts facts;
  FitQuestion question = {};
  Fit fit = {};
  int64_t depth = 0;
  int64_t most_users = 0;  // with the context asked for
  std::vector<std::pair<int, int64_t>> longest_contexts = {};  // by users
  std::vector<SpeedPrediction> speeds = {};                    // by users, those asked for among them
  std::vector<int64_t> same_cells = {};                        // rows of this very model and number of users

  /// Whether so many users can have the context that speeds are predicted for; else there is no such speed.
  bool has_room(int users) const {
    return std::any_of(longest_contexts.begin(), longest_contexts.end(),
                       [&](const auto& longest) { return longest.first == users && longest.second >= depth; });
  }
  const SpeedPrediction& asked_speed(int users) const {
    return *std::find_if(speeds.begin(), speeds.end(), [&](const auto& speed) { return speed.users == users; });
  }
};

/// MODEL and QUANT as one MODEL: names of the catalogue need no file.
Result<std::string> ModelName(const Flags& flags) {
  if (flags.quant.empty()) return flags.model;
  if (IsHubName(flags.model)) return flags.model + ":" + flags.quant;
  const Result<const SynthModel*> known = FindSynthModel(flags.model);
  if (!known) {
    return WithHint(known.error(), fmt::format("{}; or name a .gguf file, or hf:ORG/REPO", known.error().hint));
  }
  return fmt::format("synth:{}:{}", (*known)->name, flags.quant);
}

// ---- This machine.

Result<MachineRates> MeasureRates(const Machine& machine, int n_threads) {
  WEIR_TRY(const Isa best, SelectIsa(nullptr));
  const auto progress = [line = std::make_shared<Progress>("measuring this machine")](int64_t done, int64_t total) {
    line->Update(done, total);
  };
  WEIR_TRY(Prober prober, Prober::Create(best, PlanProbeBuffer(machine), n_threads, progress));
  return prober.Measure(n_threads, /*passes=*/5, progress);
}

/// Rates and what models reach of them are those of the rows that are there; without rows, rates are measured now.
Result<Place> ThisMachine(const Flags& flags) {
  WEIR_TRY(const Isa isa, SelectIsa(std::getenv("WEIR_ISA")));
  const Machine machine = ReadMachine();
  Place place;
  place.name = "this machine";
  place.title = machine.cpu_model;
  place.memory.available_bytes = AvailableMemory();
  place.memory.memory_bytes = machine.memory_bytes.value_or(place.memory.available_bytes);
  if (Result<Store> store = OpenResults(flags.db, {.machine = Fingerprint(machine)})) {
    Progress progress("reading rows");
    FigureReader figures(progress.UntilInterrupted());
    WEIR_TRY(place.experience, ReadExperience(store->database(), Fingerprint(machine), std::string(Name(isa)),
                                              machine.default_threads, figures));
  } else if (!flags.db.empty()) {
    return store.error();
  }
  if (place.experience.rates) {
    place.rates = *place.experience.rates;
  } else {
    WEIR_TRY(place.rates, MeasureRates(machine, machine.default_threads));
  }
  return place;
}

Place OfCatalogue(const CatalogueMachine& machine) {
  Place place;
  place.name = machine.name;
  place.title = machine.title;
  place.memory = {machine.memory_bytes, machine.AvailableBytes(), machine.GpuBytes()};
  place.rates = machine.Rates();
  place.catalogued = &machine;
  return place;
}

// ---- The answer.

SpeedPrediction SpeedOf(const SpeedQuestion& question, const Place& place) {
  if (place.catalogued) return Estimate(question, *place.catalogued);
  if (std::optional<SpeedPrediction> learned = Predict(question, place.rates, place.experience)) return *learned;
  return Estimate(question, place.rates);
}

Result<Answer> Ask(const Flags& flags, const ModelSource& source, const Place& place) {
  Answer answer{&source, CollectFacts(source)};
  if (!answer.facts.config) return answer.facts.config.error();
  FitQuestion& question = answer.question;
  question.config = *answer.facts.config;
  WEIR_TRY(question.footprint, Model::Plan(source, question.dtype));
  if (flags.depth > question.config.context_length) {
    return BadInput("--depth {}: {} has {} tokens of context at most", flags.depth, source.name(),
                    question.config.context_length);
  }
  question.options.max_sequences = flags.users;
  question.options.context_tokens =
      flags.context > 0 ? flags.context : std::min(kDefaultContext, question.config.context_length);
  question.options.kv_type = flags.kv_name.empty() ? DefaultKvType(question.dtype) : *KvTypeNamed(flags.kv_name);
  question.options.n_threads = DefaultThreads();
  WEIR_TRY(answer.fit, FitInto(question, place.memory));
  WEIR_TRY(answer.most_users, MostUsers(question, place.memory, question.options.context_tokens));
  SpeedQuestion speed{question.config, question.footprint, {}, *question.options.kv_type, 1, 0};
  WEIR_TRY(speed.cost, Model::Cost(source, question.dtype));
  speed.depth = answer.depth =
      flags.depth > 0 ? flags.depth : std::min(kDefaultDepth, question.options.context_tokens);
  std::vector<int> users(std::begin(kTableUsers), std::end(kTableUsers));
  users.push_back(flags.users);
  std::sort(users.begin(), users.end());
  users.erase(std::unique(users.begin(), users.end()), users.end());
  for (const int n : users) {
    WEIR_TRY(const int64_t longest, LongestContext(question, place.memory, n));
    answer.longest_contexts.emplace_back(n, longest);
    speed.users = n;
    if (n == flags.users) {
      for (const Experience& row : SameCells(speed, place.experience)) answer.same_cells.push_back(row.cell);
    }
    answer.speeds.push_back(SpeedOf(speed, place));
  }
  return answer;
}

/// What a reader should know before believing it.
std::vector<std::string> Notes(const Answer& answer, const Place& place, int users) {
  std::vector<std::string> notes;
  if (answer.fit.over_gpu_share && answer.fit.fits()) {
    notes.push_back(fmt::format("it needs more than the {} that the GPU may take by default: raise that, or a part "
                                "runs on the processor", ByteSize(*place.memory.gpu_bytes)));
  }
  const bool learned = !answer.asked_speed(users).cells.empty();
  if (place.catalogued) {
    notes.push_back("speed: estimated from stated peaks; nothing was measured on that machine, and engines differ");
  } else if (!learned && !answer.same_cells.empty()) {
    notes.push_back(fmt::format("speed: estimated; rows of this machine are too few to learn from, or scatter too "
                                "much. Cell {} has what this model reached with {} {}",
                                answer.same_cells.back(), users, users == 1 ? "user" : "users"));
  } else if (!learned) {
    notes.push_back(fmt::format("speed: estimated; rows of this machine are too few, too far or scatter too much. "
                                "`weir bench {} --users {}` would measure it", answer.source->name(), users));
  }
  return notes;
}

// ---- As JSON.

Json RangeJson(const Range& range) { return Json{{"low", range.low}, {"high", range.high}}; }

Json SpeedJson(const SpeedPrediction& speed, bool has_room) {
  return Json{{"users", speed.users},
              {"limit_tok_s", has_room ? Json(speed.limit_tok_s) : Json()},
              {"predicted_tok_s", has_room ? RangeJson(speed.decode_tok_s) : Json()},
              {"predicted_ttft_ms", has_room ? RangeJson(speed.ttft_ms) : Json()},
              {"basis", speed.cells.empty() ? "estimate" : "rows"},
              {"cells", speed.cells}};
}

Json PlaceJson(const Place& place) {
  Json json{{"name", place.name},
            {"title", place.title},
            {"memory_bytes", place.memory.memory_bytes},
            {"available_bytes", place.memory.available_bytes},
            {"gpu_bytes", OrNull(place.memory.gpu_bytes)},
            {"read_gb_s", place.rates.read_gb_s},
            {"int8_gmac_s", place.rates.int8_gmac_s}};
  if (!place.catalogued) return json;
  json["power_load_w"] = OrNull(place.catalogued->power_load_w);
  json["power_of"] = OrNull(place.catalogued->power_of);
  json["price_usd"] = OrNull(place.catalogued->price_usd);
  json["price_of"] = OrNull(place.catalogued->price_of);
  for (const auto& [figure, text] : place.catalogued->sources) json["sources"][figure] = text;
  return json;
}

Json Document(const Answer& answer, const Place& place, int users) {
  const EnginePlan& plan = answer.fit.plan;
  Json types = Json::array(), contexts = Json::array(), speeds = Json::array();
  for (const TypeShare& share : answer.facts.types) {
    types.push_back({{"type", Traits(share.type).name}, {"bytes", share.n_bytes}});
  }
  for (const auto& [n, tokens] : answer.longest_contexts) {
    contexts.push_back({{"users", n}, {"context_tokens", tokens}});
  }
  for (const SpeedPrediction& speed : answer.speeds) speeds.push_back(SpeedJson(speed, answer.has_room(speed.users)));
  const Json asked = SpeedJson(answer.asked_speed(users), answer.has_room(users));
  return Json{{"model", answer.source->name()},
              {"machine", PlaceJson(place)},
              {"users", users},
              {"ctx", plan.options.context_tokens},
              {"kv", Name(*plan.options.kv_type)},
              {"fits", answer.fit.fits()},
              {"comfort", Name(answer.fit.comfort)},
              {"headroom_bytes", answer.fit.headroom_bytes},
              {"total_bytes", answer.fit.total_bytes},
              {"weights_bytes", plan.weights_bytes},
              {"weights_file_bytes", answer.question.footprint.file_tensor_bytes},
              {"weights_by_type", types},
              {"kv_bytes", plan.kv_bytes},
              {"state_bytes", plan.state_bytes},
              {"workspace_bytes", plan.workspace_bytes},
              {"runtime_bytes", kRuntimeBytes},
              {"most_users", answer.most_users},
              {"longest_context", contexts},
              {"depth_tokens", answer.depth},
              {"limit_tok_s", asked["limit_tok_s"]},
              {"predicted_tok_s", asked["predicted_tok_s"]},
              {"predicted_ttft_ms", asked["predicted_ttft_ms"]},
              {"predictions", speeds},
              {"notes", Notes(answer, place, users)}};
}

// ---- As text.

/// Three digits, without exponents.
std::string Digits(double value) {
  const int decimals = value > 0 ? 2 - static_cast<int>(std::floor(std::log10(value))) : 0;
  return fmt::format("{:.{}f}", value, std::clamp(decimals, 0, 4));
}

std::string RangeText(const Range& range) { return Digits(range.low) + " to " + Digits(range.high); }

void PrintBytes(const char* label, int64_t bytes, const std::string& note) {
  fmt::print("  {:<11}{:>9}   {}\n", label, ByteSize(bytes), note);
}

std::string TypesText(const ModelFacts& facts) {
  std::string text = "in the file:";
  for (size_t i = 0; i < std::min<size_t>(4, facts.types.size()); ++i) {
    text += fmt::format("{} {} {}", i ? "," : "", Traits(facts.types[i].type).name, ByteSize(facts.types[i].n_bytes));
  }
  return text + (facts.types.size() > 4 ? ", ..." : "");
}

void PrintMemory(const Answer& answer, const Place& place) {
  const EnginePlan& plan = answer.fit.plan;
  const ModelConfig& config = answer.question.config;
  PrintBytes("weights", plan.weights_bytes, TypesText(answer.facts));
  PrintBytes("KV cache", plan.kv_bytes,
             fmt::format("{} a token ({})", ByteSize(KvBytesPerToken(config, *plan.options.kv_type)),
                         Name(*plan.options.kv_type)));
  PrintBytes("state", plan.state_bytes, fmt::format("{} a user", ByteSize(StateBytesPerSequence(config))));
  PrintBytes("workspace", plan.workspace_bytes, "activations of a step");
  PrintBytes("runtime", kRuntimeBytes, "the program itself");
  PrintBytes("total", answer.fit.total_bytes,
             fmt::format("of {} available ({} of memory): {} {}", ByteSize(place.memory.available_bytes),
                         ByteSize(place.memory.memory_bytes), ByteSize(std::abs(answer.fit.headroom_bytes)),
                         answer.fit.headroom_bytes < 0 ? "too much" : "left"));
}

void PrintTable(const Answer& answer) {
  fmt::print("\n{:>5}  {:>15}  {:>16} {:>8}  {:>18}\n", "Users", "longest context", "tok/s, all users", "limit",
             "first token, s");
  for (size_t i = 0; i < answer.speeds.size(); ++i) {
    const SpeedPrediction& speed = answer.speeds[i];
    const auto& [users, tokens] = answer.longest_contexts[i];
    if (tokens == 0) {
      fmt::print("{:>5}  {:>15}\n", users, "does not fit");
      continue;
    }
    if (!answer.has_room(users)) {
      fmt::print("{:>5}  {:>15}  {:>16} {:>8}  {:>18}\n", users, Grouped(tokens), "-", "-", "-");
      continue;
    }
    fmt::print("{:>5}  {:>15}  {:>16} {:>8}  {:>18}\n", users, Grouped(tokens), RangeText(speed.decode_tok_s),
               Digits(speed.limit_tok_s), RangeText({speed.ttft_ms.low * 1e-3, speed.ttft_ms.high * 1e-3}));
  }
  fmt::print("speeds with {} tokens of context each (-: no room for these); the first token is that of such a prompt, "
             "alone\n",
             Grouped(answer.depth));
}

void PrintAnswer(const Answer& answer, const Place& place, const Flags& flags) {
  const int64_t context = answer.fit.plan.options.context_tokens;
  const std::string model = flags.quant.empty() ? answer.source->name() : flags.model + " " + flags.quant;
  PrintHeading(fmt::format("{} on {}", EscapedControls(model), place.title));
  fmt::print("{} {} with {} tokens{}: {}\n", flags.users, flags.users == 1 ? "user" : "users", Grouped(context),
             flags.users == 1 ? "" : " each",
             answer.fit.fits() ? fmt::format("fits, {}", Name(answer.fit.comfort)) : "does not fit");
  PrintMemory(answer, place);
  PrintTable(answer);
  if (answer.most_users > 0) {
    fmt::print("{}{} {} tokens each\n", answer.most_users == kMostUsers ? "more than " : "at most ",
               answer.most_users == 1 ? "1 user with" : Grouped(answer.most_users) + " users with", Grouped(context));
  }
  for (const std::string& note : Notes(answer, place, flags.users)) fmt::print("note: {}\n", note);
}

int PrintCatalogue(const MachineCatalogue& catalogue, bool json) {
  if (json) {
    PrintJson(CatalogueJson(catalogue));
    return kExitOk;
  }
  fmt::print("{:<26} {:>9} {:>8} {:>7} {:>9}\n", "Machine", "memory", "GB/s", "W", "USD");
  const auto number = [](const std::optional<double>& value) { return value ? fmt::format("{:.0f}", *value) : "-"; };
  for (const CatalogueMachine& machine : catalogue.machines()) {
    fmt::print("{:<26} {:>9} {:>8} {:>7} {:>9}\n", machine.name, ByteSize(machine.memory_bytes),
               fmt::format("{:.0f}", machine.bandwidth_gb_s), number(machine.power_load_w), number(machine.price_usd));
  }
  return kExitOk;
}

/// The model's header, the machine and the answer about both.
struct Asked {
  std::unique_ptr<ModelSource> source;
  Place place;
  Answer answer;
};
Result<Asked> AskFlags(const Flags& flags, const MachineCatalogue& catalogue) {
  if (flags.model.empty()) return WithHint(BadInput("no MODEL"), "weir fit qwen3.5-27b Q8_0, or --list for the machines");
  WEIR_TRY(const std::string name, ModelName(flags));
  WEIR_TRY(std::unique_ptr<ModelSource> source, OpenHeader(name, /*remote=*/false));
  Place place;
  if (flags.machine.empty()) {
    WEIR_TRY(place, ThisMachine(flags));
  } else {
    WEIR_TRY(const CatalogueMachine* machine, catalogue.Find(flags.machine));
    place = OfCatalogue(*machine);
  }
  WEIR_TRY(Answer answer, Ask(flags, *source, place));
  return Asked{std::move(source), std::move(place), std::move(answer)};
}

Result<int> RunFit(const Flags& flags) {
  CatchInterrupts();
  WEIR_TRY(const MachineCatalogue catalogue, LoadMachines(flags.machines_folder));
  if (flags.list) return PrintCatalogue(catalogue, flags.json);
  WEIR_TRY(const Asked asked, AskFlags(flags, catalogue));
  if (flags.json) {
    PrintJson(Document(asked.answer, asked.place, flags.users));
  } else {
    PrintAnswer(asked.answer, asked.place, flags);
  }
  return kExitOk;
}

}  // namespace

Result<Json> FitDocument(const FitFlags& flags, const MachineCatalogue& catalogue) {
  WEIR_TRY(const Asked asked, AskFlags(flags, catalogue));
  return Document(asked.answer, asked.place, flags.users);
}

Json CatalogueJson(const MachineCatalogue& catalogue) {
  Json document = Json::array();
  for (const CatalogueMachine& machine : catalogue.machines()) document.push_back(PlaceJson(OfCatalogue(machine)));
  return document;
}

Command AddFit(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->machines_folder = DefaultMachinesFolder();
  app.add_option("MODEL", flags->model, "a name of `weir synth --list`, a .gguf file or hf:ORG/REPO[:QUANT]");
  app.add_option("QUANT", flags->quant, "with a name or hf:ORG/REPO: Q8_0, Q4_K_M, UD-IQ2_XXS...");
  app.add_option("--machine", flags->machine, "a machine of the catalogue (--list) instead of this one");
  app.add_option("--users", flags->users, "users at the same time")->check(CLI::Range(1, kMostUsers))->capture_default_str();
  app.add_option("--ctx", flags->context, "tokens of context for each (default: 8192, or what the model has)")
      ->check(CLI::PositiveNumber);
  app.add_option("--depth", flags->depth, "context that speeds are predicted for (default: 1024)")
      ->check(CLI::PositiveNumber);
  AddKvFlag(app, flags->kv_name);
  app.add_option("--db", flags->db, "database with this machine's rows (default: the one of weir bench)");
  app.add_option("--machines", flags->machines_folder, "folder with further machines (*.toml), or better figures")
      ->capture_default_str();
  app.add_flag("--list", flags->list, "list the machines of the catalogue");
  app.add_flag("--json", flags->json, "one JSON document on stdout");
  app.footer(
      "Examples:\n"
      "  weir fit qwen3.5-27b Q8_0 --machine mac-mini-m4-pro-64gb\n"
      "  weir fit qwen3.5-9b Q4_K_M --users 8 --ctx 16384\n"
      "  weir fit hf:unsloth/Qwen3.5-2B-GGUF:UD-IQ2_XXS     # its header is enough\n"
      "  weir fit --list\n\n"
      "No is an answer: the exit code is 0 whether it fits or not.");
  return [flags] { return RunFit(*flags); };
}

}  // namespace weir
