#include "cli/result_database.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "cli/command.h"
#include "util/atomic_file.h"

namespace weir {
namespace {

constexpr int64_t kAll = INT64_MAX;

bool Matches(const CellResult& cell, const RowFlags& flags) {
  return (flags.model.empty() || cell.model.name.find(flags.model) != std::string::npos ||
          cell.model.quant.find(flags.model) != std::string::npos) &&
         (flags.status.empty() || Name(cell.status) == flags.status);
}

}  // namespace

void AddDatabaseFlag(CLI::App& app, std::string& db) {
  app.add_option("--db", db, "The database (default: weir/results.db in the user's data folder)");
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

Result<Store> OpenResults(const std::string& db) {
  WEIR_TRY(const std::string path, DatabasePath(db));
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return WithHint(BadInput("database {}: there is none yet", path), "weir bench makes it, or name another with --db");
  }
  return Store::OpenReadOnly(path);
}

Result<std::vector<CellResult>> SelectCells(Store& store, const RowFlags& flags, int64_t most) {
  std::vector<CellResult> cells;
  if (!flags.campaign.empty()) {
    WEIR_TRY(const std::optional<CampaignRow> campaign, store.FindCampaign(flags.campaign));
    if (!campaign) return BadInput("--campaign {}: there is none of that name in {}", flags.campaign, store.path());
    WEIR_TRY(cells, store.CampaignCells(campaign->id));
  } else if (flags.run > 0) {
    WEIR_TRY(cells, store.Results(flags.run));
  } else {
    const bool filtered = !flags.model.empty() || !flags.status.empty();
    WEIR_TRY(cells, store.LastCells(filtered ? kAll : flags.last > 0 ? flags.last : most));
  }
  std::erase_if(cells, [&](const CellResult& cell) { return !Matches(cell, flags); });
  const auto limit = static_cast<size_t>(flags.last > 0 ? flags.last : kAll);
  if (cells.size() > limit) cells.erase(cells.begin(), cells.end() - static_cast<int64_t>(limit));
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
