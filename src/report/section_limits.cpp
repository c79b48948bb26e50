// What the machine allows: the roofline, memory, energy.
#include <algorithm>
#include <cmath>
#include <map>

#include "bench/statistics.h"
#include "report/sections.h"
#include "report/text.h"

namespace weir {
namespace {

constexpr size_t kMostBars = 24;
constexpr double kLeastOfLimit = 0.25;  // of the machine's memory: below, a line at its end would dwarf the bars

/// A cell's place under the roof: multiply-accumulates per byte, and per second.
struct RoofPoint {
  double macs_per_byte = 0, gmac_s = 0;
};
std::optional<RoofPoint> RoofPointOf(const CellResult& cell) {
  const auto bytes = MedianOf(cell, "step_bytes"), macs = MedianOf(cell, "step_macs"), decode = MedianOf(cell, "decode_tok_s");
  if (!bytes || !macs || !decode || *bytes <= 0 || *macs <= 0 || *decode <= 0) return std::nullopt;
  return RoofPoint{*macs / *bytes, *macs * *decode / cell.row.users / 1e9};
}

/// The best rates of a machine over the runs that measured all four.
std::map<std::string, RatesRow> BestRatesByMachine(const ReportData& data) {
  std::map<std::string, RatesRow> best;
  for (const ReportRun& run : data.runs) {
    if (!run.best.read_gb_s || !run.best.int8_gmac_s) continue;
    RatesRow& rates = best[run.machine];
    rates.read_gb_s = std::max(rates.read_gb_s.value_or(0), *run.best.read_gb_s);
    rates.int8_gmac_s = std::max(rates.int8_gmac_s.value_or(0), *run.best.int8_gmac_s);
  }
  return best;
}

Series RoofOf(const RatesRow& rates, double from, double to) {
  const double ridge = *rates.int8_gmac_s / *rates.read_gb_s;
  Series roof{fmt::format("roof: {} GB/s read, {} GMAC/s int8", ThreeDigits(*rates.read_gb_s), ThreeDigits(*rates.int8_gmac_s)), {}, 7, 0, true, false, false, true};
  roof.points.push_back({from, from * *rates.read_gb_s});
  if (ridge > from && ridge < to) roof.points.push_back({ridge, *rates.int8_gmac_s});
  roof.points.push_back({to, std::min(to * *rates.read_gb_s, *rates.int8_gmac_s)});
  return roof;
}

/// Points of a machine's cells below its roof.
std::optional<Picture> RooflinePicture(const ReportView& view, const std::string& machine, const RatesRow& rates) {
  PlotChart chart;
  std::vector<int64_t> ids;
  double least = 0, greatest = 0;
  for (const CellSeries& series : view.series) {
    Series points{series.name, {}, series.style, series.shape, false, true, view.series.size() <= 6};
    for (const CellResult* cell : series.cells) {
      const std::optional<RoofPoint> at = RoofPointOf(*cell);
      if (!at || cell->machine != machine) continue;
      points.points.push_back({at->macs_per_byte, at->gmac_s, {}, {}, fmt::to_string(cell->row.users)});
      least = ids.empty() ? at->macs_per_byte : std::min(least, at->macs_per_byte);
      greatest = std::max(greatest, at->macs_per_byte);
      ids.push_back(cell->id);
    }
    if (!points.points.empty()) chart.series.push_back(std::move(points));
  }
  if (ids.empty()) return std::nullopt;
  const double ridge = *rates.int8_gmac_s / *rates.read_gb_s;
  chart.series.insert(chart.series.begin(), RoofOf(rates, least / 2, std::max(greatest, ridge) * 2));
  chart.title = "Roofline of " + machine;
  chart.description = fmt::format(
      "Each point is a cell's decode step, its number the users. Left of {} multiply-accumulates per byte memory is the limit, right of it "
      "arithmetic.", ThreeDigits(ridge));
  chart.x = {"multiply-accumulates per byte of a step", true};
  chart.y = {"GMAC/s reached while decoding", true};
  return Picture{std::move(chart), {FiguresSql(ids, {"decode_tok_s", "step_bytes", "step_macs"}), ids}};
}

ReportTable ShareTable(const ReportView& view) {
  ReportTable table{"What a decode step moves and multiplies, and the share of the speed that the rates measured around each repeat allow.",
              {{"model", "", "model", false}, {"users", "", "users"}, {"bytes", "MB a step", "step_mb"}, {"MACs", "M a step", "step_mmac"},
               {"limit", "tok/s", "limit_tok_s"}, {"decode", "tok/s", "decode_tok_s_median"}, {"share", "%", "roofline_share"},
               {"cell", "", "cell"}},
              {},
              {}};
  for (const CellSeries& series : view.series) {
    for (const CellResult* cell : series.cells) {
      const std::optional<double> bytes = MedianOf(*cell, "step_bytes"), macs = MedianOf(*cell, "step_macs"), share = RooflineShare(*cell);
      if (!bytes || !macs) continue;
      table.rows.push_back({TextValue(series.name), IntValue(cell->row.users), NumberValue(*bytes / 1e6), NumberValue(*macs / 1e6),
                            NumberValue(MedianOf(*cell, "limit_tok_s")), NumberValue(MedianOf(*cell, "decode_tok_s")),
                            share ? ReportValue{fmt::format("{:.0f}", *share * 100), share} : ReportValue{}, IntValue(cell->id)});
      table.evidence.cells.push_back(cell->id);
    }
  }
  table.evidence.sql = FiguresSql(table.evidence.cells, {"decode_tok_s", "limit_tok_s", "step_bytes", "step_macs"});
  return table;
}

void AddShareSentences(const ReportView& view, Section& section) {
  const CellResult *best = nullptr, *worst = nullptr;
  for (const CellResult* cell : CellsOf(view)) {
    const std::optional<double> share = RooflineShare(*cell);
    if (!share) continue;
    if (!best || *share > *RooflineShare(*best)) best = cell;
    if (!worst || *share < *RooflineShare(*worst)) worst = cell;
  }
  if (!best) {
    section.sentences.push_back({"No cell has a limit: it needs measured rates, and a target whose steps (weir's engine) or "
                                 "model are known.", {}});
    return;
  }
  section.sentences.push_back({fmt::format("Nearest to the hardware is {} with {}: {} of what this machine's rates allow.", CellTitle(*best),
                                           CellUsersText(*best), PercentText(*RooflineShare(*best))), {best->id}});
  if (worst != best) {
    section.sentences.push_back({fmt::format("Farthest from it is {} with {}: {}.", CellTitle(*worst), CellUsersText(*worst),
                                             PercentText(*RooflineShare(*worst))), {worst->id}});
  }
  if (*RooflineShare(*best) > 1) {
    section.sentences.push_back({"A share above 100 % means that the rates were measured too low, that weights stayed in a "
                                 "cache, or that a server did less than its file says.", {best->id}});
  }
}

/// By model and users; of each model the cell with the most users that has a plan, if all would be too many.
std::vector<const CellResult*> CellsWithPlans(const ReportData& data) {
  std::vector<const CellResult*> cells;
  std::map<std::string, size_t> first;
  for (const CellResult& cell : data.cells) {
    if (cell.row.planned_bytes.value_or(0) <= 0) continue;  // 0: a target that plans nothing
    first.emplace(CellTitle(cell), cells.size());
    cells.push_back(&cell);
  }
  std::stable_sort(cells.begin(), cells.end(), [&](const CellResult* a, const CellResult* b) {
    return std::pair(first[CellTitle(*a)], a->row.users) < std::pair(first[CellTitle(*b)], b->row.users);
  });
  if (cells.size() <= kMostBars) return cells;
  std::map<std::string, const CellResult*> most;
  for (const CellResult* cell : cells) {
    const CellResult*& of = most[CellTitle(*cell)];
    if (!of || cell->row.users >= of->row.users) of = cell;
  }
  std::erase_if(cells, [&](const CellResult* cell) { return most[CellTitle(*cell)] != cell; });
  if (cells.size() > kMostBars) cells.resize(kMostBars);
  return cells;
}

const ReportMachine* MachineOf(const ReportData& data, const CellResult& cell) {
  const auto found = std::find_if(data.machines.begin(), data.machines.end(),
                                  [&](const ReportMachine& machine) { return machine.fingerprint == cell.machine; });
  return found == data.machines.end() ? nullptr : &*found;
}

std::string PlanSql(const std::vector<int64_t>& ids) {
  return fmt::format(
      "SELECT cell.id, cell.planned_bytes, model.packed_bytes, summary.greatest AS peak_memory_bytes, machine.memory_bytes\n"
      "FROM cell JOIN model ON model.id = cell.model JOIN run ON run.id = cell.run\n"
      "JOIN machine ON machine.id = run.machine\n"
      "LEFT JOIN summary ON summary.cell = cell.id AND summary.figure = 'peak_memory_bytes'\n"
      "WHERE {}\nORDER BY cell.id",
      CellCondition("cell.id", ids));
}

std::string ShareText(double share) { return share > 0 && share < 0.01 ? "under 1 %" : PercentText(share); }

/// Planned and measured memory of cells, with the end of the machine's where that is near.
void AddPlans(const ReportView& view, const std::vector<const CellResult*>& cells, Section& section) {
  BarChart chart{"Planned memory of each cell", "", "GB", {"weights", "keys, values, state and work of all users"}, "measured peak", {}, "", {}};
  for (const CellResult* cell : cells) {
    const auto planned = static_cast<double>(*cell->row.planned_bytes);
    const double weights = std::min(static_cast<double>(cell->model.packed_bytes), planned);
    const std::optional<double> peak = PeakOf(*cell, "peak_memory_bytes");
    const std::string label = fmt::format("{}, {}{}", CellTitle(*cell), CellUsersText(*cell), cell->status == CellStatus::kRefused ? ": refused" : "");
    chart.bars.push_back({label, {weights / 1e9, (planned - weights) / 1e9}, peak ? std::optional(*peak / 1e9) : std::nullopt});
    chart.description += fmt::format("{}: {} planned, {}. ", label, ByteText(planned), peak ? ByteText(*peak) + " at the peak" : "not measured");
    const ReportMachine* machine = MachineOf(view.data, *cell);
    if (machine && machine->memory_bytes) {
      chart.limit = static_cast<double>(*machine->memory_bytes) / 1e9;
      chart.limit_label = fmt::format("this machine: {}", ByteText(static_cast<double>(*machine->memory_bytes)));
    }
  }
  const auto largest = *std::max_element(cells.begin(), cells.end(), [](const CellResult* a, const CellResult* b) {
    return *a->row.planned_bytes < *b->row.planned_bytes;
  });
  const auto most = static_cast<double>(*largest->row.planned_bytes);
  const std::string share = chart.limit ? fmt::format(", {} of {}", ShareText(most / 1e9 / *chart.limit), chart.limit_label) : "";
  section.sentences.push_back({fmt::format("The most memory is what {} with {} {}: {}{}.", CellTitle(*largest), CellUsersText(*largest),
                                           largest->status == CellStatus::kRefused ? "would take" : "takes", ByteText(most), share), {largest->id}});
  if (cells.size() < view.data.cells.size()) section.notes.push_back("Shown are cells with a plan, of many the one with the most users of each model.");
  if (chart.limit && most / 1e9 < kLeastOfLimit * *chart.limit) {
    section.notes.push_back(fmt::format("The end of memory, {}, is far beyond the right edge of the cells' chart.", chart.limit_label));
    chart.limit.reset();
  }
  const std::vector<int64_t> ids = IdsOf(cells);
  section.pictures.push_back({std::move(chart), {PlanSql(ids), ids}});
}

/// What would fit besides what was run.
void AddFits(const Advice& advice, Section& section) {
  BarChart chart{fmt::format("What fits: {}, {} tokens of context", Count(advice.users, "user"), advice.context_tokens), "", "GB",
                 {"weights", "keys and values", "recurrent state", "work and program"}, "", static_cast<double>(advice.available_bytes) / 1e9, "", {}};
  chart.limit_label = fmt::format("available: {}", ByteText(static_cast<double>(advice.available_bytes)));
  for (const FitBar& fit : advice.fits) {
    const std::string label = fmt::format("{}: {}{}", fit.name, fit.comfort, fit.longest_context > 0 ? fmt::format(", to {}k", fit.longest_context / 1000) : "");
    chart.bars.push_back({label, {}, {}});
    int64_t total = 0;
    for (const int64_t part : {fit.weights_bytes, fit.kv_bytes, fit.state_bytes, fit.work_bytes}) {
      chart.bars.back().parts.push_back(static_cast<double>(part) / 1e9);
      total += part;
    }
    chart.description += fmt::format("{}: {}. ", label, ByteText(static_cast<double>(total)));
  }
  Provenance evidence{AvailableMemorySql(advice.cell), {advice.cell}};
  for (const FitBar& fit : advice.fits) evidence.commands.push_back(fit.command);
  section.pictures.push_back({std::move(chart), std::move(evidence)});
  section.notes.push_back("What fits is computed from shapes by weir fit, for the memory that was available when the newest row was measured; the commands "
                          "take what is available now. Shown is each model of the catalogue, and each that was measured, in the mixture that "
                          "weir verdict takes; with the longest context that there is room for, in thousands of tokens.");
}

std::string EnergySql(const std::vector<int64_t>& ids) {
  return fmt::format("SELECT cell, figure, n, median FROM summary\nWHERE {} AND figure LIKE '%j_per_token'\nORDER BY cell, figure", CellCondition("cell", ids));
}

ReportTable EnergyTable(const ReportView& view) {
  ReportTable table{"Joules for each generated token, medians over repeats. Gross: all that the meter showed; net: less what it showed while the "
              "machine did nothing. Boundaries must not be compared with each other.",
              {{"model", "", "model", false}, {"users", "", "users"}, {"boundary", "", "boundary", false}, {"gross", "J/token", "gross_j_per_token"},
               {"net", "J/token", "net_j_per_token"}, {"cell", "", "cell"}},
              {},
              {}};
  constexpr std::string_view kNet = "_net_j_per_token", kGross = "_j_per_token";
  for (const CellSeries& series : view.series) {
    for (const CellResult* cell : series.cells) {
      for (const auto& [name, figure] : cell->figures) {
        if (!name.ends_with(kGross) || name.ends_with(kNet)) continue;
        const std::string boundary = name.substr(0, name.size() - kGross.size());
        table.rows.push_back({TextValue(series.name), IntValue(cell->row.users), TextValue(boundary), NumberValue(figure.median),
                              NumberValue(MedianOf(*cell, boundary + std::string(kNet))), IntValue(cell->id)});
        table.evidence.cells.push_back(cell->id);
      }
    }
  }
  table.evidence.sql = EnergySql(table.evidence.cells);
  return table;
}

/// For each boundary the rows of the table: what the work took, and what doing nothing would have.
void AddEnergyCharts(const ReportTable& table, Section& section) {
  std::map<std::string, std::pair<BarChart, std::vector<int64_t>>> charts;
  for (const std::vector<ReportValue>& row : table.rows) {
    auto& [chart, ids] = charts[row[2].text];
    const double gross = *row[3].number, net = row[4].number.value_or(gross);
    const std::string label = fmt::format("{}, {}", row[0].text, Count(static_cast<int64_t>(*row[1].number), "user"));
    if (chart.bars.size() == kMostBars) continue;
    chart.bars.push_back({label, {net, std::max(0.0, gross - net)}, {}});
    chart.description += fmt::format("{}: {} J/token{}. ", label, row[3].text, row[4].is_absent() ? "" : fmt::format(", {} of it above doing nothing", row[4].text));
    ids.push_back(static_cast<int64_t>(*row[5].number));
  }
  for (auto& [boundary, of] : charts) {
    auto& [chart, ids] = of;
    chart.title = "Energy of a token: " + boundary;
    chart.unit = "J/token";
    chart.parts = {"of the work (gross where the idle power is not known)", "of the machine doing nothing"};
    section.pictures.push_back({std::move(chart), {EnergySql(ids), ids}});
  }
}

}  // namespace

Section RooflineSection(const ReportView& view) {
  Section section{"roofline", "Distance from the hardware's limit", {}, {}, false, {}, {}};
  AddShareSentences(view, section);
  size_t n_drawn = 0;
  for (const auto& [machine, rates] : BestRatesByMachine(view.data)) {
    if (std::optional<Picture> picture = RooflinePicture(view, machine, rates)) {
      n_drawn += picture->evidence.cells.size();
      section.pictures.push_back(std::move(*picture));
    }
  }
  ReportTable table = ShareTable(view);
  if (!table.rows.empty()) section.tables.push_back(std::move(table));
  const size_t n_cells = CellsOf(view).size();
  if (n_drawn < n_cells) {
    section.notes.push_back(fmt::format("{} of {} cells have no place on a roofline: their target shows no steps, they are too short, or no "
                                        "rates were measured.", n_cells - n_drawn, n_cells));
  }
  return section;
}

Section MemorySection(const ReportView& view) {
  Section section{"memory", "Memory", {}, {}, false, {}, {}};
  const std::vector<const CellResult*> cells = CellsWithPlans(view.data);
  if (cells.empty()) {
    section.sentences.push_back({"No cell has a memory plan: only weir's own engine makes one.", {}});
  } else {
    AddPlans(view, cells, section);
  }
  if (view.data.advice && !view.data.advice->fits.empty()) AddFits(*view.data.advice, section);
  return section;
}

Section EnergySection(const ReportView& view) {
  Section section{"energy", "Energy", {}, {}, false, {}, {}};
  ReportTable table = EnergyTable(view);
  if (table.rows.empty()) {
    section.sentences.push_back({"Energy was not measured: no meter could be read (weir reads RAPL as root, sensors, batteries, and a meter at the "
                                 "wall with --wall-meter). Not measured is not zero.", {}});
    return section;
  }
  const auto least = std::min_element(table.rows.begin(), table.rows.end(), [](const auto& a, const auto& b) { return *a[3].number < *b[3].number; });
  section.sentences.push_back({fmt::format("The least energy for a token ({}, gross) is {} J: {} with {} users.", (*least)[2].text, (*least)[3].text,
                                           (*least)[0].text, (*least)[1].text), {static_cast<int64_t>(*(*least)[5].number)}});
  AddEnergyCharts(table, section);
  section.tables.push_back(std::move(table));
  return section;
}

}  // namespace weir
