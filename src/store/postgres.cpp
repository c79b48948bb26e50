#include "store/postgres.h"

#include <algorithm>
#include <charconv>
#include <pqxx/pqxx>

#include "model/text/utf8.h"

namespace weir {

struct Postgres::Impl {
  explicit Impl(const FleetAddress& from) : address(from), connection(from.conninfo) {}

  FleetAddress address;
  pqxx::connection connection;
  pqxx::quiet_errorhandler quiet{connection};  // it would print
  std::unique_ptr<pqxx::transaction_base> transaction;
};

namespace {

/// libpq's messages have several lines.
std::string OneLine(std::string_view text) {
  std::string line;
  bool gap = false;
  for (const char c : text) {
    const bool space = c == '\n' || c == '\t' || c == ' ' || c == '\r';
    if (!space && gap && !line.empty()) line.push_back(' ');
    if (!space) line.push_back(c);
    gap = space;
  }
  return line;
}

std::string HintFor(const std::string& state) {
  if (state == "42501") return "the role lacks a right: docs/postgresql.md says which are needed to send and to read";
  if (state == "55P03") return "another weir is sending its rows at the moment: try again later";
  if (state == "25006") return "this server is a copy that can only be read: name the one that it copies";
  if (state == "53100") return "free some disk space on the server";
  if (state == "22P05") return "the server's database must be encoded in UTF8";
  return "";
}

/// libpqxx 6 leaves the state out of the errors that it has a class for.
std::string StateOf(const pqxx::sql_error& error) {
  if (dynamic_cast<const pqxx::insufficient_privilege*>(&error)) return "42501";
  if (dynamic_cast<const pqxx::disk_full*>(&error)) return "53100";
  return error.sqlstate();
}

/// Runs `work`, with what libpqxx throws as an Error.
template <class Work>
Status Try(const FleetAddress& address, const pqxx::connection& connection, Work&& work) {
  const auto failed = [&](const char* what, const std::exception& error, std::string hint) {
    return WithHint(Failed("{}{}: {}", address.shown, what, OneLine(address.Redacted(error.what()))), std::move(hint));
  };
  constexpr const char* kAgain = "nothing of this transaction was kept: send again when the server is there";
  try {
    return work();
  } catch (const pqxx::in_doubt_error& error) {
    return failed(" is gone at the moment of its answer", error, "send again: what has arrived is not sent twice");
  } catch (const pqxx::sql_error& error) {
    // What a server says when it is stopped is an SQL error too.
    return connection.is_open() ? failed("", error, HintFor(StateOf(error))) : failed(" is gone", error, kAgain);
  } catch (const pqxx::broken_connection& error) {
    return failed(" is gone", error, kAgain);
  } catch (const pqxx::pqxx_exception& error) {
    return failed("", error.base(), "");
  }
}

}  // namespace

Postgres::Postgres(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Postgres::Postgres(Postgres&&) noexcept = default;
Postgres::~Postgres() = default;

Result<Postgres> Postgres::Connect(const FleetAddress& address) {
  std::unique_ptr<Impl> impl;
  try {
    impl = std::make_unique<Impl>(address);
  } catch (const pqxx::pqxx_exception& error) {
    return WithHint(Failed("cannot reach {}: {}", address.shown, OneLine(address.Redacted(error.base().what()))),
                    "check the address and that the server runs; a password is best kept in ~/.pgpass or $PGPASSWORD");
  }
  Postgres server(std::move(impl));
  WEIR_RETURN_IF_ERROR(server.Begin(Access::kWrite));
  // Doubles come in as many digits as they need, also from servers before version 12.
  WEIR_RETURN_IF_ERROR(server.Run("SET client_min_messages = error; SET extra_float_digits = 3; SET standard_conforming_strings = on; "
                                  "SELECT set_config('lock_timeout', '60s', false) WHERE current_setting('lock_timeout') = '0'"));
  WEIR_RETURN_IF_ERROR(server.Commit());
  return server;
}

Status Postgres::Begin(Access access) {
  Rollback();
  return Try(impl_->address, impl_->connection, [&]() -> Status {
    using Reader = pqxx::transaction<pqxx::repeatable_read, pqxx::read_only>;
    if (access == Access::kRead) impl_->transaction = std::make_unique<Reader>(impl_->connection);
    else impl_->transaction = std::make_unique<pqxx::work>(impl_->connection);
    return {};
  });
}

Status Postgres::Commit() {
  const Status status = Try(impl_->address, impl_->connection, [&]() -> Status {
    impl_->transaction->commit();
    return {};
  });
  impl_->transaction.reset();
  return status;
}

void Postgres::Rollback() { impl_->transaction.reset(); }

Status Postgres::Query(const std::string& sql, const std::function<Status(Row)>& row) {
  return Try(impl_->address, impl_->connection, [&]() -> Status {
    const pqxx::result result = impl_->transaction->exec(sql);
    std::vector<std::optional<std::string_view>> fields;
    for (const pqxx::row found : result) {
      fields.clear();
      for (const pqxx::field field : found) {
        fields.push_back(field.is_null() ? std::nullopt : std::optional(std::string_view(field.c_str(), field.size())));
      }
      WEIR_RETURN_IF_ERROR(row(fields));
    }
    return {};
  });
}

Status Postgres::Run(const std::string& sql) {
  return Query(sql, [](Row) { return Status(); });
}

Result<std::optional<int64_t>> Postgres::QueryInt(const std::string& sql) {
  std::optional<int64_t> number;
  WEIR_RETURN_IF_ERROR(Query(sql, [&](Row row) {
    int64_t value = 0;
    if (row[0] && std::from_chars(row[0]->data(), row[0]->data() + row[0]->size(), value).ec == std::errc()) number = value;
    return Status();
  }));
  return number;
}

Result<std::vector<int64_t>> Postgres::QueryInts(const std::string& sql) {
  std::vector<int64_t> numbers;
  WEIR_RETURN_IF_ERROR(Query(sql, [&](Row row) -> Status {
    const std::string_view text = row[0].value_or("");
    if (std::from_chars(text.data(), text.data() + text.size(), numbers.emplace_back()).ec == std::errc()) return {};
    return Failed("{}: expected a number, found '{}'", shown(), text);
  }));
  return numbers;
}

std::string Postgres::Kept(std::string_view text) {
  std::string kept;
  RepairUtf8(text, true, &kept);
  for (size_t at = 0; (at = kept.find('\0', at)) != kept.npos;) kept.replace(at, 1, "\uFFFD");
  return kept;
}

std::string Postgres::Literal(std::string_view text) {
  // Strings are standard_conforming: nothing but the quote itself is special.
  std::string literal = "'";
  for (const char c : Kept(text)) {
    if (c == '\'') literal.push_back('\'');
    literal.push_back(c);
  }
  return literal + "'";
}

const std::string& Postgres::shown() const { return impl_->address.shown; }

}  // namespace weir
