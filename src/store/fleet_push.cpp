#include <algorithm>
#include <unordered_map>
#include <vector>

#include "store/fleet.h"
#include "store/fleet_server.h"
#include "store/schema.h"
#include "store/store.h"

namespace weir {
namespace {

// A statement holds so many rows or bytes: round trips, not bytes, are what a distant server costs.
constexpr size_t kMostRows = 1000, kMostBytes = 512 << 10;

/// All that can happen to a run adds to this number, so that of two copies of a run the one with more is further on.
std::string ProgressSql(const std::vector<TableShape>& shapes, int64_t run) {
  const std::string runs = fmt::format("{{}} = {}", run);
  const std::string done = "(status <> 'interrupted' OR reason IS NOT NULL)";
  std::string sql = fmt::format("SELECT (SELECT count(*) FROM run WHERE id = {} AND ended_at IS NOT NULL)", run);
  const auto add = [&](const TableShape& table, const std::string& condition) {
    sql += fmt::format(" + (SELECT count(*) FROM {} WHERE {} AND {})", table.name, BelongsTo(shapes, table, runs), condition);
  };
  for (const TableShape& table : shapes) {
    if (!table.owner) continue;
    add(table, "true");
    if (table.name == "cell" || table.name == "attempt") add(table, done);
    if (table.name == "attempt") add(table, "rejected IS NOT NULL");
  }
  return sql;
}

/// Rows on their way into one table.
struct Batch {
  std::vector<std::string> rows;  // values, the id not among them
  std::vector<int64_t> ids;       // in the file
  size_t n_bytes = 0;
};

class Sender {
 public:
  Sender(Database& database, Postgres& server, std::vector<TableShape> shapes, const OnPiece& on_piece)
      : database_(database), server_(server), shapes_(std::move(shapes)), on_piece_(on_piece) {}

  Result<FleetPush> SendAll() {
    FleetPush push{server_.shown()};
    WEIR_TRY(const RunKeys here, RunKeysOf(database_, "true"));
    WEIR_TRY(const RunKeys there, RunsOfOurMachines());
    std::map<int64_t, std::string> in_order;
    for (const auto& [key, run] : here) in_order[run.id] = key;
    n_runs_ = std::ssize(in_order);
    for (const auto& [run, key] : in_order) {
      const auto known = there.find(key);
      bool sent = false;
      if (known == there.end() || !known->second.ended) {
        WEIR_TRY(sent, Send(run, key));
      }
      push.n_runs += sent;
      push.n_there += !sent;
      push.n_cells += sent ? std::ssize(ids_["cell"]) : 0;
      ++n_done_;
    }
    return push;
  }

 private:
  using Ids = std::unordered_map<int64_t, int64_t>;  // in the file -> on the server

  /// One question instead of one for each run.
  Result<RunKeys> RunsOfOurMachines() {
    std::string names = "''";
    WEIR_TRY(Statement query, database_.Prepare("SELECT fingerprint FROM machine"));
    WEIR_RETURN_IF_ERROR(query.ForEach([&](const Statement& row) { names += ", " + Postgres::Literal(row.Text(0)); }));
    WEIR_RETURN_IF_ERROR(server_.Begin(Postgres::Access::kRead));
    WEIR_TRY(RunKeys keys, RunKeysOf(server_, fmt::format("m.fingerprint IN ({})", names)));
    WEIR_RETURN_IF_ERROR(server_.Commit());
    return keys;
  }

  /// False if the server has as much of this run.
  Result<bool> Send(int64_t run, const std::string& key) {
    WEIR_RETURN_IF_ERROR(server_.Begin(Postgres::Access::kWrite));
    WEIR_RETURN_IF_ERROR(LockFleet(server_));
    WEIR_RETURN_IF_ERROR(database_.Run("BEGIN"));
    Result<bool> sent = SendLocked(run, key);
    WEIR_RETURN_IF_ERROR(database_.Run("COMMIT"));
    if (!sent) return sent;
    WEIR_RETURN_IF_ERROR(server_.Commit());
    return sent;
  }

