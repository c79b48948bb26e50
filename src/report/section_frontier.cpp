// What a faster mixture costs: speed against bits per weight, and against quality where that was measured.
#include <algorithm>
#include <map>

#include "report/sections.h"
#include "report/text.h"

namespace weir {
namespace {

double BitsPerWeight(const ModelRow& model) {
  return model.n_params > 0 ? 8.0 * static_cast<double>(model.file_tensor_bytes) / static_cast<double>(model.n_params) : 0;
}

/// The number of users with which most models were measured; of several the fewest.
int CommonUsers(const std::vector<const CellResult*>& cells) {
  std::map<int, int> n_cells;
  for (const CellResult* cell : cells) ++n_cells[cell->row.users];
  int users = 0;
  for (const auto& [of, n] : n_cells) {
    if (users == 0 || n > n_cells[users]) users = of;
  }
  return users;
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

void AddQuality(const ReportView& view, const std::vector<const CellResult*>& cells, int users, Section& section) {
  ReportTable table{"How well the models predict a text, measured by weir perplexity. KL: mean divergence of the next-token distribution from the reference's.",
              {{"model", "", "model", false}, {"computed in", "", "dtype", false}, {"text", "", "text", false}, {"perplexity", "", "ppl"},
               {"standard error", "", "ppl_se"}, {"KL", "nats", "kl_mean"}, {"same first choice", "%", "same_top"}, {"reference", "", "reference", false},
               {"quality row", "", "row"}},
              {},
              {}};
  std::map<std::string, std::vector<Point>> models;
  std::vector<int64_t> ids;
  for (const QualityRow& row : view.data.quality) {
    ModelRow model;
    model.name = row.model;
    table.rows.push_back({TextValue(ModelTitle(model)), TextValue(row.dtype), TextValue(row.text_name), NumberValue(row.ppl),
                          NumberValue(row.ppl_se), NumberValue(row.kl_mean),
                          row.same_top ? ReportValue{fmt::format("{:.1f}", *row.same_top * 100), row.same_top} : ReportValue{}, TextValue(row.reference), IntValue(row.id)});
    for (const CellResult* cell : cells) {
      if (cell->row.users != users || cell->model.fingerprint != row.model_fingerprint || cell->model.name != row.model || !row.kl_mean) continue;
      models[row.reference].push_back({*row.kl_mean, *MedianOf(*cell, "decode_tok_s"), {}, {}, row.quant});
      ids.push_back(cell->id);
    }
  }
  if (table.rows.empty()) {
    section.sentences.push_back({"Quality was not measured for these models (weir perplexity does it), so this page says nothing about what few bits cost in "
                                 "quality. Of synthetic models it cannot be measured.", {}});
    return;
  }
  const std::vector<int64_t> all = weir::IdsOf(view.data.cells);
  if (!ids.empty()) {
    PlotChart chart{fmt::format("Speed against divergence, {}", Count(users, "user")), Described(models, "nats"), {"mean KL from the reference, nats: less is better"},
                    {"decode, tok/s", false, true}, {}};
    AddModels(models, /*less_is_better=*/true, chart);
    section.pictures.push_back({std::move(chart), {QualitySql(ids), ids}});
  }
  table.evidence = {QualitySql(all), all};
  section.tables.push_back(std::move(table));
}

}  // namespace

Section FrontierSection(const ReportView& view) {
  Section section{"frontier", "What bits cost", {}, {}, false, {}, {}};
  std::vector<const CellResult*> cells = CellsOf(view);
  std::erase_if(cells, [](const CellResult* cell) { return BitsPerWeight(cell->model) <= 0 || !MedianOf(*cell, "decode_tok_s"); });
  if (cells.empty()) {
    section.sentences.push_back({"No cell has both a speed and a known size of its weights.", {}});
    return section;
  }
  const int users = CommonUsers(cells);
  std::map<std::string, std::vector<Point>> models;
  std::vector<int64_t> ids;
  for (const CellResult* cell : cells) {
    if (cell->row.users != users) continue;
    models[ModelTitle(cell->model)].push_back({BitsPerWeight(cell->model), *MedianOf(*cell, "decode_tok_s"), {}, {}, cell->model.quant});
    ids.push_back(cell->id);
  }
  PlotChart chart{fmt::format("Speed against bits per weight, {}", Count(users, "user")), Described(models, "bits per weight"),
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
                                             high->note, ThreeDigits(low->y / high->y)), ids});
  }
  AddQuality(view, cells, users, section);
  return section;
}

}  // namespace weir
