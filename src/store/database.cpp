#include "store/database.h"

#include <sqlite3.h>

#include <filesystem>
#include <system_error>

namespace weir {
namespace {

constexpr int kBusyTimeoutMs = 3000;

constexpr const char* kOtherFile = "name another file with --db";

bool IsDirectory(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

bool FolderExists(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  return folder.empty() || IsDirectory(folder.string());
}

/// Whether there is anything but blanks, semicolons and comments.
bool IsMoreSql(sqlite3* database, std::string_view sql) {
  while (!sql.empty()) {
    sqlite3_stmt* statement = nullptr;
    const char* rest = sql.data();
    const int code = sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement, &rest);
    sqlite3_finalize(statement);
    if (code != SQLITE_OK || statement || rest == sql.data()) return true;
    sql.remove_prefix(static_cast<size_t>(rest - sql.data()));
  }
  return false;
}

Error CannotOpen(const std::string& path) {
  if (IsDirectory(path)) {
    return WithHint(BadInput("database {} is a directory; expected a file", path), kOtherFile);
  }
  if (!FolderExists(path)) {
    return WithHint(BadInput("database {}: its folder does not exist", path),
                    "create the folder, or " + std::string(kOtherFile));
  }
  return WithHint(
      Failed("cannot open database {}", path),
      "check that you may write to the file and to its folder (SQLite keeps -wal and -shm files "
      "beside it), or " +
          std::string(kOtherFile));
}

Error DatabaseError(sqlite3* handle, const std::string& path) {
  switch (sqlite3_errcode(handle)) {
    case SQLITE_CANTOPEN:
      return CannotOpen(path);
    case SQLITE_NOTADB:
      return WithHint(BadInput("{} is not an SQLite database; it was left as it is", path),
                      kOtherFile);
    case SQLITE_CORRUPT:
      return WithHint(Failed("database {} is damaged ({})", path, sqlite3_errmsg(handle)),
                      fmt::format("rescue what can be read with: sqlite3 {} .recover", path));
    case SQLITE_READONLY:
      return WithHint(Failed("database {} cannot be written to", path),
                      "make the file and its folder writable, or " + std::string(kOtherFile));
    case SQLITE_AUTH:
      return BadInput("database {}: only SELECT is allowed here", path);
    case SQLITE_INTERRUPT:
      return WithHint(Failed("database {}: the query took too long", path), "ask for less, or add conditions");
    case SQLITE_PERM:
      return WithHint(
          Failed("no permission to use database {}", path),
          "change the permissions of the file and its folder, or " + std::string(kOtherFile));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return WithHint(
          Failed("database {} is locked by another program", path),
          "wait until the other weir or sqlite3 has finished, or " + std::string(kOtherFile));
    case SQLITE_FULL:
      return WithHint(Failed("no space left for database {}", path),
                      "free some disk space, or name a file on another disk with --db");
    case SQLITE_IOERR:
      return WithHint(Failed("the disk failed on database {} ({})", path, sqlite3_errmsg(handle)),
                      "check the disk, or name a file on another one with --db");
    default:
      return Failed("database {}: {}", path, sqlite3_errmsg(handle));
  }
}

}  // namespace

StatementPool::~StatementPool() { Clear(); }

void StatementPool::Clear() {
  for (const auto& [sql, statement] : idle_) sqlite3_finalize(statement);
  idle_.clear();
}

sqlite3_stmt* StatementPool::Take(std::string_view sql) {
  const auto found = idle_.find(sql);
  return found == idle_.end() ? nullptr : idle_.extract(found).mapped();
}

void StatementPool::Return(sqlite3_stmt* statement) {
  // More than are asked again and again; texts that nobody asks twice must not pile up, nor keep the others out.
  constexpr size_t kMostIdle = 64;
  if (idle_.size() >= kMostIdle) Clear();
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  idle_.emplace(sqlite3_sql(statement), statement);
}

void Statement::Close::operator()(sqlite3_stmt* statement) const { pool->Return(statement); }
void Database::Close::operator()(sqlite3* database) const {
  sqlite3_close_v2(database);  // when the last of its statements is gone
}

void Statement::Clear() {
  sqlite3_reset(handle_.get());
  sqlite3_clear_bindings(handle_.get());
}

void Statement::BindValues(std::span<const DbValue> values) {
  Clear();
  int index = 0;
  for (const DbValue& value : values) {
    ++index;
    std::visit([&](const auto& held) { BindOne(index, held); }, value);
  }
}

Result<bool> Statement::Step() {
  const int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  Error error = DatabaseError(sqlite3_db_handle(handle_.get()), path_);
  sqlite3_reset(handle_.get());
  return error;
}

Status Statement::Finish() {
  WEIR_RETURN_IF_ERROR(Step());
  sqlite3_reset(handle_.get());
  return {};
}

// The number of parameters is a property of the source, not of any input.
void Statement::BindInt(int index, int64_t value) {
  WEIR_CHECK(sqlite3_bind_int64(handle_.get(), index, value) == SQLITE_OK);
}
void Statement::BindOne(int index, double value) {
  WEIR_CHECK(sqlite3_bind_double(handle_.get(), index, value) == SQLITE_OK);
}
void Statement::BindOne(int index, std::string_view value) {
  WEIR_CHECK(sqlite3_bind_text(handle_.get(), index, value.data(), static_cast<int>(value.size()),
                               SQLITE_TRANSIENT) == SQLITE_OK);
}
void Statement::BindOne(int index, std::nullptr_t) {
  WEIR_CHECK(sqlite3_bind_null(handle_.get(), index) == SQLITE_OK);
}

bool Statement::read_only() const { return sqlite3_stmt_readonly(handle_.get()) != 0; }
int Statement::n_columns() const { return sqlite3_column_count(handle_.get()); }
std::string Statement::ColumnName(int column) const {
  const char* name = sqlite3_column_name(handle_.get(), column);
  return name ? name : "";
}
Statement::Type Statement::TypeOf(int column) const {
  switch (sqlite3_column_type(handle_.get(), column)) {
    case SQLITE_NULL:
      return Type::kNull;
    case SQLITE_INTEGER:
      return Type::kInt;
    case SQLITE_FLOAT:
      return Type::kReal;
    default:
      return Type::kText;
  }
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
}
int64_t Statement::Int(int column) const { return sqlite3_column_int64(handle_.get(), column); }
double Statement::Real(int column) const { return sqlite3_column_double(handle_.get(), column); }
std::string Statement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(handle_.get(), column));
  return text ? std::string(text, static_cast<size_t>(sqlite3_column_bytes(handle_.get(), column))) : "";
}
std::optional<int64_t> Statement::OptionalInt(int column) const {
  return IsNull(column) ? std::nullopt : std::optional(Int(column));
}
std::optional<double> Statement::OptionalReal(int column) const {
  return IsNull(column) ? std::nullopt : std::optional(Real(column));
}
std::optional<std::string> Statement::OptionalText(int column) const {
  return IsNull(column) ? std::nullopt : std::optional(Text(column));
}

