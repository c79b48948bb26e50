#include "cli/fleet.h"

#include <filesystem>
#include <memory>
#include <vector>

#include "cli/format.h"
#include "cli/progress.h"
#include "cli/result_database.h"
#include "util/interrupt.h"
#include "util/terminal.h"

namespace weir {
namespace {

Result<FleetPush> Push(const std::string& file, const std::string& url) {
  Progress progress("sending runs");
  return PushToFleet(file, url, progress.UntilInterrupted());
}

std::string Plural(int64_t n, const char* thing) { return fmt::format("{} {}{}", n, thing, n == 1 ? "" : "s"); }

std::string Sentence(const FleetPush& push) {
  return fmt::format("{} with {} sent to {}{}\n", Plural(push.n_runs, "run"), Plural(push.n_cells, "cell"), EscapedControls(push.server),
                     push.n_there > 0 ? fmt::format("; {} it had", push.n_there) : "");
}

struct Flags {
  std::vector<std::string> places;
  bool json = false;
};

Result<int> RunPush(const Flags& flags) {
  const std::string& url = flags.places.back();
  const std::string given = flags.places.size() > 1 ? flags.places.front() : "";
  if (!IsFleetUrl(url) || IsFleetUrl(given)) {
    return BadInput("weir push takes rows from a file to a server: [FILE] postgresql://USER@HOST/DATABASE");
  }
  WEIR_TRY(const std::string file, DatabasePath(given));
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return BadInput("database {}: there is none", file);
  CatchInterrupts();
  WEIR_TRY(const FleetPush push, Push(file, url));
  if (flags.json) {
    PrintJson({{"file", file}, {"server", push.server}, {"runs_sent", push.n_runs}, {"cells_sent", push.n_cells}, {"runs_there", push.n_there}});
  } else {
    fmt::print("{}", Sentence(push));
  }
  return kExitOk;
}

}  // namespace

Result<Store> OpenForWriting(const std::string& db) {
  WEIR_TRY(const std::string path, DatabasePath(db));
  if (IsFleetUrl(path)) {
    if (Status ready = CheckFleet(path); !ready) {
      Error error = std::move(ready).error();
      error.hint += error.hint.empty() ? "" : "; ";
      error.hint += "or write to a file with --db FILE, and send it later with weir push FILE";
      return error;
    }
  }
  return Store::Open(path);
}

SentRows SendRows(const std::string& db, const Store& store) {
  SentRows sent;
  if (!IsFleetUrl(db)) return sent;
  const Result<FleetAddress> address = ParseFleetUrl(db);
  if (!address) return {"?", 0, address.error()};
  sent.server = address->shown;
  const std::string later = fmt::format("all rows are kept; send them later: weir push {} '{}'", store.path(), address->shown);
  if (Interrupted()) {
    sent.status = Error{ErrorCode::kInterrupted, "interrupted: nothing was sent to " + sent.server, later};
    return sent;
  }
  Result<FleetPush> push = Push(store.path(), db);
  if (!push) {
    sent.status = WithHint(std::move(push).error(), later);
    return sent;
  }
  sent.n_runs = push->n_runs;
  PrintMessage(Sentence(*push));
  return sent;
}

Json SentJson(const SentRows& sent) {
  if (sent.server.empty()) return nullptr;
  return {{"server", sent.server},
          {"runs_sent", sent.n_runs},
          {"error", sent.status.ok() ? Json(nullptr) : Json(sent.status.error().message)}};
}

Command AddPush(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("[FILE] SERVER", flags->places, "A results database (default: the usual one), and postgresql://USER@HOST/DATABASE")
      ->required()
      ->expected(1, 2);
  app.add_flag("--json", flags->json, "One JSON document on stdout");
  app.footer(
      "Sends the runs that the server does not have, each as a whole or not at all; sending again adds nothing. A password\n"
      "belongs in ~/.pgpass or $PGPASSWORD. More: docs/postgresql.md.\n\n"
      "Examples:\n"
      "  weir push postgresql://bench@db.example/weir\n"
      "  weir push laptop.db 'postgresql://bench@db.example/weir?sslmode=verify-full'\n"
      "  weir rows --db postgresql://bench@db.example/weir\n\n"
      "Exit code: 0, also if there was nothing to send; 1 if the server cannot be reached; 2 for wrong usage; 130 after Ctrl-C.");
  return [flags] { return RunPush(*flags); };
}

}  // namespace weir
