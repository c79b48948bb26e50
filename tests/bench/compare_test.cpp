#include "bench/compare.h"

#include <gmock/gmock.h>

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

CellResult Cell(int64_t id, int users, std::vector<double> samples, const std::string& prompt = "prompt=64") {
  CellResult cell;
  cell.id = id;
  cell.model.name = "some-Q8_0.gguf";
  cell.model.quant = "Q8_0";
  cell.model.arch = "qwen35";
  cell.model.n_params = 1000;
  cell.row.users = users;
  cell.row.config = fmt::format("{{\"load\":\"closed users={} {}\",\"threads\":2}}", users, prompt);
  cell.status = CellStatus::kOk;
  cell.machine = "m1";
  cell.build = "b1";
  std::vector<double> sorted = samples;
  std::sort(sorted.begin(), sorted.end());
  cell.figures["decode_tok_s"] = {static_cast<int64_t>(sorted.size()), sorted[sorted.size() / 2], sorted.back(), sorted.front(), sorted.back()};
  cell.decode_samples = std::move(samples);
  return cell;
}

const std::vector<double> kHundred = {99, 100, 101, 100, 100}, kNinety = {89, 90, 91, 90, 90};

std::vector<Outcome> Outcomes(const Comparison& comparison) {
  std::vector<Outcome> outcomes;
  for (const ComparedCell& cell : comparison.cells) outcomes.push_back(cell.outcome);
  return outcomes;
}

TEST(Compare, RegressionsComeFirstAndTiesAreSaid) {
  const Comparison comparison =
      Compare({Cell(1, 1, kHundred), Cell(2, 2, kNinety), Cell(3, 4, kHundred), Cell(4, 8, {100, 101, 99})},
              {Cell(5, 1, kHundred), Cell(6, 2, kHundred), Cell(7, 4, kNinety), Cell(8, 8, {95, 96, 94})}, {});
  EXPECT_THAT(Outcomes(comparison), ElementsAre(Outcome::kSlower, Outcome::kUnproven, Outcome::kTie, Outcome::kFaster));
  EXPECT_DOUBLE_EQ(comparison.cells[0].ratio, 0.9);
  EXPECT_EQ(comparison.cells[0].base.id, 3);
  EXPECT_EQ(comparison.cells[0].other.id, 7);
  EXPECT_NEAR(*comparison.geometric_mean, std::pow(0.9 * 0.95 * 1 * (100.0 / 90), 0.25), 1e-12);
  EXPECT_FALSE(comparison.cells[1].interval.has_value()) << "three repeats prove nothing";
  EXPECT_THAT(comparison.differences, testing::IsEmpty());
}

TEST(Compare, OnlyLikeWithLike) {
  CellResult failed = Cell(9, 16, kHundred);
  failed.status = CellStatus::kRefused;
  const Comparison comparison =
      Compare({Cell(1, 1, kHundred), Cell(2, 2, kHundred), Cell(3, 16, kHundred), failed},
              {Cell(5, 1, kHundred, "prompt=512"), Cell(6, 8, kHundred), failed}, {});
  EXPECT_TRUE(comparison.cells.empty());
  EXPECT_FALSE(comparison.geometric_mean.has_value());
  ASSERT_EQ(comparison.left_out.size(), 4u);
  EXPECT_EQ(comparison.left_out[0].why, "another load: prompt=64 against prompt=512");
  EXPECT_EQ(comparison.left_out[1].why, "not measured with 2 users");
  EXPECT_EQ(comparison.left_out[2].why, "the other side's cell is refused");
  EXPECT_THAT(comparison.left_out[3].why, HasSubstr("refused"));
}

TEST(Compare, AnotherModelOrMixtureIsNoPartnerUnlessAskedFor) {
  CellResult other = Cell(2, 1, kNinety);
  other.model.name = "some-Q4_K_M.gguf";
  other.model.quant = "Q4_K_M";
  EXPECT_EQ(Compare({Cell(1, 1, kHundred)}, {other}, {}).left_out[0].why, "the other side has no such model");
  const CompareOptions across{"decode_tok_s", true};
  EXPECT_EQ(Compare({Cell(1, 1, kHundred)}, {other}, across).cells.size(), 1u);
  other.model.n_params = 2000;
  EXPECT_TRUE(Compare({Cell(1, 1, kHundred)}, {other}, across).cells.empty());
}

// A run of an engine and two servers against the same run: each cell is its own partner, and all ratios are 1.
TEST(Compare, TargetsAreNotMixedWhereASideHasSeveral) {
  std::vector<CellResult> run = {Cell(1, 1, kHundred), Cell(2, 1, kNinety), Cell(3, 1, {50, 50, 50, 51, 49})};
  run[1].row.target = "http://box:1";
  run[2].row.target = "peer:slow";
  const Comparison same = Compare(run, run, {});
  ASSERT_EQ(same.cells.size(), 3u);
  for (const ComparedCell& cell : same.cells) {
    EXPECT_EQ(cell.base.id, cell.other.id);
    EXPECT_EQ(cell.ratio, 1);
  }
  const Comparison engine = Compare(run, {run[0]}, {});
  EXPECT_EQ(engine.cells.size(), 1u);
  EXPECT_EQ(engine.left_out.at(1).why, "the other side has it at engine only");
  EXPECT_DOUBLE_EQ(Compare({run[0]}, {run[1]}, {}).cells.at(0).ratio, 0.9) << "one target each: that is the question";
}

TEST(Compare, WhatElseDiffersIsSaidOnce) {
  std::vector<CellResult> others = {Cell(3, 1, kHundred), Cell(4, 2, kHundred)};
  for (CellResult& cell : others) {
    cell.build = "b2";
    cell.row.config.replace(cell.row.config.find("\"threads\":2"), 11, "\"threads\":4");
  }
  const Comparison comparison = Compare({Cell(1, 1, kHundred), Cell(2, 2, kHundred)}, others, {});
  EXPECT_THAT(comparison.differences, ElementsAre("build: b1 against b2", "threads: 2 against 4"));
}

TEST(Compare, TheGateWantsTheWholeIntervalOrTheRatioWhereThereIsNone) {
  const auto slower = [](std::vector<double> samples, double share) {
    return IsSlowerThan(Compare({Cell(1, 1, kHundred)}, {Cell(2, 1, std::move(samples))}, {}).cells[0], share);
  };
  EXPECT_TRUE(slower(kNinety, 0.05));
  EXPECT_FALSE(slower(kNinety, 0.15));
  EXPECT_FALSE(slower({85, 90, 99, 100, 90}, 0.05)) << "the interval reaches beyond";
  EXPECT_TRUE(slower({90, 90}, 0.05));
  EXPECT_FALSE(slower(kHundred, 0));
}

TEST(Compare, TheLastOfEqualCellsCounts) {
  const Comparison comparison = Compare({Cell(1, 1, kHundred)}, {Cell(2, 1, kNinety), Cell(3, 1, kHundred)}, {});
  EXPECT_EQ(comparison.cells[0].other.id, 3);
}

}  // namespace
}  // namespace weir
