#include "private_postgres.h"

#include <gtest/gtest.h>
#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "store/postgres.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

/// The newest of Debian's, or what $PATH has.
std::string Programs() {
  std::string newest;
  std::error_code error;
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", error)) {
    if (fs::exists(version.path() / "bin/initdb")) newest = std::max(newest, (version.path() / "bin/").string());
  }
  if (newest.empty() && OutputOf({"initdb", "--version"}, 5000)) return " ";
  return newest;
}

std::string Program(const std::string& programs, const char* name) { return (programs == " " ? "" : programs) + name; }

/// PostgreSQL does not run as root.
const passwd* OtherUser() {
  if (getuid() != 0) return nullptr;
  const passwd* user = getpwnam("postgres");
  return user ? user : getpwnam("nobody");
}

std::vector<std::string> AsUser(std::vector<std::string> command) {
  if (const passwd* user = OtherUser()) {
    const std::vector<std::string> before = {"setpriv", "--reuid", std::to_string(user->pw_uid), "--regid",
                                             std::to_string(user->pw_gid), "--clear-groups", "--"};
    command.insert(command.begin(), before.begin(), before.end());
  }
  return command;
}

}  // namespace

std::unique_ptr<PrivatePostgres> PrivatePostgres::Start() {
  const std::string programs = Programs();
  if (programs.empty()) return nullptr;
  // Short, because a socket's path must be.
  std::string folder = (fs::temp_directory_path() / "weir-pg-XXXXXX").string();
  if (!mkdtemp(folder.data())) return nullptr;
  std::unique_ptr<PrivatePostgres> server(new PrivatePostgres(programs, folder));
  if (const passwd* user = OtherUser()) {
    if (chown(folder.c_str(), user->pw_uid, user->pw_gid) != 0) return nullptr;
  }
  if (!OutputOf(AsUser({Program(programs, "initdb"), "-D", folder + "/data", "-U", "weir", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"}),
                120'000)) {
    ADD_FAILURE() << "initdb failed";
    return nullptr;
  }
  server->StartAgain();
  return server;
}

PrivatePostgres::~PrivatePostgres() {
  if (process_) Kill();
  std::error_code error;
  fs::remove_all(folder_, error);
}

std::string PrivatePostgres::Url(const std::string& database) const {
  return "postgresql://weir@/" + database + "?host=" + folder_ + fmt::format("&port={}", port_);
}

void PrivatePostgres::StartAgain() {
  process_.reset();
  std::vector<std::string> command = {Program(programs_, "postgres"), "-D", folder_ + "/data", "-k", folder_, "-c", "fsync=off", "-c",
                                      "max_wal_senders=0", "-c", "shared_buffers=16MB"};
  command.insert(command.end(), options_.begin(), options_.end());
  Result<std::unique_ptr<ChildProcess>> started = ChildProcess::Start({AsUser(command), folder_ + "/log"});
  ASSERT_TRUE(started.ok()) << started.error().message;
  process_ = std::move(started).value();
  ASSERT_TRUE(WaitUntilReady()) << process_->LogEnd();
}

bool PrivatePostgres::WaitUntilReady() const {
  const FleetAddress address = *ParseFleetUrl(Url("postgres"));
  for (int i = 0; i < 600; ++i) {
    if (Postgres::Connect(address).ok()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

void PrivatePostgres::Kill() {
  // SIGQUIT is how PostgreSQL is told to drop everything. The keeper then ends what is left.
  int pid = 0;
  std::ifstream(folder_ + "/data/postmaster.pid") >> pid;
  if (pid > 0) kill(pid, SIGQUIT);
  process_.reset();
}

bool PrivatePostgres::ListenWithTls(int port) {
  const std::string key = folder_ + "/key.pem", certificate = folder_ + "/cert.pem";
  if (!OutputOf(AsUser({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
                        "-out", certificate, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"}),
                30'000)) {
    return false;
  }
  std::ofstream(folder_ + "/data/pg_hba.conf") << "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
  port_ = port;
  options_ = {"-c", "listen_addresses=127.0.0.1", "-c", fmt::format("port={}", port), "-c", "ssl=on", "-c", "ssl_key_file=" + key,
              "-c", "ssl_cert_file=" + certificate};
  return true;
}

std::string PrivatePostgres::NewDatabase() {
  // Its name has what must be encoded in an address.
  const std::string number = std::to_string(++n_databases_), name = "weir/team@" + number;
  // Outside a transaction, where CREATE DATABASE must be.
  EXPECT_TRUE(OutputOf({Program(programs_, "createdb"), "-h", folder_, "-U", "weir", "-T", "template0", name}, 60'000));
  return Url("weir%2Fteam%40" + number);
}

}  // namespace weir