  Result<bool> SendLocked(int64_t run, const std::string& key) {
    // Another sender may have been faster since the keys were read.
    WEIR_TRY(const std::optional<int64_t> old, IdOnServer(run, key));
    if (old) {
      WEIR_TRY(const int64_t here, database_.QueryInt(ProgressSql(shapes_, run)));
      WEIR_TRY(const std::optional<int64_t> there, server_.QueryInt(ProgressSql(shapes_, *old)));
      if (here <= there.value_or(0)) return false;
    }
    for (const TableShape& table : shapes_) {
      if (table.owner) ids_[table.name].clear();
    }
    WEIR_RETURN_IF_ERROR(SendCampaign(run, old));
    WEIR_RETURN_IF_ERROR(SendRun(run, old));
    for (const TableShape& table : shapes_) {
      if (table.owner) WEIR_RETURN_IF_ERROR(SendOwned(table, run));
    }
    WEIR_RETURN_IF_ERROR(SendSummary());
    return true;
  }

  Result<std::optional<int64_t>> IdOnServer(int64_t run, const std::string& key) {
    WEIR_TRY(Statement query, database_.Prepare("SELECT m.fingerprint, r.started_at FROM run r JOIN machine m ON m.id = r.machine WHERE r.id = ?"));
    query.Bind(run);
    WEIR_RETURN_IF_ERROR(query.Step());
    WEIR_TRY(const RunKeys keys, RunKeysOf(server_, fmt::format("m.fingerprint = {} AND r.started_at = {}", Postgres::Literal(query.Text(0)),
                                                                Postgres::Literal(query.Text(1)))));
    const auto found = keys.find(key);
    return found == keys.end() ? std::nullopt : std::optional(found->second.id);
  }

  /// A campaign has no name that the whole world knows: it is that of its first run, which was sent before the others.
  Status SendCampaign(int64_t run, std::optional<int64_t> old) {
    WEIR_TRY(Statement query,
             database_.Prepare("SELECT c.id, c.name, c.suite, c.started_at, (SELECT min(f.id) FROM run f WHERE f.campaign = c.id) "
                               "FROM campaign c JOIN run r ON r.campaign = c.id WHERE r.id = ?"));
    query.Bind(run);
    WEIR_TRY(const bool found, query.Step());
    if (!found) return {};
    std::optional<int64_t> first = old;
    if (query.Int(4) != run) {
      WEIR_TRY(const RunKeys key, RunKeysOf(database_, fmt::format("r.id = {}", query.Int(4))));
      WEIR_TRY(first, IdOnServer(query.Int(4), key.begin()->first));
    }
    std::optional<int64_t> campaign;
    const std::string suite = Postgres::Literal(query.Text(2));
    if (first) {
      WEIR_TRY(campaign, server_.QueryInt(fmt::format("UPDATE campaign SET suite = {} FROM run r WHERE r.id = {} AND "
                                                      "campaign.id = r.campaign RETURNING campaign.id",
                                                      suite, *first)));
    }
    if (!campaign) {
      WEIR_TRY(campaign, server_.QueryInt(fmt::format("INSERT INTO campaign (name, suite, started_at) VALUES ({}, {}, {}) RETURNING id",
                                                      Postgres::Literal(query.Text(1)), suite, Postgres::Literal(query.Text(3)))));
    }
    ids_["campaign"][query.Int(0)] = campaign.value_or(0);
    return {};
  }

  /// In the place of the server's copy, if there is one, and with its id.
  Status SendRun(int64_t run, std::optional<int64_t> old) {
    const TableShape& table = Shape("run");
    if (old) WEIR_RETURN_IF_ERROR(DeleteRun(*old));
    WEIR_TRY(const std::string values, ReadRow(table, run));
    const std::string id = old ? std::to_string(*old) : "DEFAULT";
    WEIR_TRY(const std::optional<int64_t> there,
             server_.QueryInt(fmt::format("INSERT INTO run (id{}) VALUES ({}{}) RETURNING id", Columns(table), id, values)));
    ids_["run"] = {{run, there.value_or(0)}};
    return {};
  }

