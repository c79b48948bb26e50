// Servers on a bad day: what is said, and that nothing is lost.
#include <arpa/inet.h>
#include <sys/socket.h>

#include <thread>

#include "fleet_fixture.h"
#include "store/schema.h"

/// libpqxx 6.4 forgets an answer of libpq when the connection breaks while it asks.
extern "C" const char* __lsan_default_suppressions() { return "leak:libpqxx-6"; }

namespace weir {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

/// A port of 127.0.0.1 on which nobody answers for as long as this lives.
class SilentPort {
 public:
  SilentPort() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    port = ntohs(address.sin_port);
  }
  void Listen() const { EXPECT_EQ(listen(socket_, 8), 0); }
  ~SilentPort() { close(socket_); }
  int port = 0;

 private:
  int socket_;
};

std::string MessageOf(const Status& status) {
  EXPECT_FALSE(status.ok());
  return status.ok() ? "" : status.error().message + "; " + status.error().hint;
}
std::string MessageOf(const Result<FleetPush>& push) { return MessageOf(push.ok() ? Status() : push.error()); }

TEST_F(FleetTest, AServerThatIsNotThereIsNamed) {
  SilentPort port;
  EXPECT_THAT(MessageOf(CheckFleet(fmt::format("postgresql://u:hunter2@127.0.0.1:{}/d", port.port))),
              AllOf(HasSubstr(fmt::format("cannot reach postgresql://u@127.0.0.1:{}/d", port.port)), HasSubstr("refused"), Not(HasSubstr("hunter2"))));
  EXPECT_THAT(MessageOf(CheckFleet(Server()->Url("nowhere"))), HasSubstr("database \"nowhere\" does not exist"));
}

TEST_F(FleetTest, AServerThatDoesNotAnswerIsGivenUp) {
  SilentPort port;
  port.Listen();
  EXPECT_THAT(MessageOf(CheckFleet(fmt::format("postgresql://u@127.0.0.1:{}/d?connect_timeout=2&sslmode=disable", port.port))), HasSubstr("timeout"));
}

TEST_F(FleetTest, AServerThatDiesInTheMiddleKeepsNothingOfThatRun) {
  const std::string file = folder_ / "rows.db";
  WriteFile(file);
  ASSERT_EQ(PushOrDie(file).n_runs, 1);
  WriteFile(file);  // a second run
  int n_pieces = 0;
  const Result<FleetPush> push = PushToFleet(file, url_, [&](int64_t, int64_t) {
    if (++n_pieces == 3) Server()->Kill();
    return true;
  });
  EXPECT_THAT(MessageOf(push), AllOf(HasSubstr("is gone"), HasSubstr("send again")));
  Server()->StartAgain();
  EXPECT_EQ(Count("run"), 1);
  EXPECT_EQ(Count("cell"), 1);
  EXPECT_EQ(PushOrDie(file).n_runs, 1);
  EXPECT_EQ(Count("run"), 2);
}

TEST_F(FleetTest, StoppingKeepsWholeRuns) {
  const std::string file = folder_ / "rows.db";
  WriteFile(file);
  WriteFile(file);
  const Result<FleetPush> push = PushToFleet(file, url_, [](int64_t done, int64_t) { return done == 0; });
  ASSERT_FALSE(push.ok());
  EXPECT_EQ(push.error().code, ErrorCode::kInterrupted);
  EXPECT_EQ(Count("run"), 1);
  EXPECT_EQ(Count("summary s WHERE figure = 'decode_tok_s'"), 1);
  EXPECT_EQ(PushOrDie(file).n_runs, 1);
}

TEST_F(FleetTest, TwoSendAtOnce) {
  constexpr int kRuns = 4;
  for (int i = 0; i < kRuns; ++i) {
    WriteFile(folder_ / "a.db");
    WriteFile(folder_ / "b.db");
  }
  // Three of one file and one of another, into a database that nobody has prepared.
  std::vector<std::thread> senders;
  std::vector<Status> outcomes(4);
  for (size_t i = 0; i < outcomes.size(); ++i) {
    senders.emplace_back([&, i] {
      const Result<FleetPush> push = Push(folder_ / (i == 3 ? "b.db" : "a.db"), url_);
      if (!push) outcomes[i] = push.error();
    });
  }
  for (std::thread& sender : senders) sender.join();
  for (const Status& outcome : outcomes) EXPECT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(Count("run"), 2 * kRuns);
  EXPECT_EQ(Count("cell"), 2 * kRuns);
  EXPECT_EQ(Count("machine"), 1);
  EXPECT_EQ(Count("schema_version"), 1);
}

TEST_F(FleetTest, SomebodyElsesTurnIsSaid) {
  WriteFile(folder_ / "rows.db");
  Result<Postgres> other = Postgres::Connect(*ParseFleetUrl(url_));
  ASSERT_TRUE(other->Begin(Postgres::Access::kWrite).ok());
  ASSERT_TRUE(other->Run("SELECT pg_advisory_xact_lock(x'77656972'::int)").ok());
  EXPECT_THAT(MessageOf(Push(folder_ / "rows.db", url_ + "&options=-clock_timeout%3D200ms")), HasSubstr("another weir is sending"));
  ASSERT_TRUE(other->Commit().ok());
  EXPECT_EQ(PushOrDie(folder_ / "rows.db").n_runs, 1);
}

