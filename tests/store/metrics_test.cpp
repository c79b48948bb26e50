// The views against figures worked out by hand. Times are in milliseconds here.
#include <gmock/gmock.h>

#include "store/store.h"
#include "store_fixture.h"

namespace weir {
namespace {

constexpr int64_t kMs = 1'000'000;

using MetricsTest = StoreTest;

WholeRequest Asked(int user, int round, bool gated, int64_t scheduled,
                   std::vector<int64_t> tokens) {
  WholeRequest request{{user, round, gated, scheduled * kMs, scheduled * kMs, 8,
                        static_cast<int64_t>(tokens.size())},
                       {}};
  for (int64_t token : tokens) request.token_ns.push_back(token * kMs);
  return request;
}

StepRecord Stepped(int64_t begin, int64_t end, int decode_rows, int prefill_rows,
                   StepCost cost = {}) {
  return {begin * kMs, end * kMs, decode_rows, prefill_rows, cost};
}

/// `n` numbers from `first`, `gap` apart.
std::vector<int64_t> Every(int64_t gap, int64_t first, int n) {
  std::vector<int64_t> times;
  for (int i = 0; i < n; ++i) times.push_back(first + i * gap);
  return times;
}

/// Two users, one after the other prefilled (100 ms each), released at 200, 20 further tokens each,
/// 10 ms a step.
WholeAttempt TwoUsersGated() {
  WholeAttempt row;
  row.status = AttemptStatus::kOk;
  row.steps = {Stepped(0, 100, 0, 8), Stepped(100, 200, 0, 8)};
  for (int i = 0; i < 20; ++i) row.steps.push_back(Stepped(200 + 10 * i, 210 + 10 * i, 2, 0));
  std::vector<int64_t> tokens = Every(10, 200, 21);
  row.requests.push_back(Asked(1, 0, true, 0, tokens));
  tokens.front() = 100;
  row.requests.push_back(Asked(0, 0, true, 0, tokens));
  return row;
}

TEST_F(MetricsTest, TwoGatedUsers) {
  Store store = OpenOrDie(Path());
  const int64_t cell = AddCell(store, 2);
  AddAttempt(store, cell, 1, TwoUsersGated());
  const CellResult result = *store.ResultOfCell(cell);
  EXPECT_DOUBLE_EQ(result.Find("decode_tok_s")->median, 2 / 0.010);
  // From 200 ms, when the last user has its first token, to 400 ms: 20 tokens of each.
  EXPECT_DOUBLE_EQ(result.Find("aggregate_tok_s")->median, 40 / 0.200);
  EXPECT_DOUBLE_EQ(result.Find("prefill_tok_s")->median, 16 / 0.200);
  EXPECT_EQ(result.Find("ttft_ms")->n, 2);
  EXPECT_DOUBLE_EQ(result.Find("ttft_ms")->median, 150);
  EXPECT_DOUBLE_EQ(result.Find("ttft_ms")->p95, 200);
  // The first user's wait at the gate is no gap between tokens.
  EXPECT_EQ(result.Find("itl_ms")->n, 2 * 19);
  EXPECT_DOUBLE_EQ(result.Find("itl_ms")->greatest, 10);
  EXPECT_DOUBLE_EQ(result.Find("tpot_ms")->least, 10);
  EXPECT_DOUBLE_EQ(result.Find("tpot_ms")->greatest, 15);
  EXPECT_EQ(result.Find("limit_tok_s"), nullptr);  // no rates were measured
  EXPECT_EQ(result.Find("peak_memory_bytes"), nullptr);
  EXPECT_DOUBLE_EQ(result.Find("step_bytes")->median, 0);
}

TEST_F(MetricsTest, StepsWithPromptRowsOrFewerUsersAreNotDecodeSteps) {
  Store store = OpenOrDie(Path());
  const int64_t cell = AddCell(store, 2);
  WholeAttempt row = TwoUsersGated();
  row.steps.push_back(Stepped(400, 4000, 2, 1));
  row.steps.push_back(Stepped(4000, 9000, 1, 0));
  AddAttempt(store, cell, 1, row);
  EXPECT_DOUBLE_EQ(store.ResultOfCell(cell)->Find("decode_tok_s")->median, 200);
}

TEST_F(MetricsTest, FifteenStepsAreTooFew) {
  Store store = OpenOrDie(Path());
  for (int n_steps : {15, 16}) {
    const int64_t cell = AddCell(store, 1);
    WholeAttempt row;
    row.status = AttemptStatus::kOk;
    row.steps.push_back(Stepped(0, 10, 0, 8));
    for (int i = 0; i < n_steps; ++i) row.steps.push_back(Stepped(10 + 5 * i, 15 + 5 * i, 1, 0));
    row.requests.push_back(Asked(0, 0, true, 0, Every(5, 10, n_steps + 1)));
    AddAttempt(store, cell, 1, row);
    const CellResult result = *store.ResultOfCell(cell);
    EXPECT_EQ(result.Find("decode_tok_s") != nullptr, n_steps == 16);
    EXPECT_EQ(result.Find("aggregate_tok_s") != nullptr, n_steps == 16);
    EXPECT_NE(result.Find("ttft_ms"), nullptr);
  }
}

// One user asks twice: the second prompt's time is in the window, the first one's is not.
TEST_F(MetricsTest, AggregateIncludesLaterPrefills) {
  Store store = OpenOrDie(Path());
  const int64_t cell = AddCell(store, 1);
  WholeAttempt row;
  row.status = AttemptStatus::kOk;
  row.steps.push_back(Stepped(0, 100, 0, 8));
  for (int i = 0; i < 10; ++i) row.steps.push_back(Stepped(100 + 10 * i, 110 + 10 * i, 1, 0));
  row.steps.push_back(Stepped(200, 300, 0, 8));
  for (int i = 0; i < 10; ++i) row.steps.push_back(Stepped(300 + 10 * i, 310 + 10 * i, 1, 0));
  row.requests = {Asked(0, 0, true, 0, Every(10, 100, 11)),
                  Asked(0, 1, false, 200, Every(10, 300, 11))};
  AddAttempt(store, cell, 1, row);
  const CellResult result = *store.ResultOfCell(cell);
  EXPECT_DOUBLE_EQ(result.Find("aggregate_tok_s")->median, (10 + 11) / 0.300);
  EXPECT_DOUBLE_EQ(result.Find("decode_tok_s")->median, 100);
  EXPECT_DOUBLE_EQ(result.Find("ttft_ms")->median, 100);
  EXPECT_EQ(result.Find("itl_ms")->n, 9 + 10);
}

// One user ends at 300, the other goes on to 500: what comes after 300 is the tail.
TEST_F(MetricsTest, AggregateClosesWithTheFirstUserWithoutWork) {
  Store store = OpenOrDie(Path());
  const int64_t cell = AddCell(store, 2);
  WholeAttempt row;
  row.status = AttemptStatus::kOk;
  row.steps.push_back(Stepped(0, 100, 0, 16));
  for (int i = 0; i < 40; ++i)
    row.steps.push_back(Stepped(100 + 10 * i, 110 + 10 * i, i < 20 ? 2 : 1, 0));
  row.requests = {Asked(0, 0, true, 0, Every(10, 100, 21)),
                  Asked(1, 0, true, 0, Every(10, 100, 41))};
  AddAttempt(store, cell, 1, row);
  const CellResult result = *store.ResultOfCell(cell);
  EXPECT_DOUBLE_EQ(result.Find("aggregate_tok_s")->median, 40 / 0.200);
  EXPECT_DOUBLE_EQ(result.Find("decode_tok_s")->median, 200);
}

TEST_F(MetricsTest, OnlyWholeRepeatsCount) {
  Store store = OpenOrDie(Path());
  const int64_t cell = AddCell(store, 2);
  WholeAttempt slow = TwoUsersGated();
  for (StepRecord& step : slow.steps) step.end_ns += kMs;
  AddAttempt(store, cell, 0, slow);
  AddAttempt(store, cell, 1, TwoUsersGated());
  slow.status = AttemptStatus::kFailed;
  AddAttempt(store, cell, 2, slow);
  slow.status = AttemptStatus::kInterrupted;
  AddAttempt(store, cell, 3, slow);
  const CellResult result = *store.ResultOfCell(cell);
  EXPECT_THAT(result.decode_samples, testing::ElementsAre(200));
  EXPECT_EQ(result.Find("ttft_ms")->n, 2);
}

TEST_F(MetricsTest, LimitUsesTheBetterRatesAroundTheRepeat) {
  Store store = OpenOrDie(Path());
  const int64_t run = *store.BeginRun(SomeRun());
  const int64_t cell = *store.BeginCell(run, *store.AddModel(SomeModel()), {1, 8, 32, 1, 3, {}});
  const int64_t before = *store.AddRates(run, {0, 10, 8, 50, 5, false});
  WholeAttempt row;
  row.rates_after = *store.AddRates(run, {1, 5, 16, 100, std::nullopt, false});
  row.status = AttemptStatus::kOk;
  // 30 MB at 10 GB/s: 3 ms, above 100 M / 100 G/s: 1 ms; 16 MB at 16 GB/s: 1 ms; 5 M / 5 G/s: 1 ms.
  const StepCost cost{28'000'000, 2'000'000, 16'000'000, 100'000'000, 5'000'000};
  for (int i = 0; i < 16; ++i) row.steps.push_back(Stepped(10 * i, 10 * i + 10, 1, 0, cost));
  AddAttempt(store, cell, 1, row, before);
  const CellResult result = *store.ResultOfCell(cell);
  EXPECT_DOUBLE_EQ(result.Find("limit_tok_s")->median, 1 / 0.005);
  EXPECT_DOUBLE_EQ(result.Find("decode_tok_s")->median, 1 / 0.010);
  EXPECT_DOUBLE_EQ(result.Find("step_bytes")->median, 46e6);
  EXPECT_DOUBLE_EQ(result.Find("step_macs")->median, 105e6);
  EXPECT_DOUBLE_EQ(*store.BestRates(run)->int8_gmac_s, 100);
}

TEST_F(MetricsTest, ComputeBoundStepsAreLimitedByTheInt8Rate) {
  Store store = OpenOrDie(Path());
  const int64_t run = *store.BeginRun(SomeRun());
  const int64_t cell = *store.BeginCell(run, *store.AddModel(SomeModel()), {1, 8, 32, 1, 3, {}});
  const int64_t rates = *store.AddRates(run, {0, 10, 10, 100, 10, false});
  WholeAttempt row;
  row.status = AttemptStatus::kOk;
  for (int i = 0; i < 16; ++i) {
    row.steps.push_back(Stepped(10 * i, 10 * i + 10, 1, 0, {10'000'000, 0, 0, 400'000'000, 0}));
  }
  AddAttempt(store, cell, 1, row, rates);
  EXPECT_DOUBLE_EQ(store.ResultOfCell(cell)->Find("limit_tok_s")->median, 1 / 0.004);
}

TEST_F(MetricsTest, ATargetWithoutStepsHasTheLimitOfTheLeastStep) {
  Store store = OpenOrDie(Path());
  const int64_t run = *store.BeginRun(SomeRun()), model = *store.AddModel(SomeModel());
  const int64_t rates = *store.AddRates(run, {0, 10, 8, 100, 1, false});
  // 30 MB at 10 GB/s and 8 MB at 8 GB/s: 4 ms; 150 M + 50 M at 100 G/s: 2 ms, or 6 ms with 550 M.
  for (const auto& [int8_macs, limit_s] : {std::pair{150'000'000, 0.004}, {550'000'000, 0.006}, {0, 0.0}}) {
    CellRow row{2, 8, 32, 1, 3, {}};
    if (limit_s > 0) row.least_step = StepCost{25'000'000, 5'000'000, 8'000'000, int8_macs, 50'000'000};
    const int64_t cell = *store.BeginCell(run, model, row);
    for (int repeat : {1, 2}) {
      WholeAttempt attempt;
      attempt.status = AttemptStatus::kOk;
      attempt.requests = {Asked(0, 0, false, 0, Every(10, 100, 21)), Asked(1, 0, false, 0, Every(10, 100, 21))};
      AddAttempt(store, cell, repeat, attempt, rates);
    }
    const CellResult result = *store.ResultOfCell(cell);
    EXPECT_DOUBLE_EQ(result.Find("decode_tok_s")->median, 200);
    ASSERT_EQ(result.Find("limit_tok_s") != nullptr, limit_s > 0);
    if (limit_s == 0) continue;
    EXPECT_EQ(result.Find("limit_tok_s")->n, 2);
    EXPECT_DOUBLE_EQ(result.Find("limit_tok_s")->median, 2 / limit_s);
    EXPECT_DOUBLE_EQ(result.Find("step_bytes")->median, 38e6);
    EXPECT_DOUBLE_EQ(result.Find("step_macs")->median, int8_macs + 50e6);
    const int64_t attempt = *store.database().QueryInt("SELECT max(id) FROM attempt");
    EXPECT_DOUBLE_EQ(*store.DecodingOf(cell, attempt)->limit_tok_s, 2 / limit_s);
  }
}

TEST_F(MetricsTest, MedianPeakAndPercentile) {
  Store store = OpenOrDie(Path());
  for (int n : {1, 2, 3, 20, 21}) {
    const int64_t cell = AddCell(store, 1);
    WholeAttempt row;
    row.status = AttemptStatus::kOk;
    for (int i = 1; i <= n; ++i) row.requests.push_back(Asked(0, i, false, 0, {i}));
    AddAttempt(store, cell, 1, row);
    const CellResult result = *store.ResultOfCell(cell);
    const Figure ttft = *result.Find("ttft_ms");
    EXPECT_DOUBLE_EQ(ttft.median, (n + 1) / 2.0);
    EXPECT_DOUBLE_EQ(ttft.p95, n <= 19 ? n : n == 20 ? 19 : 20);
    EXPECT_DOUBLE_EQ(ttft.least, 1);
    EXPECT_DOUBLE_EQ(ttft.greatest, n);
  }
}

TEST_F(MetricsTest, HashOnlyWhereAllRepeatsAgree) {
  Store store = OpenOrDie(Path());
  for (const char* second : {"aa", "bb"}) {
    const int64_t cell = AddCell(store, 2);
    WholeAttempt row = TwoUsersGated();
    row.logits_hash = "aa";
    row.peak_memory_bytes = 5;
    AddAttempt(store, cell, 1, row);
    row.logits_hash = second;
    row.peak_memory_bytes = 7;
    AddAttempt(store, cell, 2, row);
    const CellResult result = *store.ResultOfCell(cell);
    EXPECT_EQ(result.logits_hash.has_value(), std::string(second) == "aa");
    EXPECT_DOUBLE_EQ(result.Find("peak_memory_bytes")->greatest, 7);
  }
}

}  // namespace
}  // namespace weir
