// A load whose requests are kept as they ended.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "bench/load.h"
#include "bench/workload.h"

namespace weir {

class Records : public LoadObserver {
 public:
  Status OnEnded(const RequestRecord& record) override {
    records.push_back(record);
    return {};
  }
  std::vector<RequestRecord> records;
};

inline std::vector<RequestRecord> RunOn(Subject& subject, const Workload& load, uint64_t salt) {
  const auto target = subject.Start(load.users, 100);
  EXPECT_TRUE(target.ok()) << target.error().message;
  const auto plan = PlanLoad(load, subject, salt);
  EXPECT_TRUE(plan.ok()) << plan.error().message;
  Records records;
  EXPECT_TRUE(RunLoad(**target, *plan, [] { return false; }, records).ok());
  return records.records;
}

}  // namespace weir
