// libpqxx, wrapped thinly: a connection with one transaction at a time, and an Error with a remedy for each way in which a
// server disappoints. libpqxx throws and its headers are heavy: both stay in one file.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/fleet_address.h"
#include "util/error.h"

namespace weir {

class Postgres {
 public:
  static Result<Postgres> Connect(const FleetAddress& address);
  Postgres(Postgres&&) noexcept;
  ~Postgres();  // a transaction that was not committed leaves nothing

  enum class Access { kRead, kWrite };
  /// A reader sees one moment of the database throughout.
  Status Begin(Access access);
  Status Commit();
  void Rollback();

  /// Fields as text, in PostgreSQL's own form; nothing for NULL. They live as long as the call.
  using Row = std::span<const std::optional<std::string_view>>;
  Status Query(const std::string& sql, const std::function<Status(Row)>& row);
  Status Run(const std::string& sql);
  /// The first column of the first row; nothing where there is no row, or NULL.
  Result<std::optional<int64_t>> QueryInt(const std::string& sql);

  /// The first column of each row; an Error for what is no number.
  Result<std::vector<int64_t>> QueryInts(const std::string& sql);

  /// What PostgreSQL keeps of a text: U+FFFD stands for what is not UTF-8, and for NUL.
  static std::string Kept(std::string_view text);
  /// The same as a literal of SQL.
  static std::string Literal(std::string_view text);

  /// The URL without its secrets.
  const std::string& shown() const;

 private:
  struct Impl;
  explicit Postgres(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weir
