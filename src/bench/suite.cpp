#include "bench/suite.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>

#include "bench/slo.h"
#include "bench/suggestion.h"
#include "bench/target_name.h"
#include "util/toml.h"

namespace weir {
namespace {

constexpr size_t kMostCells = 10000;

const std::vector<std::string_view> kSuiteKeys{"name",  "description", "repeats", "max_repeats", "precision_percent",
                                               "timeout_s", "strict",  "interleave", "cells"};
const std::vector<std::string_view> kCellKeys{
    "target",       "model",      "tokenizer", "serves",  "kv",      "threads", "users",          "prompt_tokens",
    "depth_tokens", "gen_tokens", "requests",  "seed",    "rate",    "think_s", "turns",          "warm_up_rounds",
    "prompts",      "shared_tokens", "chat",   "natural", "slo",     "arrivals", "burst",         "ramp_s", "trace"};
// What a trace says itself, or what makes no sense with it.
const std::vector<std::string_view> kNotOfTraces{"rate", "arrivals", "burst", "requests", "prompt_tokens", "gen_tokens",
                                                 "depth_tokens", "shared_tokens", "think_s", "ramp_s", "turns",
                                                 "warm_up_rounds"};

/// What a [[cells]] says, each axis as a list.
struct Axes {
  std::vector<std::string> targets{"engine"}, models, kvs;
  std::vector<int64_t> threads, users{1}, prompt_tokens{64}, depth_tokens{0}, gen_tokens{32}, requests{2},
      seeds{1};
  std::vector<double> rates{0};
  std::string tokenizer, serves, slo;
  Workload load;  // what is no axis
};

class Parser {
 public:
  Parser(const std::string& file, const SuiteDefaults& defaults) : file_(file), defaults_(defaults) {}

  Result<Suite> Parse(const std::string& text) {
    const toml::parse_result parsed = toml::parse(std::string_view(text), file_);
    if (!parsed) {
      const toml::parse_error& error = parsed.error();
      return BadInput("{}:{}: {}", file_, error.source().begin.line, error.description());
    }
    const toml::table& table = parsed.table();
    Suite suite;
    suite.text = text;
    WEIR_RETURN_IF_ERROR(CheckKeys(table, kSuiteKeys));
    WEIR_RETURN_IF_ERROR(ReadHead(table, suite));
    const toml::node* cells = table.get("cells");
    if (!cells || !cells->is_array_of_tables()) {
      return WithHint(At(cells ? *cells : table, "expected one [[cells]] or more"), "see docs/suites.md");
    }
    for (const toml::node& node : *cells->as_array()) {
      WEIR_RETURN_IF_ERROR(AddCells(*node.as_table(), suite));
    }
    return suite;
  }

 private:
  Error At(const toml::node& node, std::string_view what) const {
    return BadInput("{}:{}: {}", file_, node.source().begin.line, what);
  }

  Status CheckKeys(const toml::table& table, const std::vector<std::string_view>& known) const {
    for (const auto& [key, node] : table) {
      if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
      return WithHint(BadInput("{}:{}: unknown key {}", file_, key.source().begin.line, std::string(key.str())),
                      Suggestion(key.str(), known));
    }
    return {};
  }

  Status ReadHead(const toml::table& table, Suite& suite) const {
    BenchOptions& options = suite.options;
    int64_t repeats = options.repeats, most = options.most_repeats, timeout_s = 0;
    double precision = 0;
    WEIR_RETURN_IF_ERROR(ReadText(table, "name", suite.name));
    WEIR_RETURN_IF_ERROR(ReadText(table, "description", suite.description));
    WEIR_RETURN_IF_ERROR(ReadInt(table, "repeats", 1, 1000, repeats));
    WEIR_RETURN_IF_ERROR(ReadInt(table, "max_repeats", 1, 1000, most));
    WEIR_RETURN_IF_ERROR(ReadInt(table, "timeout_s", 1, 1'000'000, timeout_s));
    if (const toml::node* node = table.get("precision_percent")) {
      const auto value = node->value<double>();
      if (!value || !(*value >= 0.1 && *value <= 50)) return At(*node, "precision_percent: expected 0.1 to 50");
      precision = *value / 100;
    }
    WEIR_RETURN_IF_ERROR(ReadBool(table, "strict", options.strict));
    WEIR_RETURN_IF_ERROR(ReadBool(table, "interleave", options.interleave));
    if (suite.name.empty()) {
      suite.name = std::filesystem::path(file_).stem().string();
    }
    options.repeats = static_cast<int>(repeats);
    options.most_repeats = static_cast<int>(std::max(most, repeats));
    options.timeout_ns = timeout_s * 1'000'000'000;
    if (precision > 0) options.precision = precision;
    return {};
  }