DbValue Statement::Value(int column) const {
  switch (TypeOf(column)) {
    case Type::kNull:
      return std::monostate();
    case Type::kInt:
      return Int(column);
    case Type::kReal:
      return Real(column);
    case Type::kText:
      break;
  }
  return Text(column);
}

Result<Database> Database::Open(const std::string& path, OpenMode mode) {
  const int flags = mode == OpenMode::kReadOnly ? SQLITE_OPEN_READONLY
                                                : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  Database database;
  database.handle_.reset(handle);
  database.pool_ = std::make_shared<StatementPool>();
  database.path_ = path;
  if (!handle) return Failed("no memory to open database {}", path);
  if (code != SQLITE_OK) return DatabaseError(handle, path);
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  return database;
}

Result<Database> Database::InMemory(std::string name) {
  WEIR_TRY(Database database, Open(":memory:", OpenMode::kCreate));
  database.path_ = std::move(name);
  return database;
}

Result<Database> Database::CopyToMemory() {
  WEIR_TRY(Database copy, InMemory(path_));
  sqlite3_backup* backup = sqlite3_backup_init(copy.handle_.get(), "main", handle_.get(), "main");
  if (!backup) return DatabaseError(copy.handle_.get(), path_);
  sqlite3_backup_step(backup, -1);
  if (sqlite3_backup_finish(backup) != SQLITE_OK) return DatabaseError(copy.handle_.get(), path_);
  return copy;
}

Status Database::Run(const std::string& sql) {
  if (sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return DatabaseError(handle_.get(), path_);
  }
  return {};
}

Result<Statement> Database::Prepare(std::string_view sql) {
  sqlite3_stmt* handle = pool_->Take(sql);
  const char* rest = sql.data() + sql.size();
  if (!handle) {
    const int code =
        sqlite3_prepare_v2(handle_.get(), sql.data(), static_cast<int>(sql.size()), &handle, &rest);
    if (code != SQLITE_OK) return DatabaseError(handle_.get(), path_);
  }
  Statement statement;
  statement.handle_ = {handle, {pool_}};
  statement.path_ = path_;
  if (IsMoreSql(handle_.get(), {rest, sql.data() + sql.size()})) {
    return BadInput("expected one SQL statement, found another after its \";\"");
  }
  return statement;
}

Result<int64_t> Database::QueryInt(std::string_view sql) {
  WEIR_TRY(Statement statement, Prepare(sql));
  WEIR_TRY(const bool row, statement.Step());
  if (!row) return Failed("database {}: no row for {}", path_, sql);
  return statement.Int(0);
}

void Database::Confine(int64_t most_steps) {
  constexpr int kMostValueBytes = 16 << 20, kMostColumns = 64, kStepsBetweenCalls = 1'000'000;
  pool_->Clear();  // what was prepared before might do more
  sqlite3_limit(handle_.get(), SQLITE_LIMIT_LENGTH, kMostValueBytes);
  sqlite3_limit(handle_.get(), SQLITE_LIMIT_COLUMN, kMostColumns);
  sqlite3_set_authorizer(handle_.get(), [](void*, int action, const char*, const char* name, const char*, const char*) {
    const bool reads = action == SQLITE_SELECT || action == SQLITE_READ || action == SQLITE_RECURSIVE;
    const bool calls = action == SQLITE_FUNCTION && std::string_view(name) != "load_extension";
    return reads || calls ? SQLITE_OK : SQLITE_DENY;
  }, nullptr);
  // The handler is called again and again while one statement runs, and counts down.
  calls_left_ = std::make_unique<int64_t>(most_steps / kStepsBetweenCalls);
  sqlite3_progress_handler(handle_.get(), kStepsBetweenCalls, [](void* calls) {
    return --*static_cast<int64_t*>(calls) < 0 ? 1 : 0;
  }, calls_left_.get());
}

int64_t Database::LastInsertId() const { return sqlite3_last_insert_rowid(handle_.get()); }

Status Database::Checkpoint() { return Run("PRAGMA wal_checkpoint(PASSIVE)"); }

Result<Transaction> Transaction::Begin(Database& database) {
  WEIR_RETURN_IF_ERROR(database.Run("BEGIN IMMEDIATE"));
  return Transaction(&database);
}

Transaction::~Transaction() {
  if (database_) (void)database_->Run("ROLLBACK");
}

Status Transaction::Commit() {
  WEIR_RETURN_IF_ERROR(database_->Run("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace weir
