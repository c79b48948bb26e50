// One private server for all tests of the program, a new database for each test.
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <vector>

#include "private_postgres.h"
#include "store/fleet.h"
#include "store/postgres.h"
#include "store/store.h"
#include "temp_folder.h"
#include "util/clock.h"

namespace weir {

inline std::unique_ptr<PrivatePostgres>& Server() {
  static std::unique_ptr<PrivatePostgres> server = PrivatePostgres::Start();
  return server;
}

class FleetTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!Server()) GTEST_SKIP() << "no PostgreSQL server is installed: apt-get install postgresql";
    url_ = Server()->NewDatabase();
  }

  static bool GoOn(int64_t, int64_t) { return true; }
  static Result<FleetPush> Push(const std::string& file, const std::string& url) { return PushToFleet(file, url, GoOn); }
  FleetPush PushOrDie(const std::string& file) {
    Result<FleetPush> push = Push(file, url_);
    EXPECT_TRUE(push.ok()) << push.error().message;
    return push.ok() ? *push : FleetPush{};
  }

  /// On the server.
  int64_t Count(const std::string& what) { return Ask("SELECT count(*) FROM " + what); }
  int64_t Ask(const std::string& sql) {
    Result<Postgres> server = Postgres::Connect(*ParseFleetUrl(url_));
    EXPECT_TRUE(server.ok() && server->Begin(Postgres::Access::kWrite).ok());
    const Result<std::optional<int64_t>> number = server->QueryInt(sql);
    EXPECT_TRUE(number.ok()) << sql << ": " << number.error().message;
    EXPECT_TRUE(server->Commit().ok());
    return number.ok() ? number->value_or(-1) : -1;
  }

  static Store OpenOrDie(const std::string& file) {
    Result<Store> store = Store::Open(file);
    EXPECT_TRUE(store.ok()) << store.error().message;
    return std::move(store).value();
  }

  static RunRow SomeRun(std::optional<int64_t> campaign = {}) {
    RunRow run{"m1", "A CPU", 1 << 30, "{}", "weir 0", "avx2", 2, 7};
    run.campaign = campaign;
    return run;
  }

  /// A cell with `repeats` whole attempts, of every kind of row something.
  static int64_t AddCell(Store& store, int64_t run, int repeats) {
    const int64_t model = *store.AddModel({"some.gguf", "qwen35", "Q8_0", false, 1000, 2000, 3000, "abc"});
    CellRow row{1, 8, 32, 2, repeats, 1 << 20};
    row.key = "k";
    row.config = "{}";
    row.asked = *store.AddAsked(run, {model, "engine", "some", "8 questions", "", {{0, " x\n", 2, false, "[[\" x\",[]]]"}, {1, "y", {}, true, ""}}});
    row.model_file = *store.AddModelFile(model, {"/m/some.gguf", "5ha", 10, 20, "{}"});
    const int64_t cell = *store.BeginCell(run, model, row);
    for (int repeat = 0; repeat <= repeats; ++repeat) {
      const int64_t before = *store.AddRates(run, {NowNs(), 10.1, 7.3, 99.9, 33.3, false});
      Result<AttemptWriter> writer = store.BeginAttempt(cell, repeat, before);
      RequestRow request{0, 0, true, 1000, 1001, 8, 32};
      for (int i = 0; i < 32; ++i) request.token_ns.push_back(1000 + (i + 1) * (1'000'003 + repeat));
      request.ended_ns = request.token_ns.back();
      request.finish = FinishReason::kLength;
      writer->AddRequest(request);
      std::vector<StepRecord> steps(31);
      for (size_t i = 0; i < steps.size(); ++i) {
        steps[i].begin_ns = request.token_ns[i];
        steps[i].end_ns = request.token_ns[i + 1];
        steps[i].n_decode_rows = 1;
        steps[i].cost = {1'000'000, 1000, 100, 5'000'000, 10};
      }
      EXPECT_TRUE(writer->AddSteps(steps).ok());
      AttemptRow end{AttemptStatus::kOk, "", 1 << 20, "hash", before};
      end.disturbance = DisturbanceRow{0.01, {}, 0, 1, 2, 0.97};
      end.energy = {{"package", "rapl", 12.25, 1.0 / 3, 4.5}};
      end.samples = {{NowNs(), "load", 0.1}};
      end.objective = ObjectiveRow{"ttft_p95<1s", true, 1, 0, 1, 1.5, 30.25};
      EXPECT_TRUE(writer->Finish(end).ok());
    }
    CapacityRow capacity{.model = model, .key = "search", .objective = "memory", .unit = "users", .best = 4, .cell = cell};
    EXPECT_TRUE(store.AddCapacity(run, capacity).ok());
    EXPECT_TRUE(store.EndCell(cell, CellStatus::kOk, "", {{"noisy", "said so"}}).ok());
    return cell;
  }

  /// A file with one ended run of one cell.
  void WriteFile(const std::string& file, int repeats = 2) {
    Store store = OpenOrDie(file);
    const int64_t run = *store.BeginRun(SomeRun());
    AddCell(store, run, repeats);
    ASSERT_TRUE(store.EndRun(run).ok());
  }

  TempFolder folder_;
  std::string url_;
};

}  // namespace weir