  Status ReadText(const toml::table& table, const char* key, std::string& value) const {
    const toml::node* node = table.get(key);
    if (!node) return {};
    const auto* text = node->as_string();
    if (!text || text->get().empty()) return At(*node, fmt::format("{}: expected a text in quotes", key));
    value = text->get();
    return {};
  }

  Status ReadInt(const toml::table& table, const char* key, int64_t least, int64_t most, int64_t& value) const {
    const toml::node* node = table.get(key);
    if (!node) return {};
    const auto* number = node->as_integer();
    if (!number || number->get() < least || number->get() > most) {
      return At(*node, fmt::format("{}: expected a whole number from {} to {}", key, least, most));
    }
    value = number->get();
    return {};
  }

  /// A value, or a list of values, each given to `add`.
  template <class Add>
  Status ForEach(const toml::table& table, const char* key, Add&& add) const {
    const toml::node* node = table.get(key);
    if (!node) return {};
    const toml::array* array = node->as_array();
    if (!array) return add(*node);
    if (array->empty()) return At(*node, fmt::format("{}: the list is empty", key));
    for (const toml::node& element : *array) WEIR_RETURN_IF_ERROR(add(element));
    return {};
  }

  Status ReadTexts(const toml::table& table, const char* key, std::vector<std::string>& values) const {
    if (table.get(key)) values.clear();
    return ForEach(table, key, [&](const toml::node& node) -> Status {
      const auto* text = node.as_string();
      if (!text || text->get().empty()) return At(node, fmt::format("{}: expected a text in quotes", key));
      values.push_back(text->get());
      return {};
    });
  }

  /// Whole numbers, and ranges as texts: "1-8".
  Status ReadInts(const toml::table& table, const char* key, int64_t least, int64_t most,
                  std::vector<int64_t>& values) const {
    if (table.get(key)) values.clear();
    return ForEach(table, key, [&](const toml::node& node) -> Status {
      int64_t first = 0, last = 0;
      const bool read = ReadRange(node, first, last);
      if (!read || first < least || last > most || last < first || last - first >= 1000) {
        return At(node, fmt::format("{}: expected whole numbers from {} to {}, or ranges such as \"1-8\"", key, least,
                                    most));
      }
      for (int64_t value = first; value <= last; ++value) values.push_back(value);
      return {};
    });
  }

  static bool ReadRange(const toml::node& node, int64_t& first, int64_t& last) {
    if (const auto* number = node.as_integer()) {
      first = last = number->get();
      return true;
    }
    const auto* text = node.as_string();
    if (!text) return false;
    const std::string& range = text->get();
    const char* const end = range.data() + range.size();
    std::from_chars_result at = std::from_chars(range.data(), end, first);
    if (at.ec != std::errc() || at.ptr == end || *at.ptr != '-') return false;
    at = std::from_chars(at.ptr + 1, end, last);
    return at.ec == std::errc() && at.ptr == end;
  }

  Result<Axes> ReadAxes(const toml::table& table) const {
    Axes axes;
    axes.kvs = {defaults_.kv};
    axes.threads = {defaults_.threads};
    WEIR_RETURN_IF_ERROR(CheckKeys(table, kCellKeys));
    WEIR_RETURN_IF_ERROR(ReadTexts(table, "target", axes.targets));
    WEIR_RETURN_IF_ERROR(ReadTexts(table, "model", axes.models));
    WEIR_RETURN_IF_ERROR(ReadTexts(table, "kv", axes.kvs));
    WEIR_RETURN_IF_ERROR(ReadInts(table, "threads", 1, 1024, axes.threads));
    WEIR_RETURN_IF_ERROR(ReadInts(table, "users", 1, 256, axes.users));
    WEIR_RETURN_IF_ERROR(ReadInts(table, "prompt_tokens", 1, 1 << 20, axes.prompt_tokens));
    WEIR_RETURN_IF_ERROR(ReadInts(table, "depth_tokens", 0, 1 << 20, axes.depth_tokens));
    WEIR_RETURN_IF_ERROR(ReadInts(table, "gen_tokens", 1, 1 << 20, axes.gen_tokens));
    WEIR_RETURN_IF_ERROR(ReadRates(table, axes.rates));
    WEIR_RETURN_IF_ERROR(ReadText(table, "tokenizer", axes.tokenizer));
    WEIR_RETURN_IF_ERROR(ReadText(table, "serves", axes.serves));
    WEIR_RETURN_IF_ERROR(ReadLoad(table, axes.load));
    WEIR_RETURN_IF_ERROR(ReadInts(table, "requests", 1, 1000, axes.requests));
    WEIR_RETURN_IF_ERROR(ReadInts(table, "seed", 0, INT64_MAX, axes.seeds));
    WEIR_RETURN_IF_ERROR(CheckNames(table, axes));
    WEIR_RETURN_IF_ERROR(ReadObjective(table, axes));
    WEIR_RETURN_IF_ERROR(TakeTrace(table, axes));
    return axes;
  }

