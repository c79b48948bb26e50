#include "store/store.h"

#include <algorithm>

#include "store/schema.h"
#include "util/clock.h"
#include "util/paths.h"
#include "util/wall_clock.h"

namespace weir {
namespace {

Result<int64_t> IdOfMachine(Database& database, const RunRow& run) {
  WEIR_RETURN_IF_ERROR(database.Execute(
      "INSERT INTO machine (fingerprint, cpu, memory_bytes, facts) VALUES (?, ?, ?, ?) "
      "ON CONFLICT (fingerprint) DO UPDATE SET facts = excluded.facts",
      run.machine_fingerprint, run.cpu, run.memory_bytes, run.machine_facts));
  WEIR_TRY(Statement find, database.Prepare("SELECT id FROM machine WHERE fingerprint = ?"));
  find.Bind(run.machine_fingerprint);
  WEIR_RETURN_IF_ERROR(find.Step());
  return find.Int(0);
}

Result<int64_t> IdOfBuild(Database& database, const std::string& build) {
  WEIR_RETURN_IF_ERROR(
      database.Execute("INSERT INTO build (version) VALUES (?) ON CONFLICT DO NOTHING", build));
  WEIR_TRY(Statement find, database.Prepare("SELECT id FROM build WHERE version = ?"));
  find.Bind(build);
  WEIR_RETURN_IF_ERROR(find.Step());
  return find.Int(0);
}

constexpr CellStatus kStatuses[] = {CellStatus::kOk,       CellStatus::kFailed,
                                    CellStatus::kRefused,  CellStatus::kSkipped,
                                    CellStatus::kTooShort, CellStatus::kInterrupted};

CellResult ReadCell(const Statement& row) {
  CellResult cell;
  cell.id = row.Int(0);
  cell.model = {row.Text(1), row.Text(2), row.Text(3), row.Int(4) != 0,
                row.Int(5),  row.Int(6),  row.Int(7),  row.Text(8)};
  cell.row = {
      static_cast<int>(row.Int(9)),  row.Int(10),        row.Int(11), static_cast<int>(row.Int(12)),
      static_cast<int>(row.Int(13)), row.OptionalInt(14)};
  cell.status = ParseCellStatus(row.Text(15));
  cell.reason = row.Text(16);
  cell.logits_differ = row.OptionalText(17) != row.OptionalText(18);
  if (!cell.logits_differ) cell.logits_hash = row.OptionalText(17);
  cell.row.target = row.Text(19);
  cell.row.key = row.Text(20);
  cell.row.config = row.Text(21);
  cell.row.foreign_row = row.Text(22);
  cell.run = row.Int(23);
  cell.started_at = row.Text(24);
  cell.machine = row.Text(25);
  cell.build = row.Text(26);
  cell.isa = row.Text(27);
  cell.foreign_tool = row.Text(28);
  if (row.OptionalText(29) == row.OptionalText(30)) cell.answers_hash = row.OptionalText(29);
  cell.row.search = row.Text(31);
  cell.row.asked = row.OptionalInt(32);
  return cell;
}

Status ReadSamples(Database& database, const char* view, int64_t cell,
                   std::vector<double>& samples) {
  WEIR_TRY(Statement query, database.Prepare(fmt::format("SELECT tok_s FROM {} WHERE cell = ? AND "
                                                         "tok_s IS NOT NULL ORDER BY repeat",
                                                         view)));
  query.Bind(cell);
  return query.ForEach([&](const Statement& row) { samples.push_back(row.Real(0)); });
}

Status ReadFigures(Database& database, CellResult& cell) {
  WEIR_TRY(Statement summary, database.Prepare("SELECT figure, n, median, p95, least, greatest, p99 "
                                               "FROM summary WHERE cell = ?"));
  summary.Bind(cell.id);
  WEIR_RETURN_IF_ERROR(summary.ForEach([&](const Statement& row) {
    cell.figures[row.Text(0)] = {row.Int(1), row.Real(2), row.Real(3), row.Real(4), row.Real(5),
                                row.OptionalReal(6)};
  }));
  WEIR_RETURN_IF_ERROR(ReadSamples(database, "decode_window", cell.id, cell.decode_samples));
  WEIR_RETURN_IF_ERROR(ReadSamples(database, "aggregate_window", cell.id, cell.aggregate_samples));
  WEIR_TRY(Statement rates, database.Prepare("SELECT avg(read_gb_s) FROM repeat_rates WHERE cell = ?"));
  rates.Bind(cell.id);
  WEIR_RETURN_IF_ERROR(rates.ForEach([&](const Statement& row) { cell.read_gb_s = row.OptionalReal(0); }));
  WEIR_TRY(Statement flags,
           database.Prepare("SELECT name, detail FROM flag WHERE cell = ? ORDER BY name"));
  flags.Bind(cell.id);
  return flags.ForEach([&](const Statement& row) {
    cell.flags.push_back({row.Text(0), row.Text(1)});
  });
}

}  // namespace

std::string_view Name(CellStatus status) {
  switch (status) {
    case CellStatus::kOk:
      return "ok";
    case CellStatus::kFailed:
      return "failed";
    case CellStatus::kRefused:
      return "refused";
    case CellStatus::kSkipped:
      return "skipped";
    case CellStatus::kTooShort:
      return "too_short";
    case CellStatus::kInterrupted:
      break;
  }
  return "interrupted";
}

CellStatus ParseCellStatus(std::string_view name) {
  for (CellStatus status : kStatuses) {
    if (Name(status) == name) return status;
  }
  return CellStatus::kInterrupted;
}

const Figure* CellResult::Find(std::string_view figure) const {
  const auto found = figures.find(figure);
  return found == figures.end() ? nullptr : &found->second;
}

Result<std::string> Store::DefaultPath() {
  WEIR_TRY(const std::string directory, DataDirectory());
  return directory + "/results.db";
}

Result<Store> Store::Open(const std::string& path) {
  if (IsFleetUrl(path)) {
    WEIR_TRY(const std::string spool, SpoolPath(path));
    return Open(spool);
  }
  WEIR_TRY(Database database, Database::Open(path, OpenMode::kCreate));
  WEIR_RETURN_IF_ERROR(PrepareSchema(database));
  // With WAL and synchronous = NORMAL a commit costs no fsync; a power cut may lose what came after
  // the last checkpoint, but never the file. Checkpoints do fsync: AttemptWriter makes them, where
  // nothing is being measured. Figures sort in memory: they are wanted on a full disk too.
  WEIR_RETURN_IF_ERROR(database.Run(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; "
      "PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY"));
  // Taking the write lock once tells now, not after the first measurement, that nothing can be
  // written.
  WEIR_TRY(Transaction probe, Transaction::Begin(database));
  WEIR_RETURN_IF_ERROR(probe.Commit());
  return Store(std::move(database));
}

Result<Store> Store::OpenReadOnly(const std::string& path, const FleetSelection& selection) {
  if (IsFleetUrl(path)) {
    WEIR_TRY(Database fetched, FetchFleet(path, selection));
    return Store(std::move(fetched));
  }
  WEIR_TRY(Database database, Database::Open(path, OpenMode::kReadOnly));
  WEIR_RETURN_IF_ERROR(CheckSchema(database));
  WEIR_TRY(const int64_t version, database.QueryInt("PRAGMA user_version"));
  if (version == kSchemaVersion) return Store(std::move(database));
  WEIR_TRY(Database copy, database.CopyToMemory());
  WEIR_RETURN_IF_ERROR(PrepareSchema(copy));
  WEIR_RETURN_IF_ERROR(copy.Run("PRAGMA query_only = ON"));
  return Store(std::move(copy));
}

Result<int64_t> Store::BeginRun(const RunRow& run) {
  WEIR_TRY(Transaction transaction, Transaction::Begin(database_));
  WEIR_TRY(const int64_t machine, IdOfMachine(database_, run));
  WEIR_TRY(const int64_t build, IdOfBuild(database_, run.build));
  WEIR_TRY(const int64_t id,
           database_.Insert("INSERT INTO run (machine, build, started_at, isa, threads, seed, campaign, "
                            "started_ns, started_unix_ns, foreign_tool, foreign_file, oom_kills) "
                            "VALUES (?, ?, datetime('now'), ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                            machine, build, run.isa, run.threads, static_cast<int64_t>(run.seed),
                            run.campaign, NowNs(), UnixNs(), NullIfEmpty(run.foreign_tool),
                            NullIfEmpty(run.foreign_file), run.oom_kills));
  WEIR_RETURN_IF_ERROR(transaction.Commit());
  return id;
}

Status Store::NoteOwnCost(int64_t run, const OwnCost& cost) {
  return database_.Execute("UPDATE run SET instrument_token_ns = ?, client_token_ns = ?, client_streams = ? WHERE id = ?",
                           cost.token_ns, cost.client_token_ns, cost.client_streams, run);
}

Status Store::EndRun(int64_t run) {
  return database_.Execute("UPDATE run SET ended_at = datetime('now') WHERE id = ?", run);
}

Result<int64_t> Store::AddModel(const ModelRow& model) {
  WEIR_RETURN_IF_ERROR(database_.Execute(
      "INSERT INTO model (name, arch, quant, synthetic, n_params, file_tensor_bytes, packed_bytes, "
      "fingerprint) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT (name, fingerprint) DO UPDATE SET packed_bytes = excluded.packed_bytes",
      model.name, NullIfEmpty(model.arch), NullIfEmpty(model.quant), model.synthetic,
      model.n_params, model.file_tensor_bytes, model.packed_bytes, model.fingerprint));
  WEIR_TRY(Statement find,
           database_.Prepare("SELECT id FROM model WHERE name = ? AND fingerprint = ?"));
  find.Bind(model.name, model.fingerprint);
  WEIR_RETURN_IF_ERROR(find.Step());
  return find.Int(0);
}

Result<int64_t> Store::BeginCell(int64_t run, int64_t model, const CellRow& cell) {
  WEIR_TRY(const int64_t id,
           database_.Insert(
               "INSERT INTO cell (run, model, users, prompt_tokens, gen_tokens, requests_per_user, repeats, "
               "planned_bytes, status, target, key, config, model_file, foreign_row, search, asked) "
               "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'interrupted', ?, ?, ?, ?, ?, ?, ?)",
               run, model, cell.users, cell.prompt_tokens, cell.gen_tokens, cell.requests_per_user,
               cell.repeats, cell.planned_bytes, cell.target, NullIfEmpty(cell.key), NullIfEmpty(cell.config),
               cell.model_file, NullIfEmpty(cell.foreign_row), NullIfEmpty(cell.search), cell.asked));
  if (const std::optional<StepCost>& least = cell.least_step) {
    WEIR_RETURN_IF_ERROR(database_.Execute("INSERT INTO least_step VALUES (?, ?, ?, ?)", id,
                                           least->weight_bytes + least->kv_bytes, least->state_bytes,
                                           least->int8_macs + least->f32_macs));
  }
  return id;
}

Status Store::AddFlag(int64_t cell, const Flag& flag) {
  return database_.Execute("INSERT OR REPLACE INTO flag VALUES (?, ?, ?)", cell, flag.name, flag.detail);
}

Status Store::EndCell(int64_t cell, CellStatus status, const std::string& reason,
                      const std::vector<Flag>& flags) {
  WEIR_TRY(Transaction transaction, Transaction::Begin(database_));
  WEIR_RETURN_IF_ERROR(database_.Execute("UPDATE cell SET status = ?, reason = ? WHERE id = ?",
                                         Name(status), NullIfEmpty(reason), cell));
  for (const Flag& flag : flags) {
    WEIR_RETURN_IF_ERROR(AddFlag(cell, flag));
  }
  return transaction.Commit();
}

Status Store::RemoveCells(const std::vector<int64_t>& cells) {
  WEIR_TRY(Transaction transaction, Transaction::Begin(database_));
  for (const int64_t cell : cells) {
    WEIR_RETURN_IF_ERROR(database_.Execute("DELETE FROM cell WHERE id = ?", cell));
  }
  return transaction.Commit();
}

Result<int64_t> Store::AddRates(int64_t run, const RatesRow& rates) {
  return database_.Insert(
      "INSERT INTO rates (run, time_ns, read_gb_s, read_write_gb_s, int8_gmac_s, f32_gmac_s, "
      "buffer_small) VALUES (?, ?, ?, ?, ?, ?, ?)",
      run, rates.time_ns, rates.read_gb_s, rates.read_write_gb_s, rates.int8_gmac_s,
      rates.f32_gmac_s, rates.buffer_small);
}

Result<AttemptWriter> Store::BeginAttempt(int64_t cell, int repeat,
                                          std::optional<int64_t> rates_before) {
  return AttemptWriter::Begin(database_, cell, repeat, rates_before);
}

Result<std::vector<CellResult>> Store::Results(int64_t run) { return ReadCells("c.run = ?", run); }

Result<CellResult> Store::ResultOfCell(int64_t cell) {
  WEIR_TRY(std::vector<CellResult> cells, ReadCells("c.id = ?", cell));
  if (cells.empty()) return BadInput("database {} has no cell {}", path(), cell);
  return std::move(cells.front());
}

Result<std::vector<CellResult>> Store::CampaignCells(int64_t campaign) {
  return ReadCells("r.campaign = ? AND c.id = (SELECT max(o.id) FROM cell o JOIN run s ON s.id = o.run "
                   "WHERE s.campaign = r.campaign AND o.key = c.key)",
                   campaign);
}

Result<std::vector<CellResult>> Store::LastCells(int64_t most) {
  return ReadCells("c.id IN (SELECT id FROM cell ORDER BY id DESC LIMIT ?)", most);
}

Result<std::vector<CellResult>> Store::ReadCells(std::string_view condition, int64_t id,
                                                 std::string_view order) {
  WEIR_TRY(
      Statement query,
      database_.Prepare(fmt::format(
          "SELECT c.id, m.name, m.arch, m.quant, m.synthetic, m.n_params, m.file_tensor_bytes, "
          "m.packed_bytes, m.fingerprint, c.users, c.prompt_tokens, c.gen_tokens, "
          "c.requests_per_user, c.repeats, c.planned_bytes, c.status, c.reason, "
          "(SELECT min(logits_hash) FROM whole_repeat w WHERE w.cell = c.id), "
          "(SELECT max(logits_hash) FROM whole_repeat w WHERE w.cell = c.id), "
          "c.target, c.key, c.config, c.foreign_row, r.id, r.started_at, k.fingerprint, b.version, "
          "r.isa, r.foreign_tool, "
          "(SELECT min(answers_hash) FROM whole_repeat w WHERE w.cell = c.id), "
          "(SELECT max(answers_hash) FROM whole_repeat w WHERE w.cell = c.id), c.search, c.asked "
          "FROM cell c JOIN model m ON m.id = c.model JOIN run r ON r.id = c.run "
          "JOIN machine k ON k.id = r.machine JOIN build b ON b.id = r.build WHERE {} ORDER BY {}",
          condition, order)));
  query.Bind(id);
  std::vector<CellResult> cells;
  WEIR_RETURN_IF_ERROR(
      query.ForEach([&](const Statement& row) { cells.push_back(ReadCell(row)); }));
  for (CellResult& cell : cells) WEIR_RETURN_IF_ERROR(ReadFigures(database_, cell));
  return cells;
}

Result<RatesRow> Store::BestRates(int64_t run) {
  WEIR_TRY(Statement query,
           database_.Prepare(
               "SELECT max(time_ns), max(read_gb_s), max(read_write_gb_s), max(int8_gmac_s), "
               "max(f32_gmac_s), coalesce(max(buffer_small), 0) FROM rates WHERE run = ?"));
  query.Bind(run);
  WEIR_RETURN_IF_ERROR(query.Step());
  return RatesRow{query.Int(0),          query.OptionalReal(1), query.OptionalReal(2),
                  query.OptionalReal(3), query.OptionalReal(4), query.Int(5) != 0};
}

}  // namespace weir
