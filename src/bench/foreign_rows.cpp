#include "bench/foreign_rows.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>
#include <vector>

#include "bench/flat_rows.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kPoorPauls = "poor-pauls-benchmark";
constexpr const char* kLlamaBench = "llama-bench";

/// A row as it came, and what of it weir has a name for.
struct ForeignRow {
  Json raw;
  std::string machine, build, model, quant, time;
  int64_t users = 1, prompt_tokens = 0, gen_tokens = 0;
  std::vector<std::pair<std::string, double>> figures;
};

std::string TextOf(const Json& row, const char* key) {
  const auto found = row.find(key);
  if (found == row.end() || found->is_null()) return "";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

/// A number, or a text that is one; nothing for anything else, and for what is no finite number.
std::optional<double> NumberOf(const Json& row, const char* key) {
  const std::string text = TextOf(row, key);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value >= -1e18 && value <= 1e18 ? std::optional(value) : std::nullopt;
}

int64_t CountOf(const Json& row, const char* key, int64_t otherwise) {
  const auto value = NumberOf(row, key);
  return value && *value >= 0 && *value < 1e9 ? static_cast<int64_t>(*value) : otherwise;
}

void AddFigure(ForeignRow& row, const char* figure, const char* key) {
  const auto value = NumberOf(row.raw, key);
  if (value && *value > 0) row.figures.emplace_back(figure, *value);
}

/// Its llama-bench runner publishes prompt and generation rates in one column, and says nowhere which is which: such
/// rows are kept without a figure.
ForeignRow FromPoorPauls(Json raw) {
  ForeignRow row;
  row.raw = std::move(raw);
  const std::string gpu = TextOf(row.raw, "gpu_name"), cpu = TextOf(row.raw, "cpu_model");
  row.machine = gpu.empty() ? cpu : cpu.empty() ? gpu : gpu + "; " + cpu;
  row.build = TextOf(row.raw, "llm_engine_name") + " " + TextOf(row.raw, "llm_engine_version");
  row.model = TextOf(row.raw, "model");
  if (row.model.empty()) row.model = TextOf(row.raw, "model_name");
  row.quant = TextOf(row.raw, "quant");
  row.time = TextOf(row.raw, "timestamp");
  row.users = std::max<int64_t>(1, CountOf(row.raw, "concurrent_users", 1));
  row.gen_tokens = CountOf(row.raw, "n_predict", 0);
  AddFigure(row, "prefill_tok_s", "tokens_per_sec_prompt");
  AddFigure(row, "decode_tok_s", "tokens_per_sec_generation");
  if (TextOf(row.raw, "runner_type") == "llama-bench") return row;
  AddFigure(row, "aggregate_tok_s", "throughput_tok_s");
  AddFigure(row, "ttft_ms", "p50_ttft_ms");
  AddFigure(row, "itl_ms", "p50_itl_ms");
  return row;
}

/// A test of prompt and generation together has one rate for both, which weir has no name for.
ForeignRow FromLlamaBench(Json raw) {
  ForeignRow row;
  row.raw = std::move(raw);
  const std::string gpu = TextOf(row.raw, "gpu_info"), cpu = TextOf(row.raw, "cpu_info");
  row.machine = gpu.empty() ? cpu : gpu + "; " + cpu;
  row.build = "llama.cpp " + TextOf(row.raw, "build_commit");
  row.model = TextOf(row.raw, "model_filename");
  row.quant = TextOf(row.raw, "model_type");
  row.time = TextOf(row.raw, "test_time");
  const int64_t n_prompt = CountOf(row.raw, "n_prompt", 0), n_gen = CountOf(row.raw, "n_gen", 0);
  row.prompt_tokens = n_prompt + CountOf(row.raw, "n_depth", 0);
  row.gen_tokens = n_gen;
  if (n_prompt > 0 && n_gen == 0) AddFigure(row, "prefill_tok_s", "avg_ts");
  if (n_prompt == 0 && n_gen > 0) AddFigure(row, "decode_tok_s", "avg_ts");
  return row;
}

Result<std::vector<ForeignRow>> ReadCsv(const std::string& text, const std::string& file) {
  WEIR_TRY(const auto lines, ParseCsv(text, file));
  std::vector<ForeignRow> rows;
  for (size_t i = 1; i < lines.size(); ++i) {
    if (lines[i].size() != lines[0].size()) {
      return BadInput("{}: row {} has {} fields, the heading {}", file, i, lines[i].size(), lines[0].size());
    }
    Json raw = Json::object();
    for (size_t j = 0; j < lines[0].size(); ++j) {
      raw[lines[0][j]] = lines[i][j].empty() ? Json(nullptr) : Json(lines[i][j]);
    }
    rows.push_back(FromPoorPauls(std::move(raw)));
  }
  return rows;
}

Result<std::vector<ForeignRow>> ReadJsonLines(const std::string& text, const std::string& file) {
  constexpr int kDepth = 8;
  std::vector<ForeignRow> rows;
  size_t number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    const auto shallow = [&](int depth, Json::parse_event_t, Json&) { return depth <= kDepth; };
    Json raw = Json::parse(line, shallow, false);
    if (!raw.is_object() || !raw.contains("avg_ts") || !raw.contains("n_gen")) {
      return BadInput("{}:{}: expected a line of llama-bench -o jsonl, an object with n_gen and avg_ts", file, number);
    }
    rows.push_back(FromLlamaBench(std::move(raw)));
  }
  return rows;
}

