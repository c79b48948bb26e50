#include "cli/mcp_tools.h"

#include <algorithm>
#include <cmath>

#include "cli/audit.h"
#include "cli/compare_text.h"
#include "cli/fit.h"
#include "cli/machines_folder.h"
#include "cli/result_database.h"
#include "cli/sql.h"
#include "cli/verdict_document.h"

namespace weir {
namespace {

constexpr int64_t kUsualRows = 100, kMostRows = 1000;
constexpr size_t kMostAnswerBytes = 1 << 20;
// Of SQLite's virtual machine: some seconds.
constexpr int64_t kMostSqlSteps = 200'000'000;

/// Reads an object argument by argument; the first thing that is wrong stays, and so is what nobody
/// asked for.
class Arguments {
 public:
  explicit Arguments(const Json& object) : object_(object) {
    if (!object.is_object()) error_ = BadInput("arguments: expected an object");
  }

  void Text(const char* name, std::string* value) {
    if (const Json* found = Find(name)) {
      found->is_string() ? void(*value = found->get<std::string>()) : Expected(name, "a string");
    }
  }
  template <class T>
  void Int(const char* name, int64_t min, int64_t max, T* value) {
    const Json* found = Find(name);
    if (!found) return;
    const bool in_range = found->is_number_integer() &&
                          !(found->is_number_unsigned() && found->get<uint64_t>() > INT64_MAX) &&
                          found->get<int64_t>() >= min && found->get<int64_t>() <= max;
    in_range ? void(*value = static_cast<T>(found->get<int64_t>()))
             : Expected(name, fmt::format("an integer from {} to {}", min, max));
  }
  void Number(const char* name, std::optional<double>* value) {
    if (const Json* found = Find(name)) {
      found->is_number() ? void(*value = found->get<double>()) : Expected(name, "a number");
    }
  }
  void Flag(const char* name, bool* value) {
    if (const Json* found = Find(name)) {
      found->is_boolean() ? void(*value = found->get<bool>()) : Expected(name, "true or false");
    }
  }
  Status Finish() {
    if (!error_ && object_.is_object()) {
      for (const auto& [name, value] : object_.items()) {
        if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
          error_ = BadInput("{}: no such argument; there are {}", name, fmt::join(known_, ", "));
          break;
        }
      }
    }
    return error_ ? Status(*error_) : Status();
  }

 private:
  const Json* Find(const char* name) {
    known_.emplace_back(name);
    if (error_ || !object_.contains(name) || object_[name].is_null()) return nullptr;
    return &object_[name];
  }
  void Expected(const char* name, const std::string& what) {
    error_ = BadInput("{}: expected {}", name, what);
  }

