// A closed loop run into a database in memory, and what the database says of it afterwards.
#pragma once

#include <gtest/gtest.h>

#include "bench/workload.h"
#include "null_target.h"

namespace weir {

struct RecordedRequest {
  int user, round;
  bool gated;
  int64_t scheduled_ns;
  std::optional<int64_t> ended_ns;
  std::optional<std::string> finish;
  std::vector<int64_t> token_ns;
};

struct Recorded : AttemptRow {
  std::vector<RecordedRequest> requests;  // in the order in which they were sent
  std::vector<StepRecord> steps;
};

inline void ReadRequests(Database& database, Recorded& recorded) {
  Statement query =
      database
          .Prepare(
              "SELECT user, round, gated, scheduled_ns, ended_ns, finish, ordinal, time_ns "
              "FROM request LEFT JOIN token_time ON request = id ORDER BY submitted_ns, user, ordinal")
          .value();
  ASSERT_TRUE(query
                  .ForEach([&](const Statement& row) {
                    if (row.IsNull(6) || row.Int(6) == 0) {
                      recorded.requests.push_back({static_cast<int>(row.Int(0)),
                                                   static_cast<int>(row.Int(1)),
                                                   row.Int(2) != 0,
                                                   row.Int(3),
                                                   row.OptionalInt(4),
                                                   row.OptionalText(5),
                                                   {}});
                    }
                    if (!row.IsNull(7)) recorded.requests.back().token_ns.push_back(row.Int(7));
                  })
                  .ok());
}

inline void ReadSteps(Database& database, Recorded& recorded) {
  Statement query = database
                        .Prepare(
                            "SELECT begin_ns, end_ns, decode_rows, prefill_rows, weight_bytes, kv_bytes, "
                            "state_bytes, int8_macs, f32_macs FROM step ORDER BY ordinal")
                        .value();
  ASSERT_TRUE(query
                  .ForEach([&](const Statement& row) {
                    recorded.steps.push_back({row.Int(0),
                                              row.Int(1),
                                              static_cast<int>(row.Int(2)),
                                              static_cast<int>(row.Int(3)),
                                              {row.Int(4), row.Int(5), row.Int(6), row.Int(7), row.Int(8)}});
                  })
                  .ok());
}

inline Recorded Record(Target& target, const Workload& load, const std::vector<int32_t>& prompt_ids,
                       const ShouldStop& stop) {
  Store store = Store::Open(":memory:").value();
  const int64_t run = *store.BeginRun({"m", {}, {}, "{}", "weir", "plain", 1, 1});
  const int64_t model = *store.AddModel({"null.gguf", "", "", false, 0, 0, 0, "f"});
  const int64_t cell = *store.BeginCell(run, model, {load.users, 1, 1, 1, 1, {}});
  AttemptWriter writer = store.BeginAttempt(cell, 1, {}).value();
  NullSubject subject;
  subject.ids_ = prompt_ids;
  const LoadPlan plan = PlanLoad(load, subject, 0).value();
  const Result<AttemptRow> row = RunAttempt(target, plan, stop, writer);
  EXPECT_TRUE(row.ok()) << row.error().message;
  Recorded recorded{*row, {}, {}};
  ReadRequests(store.database(), recorded);
  ReadSteps(store.database(), recorded);
  return recorded;
}

}  // namespace weir