  /// The file is looked for beside the suite's, wherever weir is started.
  Status TakeTrace(const toml::table& table, Axes& axes) const {
    std::string trace;
    WEIR_RETURN_IF_ERROR(ReadText(table, "trace", trace));
    if (trace.empty()) return {};
    for (const std::string_view key : kNotOfTraces) {
      if (const toml::node* node = table.get(key)) {
        return At(*node, fmt::format("{}: not beside trace, which says when requests come and how long they are", key));
      }
    }
    if (!axes.slo.empty()) return At(*table.get("slo"), "slo: a trace has one rate, there is nothing to search for");
    const std::string path = (std::filesystem::path(file_).parent_path() / trace).lexically_normal().string();
    if (const Status set = SetTrace(path, axes.load); !set.ok()) {
      return WithHint(At(*table.get("trace"), "trace: " + set.error().message),
                      "expected a file beside the suite's, with lines as weir serve --record writes them");
    }
    if (!table.get("users")) axes.users = {kTraceUsers};
    axes.prompt_tokens = {axes.load.prompt_tokens};
    axes.gen_tokens = {axes.load.gen_tokens};
    return {};
  }

  /// A search has one largest number of users, and users who are warm.
  Status ReadObjective(const toml::table& table, Axes& axes) const {
    WEIR_RETURN_IF_ERROR(ReadText(table, "slo", axes.slo));
    if (axes.slo.empty()) return {};
    if (const auto slo = ParseSlo(axes.slo); !slo) return WithHint(At(*table.get("slo"), slo.error().message), slo.error().hint);
    if (axes.users.size() > 1) return At(*table.get("users"), "users: with slo one number, the most that are tried");
    const bool closed = !table.get("rate");
    if (closed && !table.get("users")) axes.users = {kMostSearchedUsers};
    if (closed && !table.get("warm_up_rounds")) axes.load.warm_up_rounds = 1;
    return {};
  }

  Status ReadRates(const toml::table& table, std::vector<double>& rates) const {
    if (table.get("rate")) rates.clear();
    return ForEach(table, "rate", [&](const toml::node& node) -> Status {
      const auto value = node.value<double>();
      if (!value || !(*value > 0 && *value <= 1e6)) return At(node, "rate: expected requests per second");
      rates.push_back(*value);
      return {};
    });
  }

  Status ReadBool(const toml::table& table, const char* key, bool& value) const {
    const toml::node* node = table.get(key);
    if (!node) return {};
    if (!node->is_boolean()) return At(*node, fmt::format("{}: expected true or false", key));
    value = node->as_boolean()->get();
    return {};
  }

  Status ReadSeconds(const toml::table& table, const char* key, double& seconds) const {
    const toml::node* node = table.get(key);
    if (!node) return {};
    const auto value = node->value<double>();
    if (!value || !(*value >= 0 && *value < 1e6)) return At(*node, fmt::format("{}: expected seconds", key));
    seconds = *value;
    return {};
  }

  /// With a rate: how its requests come.
  Status ReadArrivals(const toml::table& table, Workload& load) const {
    if (table.get("rate")) load.arrivals = Arrivals::kPoisson;
    int64_t burst = 1;
    WEIR_RETURN_IF_ERROR(ReadInt(table, "burst", 1, 1000, burst));
    load.burst = static_cast<int>(burst);
    const toml::node* node = table.get("arrivals");
    if (burst != 1 && (!node || node->value<std::string_view>() != Name(Arrivals::kBurst))) {
      return At(*table.get("burst"), "burst: of arrivals = \"burst\" only");
    }
    if (!node) return {};
    for (const Arrivals arrivals : {Arrivals::kPoisson, Arrivals::kConstant, Arrivals::kBurst}) {
      if (node->value<std::string_view>() != Name(arrivals)) continue;
      if (!table.get("rate")) return At(*node, "arrivals: expected a rate beside it");
      load.arrivals = arrivals;
      return {};
    }
    return At(*node, "arrivals: expected poisson, constant or burst");
  }

