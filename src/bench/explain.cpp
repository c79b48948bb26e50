#include "bench/explain.h"

#include <algorithm>

#include "model/limit.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

/// A part of the mean step, in milliseconds.
struct Part {
  std::string name;
  double ms = 0;
  double wait_ms = 0;  // of it, the mean over the threads
  std::optional<double> limit_ms;
  StepCost cost;  // of all steps
};

Part PartOf(std::string name, const PartProfile& part, const StepProfile& profile,
            const MachineRates* rates) {
  const double per_step = 1e-6 / static_cast<double>(profile.n_steps);
  const double ns = static_cast<double>(part.ns);
  const double busy_ns = static_cast<double>(part.busy_ns) / profile.n_threads;
  Part result{std::move(name), ns * per_step, std::max(0.0, ns - busy_ns) * per_step, {}, part.cost};
  if (rates) result.limit_ms = LimitNs(part.cost, *rates) * per_step;
  return result;
}

/// The parts that took time, the longest first.
std::vector<Part> PartsOf(const StepProfile& profile, const MachineRates* rates) {
  std::vector<Part> parts;
  for (size_t i = 0; i < kStepParts; ++i) {
    if (profile.parts[i].ns == 0) continue;
    parts.push_back(PartOf(StepPartName(i), profile.parts[i], profile, rates));
  }
  std::sort(parts.begin(), parts.end(),
            [](const Part& a, const Part& b) { return a.ms > b.ms; });
  return parts;
}

Part WholeOf(const StepProfile& profile, const MachineRates* rates) {
  PartProfile whole;
  for (const PartProfile& part : profile.parts) {
    whole.ns += part.ns;
    whole.busy_ns += part.busy_ns;
  }
  whole.cost = profile.cost;
  return PartOf("whole step", whole, profile, rates);
}

/// "-" where there is nothing.
std::string Rate(int64_t amount, const StepProfile& profile, double ms) {
  const double per_step = static_cast<double>(amount) / static_cast<double>(profile.n_steps);
  return amount > 0 && ms > 0 ? fmt::format("{:.1f}", per_step / ms * 1e-6) : "-";
}

std::string Line(const Part& part, double step_ms, const StepProfile& profile) {
  const bool limited = part.limit_ms && *part.limit_ms > 0;
  const StepCost& cost = part.cost;
  return fmt::format("{:<29} {:>8.3f} {:>7.3f} {:>5.1f} {:>8} {:>5} {:>5} {:>6}", part.name, part.ms,
                     part.wait_ms, 100 * part.ms / step_ms,
                     limited ? fmt::format("{:.3f}", *part.limit_ms) : "-",
                     limited ? fmt::format("{:.0f}", 100 * *part.limit_ms / part.ms) : "-",
                     Rate(cost.weight_bytes + cost.kv_bytes + cost.state_bytes, profile, part.ms),
                     Rate(cost.int8_macs + cost.f32_macs, profile, part.ms));
}

std::string Render(std::string_view kind, const StepProfile& profile, const CellResult& cell,
                   const MachineRates* rates, const TableStyle& style) {
  if (profile.n_steps == 0) return "";
  const Part whole = WholeOf(profile, rates);
  std::string text = fmt::format(
      "\n{}{} {}, {} user{}: {}, {} step{} of {:.4g} rows{}\n{}", style.head, cell.model.name,
      cell.model.quant, cell.row.users, cell.row.users == 1 ? "" : "s", kind, profile.n_steps,
      profile.n_steps == 1 ? "" : "s",
      static_cast<double>(profile.n_rows) / static_cast<double>(profile.n_steps), style.reset,
      style.dim);
  text += fmt::format("{:<29} {:>8} {:>7} {:>5} {:>8} {:>5} {:>5} {:>6}{}\n", "part of a step", "ms",
                      "waiting", "%", "limit", "% of", "GB/s", "GMAC/s", style.reset);
  for (const Part& part : PartsOf(profile, rates)) text += Line(part, whole.ms, profile) + "\n";
  return text + Line(whole, whole.ms, profile) + "\n";
}

Json PartJson(const Part& part, int64_t n_steps) {
  const auto mean = [&](int64_t sum) { return sum / n_steps; };
  return {{"part", part.name},
          {"ms", part.ms},
          {"waiting_ms", part.wait_ms},
          {"limit_ms", part.limit_ms ? Json(*part.limit_ms) : Json(nullptr)},
          {"weight_bytes", mean(part.cost.weight_bytes)},
          {"kv_bytes", mean(part.cost.kv_bytes)},
          {"state_bytes", mean(part.cost.state_bytes)},
          {"int8_macs", mean(part.cost.int8_macs)},
          {"f32_macs", mean(part.cost.f32_macs)}};
}

Json ProfileJson(const StepProfile& profile, const MachineRates* rates) {
  if (profile.n_steps == 0) return nullptr;
  Json json{{"steps", profile.n_steps},
            {"rows_per_step", static_cast<double>(profile.n_rows) / profile.n_steps},
            {"threads", profile.n_threads},
            {"step", PartJson(WholeOf(profile, rates), profile.n_steps)},
            {"parts", Json::array()}};
  for (const Part& part : PartsOf(profile, rates)) {
    json["parts"].push_back(PartJson(part, profile.n_steps));
  }
  return json;
}

const EngineProfile* Find(const std::vector<CellProfile>& profiles, const CellResult& cell) {
  const auto found = std::find_if(profiles.begin(), profiles.end(),
                                  [&](const CellProfile& p) { return p.cell == cell.id; });
  return found == profiles.end() ? nullptr : &found->profile;
}

}  // namespace

std::string RenderExplanations(const std::vector<CellProfile>& profiles, const MachineRates* rates,
                               const std::vector<CellResult>& cells, const TableStyle& style) {
  std::string text;
  for (const CellResult& cell : cells) {
    const EngineProfile* profile = Find(profiles, cell);
    if (!profile) continue;
    text += Render("decode", profile->decode, cell, rates, style);
    text += Render("prefill", profile->prefill, cell, rates, style);
  }
  return text.empty() ? text : text + "\n";
}

void AddExplanations(const std::vector<CellProfile>& profiles, const MachineRates* rates,
                     const std::vector<CellResult>& cells, nlohmann::ordered_json& json) {
  for (size_t i = 0; i < cells.size(); ++i) {
    const EngineProfile* profile = Find(profiles, cells[i]);
    if (!profile) continue;
    json[i]["explain"] = {{"decode", ProfileJson(profile->decode, rates)},
                          {"prefill", ProfileJson(profile->prefill, rates)}};
  }
}

}  // namespace weir
