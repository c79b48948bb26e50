// A PostgreSQL server of the tests' own: in a temporary folder, reached through a socket there, gone with the tests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "util/child_process.h"

namespace weir {

class PrivatePostgres {
 public:
  /// Nothing where no PostgreSQL is installed.
  static std::unique_ptr<PrivatePostgres> Start();
  ~PrivatePostgres();

  /// An empty database; the URL of it.
  std::string NewDatabase();
  /// As if it had crashed.
  void Kill();
  void StartAgain();
  /// Also on 127.0.0.1 from the next start on, with TLS and passwords there; the certificate is in folder()/cert.pem. False
  /// where openssl is missing, which makes it.
  bool ListenWithTls(int port);

  const std::string& folder() const { return folder_; }
  std::string Url(const std::string& database) const;

 private:
  PrivatePostgres(std::string programs, std::string folder) : programs_(std::move(programs)), folder_(std::move(folder)) {}
  bool WaitUntilReady() const;

  std::string programs_, folder_;
  std::vector<std::string> options_ = {"-c", "listen_addresses="};
  std::unique_ptr<ChildProcess> process_;
  int port_ = 5432, n_databases_ = 0;
};

}  // namespace weir
