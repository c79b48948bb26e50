// What a faster mixture costs: speed against bits per weight, and against quality where that was measured.
#include <algorithm>
#include <map>

#include "bench/document.h"
#include "report/sections.h"
#include "report/text.h"

namespace weir {
namespace {

double BitsPerWeight(const ModelRow& model) {
  return model.n_params > 0 ? 8.0 * static_cast<double>(model.file_tensor_bytes) / static_cast<double>(model.n_params) : 0;
}

/// Cells with a speed and a size, of the load, the target and the number of users of which there are most; of several
/// weir's own engine, and the fewest users.
std::vector<const CellResult*> ComparableCells(const ReportView& view) {
  std::map<std::pair<int, std::string>, std::vector<const CellResult*>> loads;
  for (const CellSeries& series : view.series) {
    for (const CellResult* cell : series.cells) {
      if (BitsPerWeight(cell->model) > 0 && MedianOf(*cell, "decode_tok_s")) loads[{cell->row.users, series.conditions}].push_back(cell);
    }
  }
  const auto most = std::max_element(loads.begin(), loads.end(), [](const auto& a, const auto& b) {
    const auto rank = [](const auto& load) { return std::pair(load.second.size(), load.second[0]->row.target == "engine"); };
    return rank(a) < rank(b);
  });
  return most == loads.end() ? std::vector<const CellResult*>{} : most->second;
}

/// ", engine" where other targets were measured too.
std::string TargetText(const ReportView& view, const std::vector<const CellResult*>& cells) {
  const std::string& target = cells[0]->row.target;
  const auto& all = view.data.cells;
  const bool several = std::any_of(all.begin(), all.end(), [&](const CellResult& cell) { return cell.row.target != target; });
  return several ? ", " + target : "";
}

/// Points of each model, those first that no other mixture of it beats in both; `less_is_better` of x.
void KeepFrontier(std::vector<Point>& points, bool less_is_better) {
  const auto beats = [&](const Point& a, const Point& b) {
    const bool x = less_is_better ? a.x <= b.x : a.x >= b.x;
    return x && a.y >= b.y && (a.x != b.x || a.y != b.y);
  };
  const std::vector<Point> all = points;
  std::erase_if(points, [&](const Point& point) {
    return std::any_of(all.begin(), all.end(), [&](const Point& other) { return beats(other, point); });
  });
  std::sort(points.begin(), points.end(), [](const Point& a, const Point& b) { return a.x < b.x; });
}

/// For each model its points and a line through those that nothing beats.
void AddModels(const std::map<std::string, std::vector<Point>>& models, bool less_is_better, PlotChart& chart) {
  int style = 0;
  for (const auto& [model, points] : models) {
    chart.series.push_back({model, points, style, style, false, true, true});
    Series line{"", points, style, style, true, false};
    KeepFrontier(line.points, less_is_better);
    if (line.points.size() > 1) chart.series.push_back(std::move(line));
    ++style;
  }
}

std::string Described(const std::map<std::string, std::vector<Point>>& models, const char* x) {
  std::string text = "Lines join the mixtures of a model that no other one of it beats in both.";
  for (const auto& [model, points] : models) {
    for (const Point& point : points) text += fmt::format(" {} {}: {} {}, {} tok/s.", model, point.note, ThreeDigits(point.x), x, ThreeDigits(point.y));
  }
  return text;
}

ReportTable QualityTable(const ReportData& data) {
  ReportTable table{"How well the models predict a text, measured by weir perplexity. KL: mean divergence of the next-token distribution from the reference's.",
              {{"model", "", "model", false}, {"computed in", "", "dtype", false}, {"text", "", "text", false}, {"perplexity", "", "ppl"},
               {"standard error", "", "ppl_se"}, {"KL", "nats", "kl_mean"}, {"same first choice", "%", "same_top"}, {"reference", "", "reference", false},
               {"quality row", "", "row"}},
              {},
              {}};
  for (const QualityRow& row : data.quality) {
    ModelRow model;
    model.name = row.model;
    table.rows.push_back({TextValue(ModelTitle(model)), TextValue(row.dtype), TextValue(row.text_name), NumberValue(row.ppl),
                          NumberValue(row.ppl_se), NumberValue(row.kl_mean),
                          row.same_top ? ReportValue{fmt::format("{:.1f}", *row.same_top * 100), row.same_top} : ReportValue{}, TextValue(row.reference), IntValue(row.id)});
  }
  const std::vector<int64_t> all = weir::IdsOf(data.cells);
  table.evidence = {QualitySql(all), all};
  return table;
}

struct QualityAxis {
  const char *title, *label, *unit;
  std::optional<double> (*value)(const QualityRow&);
  std::string (*group)(const QualityRow&);  // within which values may be compared
};

/// Of a model's rows on one text the newest.
std::optional<Picture> QualityPicture(const ReportView& view, const std::vector<const CellResult*>& cells, const QualityAxis& axis) {
  std::map<std::string, std::map<const CellResult*, Point>> points;
  std::vector<int64_t> ids;
  for (const QualityRow& row : view.data.quality) {
    const std::optional<double> value = axis.value(row);
    if (!value) continue;
    for (const CellResult* cell : cells) {
      if (cell->model.fingerprint != row.model_fingerprint || cell->model.name != row.model) continue;
      points[axis.group(row)][cell] = {*value, *MedianOf(*cell, "decode_tok_s"), {}, {}, CellTitle(*cell)};
      ids.push_back(cell->id);
    }
  }
  if (ids.empty()) return std::nullopt;
  std::map<std::string, std::vector<Point>> models;
  for (const auto& [group, of_cells] : points) {
    for (const auto& [cell, point] : of_cells) models[group].push_back(point);
  }
  PlotChart chart{fmt::format("Speed against {}, {}{}", axis.title, CellUsersText(*cells[0]), TargetText(view, cells)), Described(models, axis.unit), {axis.label}, {"decode, tok/s of all users", false, true}, {}};
  AddModels(models, /*less_is_better=*/true, chart);
  return Picture{std::move(chart), {QualitySql(ids), ids}};
}

void AddQuality(const ReportView& view, const std::vector<const CellResult*>& cells, Section& section) {
  const ReportData& data = view.data;
  if (data.quality.empty()) {
    section.sentences.push_back({"Quality was not measured for these models (weir perplexity does it), so this page says nothing about what few bits cost in "
                                 "quality. Of synthetic models it cannot be measured.", {}});
    return;
  }
  const QualityAxis divergence{"divergence", "mean KL from the reference, nats: less is better", "nats", [](const QualityRow& row) { return row.kl_mean; },
                               [](const QualityRow& row) { return fmt::format("from {} on {}", row.reference, row.text_name); }};
  const QualityAxis perplexity{"perplexity", "perplexity: less is better", "perplexity", [](const QualityRow& row) { return std::optional(row.ppl); },
                               [](const QualityRow& row) { return "on " + row.text_name; }};
  for (const QualityAxis* axis : {&divergence, &perplexity}) {
    if (std::optional<Picture> picture = QualityPicture(view, cells, *axis)) section.pictures.push_back(std::move(*picture));
  }
  section.tables.push_back(QualityTable(data));
}

}  // namespace

Section FrontierSection(const ReportView& view) {
  Section section{"frontier", "What bits cost", {}, {}, false, {}, {}};
  const std::vector<const CellResult*> cells = ComparableCells(view);
  if (cells.empty()) {
    section.sentences.push_back({"No cell has both a speed and a known size of its weights.", {}});
    return section;
  }
  std::map<std::string, std::vector<Point>> models;
  std::map<std::string, std::vector<int64_t>> cells_of;
  const std::vector<int64_t> ids = IdsOf(cells);
  for (const CellResult* cell : cells) {
    models[ModelFamily(cell->model)].push_back({BitsPerWeight(cell->model), *MedianOf(*cell, "decode_tok_s"), {}, {}, cell->model.quant});
    cells_of[ModelFamily(cell->model)].push_back(cell->id);
  }
  PlotChart chart{fmt::format("Speed against bits per weight, {}{}", CellUsersText(*cells[0]), TargetText(view, cells)), Described(models, "bits per weight"),
                  {"bits per weight of the file", false, true}, {"decode, tok/s of all users", false, true}, {}};
  AddModels(models, /*less_is_better=*/false, chart);
  section.pictures.push_back({std::move(chart),
                              {fmt::format("SELECT cell.id, model.name, 8.0 * model.file_tensor_bytes / model.n_params AS bits_per_weight, summary.median\n"
                                           "FROM cell JOIN model ON model.id = cell.model\n"
                                           "JOIN summary ON summary.cell = cell.id AND summary.figure = 'decode_tok_s'\n"
                                           "WHERE {}",
                                           CellCondition("cell.id", ids)), ids}});
  for (const auto& [model, points] : models) {
    if (points.size() < 2) continue;
    const auto [low, high] = std::minmax_element(points.begin(), points.end(), [](const Point& a, const Point& b) { return a.x < b.x; });
    section.sentences.push_back({fmt::format("{}: {} has {} of the bits of {} and {} times its speed.", model, low->note, PercentText(low->x / high->x),
                                             high->note, ThreeDigits(low->y / high->y)), cells_of[model]});
  }
  AddQuality(view, cells, section);
  return section;
}

}  // namespace weir
