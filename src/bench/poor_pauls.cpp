// The form in which Poor Paul's Benchmark publishes: 88 columns, from whose code and rows these meanings were read
// (github.com/paulplee/poor-pauls-benchmark, schema 0.1.0). What weir does not measure stays empty.
#include <map>

#include "bench/flat_rows.h"
#include "bench/target_name.h"
#include "hub/digest.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

std::string BaseName(const ModelRow& model) {
  std::string name = model.name.substr(model.name.rfind('/') + 1);
  if (model.synthetic && name.starts_with("synth:")) name = name.substr(6);
  return name;
}

void PutMedian(Json& row, const CellResult& cell, const char* figure, const char* median, const char* p99) {
  const Figure* found = cell.Find(figure);
  if (!found) return;
  row[median] = found->median;
  if (found->p99) row[p99] = *found->p99;
}

Json RowOf(const CellResult& cell, const std::string& submitter) {
  Json row = Json::object();
  for (const std::string_view column : PoorPaulsColumns()) row[std::string(column)] = nullptr;
  const std::string name = BaseName(cell.model);
  row["run_type"] = "quantitative";
  row["model_name"] = row["model"] = name;
  row["quantization"] = row["quant"] = cell.model.quant;
  row["model_base"] = cell.model.arch;
  row["runner_type"] = "weir";
  const ComputedBy by = WhoComputed(cell);
  if (!by.engine.empty()) row["llm_engine_name"] = by.engine;
  if (!by.version.empty()) row["llm_engine_version"] = by.version;
  if (cell.row.target == "engine") row["backends"] = cell.isa;
  row["cpu_model"] = cell.machine;
  row["n_ctx"] = cell.row.prompt_tokens + cell.row.gen_tokens;
  row["concurrent_users"] = cell.row.users;
  row["task_type"] = "text-generation";
  row["prompt_dataset"] = "weir";
  row["num_prompts"] = cell.row.users * cell.row.requests_per_user;
  row["n_predict"] = cell.row.gen_tokens;
  row["throughput_tok_s"] = cell.Find("aggregate_tok_s")->median;
  if (const Figure* decode = cell.Find("decode_tok_s")) row["tokens_per_sec_generation"] = decode->median;
  if (const Figure* prefill = cell.Find("prefill_tok_s")) row["tokens_per_sec_prompt"] = prefill->median;
  PutMedian(row, cell, "ttft_ms", "p50_ttft_ms", "p99_ttft_ms");
  PutMedian(row, cell, "itl_ms", "p50_itl_ms", "p99_itl_ms");
  row["os_system"] = "Linux";
  if (!submitter.empty()) row["submitter"] = submitter;
  row["timestamp"] = cell.started_at;
  row["schema_version"] = "0.1.0";
  row["suite_run_id"] = fmt::format("weir-run-{}", cell.run);
  row["machine_fingerprint"] = Sha256(cell.machine);
  row["run_fingerprint"] = Sha256(cell.row.key);
  row["row_id"] = Sha256(fmt::format("{} {} {} {}", cell.machine, cell.started_at, cell.row.key, cell.id));
  row["tags"] = cell.model.synthetic ? "weir,synthetic" : "weir";
  return row;
}

}  // namespace

const std::vector<std::string_view>& PoorPaulsColumns() {
  static const std::vector<std::string_view> columns{
      "run_type", "model_name", "quantization", "model", "model_base", "quant", "model_org", "model_repo",
      "runner_type", "llm_engine_name", "llm_engine_version", "gpu_name", "gpu_vram_gb", "gpu_driver", "gpu_count",
      "gpu_names", "gpu_total_vram_gb", "backends", "cpu_model", "n_ctx", "n_batch", "split_mode", "tensor_split",
      "concurrent_users", "task_type", "prompt_dataset", "num_prompts", "n_predict", "throughput_tok_s",
      "vram_used_gb", "vram_cliff_tokens", "tokens_per_sec_prompt", "tokens_per_sec_generation", "avg_power_w",
      "max_power_w", "avg_gpu_temp_c", "max_gpu_temp_c", "avg_cpu_temp_c", "max_cpu_temp_c", "avg_fan_speed_rpm",
      "max_fan_speed_rpm", "avg_ttft_ms", "p50_ttft_ms", "p99_ttft_ms", "avg_itl_ms", "p50_itl_ms", "p99_itl_ms",
      "quality_score", "context_rot_score", "context_rot_accuracy_by_length", "context_rot_accuracy_by_depth",
      "tool_selection_accuracy", "parameter_accuracy", "parameter_hallucination_rate", "parse_success_rate",
      "overall_tool_accuracy", "knowledge_accuracy_mean", "knowledge_accuracy_std", "answer_relevancy_mean",
      "coherence_mean", "quality_composite_score", "memory_accuracy", "mt_bench_score", "cases_evaluated",
      "cases_skipped_context", "qualitative", "quantitative", "meta", "os_system", "os_release", "os_machine",
      "os_distro", "os_distro_version", "cpu_cores", "ram_total_gb", "submitter", "timestamp", "submitted_at",
      "schema_version", "benchmark_version", "suite_run_id", "submission_id", "row_id", "machine_fingerprint",
      "run_fingerprint", "result_fingerprint", "source_file_sha256", "tags"};
  return columns;
}

std::string PoorPaulsCsv(const std::vector<CellResult>& cells, const std::string& submitter, int& n_left_out) {
  n_left_out = 0;
  std::vector<Json> rows;
  for (const CellResult& cell : cells) {
    // A row of theirs that was imported goes out as it came in.
    if (cell.foreign_tool == "poor-pauls-benchmark") {
      Json row = Json::parse(cell.row.foreign_row, nullptr, false);
      if (row.is_object()) rows.push_back(std::move(row));
    } else if (cell.foreign_tool.empty() && cell.Find("aggregate_tok_s") && cell.row.search.empty() &&
               !IsNull(cell.row.target)) {
      rows.push_back(RowOf(cell, submitter));
    } else {
      ++n_left_out;
    }
  }
  Json heading = Json::object();
  for (const std::string_view column : PoorPaulsColumns()) heading[std::string(column)] = nullptr;
  for (Json& row : rows) {
    Json ordered = heading;
    for (const auto& [name, value] : heading.items()) ordered[name] = row.value(name, Json(nullptr));
    row = std::move(ordered);
  }
  if (rows.empty()) {
    const std::string text = CsvOf({heading});
    return text.substr(0, text.find('\n') + 1);
  }
  return CsvOf(rows);
}

}  // namespace weir
