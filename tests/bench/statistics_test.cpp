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
  CellResult cell = CellWith(kSteady, kSteady);
  cell.row.users = 8;
  const std::vector<Decoded> before{{4, 104}, {16, 300}, {2, 90}};
  EXPECT_FALSE(FindCliff(cell, before));  // 3.8 % below 4 users; 16 users are not fewer
  EXPECT_FALSE(FindCliff(cell, {}));
  cell.figures["decode_tok_s"].median = 98;
  const std::optional<Flag> cliff = FindCliff(cell, before);
  ASSERT_TRUE(cliff);
  EXPECT_EQ(cliff->detail, "decode is 6 % slower than with 4 users");
  cell.figures.clear();
  EXPECT_FALSE(FindCliff(cell, before));
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
