// Databases made by the store itself, with cells whose figures are known.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "report/report.h"
#include "store/store.h"

namespace weir {

constexpr int64_t kMs = 1'000'000;

/// What a cell is to give: `step_ms` between tokens, prompts of 100 ms, one repeat for each entry.
struct KnownCell {
  int users = 1;
  std::vector<int> step_ms = {10, 10, 11};
  CellStatus status = CellStatus::kOk;
  std::string reason = {};
  std::vector<Flag> flags = {};
  std::string key = {}, search = {}, target = "engine";
  int64_t planned_bytes = 3'000'000'000;
};

class ReportTest : public testing::Test {
 protected:
  ReportTest() : store_(Store::Open(":memory:").value()) {}

  static ModelRow SomeModel(const std::string& name = "synth:qwen3.5-2b:Q8_0", const std::string& quant = "Q8_0", int64_t bytes = 2'000'000'000) {
    return {name, "qwen35", quant, name.starts_with("synth:"), 1'900'000'000, bytes, bytes + 1000, "of " + name};
  }

  int64_t AddRun(const std::string& foreign_tool = "") {
    RunRow run{"A CPU, 2 cores, 24 GiB", "A CPU", int64_t{24} << 30, R"({"cpu_model":"A CPU","os":"Linux","physical_cores":2})", "weir 0", "avx2", 2, 7};
    run.foreign_tool = foreign_tool;
    run.foreign_file = foreign_tool.empty() ? "" : "rows.csv";
    return *store_.BeginRun(run);
  }

  int64_t AddCell(int64_t run, const ModelRow& model, const KnownCell& known) {
    CellRow row{known.users, 8, 21, 1, static_cast<int>(known.step_ms.size()), known.planned_bytes};
    row.target = known.target;
    row.key = known.key.empty() ? fmt::format("{} {}", model.name, known.users) : known.key;
    row.search = known.search;
    const int64_t cell = *store_.BeginCell(run, *store_.AddModel(model), row);
    for (size_t i = 0; i < known.step_ms.size(); ++i) AddRepeat(run, cell, static_cast<int>(i) + 1, known.users, known.step_ms[i]);
    EXPECT_TRUE(store_.EndCell(cell, known.status, known.reason, known.flags).ok());
    return cell;
  }

  /// All users are prefilled for 100 ms and get 20 further tokens.
  void AddRepeat(int64_t run, int64_t cell, int repeat, int users, int step_ms) {
    const int64_t rates = *store_.AddRates(run, {0, 40.0, 60.0, 1000.0, 200.0, false});
    AttemptWriter writer = store_.BeginAttempt(cell, repeat, rates).value();
    std::vector<StepRecord> steps{{0, 100 * kMs, 0, 8 * users, {}}};
    std::vector<int64_t> tokens{100 * kMs};
    for (int i = 0; i < 20; ++i) {
      const int64_t begin = tokens.back();
      tokens.push_back(begin + step_ms * kMs);
      steps.push_back({begin, tokens.back(), users, 0, {200'000'000, 1'000'000, 1'000'000, 200'000'000 * int64_t{users}, 1'000'000}});
    }
    for (int user = 0; user < users; ++user) {
      RequestRow request;
      request.user = user;
      request.prompt_tokens = 8;
      request.max_tokens = 21;
      request.token_ns = tokens;
      request.ended_ns = tokens.back();
      request.finish = FinishReason::kLength;
      writer.AddRequest(request);
    }
    EXPECT_TRUE(writer.AddSteps(steps).ok());
    AttemptRow row;
    row.status = AttemptStatus::kOk;
    row.rates_after = rates;
    row.peak_memory_bytes = 2'500'000'000;
    EXPECT_TRUE(writer.Finish(row).ok());
  }

  ReportData Data() {
    Result<std::vector<CellResult>> cells = store_.LastCells(INT64_MAX);
    EXPECT_TRUE(cells.ok());
    Result<ReportData> data = ReportReader().Read(store_, IdsOf(*cells));
    EXPECT_TRUE(data.ok()) << (data.ok() ? "" : data.error().message);
    return std::move(data).value();
  }

  Store store_;
};

}  // namespace weir