  /// What refers to others first: PostgreSQL does not wait with its checks until all that goes has gone.
  Status DeleteRun(int64_t id) {
    for (auto table = shapes_.rbegin(); table != shapes_.rend(); ++table) {
      if (!table->owner && table->name != "run") continue;
      WEIR_RETURN_IF_ERROR(server_.Run(fmt::format("DELETE FROM {} WHERE {}", table->name, BelongsTo(shapes_, *table, fmt::format("{{}} = {}", id)))));
    }
    return {};
  }

  Status SendOwned(const TableShape& table, int64_t run) {
    WEIR_TRY(Statement query,
             database_.Prepare(fmt::format("SELECT {}{} FROM {} WHERE {}{}", table.has_id ? "id" : "NULL", Columns(table), table.name,
                                           BelongsTo(shapes_, table, fmt::format("{{}} = {}", run)), table.has_id ? " ORDER BY id" : "")));
    Batch batch;
    while (true) {
      WEIR_TRY(const bool more, query.Step());
      if (!more) break;
      WEIR_TRY(std::string values, Values(table, query));
      batch.n_bytes += values.size();
      batch.rows.push_back(std::move(values));
      batch.ids.push_back(query.Int(0));
      if (batch.rows.size() == kMostRows || batch.n_bytes > kMostBytes) WEIR_RETURN_IF_ERROR(SendBatch(table, &batch));
    }
    return SendBatch(table, &batch);
  }

  Status SendBatch(const TableShape& table, Batch* batch) {
    if (batch->rows.empty()) return {};
    std::vector<int64_t> ids(batch->rows.size());
    if (table.has_id) {
      // Ids first: in which order an INSERT of many rows returns them is not promised.
      WEIR_TRY(ids, server_.QueryInts(fmt::format("SELECT nextval(pg_get_serial_sequence('{}', 'id')) FROM generate_series(1, {})",
                                                  table.name, batch->rows.size())));
      if (ids.size() != batch->rows.size()) return Failed("{} gives no ids for table {}", server_.shown(), table.name);
    }
    std::string sql = fmt::format("INSERT INTO {} ({}) VALUES ", table.name, table.has_id ? "id" + Columns(table) : Columns(table).substr(2));
    for (size_t i = 0; i < batch->rows.size(); ++i) {
      if (table.has_id) ids_[table.name][batch->ids[i]] = ids[i];
      // Values begin with a comma, for there is an id before them, or not.
      sql += (i > 0 ? ", (" : "(") + (table.has_id ? std::to_string(ids[i]) + batch->rows[i] : batch->rows[i].substr(2)) + ")";
    }
    *batch = {};
    WEIR_RETURN_IF_ERROR(server_.Run(sql));
    return on_piece_(n_done_, n_runs_) ? Status() : Error{ErrorCode::kInterrupted, "stopped: nothing of this run was kept on the server", {}};
  }

  /// The figures as weir's own views compute them.
  Status SendSummary() {
    TableShape table{.name = "summary", .columns = {}, .has_id = false, .owner = {}, .unique = {}, .ddl = {}};
    using Type = ColumnShape::Type;
    table.columns = {{"cell", Type::kInt, "cell"}, {"figure", Type::kText, ""}, {"n", Type::kInt, ""}, {"median", Type::kReal, ""}, {"p95", Type::kReal, ""},
                     {"p99", Type::kReal, ""}, {"least", Type::kReal, ""}, {"greatest", Type::kReal, ""}};
    WEIR_TRY(Statement query, database_.Prepare(fmt::format("SELECT NULL{} FROM summary WHERE cell = ?", Columns(table))));
    Batch batch;
    for (const auto& [cell, id] : ids_["cell"]) {
      query.Bind(cell);
      while (true) {
        WEIR_TRY(const bool more, query.Step());
        if (!more) break;
        WEIR_TRY(batch.rows.emplace_back(), Values(table, query));
      }
      if (batch.rows.size() > kMostRows) WEIR_RETURN_IF_ERROR(SendBatch(table, &batch));
    }
    return SendBatch(table, &batch);
  }

