#include "bench/flat_rows.h"

#include <cmath>
#include <numeric>
#include <set>

#include "bench/document.h"
#include "bench/target_name.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

Json ConfigOf(const CellResult& cell) {
  Json config = Json::parse(cell.row.config, nullptr, false);
  return config.is_object() ? config : Json::object();
}

std::string TextOf(const Json& config, const char* key, const char* without) {
  return config.contains(key) && config[key].is_string() ? config[key].get<std::string>() : without;
}

int64_t NumberOf(const Json& config, const char* key) {
  return config.contains(key) && config[key].is_number_integer() ? config[key].get<int64_t>() : 0;
}

void Flatten(const std::string& name, const Json& value, Json& flat) {
  if (name == "flags") {
    std::string names;
    for (const Json& flag : value) {
      if (!names.empty()) names += ' ';
      names += flag.get<std::string>();
    }
    flat[name] = names.empty() ? Json(nullptr) : Json(names);
  } else if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) {
      if (name == "flag_details") continue;
      Flatten(fmt::format("{}_{}", name, key), inner, flat);
    }
  } else if (name.ends_with("ci95")) {
    flat[name + "_low"] = value.is_array() ? value[0] : Json(nullptr);
    flat[name + "_high"] = value.is_array() ? value[1] : Json(nullptr);
  } else {
    flat[name] = value;
  }
}

std::string CsvField(const Json& value) {
  if (value.is_null()) return "";
  std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  if (text.find_first_of(",\"\n\r") == text.npos) return text;
  std::string quoted;
  for (const char c : text) quoted.append(c == '"' ? 2 : 1, c);
  return fmt::format("\"{}\"", quoted);
}

std::string SqlField(const Json& value) {
  if (value.is_null()) return "''";  // as llama-bench has it: all columns have a value
  std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  std::string quoted;
  for (const char c : text) quoted.append(c == '\'' ? 2 : 1, c);
  return fmt::format("'{}'", quoted);
}

struct MeanAndDeviation {
  double mean = 0, deviation = 0;
};

MeanAndDeviation Of(const std::vector<double>& samples) {
  MeanAndDeviation of;
  if (samples.empty()) return of;
  const auto n = static_cast<double>(samples.size());
  of.mean = std::accumulate(samples.begin(), samples.end(), 0.0) / n;
  for (const double sample : samples) of.deviation += (sample - of.mean) * (sample - of.mean);
  of.deviation = samples.size() > 1 ? std::sqrt(of.deviation / (n - 1)) : 0;
  return of;
}

/// In the order and with the types of llama-bench. What weir does not have is what llama-bench has by default.
Json LlamaBenchRow(const CellResult& cell, int64_t n_prompt, int64_t n_gen, int64_t n_depth,
                   const MeanAndDeviation& rate) {
  const auto n_tokens = static_cast<double>(n_prompt + n_gen);
  const double ns = rate.mean > 0 ? n_tokens / rate.mean * 1e9 : 0;
  const double ns_deviation = rate.mean > 0 ? ns * rate.deviation / rate.mean : 0;
  std::string time = cell.started_at;  // "2026-11-23 06:00:00", UTC
  if (time.size() == 19) time = fmt::format("{}T{}Z", time.substr(0, 10), time.substr(11));
  const ComputedBy by = WhoComputed(cell);
  const std::string kv = TextOf(ConfigOf(cell), "kv", "f16");
  return {{"build_commit", by.version}, {"build_number", 0}, {"cpu_info", cell.machine}, {"gpu_info", ""},
          {"backends", by.engine == "weir" ? "weir " + cell.isa : by.engine}, {"model_filename", cell.model.name},
          {"model_type", cell.model.arch + " " + cell.model.quant}, {"model_size", cell.model.file_tensor_bytes},
          {"model_n_params", cell.model.n_params}, {"n_batch", 256}, {"n_ubatch", 256}, {"n_threads", by.threads},
          {"cpu_mask", "0x0"}, {"cpu_strict", 0}, {"poll", 0}, {"type_k", kv}, {"type_v", kv}, {"n_gpu_layers", 0},
          {"n_cpu_moe", 0}, {"split_mode", "none"}, {"main_gpu", 0}, {"no_kv_offload", 0}, {"flash_attn", 0},
          {"devices", "none"}, {"tensor_split", "0.00"}, {"tensor_buft_overrides", "none"}, {"load_mode", "none"},
          {"embeddings", 0}, {"no_op_offload", 0}, {"no_host", 0}, {"fit_target", 0}, {"fit_min_ctx", 0},
          {"n_prompt", n_prompt}, {"n_gen", n_gen}, {"n_depth", n_depth}, {"test_time", time},
          {"avg_ns", std::llround(ns)}, {"stddev_ns", std::llround(ns_deviation)}, {"avg_ts", rate.mean},
          {"stddev_ts", rate.deviation}};
}