  Status ReadLoad(const toml::table& table, Workload& load) const {
    int64_t turns = 1, warm_up = 0;
    bool natural = false;
    WEIR_RETURN_IF_ERROR(ReadInt(table, "turns", 1, 1000, turns));
    WEIR_RETURN_IF_ERROR(ReadInt(table, "warm_up_rounds", 0, 1000, warm_up));
    WEIR_RETURN_IF_ERROR(ReadInt(table, "shared_tokens", 0, 1 << 20, load.shared_tokens));
    WEIR_RETURN_IF_ERROR(ReadBool(table, "chat", load.chat));
    WEIR_RETURN_IF_ERROR(ReadBool(table, "natural", natural));
    WEIR_RETURN_IF_ERROR(ReadSeconds(table, "think_s", load.think_s));
    WEIR_RETURN_IF_ERROR(ReadSeconds(table, "ramp_s", load.ramp_s));
    WEIR_RETURN_IF_ERROR(ReadArrivals(table, load));
    std::string prompts;
    WEIR_RETURN_IF_ERROR(ReadText(table, "prompts", prompts));
    load.turns = static_cast<int>(turns);
    load.warm_up_rounds = static_cast<int>(warm_up);
    load.fixed_length = !natural;
    if (prompts.empty() || prompts == "auto") return {};
    if (prompts == "text") {
      load.prompts = PromptKind::kText;
    } else if (prompts == "random") {
      load.prompts = PromptKind::kRandomIds;
    } else {
      load.prompts = PromptKind::kFile;
      load.file = prompts;
    }
    return {};
  }

  Status CheckNames(const toml::table& table, const Axes& axes) const {
    const std::vector<std::string_view> kvs{"f16", "bf16", "q8_0", "f32"};
    for (const std::string& kv : axes.kvs) {
      if (std::find(kvs.begin(), kvs.end(), kv) != kvs.end()) continue;
      return WithHint(At(*table.get("kv"), fmt::format("kv: there is no {}", kv)), Suggestion(kv, kvs));
    }
    if (!axes.serves.empty() && std::none_of(axes.targets.begin(), axes.targets.end(), IsAddress)) {
      return At(*table.get("serves"), "serves: says what a server at http:// computes, and no target is one");
    }
    for (const std::string& target : axes.targets) {
      if (target == "engine") {
        if (axes.models.empty()) return At(table, "a [[cells]] without model");
        continue;
      }
      if (IsNull(target) || IsAddress(target) || target.starts_with("peer:")) continue;
      return WithHint(At(*table.get("target"), fmt::format("target: {} is none", target)),
                      "a target is engine, null, null-http, the http:// address of a server, or peer:COMMAND");
    }
    return {};
  }

  /// Every combination: models outermost, because to change the model costs most.
  Status AddCells(const toml::table& table, Suite& suite) {
    WEIR_TRY(Axes axes, ReadAxes(table));
    if (axes.models.empty()) axes.models = {""};
    const size_t n = axes.models.size() * axes.targets.size() * axes.kvs.size() * axes.threads.size() *
                     axes.prompt_tokens.size() * axes.gen_tokens.size() * axes.requests.size() *
                     axes.seeds.size() * axes.users.size() * axes.depth_tokens.size() * axes.rates.size();
    if (n > kMostCells - std::min(kMostCells, suite.cells.size())) {
      return At(table, fmt::format("more than {} cells", kMostCells));
    }
    for (const std::string& model : axes.models)
      for (const std::string& target : axes.targets)
        for (const std::string& kv : axes.kvs)
          for (const int64_t threads : axes.threads) {
            const CellSpec spec{target,    model,   axes.tokenizer, IsAddress(target) ? axes.serves : "",
                                kv,        static_cast<int>(threads), axes.load, axes.slo};
            const size_t first = suite.cells.size();
            AddLoads(spec, axes, suite);
            for (size_t i = first; i < suite.cells.size(); ++i) {
              if (const Status load = CheckLoad(suite.cells[i].load); !load.ok()) {
                return At(table, load.error().message);
              }
            }
          }
    return {};
  }

  void AddLoads(CellSpec spec, const Axes& axes, Suite& suite) {
    Workload& load = spec.load;
    for (const int64_t depth : axes.depth_tokens)
      for (const int64_t prompt : axes.prompt_tokens)
        for (const int64_t gen : axes.gen_tokens)
          for (const int64_t requests : axes.requests)
            for (const int64_t seed : axes.seeds)
              for (const double rate : axes.rates)
                for (const int64_t users : axes.users) {
                  load.users = static_cast<int>(users);
                  load.requests_per_user = static_cast<int>(requests);
                  load.prompt_tokens = prompt;
                  load.gen_tokens = gen;
                  load.depth_tokens = depth;
                  load.seed = static_cast<uint64_t>(seed);
                  load.rate = rate;
                  if (keys_.insert(KeyOf(spec)).second) suite.cells.push_back(spec);
                }
  }

  const std::string& file_;
  const SuiteDefaults& defaults_;
  std::set<std::string> keys_;
};

}  // namespace

Result<Suite> ParseSuite(const std::string& text, const std::string& file, const SuiteDefaults& defaults) {
  return Parser(file, defaults).Parse(text);
}

}  // namespace weir
