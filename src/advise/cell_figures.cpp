#include "advise/cell_figures.h"

#include <cmath>

namespace weir {
namespace {

constexpr std::string_view kEnergy = "_j_per_token", kNetEnergy = "_net_j_per_token";

/// Equations and not IN (..): SQLite leaves out the branches of the view that they rule out, gaps between tokens above
/// all, which are nine tenths of the work. Of a list it computes them all first.
constexpr const char* kFigures = R"sql(
  SELECT figure, n, median, p95, least, greatest FROM summary
  WHERE cell = ?1 AND (figure = 'decode_tok_s' OR figure = 'limit_tok_s' OR figure = 'step_macs'
                       OR figure = 'prefill_tok_s' OR figure = 'ttft_ms' OR figure LIKE '%_j_per_token'))sql";

/// The steps that the view decode_step counts, without the rates of their moment.
constexpr const char* kStep = R"sql(
  SELECT avg(s.weight_bytes), avg(s.kv_bytes), avg(s.state_bytes), avg(s.int8_macs), avg(s.f32_macs)
  FROM whole_repeat r JOIN step s ON s.attempt = r.attempt
  WHERE r.cell = ?1 AND s.decode_rows = r.users AND s.prefill_rows = 0)sql";

Result<CellFigures> ReadFigures(Statement& query, Statement& step, int64_t cell) {
  CellFigures figures;
  const std::pair<std::string_view, std::optional<Figure>*> places[] = {{"decode_tok_s", &figures.decode_tok_s},
                                                                        {"limit_tok_s", &figures.limit_tok_s},
                                                                        {"step_macs", &figures.step_macs},
                                                                        {"prefill_tok_s", &figures.prefill_tok_s},
                                                                        {"ttft_ms", &figures.ttft_ms}};
  query.Bind(cell);
  WEIR_RETURN_IF_ERROR(query.ForEach([&](const Statement& row) {
    const std::string name = row.Text(0);
    const Figure figure{row.Int(1), row.Real(2), row.Real(3), row.Real(4), row.Real(5)};
    for (const auto& [known, place] : places) {
      if (name == known) *place = figure;
    }
    if (name.ends_with(kEnergy) && !name.ends_with(kNetEnergy)) {
      figures.joules_per_token.emplace_back(name.substr(0, name.size() - kEnergy.size()), figure.median);
    }
  }));
  step.Bind(cell);
  WEIR_RETURN_IF_ERROR(step.ForEach([&](const Statement& row) {
    if (row.IsNull(0)) return;
    const auto whole = [&](int column) { return static_cast<int64_t>(std::llround(row.Real(column))); };
    figures.step = StepCost{whole(0), whole(1), whole(2), whole(3), whole(4)};
  }));
  return figures;
}

}  // namespace

Status FigureReader::Read(Database& database, const std::string& machine, const std::string& isa, int threads) {
  WEIR_TRY(Statement cells, database.Prepare(R"sql(
    SELECT cell.id, run.started_at || ' ' || coalesce(cell.key, '')
    FROM cell JOIN run ON run.id = cell.run JOIN machine ON machine.id = run.machine
    WHERE cell.status = 'ok' AND cell.target = 'engine' AND cell.search IS NULL AND run.foreign_tool IS NULL
      AND machine.fingerprint = ?1 AND run.isa = ?2 AND run.threads = ?3)sql"));
  cells.Bind(machine, isa, threads);
  std::map<int64_t, Known> wanted;
  std::vector<int64_t> unknown;
  WEIR_RETURN_IF_ERROR(cells.ForEach([&](const Statement& row) {
    const int64_t id = row.Int(0);
    std::string stamp = row.Text(1);
    const auto known = known_.find(id);
    const bool is_known = known != known_.end() && known->second.stamp == stamp;
    if (!is_known) unknown.push_back(id);
    wanted[id] = is_known ? std::move(known->second) : Known{std::move(stamp), {}};
  }));
  known_.clear();
  WEIR_TRY(Statement query, database.Prepare(kFigures));
  WEIR_TRY(Statement step, database.Prepare(kStep));
  for (size_t i = 0; i < unknown.size(); ++i) {
    if (progress_ && !progress_(static_cast<int64_t>(i), std::ssize(unknown))) {
      return Error{ErrorCode::kInterrupted, "interrupted", {}};
    }
    WEIR_TRY(wanted[unknown[i]].figures, ReadFigures(query, step, unknown[i]));
  }
  known_ = std::move(wanted);
  return {};
}

const CellFigures* FigureReader::Find(int64_t cell) const {
  const auto known = known_.find(cell);
  return known == known_.end() ? nullptr : &known->second.figures;
}

}  // namespace weir