  /// The row of a table that belongs to no run: what is the same there keeps its id, and has what the file says of it.
  Result<int64_t> SendShared(const TableShape& table, int64_t id) {
    WEIR_TRY(const std::string values, ReadRow(table, id));
    std::string changes;
    for (const ColumnShape& column : table.columns) {
      if (column.name != "id") changes += fmt::format("{}{} = excluded.{}", changes.empty() ? "" : ", ", Quoted(column.name), Quoted(column.name));
    }
    WEIR_TRY(const std::optional<int64_t> there,
             server_.QueryInt(fmt::format("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {} RETURNING id", table.name,
                                          Columns(table).substr(2), values.substr(2), fmt::join(table.unique, ", "), changes)));
    return ids_[table.name][id] = there.value_or(0);
  }

  Result<std::string> ReadRow(const TableShape& table, int64_t id) {
    WEIR_TRY(Statement query, database_.Prepare(fmt::format("SELECT id{} FROM {} WHERE id = ?", Columns(table), table.name)));
    query.Bind(id);
    WEIR_RETURN_IF_ERROR(query.Step());
    return Values(table, query);
  }

  /// ", a, b, c": all but the id.
  static std::string Columns(const TableShape& table) {
    std::string columns;
    for (const ColumnShape& column : table.columns) {
      if (column.name != "id") columns += ", " + Quoted(column.name);
    }
    return columns;
  }

  /// The same as literals; `row` has the id or NULL before them.
  Result<std::string> Values(const TableShape& table, const Statement& row) {
    std::string values;
    int place = 0;
    for (const ColumnShape& column : table.columns) {
      if (column.name == "id") continue;
      WEIR_TRY(const std::string literal, LiteralOf(column, row.Value(++place)));
      values += ", " + literal;
    }
    return values;
  }

  Result<std::string> LiteralOf(const ColumnShape& column, const DbValue& value) {
    if (std::holds_alternative<std::monostate>(value)) return std::string("NULL");
    if (const auto* text = std::get_if<std::string>(&value)) return Postgres::Literal(*text);
    // In quotes, because minus signs and infinities need them.
    if (const auto* real = std::get_if<double>(&value)) return fmt::format("'{}'", *real);
    const int64_t number = std::get<int64_t>(value);
    if (column.references.empty()) return fmt::format("'{}'", number);
    const Ids& known = ids_[column.references];
    if (const auto found = known.find(number); found != known.end()) return std::to_string(found->second);
    const TableShape& table = Shape(column.references);
    if (table.owner || table.unique.empty()) return Failed("database {}: {} {} is not there", database_.path(), table.name, number);
    WEIR_TRY(const int64_t id, SendShared(table, number));
    return std::to_string(id);
  }

  const TableShape& Shape(const std::string& name) const {
    return *std::find_if(shapes_.begin(), shapes_.end(), [&](const TableShape& table) { return table.name == name; });
  }

  Database& database_;
  Postgres& server_;
  const std::vector<TableShape> shapes_;
  const OnPiece& on_piece_;
  std::map<std::string, Ids> ids_;
  int64_t n_done_ = 0, n_runs_ = 0;
};

Result<Postgres> ConnectPrepared(const std::string& url, const std::vector<TableShape>& shapes) {
  WEIR_TRY(const FleetAddress address, ParseFleetUrl(url));
  WEIR_TRY(Postgres server, Postgres::Connect(address));
  WEIR_RETURN_IF_ERROR(server.Begin(Postgres::Access::kWrite));
  WEIR_RETURN_IF_ERROR(PrepareFleetSchema(server, shapes));
  WEIR_RETURN_IF_ERROR(server.Commit());
  return server;
}

}  // namespace

Status CheckFleet(const std::string& url) {
  WEIR_TRY(Database empty, Database::InMemory("tables"));
  WEIR_RETURN_IF_ERROR(PrepareSchema(empty));
  WEIR_TRY(const std::vector<TableShape> shapes, ReadShapes(empty));
  WEIR_TRY([[maybe_unused]] const Postgres server, ConnectPrepared(url, shapes));
  return {};
}

Result<FleetPush> PushToFleet(const std::string& file, const std::string& url, const OnPiece& on_piece) {
  WEIR_TRY(Store store, Store::OpenReadOnly(file));
  WEIR_TRY(std::vector<TableShape> shapes, ReadShapes(store.database()));
  WEIR_TRY(Postgres server, ConnectPrepared(url, shapes));
  return Sender(store.database(), server, std::move(shapes), on_piece).SendAll();
}

}  // namespace weir
