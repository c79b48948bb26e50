#include "bench/statistics.h"

#include <gmock/gmock.h>

namespace weir {
namespace {

CellResult CellWith(Figure decode, Figure aggregate) {
  CellResult cell;
  cell.row.repeats = 3;
  cell.figures["decode_tok_s"] = decode;
  cell.figures["aggregate_tok_s"] = aggregate;
  return cell;
}

const Figure kSteady{3, 100, 104, 96, 104};

std::vector<std::string> NamesOf(const std::vector<Flag>& flags) {
  std::vector<std::string> names;
  for (const Flag& flag : flags) names.push_back(flag.name);
  return names;
}

TEST(MedianInterval, OfThreeIsLeastAndGreatest) {
  const auto interval = MedianInterval(std::vector<double>{12, 10, 11});
  ASSERT_TRUE(interval);
  EXPECT_EQ(interval->low, 10);
  EXPECT_EQ(interval->high, 12);
}

TEST(MedianInterval, NarrowsWithMoreSamples) {
  std::vector<double> samples;
  for (int i = 0; i < 101; ++i) samples.push_back(i);
  const auto interval = MedianInterval(samples);
  // The median of n = 101 uniform values: 50 -+ 1.96 * 0.5 * sqrt(n), about.
  EXPECT_NEAR(interval->low, 40, 3);
  EXPECT_NEAR(interval->high, 60, 3);
}

TEST(MedianInterval, OfOneIsUnknownAndOfEqualsIsAPoint) {
  EXPECT_FALSE(MedianInterval(std::vector<double>{1}));
  EXPECT_FALSE(MedianInterval({}));
  EXPECT_EQ(MedianInterval(std::vector<double>{5, 5})->low, 5);
}

TEST(Cliff, IsMoreThanFivePercentBelowFewerUsers) {
  Decoded cell{1, 8, 96, 100};
  const std::vector<Decoded> before{{2, 4, 96, 104}, {3, 16, 96, 300}, {4, 2, 96, 90}, {5, 2, 64, 900}};
  // 3.8 % below 4 users; 16 users are not fewer, and 64 tokens are another load.
  EXPECT_FALSE(FindCliff(cell, before));
  EXPECT_FALSE(FindCliff(cell, {}));
  cell.tok_s = 98;
  const std::optional<Flag> cliff = FindCliff(cell, before);
  ASSERT_TRUE(cliff);
  EXPECT_EQ(cliff->detail, "decode is 6 % slower than with 4 users");
}

TEST(IsPrecise, WhenTheMedianIsKnownWell) {
  EXPECT_FALSE(IsPrecise(std::vector<double>{100, 100, 100, 100}, 0.03)) << "four are too few";
  EXPECT_TRUE(IsPrecise(std::vector<double>{100, 100, 100, 100, 100}, 0.001));
  EXPECT_TRUE(IsPrecise(std::vector<double>{98, 99, 100, 101, 102}, 0.021));
  EXPECT_FALSE(IsPrecise(std::vector<double>{98, 99, 100, 101, 102}, 0.009));
  EXPECT_FALSE(IsPrecise(std::vector<double>{90, 91, 100, 109, 110}, 0.03));
}

TEST(RatioInterval, EnclosesTheTrueRatio) {
  const std::vector<double> a{198, 199, 200, 201, 202}, b{98, 99, 100, 101, 102};
  const auto interval = RatioInterval(a, b);
  ASSERT_TRUE(interval);
  EXPECT_LT(interval->low, 2);
  EXPECT_GT(interval->high, 2);
  EXPECT_GT(interval->low, 198.0 / 102 - 1e-9);
  EXPECT_LT(interval->high, 202.0 / 98 + 1e-9);
  EXPECT_FALSE(RatioInterval(a, std::vector<double>{1, 2}));
}

CellResult Ranked(int users, std::vector<double> samples) {
  CellResult cell;
  cell.row.users = users;
  cell.decode_samples = samples;
  std::sort(samples.begin(), samples.end());
  cell.figures["decode_tok_s"].median = samples[samples.size() / 2];
  return cell;
}

TEST(RankCells, CellsThatCannotBeToldApartAreTied) {
  const std::vector<CellResult> cells{
      Ranked(1, {98, 99, 100, 101, 102}), Ranked(1, {148, 149, 150, 151, 152}),
      Ranked(1, {99, 100, 101, 102, 103}), Ranked(4, {300, 301, 302, 303, 304}), CellResult()};
  const std::vector<Ranking> rankings = RankCells(cells);
  ASSERT_EQ(rankings.size(), 1u) << "one cell of 4 users has no rank";
  EXPECT_EQ(rankings[0].users, 1);
  ASSERT_EQ(rankings[0].groups.size(), 2u);
  EXPECT_THAT(rankings[0].groups[0].cells, testing::ElementsAre(1));
  EXPECT_THAT(rankings[0].groups[1].cells, testing::ElementsAre(2, 0));
}

TEST(RankCells, ThreeSamplesDifferOnlyIfAllDo) {
  EXPECT_EQ(RankCells({Ranked(1, {100, 101, 102}), Ranked(1, {103, 104, 105})})[0].groups.size(), 2u);
  EXPECT_EQ(RankCells({Ranked(1, {100, 101, 104}), Ranked(1, {103, 105, 106})})[0].groups.size(), 1u);
  EXPECT_EQ(RankCells({Ranked(1, {100, 101}), Ranked(1, {203, 204})})[0].groups.size(), 1u) << "too few";
}

TEST(Judge, StatusesInOrder) {
  const CellResult whole = CellWith(kSteady, kSteady);
  EXPECT_EQ(Judge(whole, {3, 0, "", false}).status, CellStatus::kOk);
  EXPECT_EQ(Judge(whole, {2, 0, "", true}).status, CellStatus::kInterrupted);
  EXPECT_EQ(Judge(whole, {2, 1, "why", false}).status, CellStatus::kOk);
  const Verdict failed = Judge(CellResult(), {0, 3, "why", false});
  EXPECT_EQ(failed.status, CellStatus::kFailed);
  EXPECT_EQ(failed.reason, "why");
  CellResult brief = whole;
  brief.figures.erase("aggregate_tok_s");
  const Verdict verdict = Judge(brief, {3, 0, "", false});
  EXPECT_EQ(verdict.status, CellStatus::kTooShort);
  EXPECT_THAT(verdict.reason, testing::HasSubstr("aggregate"));
}

TEST(Flags, NoneOnASteadyCell) {
  EXPECT_THAT(FindFlags(CellWith(kSteady, kSteady), {3, 0, "", false}, {}), testing::IsEmpty());
}

TEST(Flags, Noisy) {
  const Figure noisy{3, 100, 110, 99, 111};
  const auto flags = FindFlags(CellWith(kSteady, noisy), {3, 0, "", false}, {});
  EXPECT_THAT(NamesOf(flags), testing::ElementsAre("noisy"));
  EXPECT_THAT(flags[0].detail, testing::StartsWith("repeats of aggregate spread over 12 %"));
}

TEST(Flags, ShareAboveOneAndLogitsAndFailedRepeats) {
  CellResult cell = CellWith(kSteady, kSteady);
  cell.figures["limit_tok_s"] = {2, 80, 80, 80, 80};
  cell.logits_differ = true;
  EXPECT_DOUBLE_EQ(*RooflineShare(cell), 1.25);
  EXPECT_THAT(
      NamesOf(FindFlags(cell, {2, 1, "why", false}, {})),
      testing::ElementsAre("share_above_one", "logits_differ", "few_repeats", "repeats_failed"));
}

TEST(Flags, RatesDrifted) {
  const RatesRow good{0, 10, 10, 100, 10, false};
  RatesRow slightly = good, badly = good, absent = good;
  slightly.read_gb_s = 8.6;
  badly.read_gb_s = 8.4;
  absent.read_gb_s = std::nullopt;
  badly.buffer_small = true;
  const CellResult cell = CellWith(kSteady, kSteady);
  for (const RatesRow& after : {good, slightly, absent}) {
    EXPECT_THAT(FindFlags(cell, {3, 0, "", false}, std::vector<RatesAround>{{good, after}}),
                testing::IsEmpty());
  }
  EXPECT_THAT(NamesOf(FindFlags(cell, {3, 0, "", false}, std::vector<RatesAround>{{good, badly}})),
              testing::ElementsAre("rates_drifted", "probe_buffer_small"));
  RatesRow worse = badly;
  worse.int8_gmac_s = 60;
  const std::vector<RatesAround> three{{good, badly}, {worse, good}, {good, slightly}};
  EXPECT_EQ(FindFlags(cell, {3, 0, "", false}, three)[0].detail, "int8_gmac_s went from 60 to 100")
      << "only the worst";
}

}  // namespace
}  // namespace weir