TEST_F(FleetTest, OtherVersionsAndOtherProgramsAreLeftAlone) {
  WriteFile(folder_ / "rows.db");
  PushOrDie(folder_ / "rows.db");
  WriteFile(folder_ / "rows.db");
  Ask(fmt::format("UPDATE schema_version SET version = {} RETURNING 1", kSchemaVersion + 1));
  EXPECT_THAT(MessageOf(Push(folder_ / "rows.db", url_)), AllOf(HasSubstr("made by a newer weir"), HasSubstr("update weir")));
  EXPECT_FALSE(FetchFleet(url_).ok());
  Ask("UPDATE schema_version SET version = 3 RETURNING 1");
  EXPECT_THAT(MessageOf(Push(folder_ / "rows.db", url_)), AllOf(HasSubstr("made by an older weir"), HasSubstr("hold all rows")));
  EXPECT_EQ(Count("run"), 1);
  Ask("DROP TABLE schema_version; SELECT 1");
  EXPECT_THAT(MessageOf(Push(folder_ / "rows.db", url_)), HasSubstr("belong to another program"));
  EXPECT_EQ(Count("run"), 1);

  url_ = Server()->NewDatabase();
  EXPECT_THAT(FetchFleet(url_).error().message, HasSubstr("no rows of weir yet"));
  Ask("CREATE TABLE run (id int); SELECT 1");
  EXPECT_THAT(MessageOf(CheckFleet(url_)), AllOf(HasSubstr("belong to another program"), HasSubstr("search_path")));
  // A schema of its own is the remedy that the message names.
  Ask("CREATE SCHEMA weir; SELECT 1");
  const std::string own = url_ + "&options=-csearch_path%3Dweir";
  ASSERT_TRUE(Push(folder_ / "rows.db", own).ok());
  EXPECT_EQ(*FetchFleet(own)->QueryInt("SELECT count(*) FROM run"), 2);
  EXPECT_EQ(Count("weir.run"), 2);
  EXPECT_EQ(Count("public.run"), 0);
}

TEST_F(FleetTest, AReaderMayReadAndNothingElse) {
  WriteFile(folder_ / "rows.db");
  PushOrDie(folder_ / "rows.db");
  Ask("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; SELECT 1");
  std::string url = url_;
  url.replace(url.find("weir@"), 4, "reader");
  Result<Store> store = Store::OpenReadOnly(url);
  ASSERT_TRUE(store.ok()) << store.error().message;
  EXPECT_EQ(store->Results(1)->at(0).status, CellStatus::kOk);
  EXPECT_TRUE(Push(folder_ / "rows.db", url).ok());  // nothing to send
  WriteFile(folder_ / "rows.db");
  EXPECT_THAT(MessageOf(Push(folder_ / "rows.db", url)), AllOf(HasSubstr("permission denied"), HasSubstr("docs/postgresql.md")));
  Ask("DROP OWNED BY reader; DROP ROLE reader; SELECT 1");
}

TEST_F(FleetTest, TlsAndPasswordsAreAsTheUrlSays) {
  int port = 0;
  {
    const SilentPort free;
    port = free.port;
  }
  std::unique_ptr<PrivatePostgres> server = PrivatePostgres::Start();
  if (!server->ListenWithTls(port)) GTEST_SKIP() << "no openssl that makes a certificate";
  server->Kill();
  server->StartAgain();
  url_ = server->Url("postgres");
  Ask("CREATE ROLE ann LOGIN PASSWORD 'hunter2'; GRANT ALL ON SCHEMA public TO ann; SELECT 1");
  const std::string place = fmt::format("@localhost:{}/postgres?hostaddr=127.0.0.1", port);
  const std::string checked = "&sslmode=verify-full&sslrootcert=" + server->folder() + "/cert.pem";
  WriteFile(folder_ / "rows.db");
  EXPECT_THAT(MessageOf(CheckFleet("postgresql://ann:hunter3" + place)), AllOf(HasSubstr("password authentication failed"), HasSubstr("pgpass"), Not(HasSubstr("hunter3"))));
  EXPECT_THAT(MessageOf(CheckFleet("postgresql://ann:hunter2" + place + "&sslmode=disable")), AllOf(HasSubstr("pg_hba.conf"), Not(HasSubstr("hunter2"))));
  EXPECT_THAT(MessageOf(CheckFleet("postgresql://ann:hunter2" + place + "&sslmode=verify-full&sslrootcert=/nowhere.pem")), HasSubstr("/nowhere.pem"));
  const Result<FleetPush> push = Push(folder_ / "rows.db", "postgresql://ann:hunter2" + place + checked);
  ASSERT_TRUE(push.ok()) << push.error().message;
  EXPECT_EQ(push->server, "postgresql://ann" + place + checked);
  Result<Postgres> connection = Postgres::Connect(*ParseFleetUrl("postgresql://ann:hunter2" + place + checked));
  ASSERT_TRUE(connection->Begin(Postgres::Access::kRead).ok());
  EXPECT_EQ(*connection->QueryInt("SELECT ssl::int FROM pg_stat_ssl WHERE pid = pg_backend_pid()"), 1);
}

}  // namespace
}  // namespace weir
