#include "bench/compare.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

/// What a cell did, by name: its configuration, and of rows that were written before there was one what the row says.
Json ConfigOfCell(const CellResult& cell) {
  Json config = Json::parse(cell.row.config.empty() ? "{}" : cell.row.config, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) config = Json::object();
  if (!config.contains("load")) {
    config["load"] = fmt::format("closed users={} requests={} prompt={} gen={}", cell.row.users,
                                 cell.row.requests_per_user, cell.row.prompt_tokens, cell.row.gen_tokens);
  }
  return config;
}

std::string LoadOf(const CellResult& cell) {
  const Json config = ConfigOfCell(cell);
  return config["load"].is_string() ? config["load"].get<std::string>() : config["load"].dump();
}

bool SameModel(const CellResult& a, const CellResult& b, const CompareOptions& options) {
  if (options.across_targets && (a.model.arch.empty() || b.model.arch.empty())) return true;
  if (!options.across_quants) return a.model.name == b.model.name && a.model.quant == b.model.quant;
  return a.model.arch == b.model.arch && a.model.n_params == b.model.n_params;
}

/// The words of two loads that differ: "prompt=64 against prompt=512".
std::string LoadDifference(const std::string& a, const std::string& b) {
  const auto words = [](const std::string& text) {
    std::set<std::string> set;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find(' ', begin), text.size());
      set.insert(text.substr(begin, end - begin));
      begin = end + 1;
    }
    return set;
  };
  const std::set<std::string> of_a = words(a), of_b = words(b);
  std::vector<std::string> only_a, only_b;
  std::set_difference(of_a.begin(), of_a.end(), of_b.begin(), of_b.end(), std::back_inserter(only_a));
  std::set_difference(of_b.begin(), of_b.end(), of_a.begin(), of_a.end(), std::back_inserter(only_b));
  return fmt::format("{} against {}", only_a.empty() ? "nothing" : fmt::format("{}", fmt::join(only_a, " ")),
                     only_b.empty() ? "nothing" : fmt::format("{}", fmt::join(only_b, " ")));
}

const std::vector<double>& Samples(const CellResult& cell, const CompareOptions& options) {
  return options.figure == "aggregate_tok_s" ? cell.aggregate_samples : cell.decode_samples;
}

ComparedCell Judge(const CellResult& base, const CellResult& other, const CompareOptions& options) {
  ComparedCell compared{base, other};
  compared.ratio = other.Find(options.figure)->median / base.Find(options.figure)->median;
  compared.interval = RatioInterval(Samples(other, options), Samples(base, options));
  if (!compared.interval) return compared;
  compared.outcome = compared.interval->high < 1  ? Outcome::kSlower
                     : compared.interval->low > 1 ? Outcome::kFaster
                                                  : Outcome::kTie;
  return compared;
}

bool HasFigure(const CellResult& cell, const CompareOptions& options) {
  const Figure* figure = cell.Find(options.figure);
  return cell.status == CellStatus::kOk && figure && figure->median > 0;
}

/// The partner of a cell, or why there is none.
struct Partner {
  const CellResult* cell = nullptr;
  std::string why;
};
Partner FindPartner(const CellResult& cell, const std::vector<CellResult>& others, const CompareOptions& options,
                    bool any_target) {
  if (!HasFigure(cell, options)) {
    return {nullptr, fmt::format("has no {} ({})", options.figure, Name(cell.status))};
  }
  constexpr const char* kNoModel = "the other side has no such model";
  Partner partner{nullptr, kNoModel};
  const std::string load = LoadOf(cell);
  for (const CellResult& other : others) {
    if (!SameModel(cell, other, options)) continue;
    if (!any_target && other.row.target != cell.row.target) {
      if (partner.why == kNoModel) partner.why = fmt::format("the other side has it at {} only", other.row.target);
      continue;
    }
    if (!HasFigure(other, options)) {
      if (LoadOf(other) == load) partner.why = fmt::format("the other side's cell is {}", Name(other.status));
      continue;
    }
    // The last one that was measured counts.
    if (LoadOf(other) == load) partner.cell = &other;
    else if (other.row.users == cell.row.users) partner.why = "another load: " + LoadDifference(load, LoadOf(other));
    else if (!partner.why.starts_with("another load")) partner.why = fmt::format("not measured with {} user{}", cell.row.users, cell.row.users == 1 ? "" : "s");
  }
  return partner;
}

void AddDifference(const char* what, const std::string& a, const std::string& b, std::vector<std::string>* differences) {
  const std::string text = fmt::format("{}: {} against {}", what, a.empty() ? "unknown" : a, b.empty() ? "unknown" : b);
  if (a != b && std::find(differences->begin(), differences->end(), text) == differences->end()) {
    differences->push_back(text);
  }
}

void AddDifferences(const ComparedCell& cell, std::vector<std::string>* differences) {
  const CellResult &a = cell.base, &b = cell.other;
  AddDifference("machine", a.machine, b.machine, differences);
  AddDifference("build", a.build, b.build, differences);
  AddDifference("instruction set", a.isa, b.isa, differences);
  const Json of_a = ConfigOfCell(a), of_b = ConfigOfCell(b);
  for (const char* key : {"target", "kv", "threads", "tokenizer"}) {
    const auto text = [&](const Json& config) { return config.contains(key) ? config[key].dump() : ""; };
    AddDifference(key, text(of_a), text(of_b), differences);
  }
}

}  // namespace

std::string_view Name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kSlower: return "slower";
    case Outcome::kTie: return "tie";
    case Outcome::kFaster: return "faster";
    case Outcome::kUnproven: break;
  }
  return "unproven";
}

Comparison Compare(const std::vector<CellResult>& base, const std::vector<CellResult>& other,
                   const CompareOptions& options) {
  Comparison comparison;
  double log_sum = 0;
  // Where each side has one target only, these may be what is compared.
  const bool any_target = options.across_targets || (ByTarget(base).size() == 1 && ByTarget(other).size() == 1);
  for (const CellResult& cell : base) {
    const Partner partner = FindPartner(cell, other, options, any_target);
    if (!partner.cell) {
      comparison.left_out.push_back({cell, partner.why});
      continue;
    }
    comparison.cells.push_back(Judge(cell, *partner.cell, options));
    log_sum += std::log(comparison.cells.back().ratio);
    AddDifferences(comparison.cells.back(), &comparison.differences);
  }
  if (!comparison.cells.empty()) {
    comparison.geometric_mean = std::exp(log_sum / static_cast<double>(comparison.cells.size()));
  }
  std::stable_sort(comparison.cells.begin(), comparison.cells.end(),
                   [](const ComparedCell& a, const ComparedCell& b) { return a.ratio < b.ratio; });
  return comparison;
}

std::vector<std::pair<std::string, std::vector<CellResult>>> ByTarget(const std::vector<CellResult>& cells) {
  std::vector<std::pair<std::string, std::vector<CellResult>>> sides;
  for (const CellResult& cell : cells) {
    auto side = std::find_if(sides.begin(), sides.end(), [&](const auto& s) { return s.first == cell.row.target; });
    if (side == sides.end()) side = sides.insert(sides.end(), {cell.row.target, {}});
    side->second.push_back(cell);
  }
  std::stable_partition(sides.begin(), sides.end(), [](const auto& side) { return side.first == "engine"; });
  return sides;
}

bool IsSlowerThan(const ComparedCell& cell, double share) {
  return (cell.interval ? cell.interval->high : cell.ratio) < 1 - share;
}

}  // namespace weir
