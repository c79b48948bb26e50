// Searches for the largest load, on a null target with a clock of its own: what it takes is known.
#include "bench/capacity.h"

#include <gmock/gmock.h>

#include "bench/document.h"
#include "null_target.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class CapacityTest : public testing::Test {
 protected:
  CapacityTest() : store_(Store::Open(":memory:").value()) {
    spec_.model = "null.gguf";
    spec_.load = {64, 2, 8, 32, 1};
    spec_.load.warm_up_rounds = 1;
    // Eight tokens at a millisecond each before the first of the next user: the last of N waits 8 N.
    spec_.slo = "ttft_p95<50ms";
  }

  CapacityRow Search() {
    const std::vector<PlannedCell> cells{{&subject_, spec_}};
    const auto outcome = RunBench(options_, {"m", {}, {}, "{}", "weir", "plain", 1, 1}, cells, store_, instruments_, nullptr);
    EXPECT_TRUE(outcome.ok() && outcome->written.ok());
    cells_ = *store_.Results(outcome->run);
    capacities_ = *store_.Capacities(outcome->run);
    return capacities_.empty() ? CapacityRow{} : capacities_.front();
  }

  std::vector<int> Tried() const {
    std::vector<int> users;
    for (const CellResult& cell : cells_) users.push_back(cell.row.users);
    return users;
  }

  const CellResult& CellOf(int users) const {
    return *std::find_if(cells_.begin(), cells_.end(), [&](const CellResult& c) { return c.row.users == users; });
  }

  Store store_;
  BenchOptions options_;
  NullInstruments instruments_;
  NullSubject subject_;
  CellSpec spec_;
  std::vector<CellResult> cells_;
  std::vector<CapacityRow> capacities_;
};

TEST_F(CapacityTest, TheMostUsersAreFoundAndEveryProbeIsARow) {
  const CapacityRow row = Search();
  EXPECT_EQ(row.best, 6);
  EXPECT_EQ(row.broken, 7);
  EXPECT_EQ(row.unit, "users");
  EXPECT_EQ(row.why, "ttft_p95 is 56 ms, not below 50 ms");
  EXPECT_THAT(Tried(), ElementsAre(1, 2, 4, 8, 6, 7));
  EXPECT_EQ(row.cell, CellOf(6).id);
  EXPECT_EQ(*store_.database().QueryInt("SELECT count(*) FROM attempt a JOIN cell c ON c.id = a.cell "
                                        "WHERE a.repeat > 0 AND c.users IN (7, 8)"),
            4) << "what breaks is tried twice";
  EXPECT_EQ(CellOf(6).decode_samples.size(), 3u) << "the answer has all its repeats";
  EXPECT_EQ(CellOf(4).decode_samples.size(), 1u);
  EXPECT_THAT(CellOf(6).flags, testing::IsEmpty());
  ASSERT_EQ(CellOf(7).flags.size(), 1u);
  EXPECT_EQ(CellOf(7).flags[0].name, "objective_missed");
  for (const CellResult& cell : cells_) EXPECT_EQ(cell.status, CellStatus::kOk) << cell.reason;
}

TEST_F(CapacityTest, GoodputIsThatOfRequestsThatHoldTheLimits) {
  Search();
  // Six users: two rounds of 6 prefills of 8 ms and 31 steps of 10 ms. All requests are good.
  EXPECT_NEAR(CellOf(6).Find("goodput_per_s")->median, 12 / (2 * 0.358), 1e-9);
  EXPECT_NEAR(CellOf(6).Find("goodput_tok_s")->median, 12 * 32 / (2 * 0.358), 1e-9);
  // Of seven, the last one waits too long each time.
  EXPECT_NEAR(CellOf(7).Find("goodput_per_s")->median, 12 / (2 * 0.366), 1e-9);
  const auto json = CapacitiesJson(capacities_, cells_);
  EXPECT_NEAR(json[0]["goodput_per_s"].get<double>(), 12 / (2 * 0.358), 1e-9);
  EXPECT_EQ(json[0]["best"], 6);
  EXPECT_THAT(CapacityLines(capacities_, cells_)[0],
              HasSubstr("capacity of null.gguf with ttft_p95<50ms: 6 users; goodput 16.8 requests"));
}

TEST_F(CapacityTest, WhatDoesNotFitIsAboveTheCapacityAndTriedOnce) {
  subject_.most_users_ = 3;
  const CapacityRow row = Search();
  EXPECT_EQ(row.best, 3);
  EXPECT_EQ(row.broken, 4);
  EXPECT_THAT(row.why, HasSubstr("4 users need too much"));
  EXPECT_EQ(CellOf(4).status, CellStatus::kRefused);
  EXPECT_THAT(Tried(), ElementsAre(1, 2, 4, 3));
}

TEST_F(CapacityTest, ATargetThatBearsEverythingHasNoBracket) {
  spec_.load.users = 4;
  const CapacityRow row = Search();
  EXPECT_EQ(row.best, 4);
  EXPECT_FALSE(row.broken.has_value());
  EXPECT_THAT(CapacityLines(capacities_, cells_)[0], HasSubstr("the most that was tried"));
}

TEST_F(CapacityTest, NotEvenOne) {
  spec_.slo = "ttft_p95<8ms";
  const CapacityRow row = Search();
  EXPECT_EQ(row.best, 0);
  EXPECT_EQ(row.broken, 1);
  EXPECT_FALSE(row.cell.has_value());
  subject_.load_ = Failed("disk on fire");
  EXPECT_EQ(Search().why, "disk on fire");
  EXPECT_EQ(cells_.at(0).status, CellStatus::kFailed);
}

TEST_F(CapacityTest, WhatHoldsOnceAndThenBreaksTwiceIsNotTheAnswer) {
  spec_.slo = "itl_p95<11ms";
  spec_.load.users = 4;
  subject_.script_.speed_of_repeat = {1, 0.5, 0.5};  // of each target that is started anew
  const CapacityRow row = Search();
  EXPECT_EQ(row.best, 0) << "each held in its first repeat, broke in the next two";
  EXPECT_EQ(row.broken, 1);
}

TEST_F(CapacityTest, AStopLeavesProbesAndNoAnswer) {
  instruments_.stop_after_ = 400;
  const std::vector<PlannedCell> cells{{&subject_, spec_}};
  const auto outcome = RunBench(options_, {"m", {}, {}, "{}", "weir", "plain", 1, 1}, cells, store_, instruments_, nullptr);
  ASSERT_TRUE(outcome.ok());
  EXPECT_TRUE(outcome->interrupted);
  EXPECT_TRUE(store_.Capacities(outcome->run)->empty());
  EXPECT_FALSE(store_.Results(outcome->run)->empty());
}

TEST_F(CapacityTest, ARateIsSearchedInSteps) {
  spec_.load = {20, 1, 8, 32, 1};
  spec_.load.arrivals = Arrivals::kConstant;
  spec_.load.rate = 1;
  spec_.slo = "ttft_p95<20ms";
  const CapacityRow row = Search();
  EXPECT_EQ(row.unit, "requests_per_s");
  ASSERT_GT(row.best, 1);
  ASSERT_TRUE(row.broken.has_value());
  EXPECT_NEAR(*row.broken / row.best, std::exp2(0.25), 1e-9);
}

}  // namespace
}  // namespace weir
