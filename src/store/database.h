// SQLite, wrapped thinly: owned handles, bound parameters, and an Error with a remedy for each way
// a database file disappoints.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "util/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace weir {

/// For Bind: the schema says NULL where there is nothing to say.
inline std::optional<std::string_view> NullIfEmpty(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

/// What a field holds; std::monostate is NULL.
using DbValue = std::variant<std::monostate, int64_t, double, std::string>;

enum class OpenMode { kCreate, kReadOnly };

/// Prepared statements that nobody uses at the moment, by their SQL. To prepare one of those that read a cell's figures
/// takes longer than to run it, because SQLite unfolds all views that it is made of.
class StatementPool {
 public:
  ~StatementPool();
  /// Null if there is none.
  sqlite3_stmt* Take(std::string_view sql);
  /// To be given to the next who asks. Resets it, so that it holds no lock meanwhile.
  void Return(sqlite3_stmt* statement);
  void Clear();

 private:
  std::multimap<std::string, sqlite3_stmt*, std::less<>> idle_;
};

/// A prepared statement. Parameters count from 1, columns from 0, as in SQLite.
class Statement {
 public:
  /// Binds all parameters from the first; std::nullopt and nullptr bind NULL.
  template <class... Args>
  void Bind(const Args&... args) {
    Clear();
    int index = 0;
    (BindOne(++index, args), ...);
  }
  /// The same for values whose number and types are known at run time only.
  void BindValues(std::span<const DbValue> values);
  /// Advances to the next row; false at the end, after which the statement may be bound again.
  Result<bool> Step();
  /// Binds, and runs a statement that gives no rows.
  template <class... Args>
  Status Execute(const Args&... args) {
    Bind(args...);
    return Finish();
  }

  /// Calls row(*this) for each row from here to the end.
  template <class Fn>
  Status ForEach(Fn&& row) {
    while (true) {
      WEIR_TRY(const bool more, Step());
      if (!more) return {};
      row(*this);
    }
  }

  /// Whether it changes nothing.
  bool read_only() const;
  int n_columns() const;
  std::string ColumnName(int column) const;
  enum class Type { kNull, kInt, kReal, kText };  // other bytes count as text
  Type TypeOf(int column) const;

  bool IsNull(int column) const;
  int64_t Int(int column) const;
  double Real(int column) const;
  std::string Text(int column) const;
  std::optional<int64_t> OptionalInt(int column) const;
  std::optional<double> OptionalReal(int column) const;
  std::optional<std::string> OptionalText(int column) const;
  DbValue Value(int column) const;

 private:
  friend class Database;
  struct Close {
    std::shared_ptr<StatementPool> pool;
    void operator()(sqlite3_stmt* statement) const;
  };
  void Clear();
  Status Finish();
  void BindInt(int index, int64_t value);
  void BindOne(int index, bool value) { BindInt(index, value); }
  void BindOne(int index, int value) { BindInt(index, value); }
  void BindOne(int index, int64_t value) { BindInt(index, value); }
  void BindOne(int index, double value);
  void BindOne(int index, std::string_view value);
  void BindOne(int index, const std::string& value) { BindOne(index, std::string_view(value)); }
  void BindOne(int index, const char* value) { BindOne(index, std::string_view(value)); }
  void BindOne(int index, std::nullptr_t);
  void BindOne(int index, std::nullopt_t) { BindOne(index, nullptr); }
  void BindOne(int index, std::monostate) { BindOne(index, nullptr); }
  template <class T>
  void BindOne(int index, const std::optional<T>& value) {
    value ? BindOne(index, *value) : BindOne(index, nullptr);
  }

  std::unique_ptr<sqlite3_stmt, Close> handle_;
  std::string path_;
};

/// Of one thread.
class Database {
 public:
  /// `path` may be ":memory:". kCreate makes the file, not its folder. Nothing is read yet.
  static Result<Database> Open(const std::string& path, OpenMode mode);

  /// An empty one in memory, which messages call `name`.
  static Result<Database> InMemory(std::string name);
  /// A copy in memory, which nobody else sees.
  Result<Database> CopyToMemory();

  /// Runs statements without parameters.
  Status Run(const std::string& sql);
  /// Of one statement; kBadInput if there is another behind it. Costs little for a statement that was prepared, used
  /// and destroyed before.
  Result<Statement> Prepare(std::string_view sql);
  /// Prepares and runs one statement.
  template <class... Args>
  Status Execute(std::string_view sql, const Args&... args) {
    WEIR_TRY(Statement statement, Prepare(sql));
    return statement.Execute(args...);
  }
  /// The same for an INSERT: the new row's id.
  template <class... Args>
  Result<int64_t> Insert(std::string_view sql, const Args&... args) {
    WEIR_RETURN_IF_ERROR(Execute(sql, args...));
    return LastInsertId();
  }
  /// The first column of the first row, as an integer.
  Result<int64_t> QueryInt(std::string_view sql);

  /// For statements of strangers, from now on: reading the tables of this file is all they may do (no ATTACH, no
  /// PRAGMA), with values of at most 16 MB and for at most so many steps of SQLite's virtual machine together.
  void Confine(int64_t most_steps);

  int64_t LastInsertId() const;
  /// Moves what the write-ahead log holds into the file, as far as readers allow.
  Status Checkpoint();

  const std::string& path() const { return path_; }

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };

  std::unique_ptr<int64_t> calls_left_;  // Confine; outlives the handle
  std::unique_ptr<sqlite3, Close> handle_;
  std::shared_ptr<StatementPool> pool_;
  std::string path_;
};

/// Takes the write lock at once; rolls back unless committed.
class Transaction {
 public:
  static Result<Transaction> Begin(Database& database);
  ~Transaction();
  Transaction(Transaction&& other) noexcept : database_(other.database_) {
    other.database_ = nullptr;
  }
  Transaction& operator=(Transaction&&) = delete;
  Status Commit();

 private:
  explicit Transaction(Database* database) : database_(database) {}
  Database* database_;
};

}  // namespace weir
