#include "report/report_data.h"

#include <algorithm>
#include <set>

namespace weir {
namespace {

Result<std::optional<Distribution>> ReadDistribution(Database& database, int64_t cell, std::string_view view, std::string_view value) {
  WEIR_TRY(Statement query, database.Prepare(DistributionSql({&cell, 1}, view, value)));
  WEIR_TRY(const bool found, query.Step());
  if (!found) return std::optional<Distribution>();
  return std::optional(Distribution{query.Int(1), query.Real(2), query.Real(3), query.Real(4), query.Real(5), query.Real(6), query.Real(7), query.Real(8)});
}

/// Of those of the cells that have ended, what no other cell has.
using Stamps = std::map<int64_t, std::string>;
Result<Stamps> ReadStamps(Database& database, std::span<const int64_t> cells) {
  Stamps stamps;
  WEIR_TRY(Statement query, database.Prepare(fmt::format(
                                "SELECT c.id, r.started_at || ' ' || c.status || ' ' || coalesce(c.key, '') FROM cell c JOIN run r ON r.id = c.run\n"
                                "WHERE c.status <> 'interrupted' AND {}", CellCondition("c.id", cells))));
  WEIR_RETURN_IF_ERROR(query.ForEach([&](const Statement& row) { stamps[row.Int(0)] = row.Text(1); }));
  return stamps;
}

Result<std::vector<ReportRun>> ReadRuns(Store& store, std::span<const int64_t> cells) {
  std::vector<ReportRun> runs;
  WEIR_TRY(Statement query, store.database().Prepare(RunsSql(cells)));
  WEIR_RETURN_IF_ERROR(query.ForEach([&](const Statement& row) {
    runs.push_back({row.Int(0), row.Text(1), row.Text(2), row.Text(3), row.Text(4), row.Text(5), static_cast<int>(row.Int(6)),
                    row.Int(7), row.Text(8), row.Text(9), row.Text(10), {}});
  }));
  for (ReportRun& run : runs) {
    WEIR_TRY(run.best, store.BestRates(run.id));
  }
  return runs;
}

Result<std::vector<ReportMachine>> ReadMachines(Database& database, std::span<const int64_t> cells) {
  std::vector<ReportMachine> machines;
  WEIR_TRY(Statement query, database.Prepare(MachinesSql(cells)));
  WEIR_RETURN_IF_ERROR(query.ForEach([&](const Statement& row) {
    machines.push_back({row.Text(0), row.Text(1), row.Text(3), row.OptionalInt(2)});
  }));
  return machines;
}

Result<std::vector<LostRepeat>> ReadLostRepeats(Database& database, std::span<const int64_t> cells) {
  std::vector<LostRepeat> lost;
  WEIR_TRY(Statement query, database.Prepare(LostRepeatsSql(cells)));
  WEIR_RETURN_IF_ERROR(query.ForEach([&](const Statement& row) {
    lost.push_back({row.Int(0), row.Int(1), row.Int(2), row.Text(3), row.Text(4)});
  }));
  return lost;
}

Result<std::vector<QualityRow>> ReadQuality(Database& database, std::span<const int64_t> cells) {
  std::vector<QualityRow> quality;
  WEIR_TRY(Statement query, database.Prepare(QualitySql(cells)));
  WEIR_RETURN_IF_ERROR(query.ForEach([&](const Statement& row) {
    quality.push_back({row.Int(0), row.Text(1), row.Text(2), row.Text(3), row.Text(4), row.Text(5), row.Text(6), row.Real(7),
                       row.OptionalReal(8), row.OptionalReal(9), row.OptionalReal(10), row.OptionalReal(11), row.OptionalReal(12)});
  }));
  return quality;
}

}  // namespace

Result<ReportReader::Known> ReportReader::ReadCell(Store& store, int64_t id) {
  Known known;
  WEIR_TRY(known.cell, store.ResultOfCell(id));
  WEIR_TRY(known.ttft, ReadDistribution(store.database(), id, "request_latency", "ttft_ms"));
  WEIR_TRY(known.itl, ReadDistribution(store.database(), id, "token_gap", "itl_ms"));
  return known;
}

/// Answers do not change: what was compared before is not compared again.
Status ReportReader::ReadAnswers(Store& store, const std::vector<CellResult>& cells) {
  std::set<int64_t> ids;
  for (const CellResult& cell : cells) {
    if (cell.row.asked) ids.insert(*cell.row.asked);
  }
  if (ids == asked_) return {};
  std::vector<AskedRow> rows;
  for (const int64_t id : ids) {
    WEIR_TRY(AskedRow row, store.Asked(id));
    rows.push_back(std::move(row));
  }
  answers_ = CompareAnswers(rows);
  asked_ = std::move(ids);
  return {};
}

Result<ReportData> ReportReader::Read(Store& store, std::vector<int64_t> cells) {
  ReportData data;
  data.db = store.path();
  std::sort(cells.begin(), cells.end());
  WEIR_TRY(const Stamps stamps, ReadStamps(store.database(), cells));
  const auto n_cells = static_cast<int64_t>(cells.size());
  for (int64_t i = 0; i < n_cells; ++i) {
    if (progress_ && !progress_(i, n_cells)) return Error{ErrorCode::kInterrupted, "interrupted", {}};
    const int64_t id = cells[static_cast<size_t>(i)];
    const auto stamp = stamps.find(id);
    auto known = ended_.find(id);
    if (known == ended_.end() || stamp == stamps.end() || known->second.stamp != stamp->second) {
      WEIR_TRY(Known fresh, ReadCell(store, id));
      fresh.stamp = stamp == stamps.end() ? "" : stamp->second;
      known = ended_.insert_or_assign(id, std::move(fresh)).first;
    }
    const CellResult& cell = data.cells.emplace_back(known->second.cell);
    if (known->second.ttft) data.ttft[id] = *known->second.ttft;
    if (known->second.itl) data.itl[id] = *known->second.itl;
    if (const auto interval = MedianInterval(cell.decode_samples)) data.decode_intervals[id] = *interval;
    if (const auto interval = MedianInterval(cell.aggregate_samples)) data.aggregate_intervals[id] = *interval;
  }
  WEIR_TRY(data.runs, ReadRuns(store, cells));
  for (const ReportRun& run : data.runs) {
    WEIR_TRY(const std::vector<CapacityRow> found, store.Capacities(run.id));
    data.capacities.insert(data.capacities.end(), found.begin(), found.end());
  }
  WEIR_TRY(data.machines, ReadMachines(store.database(), cells));
  WEIR_TRY(data.lost, ReadLostRepeats(store.database(), cells));
  WEIR_TRY(data.quality, ReadQuality(store.database(), cells));
  WEIR_RETURN_IF_ERROR(ReadAnswers(store, data.cells));
  data.answers = answers_;
  return data;
}

Result<std::vector<int64_t>> NewestCells(Store& store) {
  // Of a cell of a campaign that was tried again the newest counts.
  WEIR_TRY(Statement query, store.database().Prepare(
                                "SELECT max(c.id) FROM cell c JOIN run r ON r.id = c.run\n"
                                "JOIN (SELECT id, campaign FROM run WHERE id = (SELECT run FROM cell ORDER BY id DESC LIMIT 1)) newest\n"
                                "  ON r.id = newest.id OR r.campaign = newest.campaign\n"
                                "GROUP BY iif(r.campaign IS NULL OR c.key IS NULL, c.id, c.key)\n"
                                "ORDER BY 1"));
  std::vector<int64_t> cells;
  WEIR_RETURN_IF_ERROR(query.ForEach([&](const Statement& row) { cells.push_back(row.Int(0)); }));
  return cells;
}

std::vector<int64_t> IdsOf(std::span<const CellResult> cells) {
  std::vector<int64_t> ids;
  for (const CellResult& cell : cells) ids.push_back(cell.id);
  return ids;
}

std::string CellCondition(std::string_view column, std::span<const int64_t> ids) {
  const std::set<int64_t> sorted(ids.begin(), ids.end());
  const auto n = static_cast<int64_t>(sorted.size());
  if (n > 2 && *sorted.rbegin() - *sorted.begin() == n - 1) {
    return fmt::format("{} BETWEEN {} AND {}", column, *sorted.begin(), *sorted.rbegin());
  }
  return fmt::format("{} IN ({})", column, fmt::join(sorted, ", "));
}

std::string FiguresSql(std::span<const int64_t> cells, std::initializer_list<std::string_view> figures) {
  return fmt::format(
      "SELECT cell, figure, n, median, p95, least, greatest\n"
      "FROM summary\n"
      "WHERE {}\n"
      "  AND figure IN ('{}')\n"
      "ORDER BY cell, figure",
      CellCondition("cell", cells), fmt::join(figures, "', '"));
}

std::string DistributionSql(std::span<const int64_t> cells, std::string_view view, std::string_view value) {
  return fmt::format(
      "SELECT cell, n, min(v),\n"
      "  max(v) FILTER (WHERE rank = (5 * n + 99) / 100) AS p5,\n"
      "  max(v) FILTER (WHERE rank = (25 * n + 99) / 100) AS p25,\n"
      "  avg(v) FILTER (WHERE rank IN ((n + 1) / 2, (n + 2) / 2)) AS median,\n"
      "  max(v) FILTER (WHERE rank = (75 * n + 99) / 100) AS p75,\n"
      "  max(v) FILTER (WHERE rank = (95 * n + 99) / 100) AS p95, max(v)\n"
      "FROM (SELECT cell, {1} AS v, row_number() OVER (PARTITION BY cell ORDER BY {1}) AS rank,\n"
      "        count(*) OVER (PARTITION BY cell) AS n\n"
      "      FROM {0} WHERE {2})\n"
      "GROUP BY cell",
      view, value, CellCondition("cell", cells));
}

std::string LostRepeatsSql(std::span<const int64_t> cells) {
  return fmt::format(
      "SELECT cell, id, repeat, iif(rejected IS NULL, status, 'rejected') AS status,\n"
      "  coalesce(rejected, reason, '') AS reason\n"
      "FROM attempt\n"
      "WHERE {} AND repeat > 0\n"
      "  AND (status <> 'ok' OR rejected IS NOT NULL)\n"
      "ORDER BY cell, repeat",
      CellCondition("cell", cells));
}

std::string ExcludedSql(std::span<const int64_t> cells) {
  return fmt::format(
      "SELECT id AS cell, NULL AS repeat, status, reason FROM cell\n"
      "WHERE {}\n"
      "UNION ALL\n"
      "SELECT cell, repeat, iif(rejected IS NULL, status, 'rejected'), coalesce(rejected, reason) FROM attempt\n"
      "WHERE {} AND repeat > 0 AND (status <> 'ok' OR rejected IS NOT NULL)\n"
      "ORDER BY 1, 2",
      CellCondition("id", cells), CellCondition("cell", cells));
}

std::string FlagsSql(std::span<const int64_t> cells) {
  return fmt::format("SELECT cell, name, detail FROM flag\nWHERE {}\nORDER BY cell, name", CellCondition("cell", cells));
}

std::string AnswersSql(std::span<const int64_t> cells) {
  return fmt::format(
      "SELECT q.question, a.target, a.named, q.text, q.tokens, q.cut FROM asked a JOIN answer q ON q.asked = a.id\n"
      "WHERE a.id IN (SELECT asked FROM cell WHERE {})\nORDER BY q.question, a.id",
      CellCondition("id", cells));
}

std::string QualitySql(std::span<const int64_t> cells) {
  return fmt::format(
      "SELECT q.id, m.name, m.quant, q.dtype, q.text_name, r.name, m.fingerprint, q.ppl, q.ppl_se, q.ppl_ratio,\n"
      "  q.kl_mean, q.kl_mean_se, q.same_top\n"
      "FROM quality q JOIN model m ON m.id = q.model LEFT JOIN model r ON r.id = q.reference\n"
      "WHERE q.model IN (SELECT model FROM cell WHERE {})\n"
      "ORDER BY q.id",
      CellCondition("id", cells));
}

std::string RunsSql(std::span<const int64_t> cells) {
  return fmt::format(
      "SELECT r.id, r.started_at, r.ended_at, k.fingerprint, b.version, r.isa, r.threads, r.seed,\n"
      "  c.name, r.foreign_tool, r.foreign_file\n"
      "FROM run r JOIN machine k ON k.id = r.machine JOIN build b ON b.id = r.build\n"
      "LEFT JOIN campaign c ON c.id = r.campaign\n"
      "WHERE r.id IN (SELECT run FROM cell WHERE {})\n"
      "ORDER BY r.id",
      CellCondition("id", cells));
}

std::string MachinesSql(std::span<const int64_t> cells) {
  return fmt::format(
      "SELECT k.fingerprint, k.cpu, k.memory_bytes, k.facts\n"
      "FROM machine k\n"
      "WHERE k.id IN (SELECT r.machine FROM run r JOIN cell c ON c.run = r.id WHERE {})\n"
      "ORDER BY k.id",
      CellCondition("c.id", cells));
}

std::string AvailableMemorySql(int64_t cell) {
  return fmt::format(
      "SELECT c.id AS cell, k.fingerprint, r.threads, k.memory_bytes,\n"
      "  iif(json_valid(k.facts), json_extract(k.facts, '$.memory_available_bytes'), NULL) AS memory_available_bytes\n"
      "FROM cell c JOIN run r ON r.id = c.run JOIN machine k ON k.id = r.machine\n"
      "WHERE c.id = {}",
      cell);
}

}  // namespace weir
