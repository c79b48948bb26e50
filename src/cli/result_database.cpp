#include "cli/result_database.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "cli/command.h"
#include "util/atomic_file.h"

namespace weir {
namespace {

/// Cells of one run or campaign, or all; of a cell of a campaign that was tried again the newest.
constexpr const char* kSelect = R"sql(
SELECT c.id FROM cell c JOIN run r ON r.id = c.run JOIN model m ON m.id = c.model
WHERE (?1 = 0 OR r.id = ?1)
  AND (?2 IS NULL OR (r.campaign = ?2 AND c.id = (SELECT max(o.id) FROM cell o JOIN run s ON s.id = o.run
                                                  WHERE s.campaign = ?2 AND o.key = c.key)))
  AND (instr(m.name, ?3) > 0 OR instr(m.quant, ?3) > 0)
  AND (?4 = '' OR c.status = ?4)
ORDER BY c.id DESC LIMIT ?5
)sql";

}  // namespace

void AddDatabaseFlag(CLI::App& app, std::string& db) {
  app.add_option("--db", db, "The database: a file, or postgresql://USER@HOST/NAME (default: weir/results.db in the user's data folder)");
}

void AddRowFlags(CLI::App& app, RowFlags& flags) {
  AddDatabaseFlag(app, flags.db);
  app.add_option("--run", flags.run, "Only those of this run");
  app.add_option("--campaign", flags.campaign, "Only those of the last campaign of this suite");
  app.add_option("--model", flags.model, "Only those with this in their model's name or quantisation");
  app.add_option("--status", flags.status, "Only those with this status")
      ->check(CLI::IsMember({"ok", "failed", "refused", "skipped", "too_short", "interrupted"}));
  app.add_option("--last", flags.last, "Only so many, the newest")->check(CLI::Range(1, 1'000'000'000));
}

Result<std::string> DatabasePath(const std::string& db) {
  return db.empty() ? Store::DefaultPath() : Result<std::string>(db);
}

Result<Store> OpenResults(const std::string& db, const FleetSelection& selection) {
  WEIR_TRY(const std::string path, DatabasePath(db));
  std::error_code error;
  if (!IsFleetUrl(path) && !std::filesystem::exists(path, error)) {
    return WithHint(BadInput("database {}: there is none yet", path), "weir bench makes it, or name another with --db");
  }
  return Store::OpenReadOnly(path, selection);
}

FleetSelection SelectionOf(const RowFlags& flags, int64_t most) {
  if (!flags.campaign.empty()) return {.campaign = flags.campaign};
  if (flags.run > 0) return {.run = flags.run};
  if (!flags.model.empty() || !flags.status.empty()) return {};
  const int64_t last = flags.last > 0 ? flags.last : most;
  return {.last_cells = last == INT64_MAX ? 0 : last};
}

Result<std::vector<int64_t>> SelectCellIds(Store& store, const RowFlags& flags, int64_t most) {
  std::optional<int64_t> campaign;
  if (!flags.campaign.empty()) {
    WEIR_TRY(const std::optional<CampaignRow> found, store.FindCampaign(flags.campaign));
    if (!found) return BadInput("--campaign {}: there is none of that name in {}", flags.campaign, store.path());
    campaign = found->id;
  }
  const bool is_open = !campaign && flags.run == 0 && flags.model.empty() && flags.status.empty();
  WEIR_TRY(Statement query, store.database().Prepare(kSelect));
  query.Bind(flags.run, campaign, flags.model, flags.status, flags.last > 0 ? flags.last : is_open ? most : INT64_MAX);
  std::vector<int64_t> ids;
  WEIR_RETURN_IF_ERROR(query.ForEach([&](const Statement& row) { ids.push_back(row.Int(0)); }));
  std::reverse(ids.begin(), ids.end());
  return ids;
}

Result<std::vector<CellResult>> SelectCells(Store& store, const RowFlags& flags, int64_t most) {
  WEIR_TRY(const std::vector<int64_t> ids, SelectCellIds(store, flags, most));
  std::vector<CellResult> cells;
  for (const int64_t id : ids) {
    WEIR_TRY(CellResult cell, store.ResultOfCell(id));
    cells.push_back(std::move(cell));
  }
  return cells;
}

Status WriteOutput(const std::string& text, const std::string& to) {
  if (!to.empty()) {
    WEIR_TRY(AtomicFile file, AtomicFile::Create(to));
    WEIR_RETURN_IF_ERROR(file.Write(text.data(), text.size()));
    return file.Commit();
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  return {};
}

}  // namespace weir
