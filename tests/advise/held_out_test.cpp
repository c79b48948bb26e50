// Rows of a real machine are predicted from other rows of it, and from its rates alone.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <sstream>

#include "advise/offers.h"
#include "test_data.h"

namespace weir {
namespace {

struct Row {
  Candidate model;
  int users = 1;
  double decode_tok_s = 0, limit_tok_s = 0, prefill_tok_s = 0, step_macs = 0;
};

std::vector<Row> ReadRows() {
  std::ifstream file(TestData("rows-xeon-2-cores.csv"));
  std::vector<Row> rows;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    Row row;
    std::string name;
    char comma = 0;
    if (!line.starts_with("synth:") || !std::getline(fields, name, ',')) continue;
    fields >> row.users >> comma >> row.decode_tok_s >> comma >> row.limit_tok_s >> comma >>
        row.prefill_tok_s >> comma >> row.step_macs;
    row.model = *OpenCandidate(name);
    rows.push_back(std::move(row));
  }
  EXPECT_EQ(rows.size(), 27u);
  return rows;
}

/// Of the run that was measured last, as ReadExperience takes them.
MachineRates Rates() {
  MachineRates rates;
  rates.threads = 2;
  rates.read_gb_s = 38.580;
  rates.read_write_gb_s = 56.256;
  rates.int8_gmac_s = 6286.0;
  rates.f32_gmac_s = 214.99;
  return rates;
}

SpeedQuestion QuestionOf(const Row& row) {
  // Prompts of 64 tokens, answers of 24: half of these in the middle.
  return {row.model.config, row.model.footprint, row.model.cost, KvType::kF16, row.users, 64 + 12};
}

void Add(const Row& row, MachineExperience* experience) {
  const auto bytes = static_cast<double>(row.model.footprint.file_tensor_bytes);
  Experience decode{std::ssize(experience->decode_share) + 1,
                    {row.model.bits_per_weight, bytes, static_cast<double>(row.users)},
                    row.decode_tok_s * (1 / row.limit_tok_s + 1 / row.prefill_tok_s)};
  Experience prefill = decode;
  prefill.traits.users = 1;
  prefill.value = row.prefill_tok_s * row.step_macs / row.users / 1e9;
  experience->decode_share.push_back(decode);
  experience->prefill_gmac_s.push_back(prefill);
}

/// Learns from the rows that are not held out; how many of those held out are inside their range.
struct Score {
  int n = 0, n_inside = 0, n_unknown = 0;
  double widest = 0;
  double worst = 0;  // how far a row is from its range: above 1 outside
};
Score Predicted(const std::vector<Row>& rows,
                const std::function<bool(size_t, const Row&)>& held_out) {
  MachineExperience experience;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!held_out(i, rows[i])) Add(rows[i], &experience);
  }
  Score score;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!held_out(i, rows[i])) continue;
    ++score.n;
    const auto speed = Predict(QuestionOf(rows[i]), Rates(), experience);
    if (!speed) {
      ++score.n_unknown;
      continue;
    }
    const Range range = speed->decode_tok_s;
    const bool inside = rows[i].decode_tok_s >= range.low && rows[i].decode_tok_s <= range.high;
    score.n_inside += inside;
    score.widest = std::max(score.widest, range.high / range.low);
    score.worst = std::max(
        {score.worst, range.low / rows[i].decode_tok_s, rows[i].decode_tok_s / range.high});
  }
  return score;
}

bool Has(const Row& row, const char* part) {
  return row.model.name.find(part) != std::string::npos;
}

TEST(HeldOut, EveryThirdRowIsInsideTheRangeThatTheOthersTeach) {
  std::vector<Row> rows = ReadRows();
  std::erase_if(rows, [](const Row& row) { return Has(row, "llama"); });
  const Score score = Predicted(rows, [](size_t i, const Row&) { return i % 3 == 2; });
  EXPECT_EQ(score.n, 8);
  EXPECT_EQ(score.n_inside, 8);
  EXPECT_LE(score.widest, kWidestLesson);
}

TEST(HeldOut, AMixtureThatWasNeverMeasuredIsInsideTheRange) {
  const std::vector<Row> rows = ReadRows();
  for (const char* part : {"qwen3.5-0.8b:Q8_0", "qwen3.5-0.8b:Q4_K_M", "qwen3.5-0.8b:UD",
                           "qwen3-0.6b:Q8_0", "qwen3-0.6b:Q4_K_M", "qwen3-0.6b:UD"}) {
    const Score score = Predicted(rows, [&](size_t, const Row& row) { return Has(row, part); });
    EXPECT_EQ(score.n_inside, 4) << part << " " << score.worst;
    EXPECT_LE(score.widest, kWidestLesson) << part;
  }
}

// Measured after the model of the share was settled: nothing was fitted to them.
TEST(HeldOut, ANewModelIsInsideTheRangeOrNotPredicted) {
  const Score score =
      Predicted(ReadRows(), [](size_t, const Row& row) { return Has(row, "llama"); });
  EXPECT_EQ(score.n, 3);
  EXPECT_EQ(score.n_inside, 2);
  EXPECT_EQ(score.n_unknown, 1) << "16 users, of at most 8: too far";
}

// Beyond the rows a range is wider, and it may still be wrong, but not by much.
TEST(HeldOut, MoreUsersThanWereMeasuredAreNearTheRange) {
  const Score score = Predicted(ReadRows(), [](size_t, const Row& row) { return row.users >= 8; });
  EXPECT_EQ(score.n, 7);
  EXPECT_GE(score.n_inside, (score.n - score.n_unknown) / 2);
  EXPECT_LE(score.worst, 1.1);
}

TEST(HeldOut, EveryRowIsInsideTheEstimateFromRatesAlone) {
  for (const Row& row : ReadRows()) {
    const Range range = Estimate(QuestionOf(row), Rates()).decode_tok_s;
    EXPECT_LE(range.low, row.decode_tok_s) << row.model.name << " " << row.users;
    EXPECT_GE(range.high, row.decode_tok_s) << row.model.name << " " << row.users;
    EXPECT_NEAR(range.high / range.low, kWidestEstimate, 1e-9);
  }
}

}  // namespace
}  // namespace weir