  const Json& object_;
  std::vector<std::string> known_;
  std::optional<Error> error_;
};

Json Property(const char* type, const char* description) {
  return {{"type", type}, {"description", description}};
}

Json Tool(const char* name, const char* title, const char* description, Json properties,
          Json required) {
  return {{"name", name},
          {"title", title},
          {"description", description},
          {"inputSchema",
           {{"type", "object"},
            {"properties", std::move(properties)},
            {"required", std::move(required)},
            {"additionalProperties", false}}},
          {"annotations",
           {{"readOnlyHint", true}, {"destructiveHint", false}, {"idempotentHint", true}}}};
}

// ---- query_rows

Json QueryRowsTool() {
  return Tool("query_rows", "Query measured rows",
              "One SELECT on weir's results database (SQLite, read-only): what `weir bench` "
              "measured on this machine. Views with "
              "figures: summary (cell, figure, n, median, p95, p99, least, greatest; figures: "
              "decode_tok_s, aggregate_tok_s, "
              "prefill_tok_s, ttft_ms, itl_ms, limit_tok_s, peak_memory_bytes, ...), "
              "request_latency, token_gap, decode_window. "
              "Tables: cell (id, run, model, users, prompt_tokens, gen_tokens, status, reason), "
              "model (id, name, quant, synthetic, "
              "n_params, file_tensor_bytes), run (id, machine, build, started_at, isa, threads, "
              "foreign_tool), machine, flag (cell, "
              "name, detail), quality. SELECT name, sql FROM sqlite_schema shows all. Never report "
              "a greatest value without its "
              "median; rows with a foreign_tool were measured by other tools.",
              {{"sql", Property("string", "One SELECT")},
               {"limit",
                {{"type", "integer"},
                 {"minimum", 1},
                 {"maximum", kMostRows},
                 {"description", "Rows at most (100)"}}}},
              {"sql"});
}

Result<Json> QueryRows(const McpPlaces& places, const Json& given) {
  std::string sql;
  int64_t limit = kUsualRows;
  Arguments arguments(given);
  arguments.Text("sql", &sql);
  arguments.Int("limit", 1, kMostRows, &limit);
  WEIR_RETURN_IF_ERROR(arguments.Finish());
  if (sql.empty()) return BadInput("sql: expected one SELECT");
  WEIR_TRY(Store store, OpenResults(places.db));
  store.database().Confine(kMostSqlSteps);
  WEIR_TRY(Statement query, store.database().Prepare(sql));
  Json columns = Json::array(), rows = Json::array();
  for (int i = 0; i < query.n_columns(); ++i) columns.push_back(query.ColumnName(i));
  if (columns.empty()) return BadInput("sql: expected one SELECT");
  bool truncated = false;
  size_t bytes = 0;
  while (!truncated) {
    WEIR_TRY(const bool more, query.Step());
    if (!more) break;
    Json row = Json::array();
    for (int i = 0; i < query.n_columns() && bytes <= kMostAnswerBytes; ++i) {
      row.push_back(SqlValue(query, i));
      bytes += row.back().dump(-1, ' ', false, Json::error_handler_t::replace).size();
    }
    truncated = std::ssize(rows) == limit || bytes > kMostAnswerBytes;
    if (!truncated) rows.push_back(std::move(row));
  }
  return Json{{"columns", columns}, {"rows", rows}, {"truncated", truncated}};
}

// ---- fit

Json FitTool() {
  return Tool(
      "fit", "Does a model fit, and how fast will it be",
      "Memory to the byte, the longest context and a predicted range of tokens per second, for "
      "this machine or one "
      "of the catalogue. A range is a prediction: say so. `basis` rows: learned from measurements; "
      "estimate: not.",
      {{"model", Property("string", "qwen3.5-9b, a path to a .gguf file, or hf:ORG/REPO")},
       {"quant", Property("string", "Q8_0, Q4_K_M, UD-IQ2_XXS, ...; needed with a name")},
       {"machine",
        Property("string", "A machine of the catalogue (tool machines); left out: this one")},
       {"users", Property("integer", "Users at the same time (1)")},
       {"ctx", Property("integer", "Tokens of context for each (8192)")},
       {"depth", Property("integer", "Context that speeds are predicted for (1024)")}},
      {"model"});
}

Result<Json> Fit(const McpPlaces& places, const Json& given) {
  FitFlags flags;
  flags.db = places.db;
  Arguments arguments(given);
  arguments.Text("model", &flags.model);
  arguments.Text("quant", &flags.quant);
  arguments.Text("machine", &flags.machine);
  arguments.Int("users", 1, kMostUsers, &flags.users);
  arguments.Int("ctx", 1, 1 << 30, &flags.context);
  arguments.Int("depth", 1, 1 << 30, &flags.depth);
  WEIR_RETURN_IF_ERROR(arguments.Finish());
  WEIR_TRY(const MachineCatalogue catalogue, LoadMachines(places.machines_folder));
  return FitDocument(flags, catalogue);
}

// ---- verdict

Json VerdictTool() {
  return Tool(
      "verdict", "For whom a machine is the right choice",
      "Sentences by named rules over measured rows and the catalogue, each with its evidence (row "
      "ids) and what would "
      "turn it (flips); which quantisation here, which machine instead. `side` open means there is "
      "not enough "
      "evidence: `wanted` is the command that would give it. Speeds are for each user; basis says "
      "whether they were "
      "measured, predicted from rows, or estimated. Pass the flips on with the sentences.",
      {{"users", Property("integer", "Users at the same time (1)")},
       {"min_tok_s_each", Property("number", "Tokens a second for each user (5)")},
       {"max_ttft_ms",
        Property("number", "Milliseconds to the first token, for the last of all users")},
       {"model_at_least", Property("string", "9b")},
       {"prompt_tokens", Property("integer", "Tokens of a prompt")},
       {"context_tokens", Property("integer", "Tokens of context for each user (8192)")},
       {"max_kl_nats", Property("number", "Divergence from the original that will do")},
       {"budget_usd", Property("number", "What can be spent")},
       {"usd_per_kwh", Property("number", "Price of energy")},
       {"years", Property("number", "Of use (3)")},
       {"hours_per_day", Property("number", "At full load (8)")},
       {"host_usd", Property("number", "Price of the computer around a card")},
       {"host_w", Property("number", "Its power under load")},
       {"machine",
        Property("string", "A machine of the catalogue (tool machines); left out: this one")}},
      Json::array());
}

Result<Json> Verdict(const McpPlaces& places, const Json& given) {
  Need need;
  std::string size, machine;
  std::optional<double> years, hours;
  Arguments arguments(given);
  arguments.Int("users", 1, kMostUsers, &need.users);
  arguments.Number("min_tok_s_each", &need.min_tok_s);
  arguments.Number("max_ttft_ms", &need.max_ttft_ms);
  arguments.Text("model_at_least", &size);
  arguments.Int("prompt_tokens", 1, 1 << 24, &need.prompt_tokens);
  arguments.Int("context_tokens", 1, 1 << 24, &need.context_tokens);
  arguments.Number("max_kl_nats", &need.max_kl);
  arguments.Number("budget_usd", &need.budget_usd);
  arguments.Number("usd_per_kwh", &need.usd_per_kwh);
  arguments.Number("years", &years);
  arguments.Number("hours_per_day", &hours);
  arguments.Number("host_usd", &need.host_usd);
  arguments.Number("host_w", &need.host_w);
  arguments.Text("machine", &machine);
  WEIR_RETURN_IF_ERROR(arguments.Finish());
  need.years = years.value_or(need.years);
  need.hours_per_day = hours.value_or(need.hours_per_day);
  if (!size.empty()) {
    WEIR_TRY(need.least_params, ParseParameters("model_at_least", size));
  }
  WEIR_TRY(const MachineCatalogue catalogue, LoadMachines(places.machines_folder));
  FigureReader figures;
  WEIR_TRY(const MachineVerdict verdict, VerdictOn(need, machine, places.db, catalogue, figures));
  return VerdictJson(verdict);
}

// ---- compare

Json CompareTool() {
  return Tool(
      "compare", "Two runs against each other",
      "Cell by cell, what `other` is in parts of `base`, with 95 % intervals; only cells of one model under the same load "
      "are partners, and what is left out says why. `answers`: how far their greedy answers to the fixed questions agree, "
      "to see whether one is fast because it computes something else. Ids of runs: SELECT id, started_at FROM run.",
      {{"base", Property("integer", "Id of a run")},
       {"other", Property("integer", "Id of a run")},
       {"figure", Property("string", "decode_tok_s (as it is) or aggregate_tok_s")},
       {"across_quants", Property("boolean", "Cells of one model in different mixtures are partners (false)")}},
      {"base", "other"});
}

Result<Json> RunCompare(const McpPlaces& places, const Json& given) {
  int64_t base = 0, other = 0;
  CompareOptions options;
  Arguments arguments(given);
  arguments.Int("base", 1, INT64_MAX, &base);
  arguments.Int("other", 1, INT64_MAX, &other);
  arguments.Text("figure", &options.figure);
  arguments.Flag("across_quants", &options.across_quants);
  WEIR_RETURN_IF_ERROR(arguments.Finish());
  if (options.figure != "decode_tok_s" && options.figure != "aggregate_tok_s") {
    return BadInput("figure: expected decode_tok_s or aggregate_tok_s, found {}", options.figure);
  }
  WEIR_TRY(Store store, OpenResults(places.db));
  std::vector<CellResult> cells[2];
  std::vector<AskedRow> asked[2];
  for (const int side : {0, 1}) {
    const int64_t run = side == 0 ? base : other;
    WEIR_TRY(cells[side], store.Results(run));
    if (cells[side].empty()) return BadInput("run {}: it has no cells", run);
    WEIR_TRY(asked[side], store.AskedWith(run));
  }
  const Comparison comparison = Compare(cells[0], cells[1], options);
  Json json = ComparisonJson(comparison, fmt::to_string(base), fmt::to_string(other), options.figure);
  json["answers"] = AnswersJson(AnswersOf(comparison, asked[0], asked[1]));
  return json;
}

// ---- audit

Json AuditTool() {
  return Tool(
      "audit", "What published numbers rest on",
      "Which tokens per second that somebody published are possible: the least bandwidth and the "
      "fewest multiplications that each needs, against the machine's, and what its memory holds. "
      "Peaks without medians are flagged.",
      {{"csv", Property("string",
                        "Lines of numbers below the heading "
                        "machine,model,quant,users,tok_s,figure,ttft_ms; the last two "
                        "may be left out. machine: of the tool machines; figure: peak or median")}},
      {"csv"});
}

Result<Json> RunAudit(const McpPlaces& places, const Json& given) {
  std::string csv;
  Arguments arguments(given);
  arguments.Text("csv", &csv);
  WEIR_RETURN_IF_ERROR(arguments.Finish());
  WEIR_TRY(const MachineCatalogue catalogue, LoadMachines(places.machines_folder));
  WEIR_TRY(const Article article, ParseArticleCsv(csv, "csv"));
  WEIR_TRY(const Audit audit, AuditArticle(article, catalogue));
  return AuditDocument(article, audit);
}

// ---- machines

Json MachinesTool() {
  return Tool("machines", "Machines of the catalogue",
              "Memory, bandwidth, power and price of machines that could be bought, as their "
              "makers state them, with sources.",
              Json::object(), Json::array());
}

Result<Json> Machines(const McpPlaces& places, const Json& given) {
  Arguments arguments(given);
  WEIR_RETURN_IF_ERROR(arguments.Finish());
  WEIR_TRY(const MachineCatalogue catalogue, LoadMachines(places.machines_folder));
  return Json{{"machines", CatalogueJson(catalogue)}};
}

struct McpTool {
  const char* name;
  Json (*describe)();
  Result<Json> (*call)(const McpPlaces&, const Json&);
};
constexpr McpTool kTools[] = {{"query_rows", QueryRowsTool, QueryRows},
                              {"fit", FitTool, Fit},
                              {"verdict", VerdictTool, Verdict},
                              {"compare", CompareTool, RunCompare},
                              {"audit", AuditTool, RunAudit},
                              {"machines", MachinesTool, Machines}};

}  // namespace

Json McpTools() {
  Json tools = Json::array();
  for (const McpTool& tool : kTools) tools.push_back(tool.describe());
  return tools;
}

Result<Json> CallMcpTool(const McpPlaces& places, const std::string& name, const Json& arguments,
                         bool* found) {
  const auto tool = std::find_if(std::begin(kTools), std::end(kTools),
                                 [&](const McpTool& other) { return name == other.name; });
  *found = tool != std::end(kTools);
  if (!*found) return Json();
  return tool->call(places, arguments);
}

}  // namespace weir
