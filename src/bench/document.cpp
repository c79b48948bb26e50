#include "bench/document.h"

#include <cmath>

#include "bench/statistics.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}
Json OrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json MedianOrNull(const CellResult& cell, std::string_view figure) {
  const Figure* found = cell.Find(figure);
  return found ? Json(found->median) : Json(nullptr);
}

/// Bytes and operations are counts: the mean of the counted steps, as a whole number.
Json CountOrNull(const CellResult& cell, std::string_view figure, double Figure::*which) {
  const Figure* found = cell.Find(figure);
  return found ? Json(std::llround(found->*which)) : Json(nullptr);
}

Json RateJson(const CellResult& cell, std::string_view figure, const std::vector<double>& samples) {
  const Figure* found = cell.Find(figure);
  const std::optional<Interval> interval = MedianInterval(samples);
  Json json;
  json["median"] = MedianOrNull(cell, figure);
  json["peak"] = found ? Json(found->greatest) : Json(nullptr);
  json["ci95"] = interval ? Json({interval->low, interval->high}) : Json(nullptr);
  return json;
}

Json LatencyJson(const CellResult& cell, std::string_view figure) {
  const Figure* found = cell.Find(figure);
  Json json;
  json["median"] = MedianOrNull(cell, figure);
  // Of a median that another tool made there is nothing else.
  json["p95"] = found && cell.foreign_tool.empty() ? Json(found->p95) : Json(nullptr);
  json["p99"] = found ? OrNull(found->p99) : Json(nullptr);
  return json;
}

Json FlagsJson(const CellResult& cell) {
  Json flags = Json::array();
  for (const Flag& flag : cell.flags) flags.push_back(flag.name);
  return flags;
}

Json FlagDetailsJson(const CellResult& cell) {
  Json details = Json::object();
  for (const Flag& flag : cell.flags) details[flag.name] = flag.detail;
  return details;
}

/// {"package": {"gross": 0.5, "net": 0.3}}; null where nothing measures energy.
Json EnergyJson(const CellResult& cell) {
  constexpr std::string_view kSuffix = "_j_per_token", kNet = "_net_j_per_token";
  Json json;
  for (const auto& [name, figure] : cell.figures) {
    if (!name.ends_with(kSuffix)) continue;
    const bool net = name.ends_with(kNet);
    const std::string boundary = name.substr(0, name.size() - (net ? kNet : kSuffix).size());
    if (!json.contains(boundary)) json[boundary] = {{"gross", nullptr}, {"net", nullptr}};
    json[boundary][net ? "net" : "gross"] = figure.median;
  }
  return json;
}

Json CellJson(const CellResult& cell) {
  Json json;
  json["model"] = cell.model.name;
  json["quant"] = OrNull(cell.model.quant);
  json["users"] = cell.row.users;
  json["status"] = Name(cell.status);
  json["reason"] = OrNull(cell.reason);
  json["decode_tok_s"] = RateJson(cell, "decode_tok_s", cell.decode_samples);
  json["aggregate_tok_s"] = RateJson(cell, "aggregate_tok_s", cell.aggregate_samples);
  json["ttft_ms"] = LatencyJson(cell, "ttft_ms");
  json["itl_ms"] = LatencyJson(cell, "itl_ms");
  json["tpot_ms"] = LatencyJson(cell, "tpot_ms");
  json["prefill_tok_s"] = MedianOrNull(cell, "prefill_tok_s");
  json["peak_memory_bytes"] = CountOrNull(cell, "peak_memory_bytes", &Figure::greatest);
  json["planned_memory_bytes"] = OrNull(cell.row.planned_bytes);
  json["step_bytes"] = CountOrNull(cell, "step_bytes", &Figure::median);
  json["step_macs"] = CountOrNull(cell, "step_macs", &Figure::median);
  json["limit_tok_s"] = MedianOrNull(cell, "limit_tok_s");
  json["roofline_share"] = OrNull(RooflineShare(cell));
  json["logits_hash"] = OrNull(cell.logits_hash);
  json["synthetic"] = cell.model.synthetic;
  json["flags"] = FlagsJson(cell);
  json["flag_details"] = FlagDetailsJson(cell);
  json["prompt_tokens"] = cell.row.prompt_tokens;
  json["gen_tokens"] = cell.row.gen_tokens;
  json["requests_per_user"] = cell.row.requests_per_user;
  json["repeats"] = cell.row.repeats;
  json["id"] = cell.id;
  json["target"] = cell.row.target;
  json["foreign_tool"] = OrNull(cell.foreign_tool);
  json["answers_hash"] = OrNull(cell.answers_hash);
  json["energy_j_per_token"] = EnergyJson(cell);
  return json;
}

}  // namespace

nlohmann::ordered_json RankingsJson(const std::vector<CellResult>& cells) {
  Json json = Json::array();
  for (const Ranking& ranking : RankCells(cells)) {
    Json groups = Json::array();
    for (const RankedGroup& group : ranking.groups) groups.push_back(group.cells);
    json.push_back({{"users", ranking.users}, {"prompt_tokens", ranking.prompt_tokens},
                    {"gen_tokens", ranking.gen_tokens}, {"decode", groups}});
  }
  return json;
}

std::vector<std::string> RankingLines(const std::vector<CellResult>& cells) {
  std::vector<std::string> lines;
  for (const Ranking& ranking : RankCells(cells)) {
    std::string line = fmt::format("decode, {} user{}, {}+{} tokens: ", ranking.users, ranking.users == 1 ? "" : "s",
                                   ranking.prompt_tokens, ranking.gen_tokens);
    for (size_t g = 0; g < ranking.groups.size(); ++g) {
      const std::vector<size_t>& group = ranking.groups[g].cells;
      for (size_t i = 0; i < group.size(); ++i) {
        const CellResult& cell = cells[group[i]];
        line += g + i == 0 ? "" : i == 0 ? " > " : " = ";
        line += cell.model.name;
        if (cell.row.target != "engine") line += " at " + cell.row.target;
      }
    }
    lines.push_back(line + " (= : no measurable difference)");
  }
  return lines;
}

nlohmann::ordered_json CellsJson(const std::vector<CellResult>& cells) {
  Json json = Json::array();
  for (const CellResult& cell : cells) json.push_back(CellJson(cell));
  return json;
}

}  // namespace weir
