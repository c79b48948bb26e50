// Campaigns, the files of their models, and what a campaign that goes on must know of its cells.
#include "store/store.h"
#include "util/clock.h"
#include "util/wall_clock.h"

namespace weir {

Result<int64_t> Store::AddCampaign(const std::string& name, const std::string& suite) {
  return database_.Insert(
      "INSERT INTO campaign (name, suite, started_at) VALUES (?, ?, datetime('now'))", name, suite);
}

Status Store::SetSuite(int64_t campaign, const std::string& suite) {
  return database_.Execute("UPDATE campaign SET suite = ? WHERE id = ?", suite, campaign);
}

Result<std::optional<CampaignRow>> Store::FindCampaign(const std::string& name) {
  WEIR_TRY(Statement query,
           database_.Prepare("SELECT id, name, suite, started_at FROM campaign WHERE name = ? "
                             "ORDER BY id DESC LIMIT 1"));
  query.Bind(name);
  WEIR_TRY(const bool found, query.Step());
  if (!found) return std::optional<CampaignRow>();
  return std::optional(CampaignRow{query.Int(0), query.Text(1), query.Text(2), query.Text(3)});
}

// A cell that was ended has a reason if it was interrupted; without one, nobody was left to give it. Of such cells the
// program died at those that have an attempt without an end, or were being started and have none yet: the others of a
// block had their turn and only waited for the next. The kernel killed it if it counts more by the next run, and the
// machine died if the next run is of another boot, whose clocks stand otherwise to each other; if nothing is known of
// that, it may have been so.
Result<std::vector<CellState>> Store::CampaignStates(int64_t campaign, std::optional<int64_t> oom_kills) {
  WEIR_TRY(Statement query,
           database_.Prepare(
               "WITH ends AS (SELECT id, coalesce(next_kills > kills, 1) OR abs(next_boot - boot) > 60e9 AS died "
               "FROM (SELECT id, oom_kills AS kills, started_unix_ns - started_ns AS boot, "
               "lead(oom_kills, 1, ?) OVER (ORDER BY id) AS next_kills, "
               "lead(started_unix_ns - started_ns, 1, ?) OVER (ORDER BY id) AS next_boot "
               "FROM run WHERE campaign = ?)), "
               "left_alone AS (SELECT c.key, c.id, c.status, e.died, c.status = 'interrupted' AND c.reason IS NULL AND "
               "(NOT EXISTS (SELECT 1 FROM attempt a WHERE a.cell = c.id) OR "
               "EXISTS (SELECT 1 FROM attempt a WHERE a.cell = c.id AND a.status = 'interrupted')) AS killed "
               "FROM cell c JOIN ends e ON e.id = c.run WHERE c.key IS NOT NULL) "
               "SELECT key, max(id), status, sum(killed), sum(killed AND died) FROM left_alone GROUP BY key"));
  query.Bind(oom_kills, UnixNs() - NowNs(), campaign);
  std::vector<CellState> states;
  WEIR_RETURN_IF_ERROR(query.ForEach([&](const Statement& row) {
    states.push_back({row.Text(0), row.Int(1), ParseCellStatus(row.Text(2)), static_cast<int>(row.Int(3)),
                      static_cast<int>(row.Int(4))});
  }));
  return states;
}

Result<int64_t> Store::AddModelFile(int64_t model, const ModelFileRow& file) {
  WEIR_RETURN_IF_ERROR(database_.Execute(
      "INSERT INTO model_file (model, path, sha256, bytes, mtime_ns, tensor_types) "
      "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (model, sha256) DO UPDATE SET path = excluded.path, "
      "mtime_ns = excluded.mtime_ns",
      model, file.path, file.sha256, file.bytes, file.mtime_ns, file.tensor_types));
  WEIR_TRY(Statement find,
           database_.Prepare("SELECT id FROM model_file WHERE model = ? AND sha256 = ?"));
  find.Bind(model, file.sha256);
  WEIR_RETURN_IF_ERROR(find.Step());
  return find.Int(0);
}

Result<std::optional<std::string>> Store::KnownHash(const ModelFileRow& file) {
  WEIR_TRY(Statement find, database_.Prepare("SELECT sha256 FROM model_file WHERE path = ? AND "
                                             "bytes = ? AND mtime_ns = ?"));
  find.Bind(file.path, file.bytes, file.mtime_ns);
  WEIR_TRY(const bool found, find.Step());
  return found ? std::optional(find.Text(0)) : std::optional<std::string>();
}

Status Store::AddForeignFigure(int64_t cell, const std::string& figure, double value) {
  return database_.Execute("INSERT OR REPLACE INTO foreign_figure VALUES (?, ?, ?)", cell, figure,
                           value);
}

Status Store::RejectAttempt(int64_t attempt, const std::string& reason) {
  return database_.Execute("UPDATE attempt SET rejected = ? WHERE id = ?", reason, attempt);
}

Result<Store::Decoding> Store::DecodingOf(int64_t cell, int64_t attempt) {
  WEIR_TRY(Statement query,
           database_.Prepare("SELECT tok_s, limit_tok_s, step_bytes FROM decode_window WHERE cell = ? "
                             "AND attempt = ?"));
  query.Bind(cell, attempt);
  WEIR_TRY(const bool found, query.Step());
  if (!found) return Decoding{};
  return Decoding{query.OptionalReal(0), query.OptionalReal(1), query.OptionalReal(2)};
}

Result<std::optional<std::string>> Store::EarlierHash(int64_t cell) {
  WEIR_TRY(Statement query,
           database_.Prepare(
               "SELECT coalesce(a.logits_hash, a.answers_hash) FROM cell c JOIN run r ON r.id = c.run "
               "JOIN cell o ON o.key = c.key AND o.model = c.model AND o.model_file IS c.model_file "
               "AND o.id < c.id JOIN run s ON s.id = o.run AND s.build = r.build AND s.isa = r.isa "
               "JOIN whole_repeat a ON a.cell = o.id WHERE c.id = ? AND "
               "coalesce(a.logits_hash, a.answers_hash) IS NOT NULL ORDER BY o.id DESC LIMIT 1"));
  query.Bind(cell);
  WEIR_TRY(const bool found, query.Step());
  return found ? query.OptionalText(0) : std::optional<std::string>();
}

}  // namespace weir
