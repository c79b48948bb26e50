#include "bench/slo.h"

#include <gmock/gmock.h>

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kMs = 1'000'000;

/// Scheduled at `at`, first token after `ttft`, then n - 1 tokens `gap` apart; all in ms.
RequestRecord Of(int64_t at, int64_t ttft, int64_t gap = 10, int n = 5) {
  RequestRecord record;
  record.scheduled_ns = at * kMs;
  record.first_token_ns = (at + ttft) * kMs;
  for (int i = 0; i < n; ++i) record.arrivals.push_back({(at + ttft + i * gap) * kMs});
  record.ended_ns = record.arrivals.back().time_ns;
  record.finish = FinishReason::kLength;
  record.generated_tokens = n;
  return record;
}

TEST(Slo, IsReadAsPeopleWriteIt) {
  const Slo slo = ParseSlo("ttft_p95<1s, itl_median<99.5ms,e2e_p9<2s ,tpot_p99<1ms").value();
  ASSERT_EQ(slo.terms.size(), 4u);
  EXPECT_EQ(slo.terms[0].metric, SloTerm::Metric::kTtft);
  EXPECT_EQ(slo.terms[0].limit_ms, 1000);
  EXPECT_EQ(slo.terms[1].quantile, 0.5);
  EXPECT_EQ(slo.terms[1].limit_ms, 99.5);
  EXPECT_EQ(slo.terms[2].quantile, 0.09);
  for (const char* wrong : {"", ",", "ttft<1s", "ttft_p95", "ttft_p95<1", "ttft_p0<1s", "ttft_p100<1s", "ttft_p95<-1s",
                            "ttft_p95<1s,", "foo_p95<1s", "ttft_p9x<1s", "ttft_p95<nans", "ttft_p95<1e99s", "_<", "<_"}) {
    const auto parsed = ParseSlo(wrong);
    ASSERT_FALSE(parsed.ok()) << wrong;
    EXPECT_THAT(parsed.error().message, HasSubstr("expected METRIC_QUANTILE<LIMIT"));
  }
}

TEST(Slo, IsEvaluatedFromTheScheduledTime) {
  const Slo slo = ParseSlo("ttft_p95<100ms,itl_p95<20ms").value();
  std::vector<RequestRecord> records;
  for (int i = 0; i < 20; ++i) records.push_back(Of(i * 1000, 50));
  SloResult result = Evaluate(slo, records);
  EXPECT_TRUE(result.holds);
  EXPECT_THAT(result.values_ms, ElementsAre(50.0, 10.0));
  EXPECT_EQ(result.n_good, 20);
  EXPECT_NEAR(result.goodput_per_s, 20 / 19.09, 1e-9);
  EXPECT_NEAR(result.goodput_tok_s, 100 / 19.09, 1e-9);

  records[0].submitted_ns = 500 * kMs;  // sent late: its user has waited all the same
  records[0].first_token_ns = 550 * kMs;
  result = Evaluate(slo, records);
  EXPECT_TRUE(result.holds) << "one of 20 may be late";
  EXPECT_EQ(result.n_good, 19);
  records[1].first_token_ns = 1550 * kMs;
  result = Evaluate(slo, records);
  EXPECT_FALSE(result.holds);
  EXPECT_THAT(result.values_ms, ElementsAre(550.0, 10.0));
}

TEST(Slo, AFailureBreaksItAndAWarmUpDoesNot) {
  const Slo slo = ParseSlo("ttft_p95<100ms").value();
  std::vector<RequestRecord> records(3, Of(0, 50));
  records[0].warm_up = true;
  records[0].first_token_ns = 5000 * kMs;
  EXPECT_TRUE(Evaluate(slo, records).holds);
  EXPECT_EQ(Evaluate(slo, records).n_requests, 2);
  records[1].finish = FinishReason::kError;
  EXPECT_FALSE(Evaluate(slo, records).holds);
  EXPECT_EQ(Evaluate(slo, records).n_failed, 1);
  EXPECT_FALSE(Evaluate(slo, {}).holds);
}

/// The loads that a search tries where up to `capacity` hold.
std::vector<int> Tried(int most, int capacity, int* best) {
  CapacitySearch search(most);
  std::vector<int> tried;
  while (const auto next = search.Next()) {
    tried.push_back(*next);
    EXPECT_LE(tried.size(), 60u);
    if (tried.size() > 60) break;
    search.Report(*next, *next <= capacity);
  }
  *best = search.best();
  EXPECT_EQ(search.unlimited(), capacity >= most);
  return tried;
}

TEST(CapacitySearch, FindsEveryCapacity) {
  for (int most : {1, 2, 7, 64}) {
    for (int capacity = 0; capacity <= most; ++capacity) {
      int best = -1;
      Tried(most, capacity, &best);
      EXPECT_EQ(best, capacity) << most;
    }
  }
  int best = 0;
  EXPECT_THAT(Tried(64, 5, &best), ElementsAre(1, 2, 4, 8, 8, 6, 6, 5));
}

TEST(CapacitySearch, OneBadMomentIsNoLimit) {
  CapacitySearch search(4);
  search.Report(1, true);
  search.Report(2, false);
  EXPECT_EQ(search.Next(), 2);
  search.Report(2, true);
  EXPECT_EQ(search.Next(), 4);
  search.Report(4, true);
  EXPECT_FALSE(search.Next().has_value());
  EXPECT_TRUE(search.unlimited());
}

TEST(RateOfStep, DoublesInFour) {
  EXPECT_DOUBLE_EQ(RateOfStep(0.5, 1), 0.5);
  EXPECT_DOUBLE_EQ(RateOfStep(0.5, 5), 1);
}

}  // namespace
}  // namespace weir