std::string_view SqlType(const Json& value) {
  return value.is_string() ? "TEXT" : value.is_number_float() ? "REAL" : "INTEGER";
}

std::string InsertOf(const Json& row) {
  std::string names, values;
  for (const auto& [name, value] : row.items()) {
    const std::string_view comma = names.empty() ? "" : ", ";
    names += fmt::format("{}{}", comma, name);
    values += fmt::format("{}{}", comma, SqlField(value));
  }
  return fmt::format("INSERT INTO llama_bench ({}) VALUES ({});\n", names, values);
}

}  // namespace

ComputedBy WhoComputed(const CellResult& cell) {
  const Json config = ConfigOf(cell);
  if (cell.row.target == "engine") return {"weir", cell.build, NumberOf(config, "threads")};
  return {TextOf(config, "engine", ""), TextOf(config, "engine_version", ""), NumberOf(config, "engine_threads")};
}

Json FlatRow(const CellResult& cell) {
  Json flat{{"cell", cell.id},         {"run", cell.run},     {"started_at", cell.started_at},
            {"machine", cell.machine}, {"build", cell.build}, {"isa", cell.isa}};
  const Json document = CellsJson({cell})[0];
  for (const auto& [key, value] : document.items()) Flatten(key, value, flat);
  flat["config"] = cell.row.config.empty() ? Json(nullptr) : Json(cell.row.config);
  return flat;
}

std::string CsvOf(const std::vector<Json>& rows) {
  if (rows.empty()) return "";
  std::vector<std::string> names;  // of all rows: energies are not in each
  std::set<std::string> known;
  for (const Json& row : rows) {
    for (const auto& [name, value] : row.items()) {
      if (known.insert(name).second) names.push_back(name);
    }
  }
  std::string text;
  const auto line = [&](auto&& field_of) {
    bool first = true;
    for (const std::string& name : names) {
      if (!std::exchange(first, false)) text += ',';
      text += field_of(name);
    }
    text += "\r\n";
  };
  line([](const std::string& name) { return CsvField(name); });
  for (const Json& row : rows) line([&](const std::string& name) { return CsvField(row.value(name, Json(nullptr))); });
  return text;
}

std::string JsonLinesOf(const std::vector<Json>& rows) {
  std::string text;
  for (const Json& row : rows) text += row.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  return text;
}

Result<std::vector<std::vector<std::string>>> ParseCsv(std::string_view text, const std::string& name) {
  std::vector<std::vector<std::string>> lines;
  std::vector<std::string> fields(1);
  bool quoted = false, any = false;
  size_t line = 1, quote_line = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    line += c == '\n';
    if (quoted) {
      if (c != '"') {
        fields.back() += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        fields.back() += text[++i];
      } else {
        quoted = false;
      }
    } else if (c == '"' && fields.back().empty()) {
      quoted = any = true;
      quote_line = line;
    } else if (c == ',') {
      fields.emplace_back();
      any = true;
    } else if (c == '\n') {
      if (any) lines.push_back(std::move(fields));
      fields.assign(1, "");
      any = false;
    } else if (c != '\r') {
      fields.back() += c;
      any = true;
    }
  }
  if (quoted) return BadInput("{}:{}: a quote that is not closed", name, quote_line);
  if (any) lines.push_back(std::move(fields));
  return lines;
}

std::string LlamaBenchSql(const std::vector<CellResult>& cells, int& n_left_out) {
  n_left_out = 0;
  const Json columns = LlamaBenchRow({}, 0, 0, 0, {});
  std::string text = "CREATE TABLE IF NOT EXISTS llama_bench (\n";
  for (const auto& [name, value] : columns.items()) {
    text += fmt::format("  {} {}{}\n", name, SqlType(value), name == "stddev_ts" ? "" : ",");
  }
  text += ");\n\n";
  for (const CellResult& cell : cells) {
    const Figure* prefill = cell.Find("prefill_tok_s");
    if (cell.row.users != 1 || cell.decode_samples.empty() || !cell.foreign_tool.empty() || IsNull(cell.row.target)) {
      ++n_left_out;
      continue;
    }
    if (prefill) text += InsertOf(LlamaBenchRow(cell, cell.row.prompt_tokens, 0, 0, {prefill->median, 0}));
    text += InsertOf(
        LlamaBenchRow(cell, 0, cell.row.gen_tokens, cell.row.prompt_tokens, Of(cell.decode_samples)));
  }
  return text;
}

}  // namespace weir
