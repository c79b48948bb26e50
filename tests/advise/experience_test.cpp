#include "advise/experience.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "store/store.h"
#include "test_data.h"

namespace weir {
namespace {

/// A machine whose share falls with users and with fewer bits.
double TrueShare(const CellTraits& traits) {
  return 0.7 * std::pow(traits.users, -0.2) * std::pow(traits.bits_per_weight / 8, 0.3);
}

std::vector<Experience> Rows(double noise, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> error(0, noise);
  std::vector<Experience> rows;
  for (const double bits : {2.3, 4.8, 8.5}) {
    for (const double bytes : {0.5e9, 2e9}) {
      for (const double users : {1, 2, 8, 32}) {
        const CellTraits traits{bits, bytes, users};
        rows.push_back({static_cast<int64_t>(rows.size()) + 1, traits, TrueShare(traits) * std::exp(error(random))});
      }
    }
  }
  return rows;
}

TEST(Experience, CellsHeldOutAreInsideTheRange) {
  const std::vector<Experience> rows = Rows(0.02, TestSeed());
  for (const double users : {1.0, 4.0, 16.0}) {
    for (const double bits : {3.0, 4.8, 6.5}) {
      const CellTraits traits{bits, 1e9, users};
      const auto lesson = Learn(rows, traits);
      ASSERT_TRUE(lesson.has_value()) << users << " users, " << bits << " bits";
      EXPECT_LE(lesson->range.low, TrueShare(traits));
      EXPECT_GE(lesson->range.high, TrueShare(traits));
      EXPECT_LE(lesson->range.high / lesson->range.low, kWidestLesson);
      EXPECT_FALSE(lesson->cells.empty());
    }
  }
}

TEST(Experience, NoisierRowsMakeAWiderRangeAndThenNone) {
  const CellTraits traits{4.8, 1e9, 4};
  const auto width = [&](double noise) {
    const auto lesson = Learn(Rows(noise, 7), traits);
    return lesson ? lesson->range.high / lesson->range.low : INFINITY;
  };
  EXPECT_LT(width(0.01), width(0.08));
  EXPECT_EQ(width(0.5), INFINITY);
}

TEST(Experience, RowsThatAreFarAwayTeachNothing) {
  const std::vector<Experience> rows = Rows(0.01, 7);
  EXPECT_FALSE(Learn(rows, {4.8, 500e9, 4}).has_value());
  EXPECT_FALSE(Learn(rows, {4.8, 1e9, 4096}).has_value());
  EXPECT_FALSE(Learn({}, {4.8, 1e9, 4}).has_value());
  EXPECT_FALSE(Learn({rows.data(), 1}, rows[0].traits).has_value()) << "one row has no spread";
}

TEST(Experience, IsReadFromTheRowsOfThatMachineIsaAndThreads) {
  auto store = Store::OpenReadOnly(TestData("results-v2.db"));
  ASSERT_TRUE(store.ok()) << store.error().message;
  auto prepared = store->database().Prepare(
      "SELECT machine.fingerprint, run.isa, run.threads FROM run JOIN machine ON machine.id = run.machine");
  Statement& machine = *prepared;
  ASSERT_TRUE(*machine.Step());
  const std::string fingerprint = machine.Text(0), isa = machine.Text(1);
  const int threads = static_cast<int>(machine.Int(2));
  FigureReader figures;
  const auto experience = ReadExperience(store->database(), fingerprint, isa, threads, figures);
  ASSERT_TRUE(experience.ok()) << experience.error().message;
  ASSERT_FALSE(experience->decode_share.empty());
  for (const Experience& row : experience->decode_share) {
    EXPECT_GT(row.value, 0);
    EXPECT_GT(row.traits.bits_per_weight, 1);
    EXPECT_GE(row.traits.users, 1);
  }
  ASSERT_TRUE(experience->rates.has_value());
  EXPECT_GT(experience->rates->read_gb_s, 0);
  const auto others = ReadExperience(store->database(), "another machine", isa, threads, figures);
  EXPECT_TRUE(others->decode_share.empty());
  EXPECT_FALSE(others->rates.has_value());
  EXPECT_TRUE(ReadExperience(store->database(), fingerprint, isa, threads + 1, figures)->decode_share.empty());
  // What a search tried teaches nothing. (A database of an older version is a copy in memory.)
  ASSERT_TRUE(store->database().Run("PRAGMA query_only = OFF; UPDATE cell SET search = 'ttft_p95<1s'").ok());
  EXPECT_TRUE(ReadExperience(store->database(), fingerprint, isa, threads, figures)->decode_share.empty());
}

}  // namespace
}  // namespace weir
