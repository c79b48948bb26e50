// A store in a folder of its own, and the rows that tests begin with.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "store/store.h"

namespace weir {

/// A request and all that came of it.
struct WholeRequest {
  RequestRow row;
  std::vector<int64_t> token_ns;
};

/// An attempt as a test describes it.
struct WholeAttempt : AttemptRow {
  std::vector<WholeRequest> requests;
  std::vector<StepRecord> steps;
};

class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              fmt::format("weir-{}-{}-{}", test->test_suite_name(), test->name(), getpid());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name = "results.db") const {
    return (folder_ / name).string();
  }

  static Store OpenOrDie(const std::string& path) {
    Result<Store> store = Store::Open(path);
    EXPECT_TRUE(store.ok()) << store.error().message;
    return std::move(store).value();
  }

  static ModelRow SomeModel() {
    return {"some.gguf", "qwen35", "Q8_0", false, 1000, 2000, 3000, "abc"};
  }
  static RunRow SomeRun() { return {"m1", "A CPU", 1 << 30, "{}", "weir 0", "avx2", 2, 7}; }

  /// A run with one cell.
  static int64_t AddCell(Store& store, int users) {
    const int64_t run = *store.BeginRun(SomeRun());
    const int64_t model = *store.AddModel(SomeModel());
    return *store.BeginCell(run, model, {users, 8, 32, 2, 3, std::nullopt});
  }

  static void AddAttempt(Store& store, int64_t cell, int repeat, const WholeAttempt& attempt,
                         std::optional<int64_t> rates_before = {}) {
    Result<AttemptWriter> writer = store.BeginAttempt(cell, repeat, rates_before);
    ASSERT_TRUE(writer.ok()) << writer.error().message;
    for (const WholeRequest& request : attempt.requests) {
      RequestRow row = request.row;
      row.token_ns = request.token_ns;
      row.ended_ns = request.token_ns.back();
      row.finish = FinishReason::kLength;
      writer->AddRequest(std::move(row));
    }
    ASSERT_TRUE(writer->AddSteps(attempt.steps).ok());
    const Status finished = writer->Finish(attempt);
    ASSERT_TRUE(finished.ok()) << finished.error().message;
  }

  std::filesystem::path folder_;
};

}  // namespace weir