std::string RawText(const ForeignRow& row) { return row.raw.dump(-1, ' ', false, Json::error_handler_t::replace); }

/// The rows of a tool that are in the store, as they came.
Result<std::unordered_set<std::string>> KnownRows(const std::string& tool, Store& store) {
  WEIR_TRY(Statement query, store.database().Prepare(
                                "SELECT foreign_row FROM cell WHERE target = ? AND foreign_row IS NOT NULL"));
  query.Bind(tool);
  std::unordered_set<std::string> known;
  WEIR_RETURN_IF_ERROR(query.ForEach([&](const Statement& row) { known.insert(row.Text(0)); }));
  return known;
}

Status Add(const ForeignRow& row, const std::string& tool, const std::string& file, Store& store, int64_t& run) {
  RunRow run_row;
  run_row.machine_fingerprint = row.machine.empty() ? "unknown" : row.machine;
  run_row.machine_facts = "{}";
  run_row.build = row.build;
  run_row.isa = "unknown";
  run_row.foreign_tool = tool;
  run_row.foreign_file = file;
  WEIR_TRY(run, store.BeginRun(run_row));
  WEIR_TRY(const int64_t model, store.AddModel({row.model, "", row.quant, false, 0, 0, 0, "foreign"}));
  CellRow cell{static_cast<int>(row.users), row.prompt_tokens, row.gen_tokens, 1, 1, {}};
  cell.target = tool;
  cell.foreign_row = RawText(row);
  WEIR_TRY(const int64_t id, store.BeginCell(run, model, cell));
  for (const auto& [figure, value] : row.figures) {
    WEIR_RETURN_IF_ERROR(store.AddForeignFigure(id, figure, value));
  }
  WEIR_RETURN_IF_ERROR(store.EndCell(
      id, CellStatus::kOk, "",
      {{"foreign", fmt::format("measured by {}{}{}", tool, row.time.empty() ? "" : ", ", row.time)}}));
  return store.EndRun(run);
}

}  // namespace

Result<ImportOutcome> ImportForeignRows(const std::string& text, const std::string& file, Store& store) {
  const size_t first = text.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  if (first == text.npos) return BadInput("{}: is empty", file);
  const bool json = text[first] == '{';
  const std::string heading = text.substr(first, std::min(text.find('\n', first), text.size()) - first);
  if (!json && (heading.find("throughput_tok_s") == heading.npos || heading.find("runner_type") == heading.npos)) {
    return WithHint(BadInput("{}: neither a CSV of Poor Paul's Benchmark nor JSON lines of llama-bench", file),
                    "llama-bench writes them with -o jsonl");
  }
  ImportOutcome outcome;
  outcome.tool = json ? kLlamaBench : kPoorPauls;
  WEIR_TRY(const std::vector<ForeignRow> rows,
           json ? ReadJsonLines(text.substr(first), file) : ReadCsv(text.substr(first), file));
  WEIR_TRY(const std::unordered_set<std::string> known, KnownRows(outcome.tool, store));
  for (const ForeignRow& row : rows) {
    if (known.contains(RawText(row))) {
      ++outcome.n_known;
      continue;
    }
    WEIR_RETURN_IF_ERROR(Add(row, outcome.tool, file, store, outcome.run));
    ++outcome.n_rows;
    outcome.n_without_figure += row.figures.empty();
  }
  return outcome;
}

}  // namespace weir
