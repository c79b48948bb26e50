#include "advise/audit.h"

#include <gmock/gmock.h>

#include "test_data.h"

namespace weir {
namespace {

using testing::HasSubstr;

Audit AuditText(const std::string& toml) {
  const auto article = ParseArticle(toml, "a.toml");
  EXPECT_TRUE(article.ok()) << article.error().message;
  const auto audit = AuditArticle(*article, *MachineCatalogue::Load(""));
  EXPECT_TRUE(audit.ok()) << audit.error().message;
  return *audit;
}

double ShareOf(const RowFinding& finding, std::string_view bandwidth) {
  for (const BandwidthUse& use : finding.uses) {
    if (use.name == bandwidth) return use.share;
  }
  ADD_FAILURE() << bandwidth;
  return 0;
}

class MacMiniArticle : public testing::Test {
 protected:
  const Audit audit_ = AuditText(ReadText(ArticleData("mac-mini-m4-pro.toml")));
};

TEST_F(MacMiniArticle, RowsSitWhereTheirWeightsPutThem) {
  ASSERT_EQ(audit_.rows.size(), 5u);
  const RowFinding& small = audit_.rows[1];
  EXPECT_EQ(small.weight_bytes, 800'881'920);
  EXPECT_NEAR(ShareOf(small, "catalogue"), 0.28, 0.005);
  EXPECT_NEAR(ShareOf(small, "claimed"), 0.38, 0.005);
  EXPECT_EQ(small.verdict, "possible");
  const RowFinding& large = audit_.rows[4];
  EXPECT_GT(ShareOf(large, "claimed"), 1);
  EXPECT_LT(ShareOf(large, "catalogue"), 1);
  EXPECT_EQ(large.verdict, "exceeds_claim");
  for (const RowFinding& row : audit_.rows) EXPECT_TRUE(row.lone_peak) << row.row.model;
}

TEST_F(MacMiniArticle, TenToFifteenPercentRestsOnThreeOfFourBandwidths) {
  const RatioFinding& finding = audit_.ratios[0];
  ASSERT_EQ(finding.bases.size(), 4u);
  EXPECT_NEAR(finding.bases[0].ratio(), 0.152, 0.001);
  EXPECT_NEAR(finding.bases[1].ratio(), 0.112, 0.001);
  EXPECT_NEAR(finding.bases[2].ratio(), 0.084, 0.001);
  EXPECT_NEAR(finding.bases[3].ratio(), 0.100, 0.001);
  EXPECT_TRUE(finding.bases[0].supports);
  EXPECT_TRUE(finding.bases[1].supports);
  EXPECT_FALSE(finding.bases[2].supports);
  EXPECT_TRUE(finding.bases[3].supports);
}

TEST_F(MacMiniArticle, ThreeToFiveTimesHasOnlyOneAndAHalfBehindIt) {
  const RatioFinding& finding = audit_.ratios[1];
  EXPECT_NEAR(finding.bases[0].ratio(), 1.64, 0.01);
  EXPECT_FALSE(finding.supported);
}

TEST_F(MacMiniArticle, WhatFitsHoldsAndWattsDoNotCompare) {
  ASSERT_EQ(audit_.fits.size(), 4u);
  for (const FitFinding& finding : audit_.fits) EXPECT_TRUE(finding.holds()) << finding.claim.text;
  for (const PowerFinding& finding : audit_.powers) EXPECT_TRUE(finding.other_boundary);
}

TEST(Audit, MoreThanTheMachinesPeakIsImpossible) {
  const std::string row = R"(title = "x"
machine = "rtx-5060-ti-16gb"
[[row]]
model = "qwen3.5-9b"
quant = "Q8_0"
users = 1
figure = "median"
tok_s = )";
  EXPECT_EQ(AuditText(row + "40").rows[0].verdict, "possible");
  EXPECT_EQ(AuditText(row + "60").rows[0].verdict, "impossible");
}

TEST(Audit, APeakWithItsMedianIsNotAlone) {
  const auto rows = [](const std::string& second) {
    return AuditText(R"(title = "x"
machine = "rtx-5090-32gb"
[[row]]
model = "qwen3.5-2b"
quant = "Q8_0"
users = 4
tok_s = 100
figure = "peak"
[[row]]
model = "qwen3.5-2b"
quant = "Q8_0"
tok_s = 90
figure = "median"
users = )" + second).rows;
  };
  EXPECT_FALSE(rows("4")[0].lone_peak);
  EXPECT_TRUE(rows("8")[0].lone_peak);
}

TEST(Audit, AMixtureNeedsOnlyWhatATokenReads) {
  const Audit audit = AuditText(R"(title = "x"
machine = "rtx-5090-32gb"
[[row]]
model = "qwen3.5-35b-a3b"
quant = "Q4_K_M"
users = 1
tok_s = 200
)");
  EXPECT_LT(audit.rows[0].weight_bytes, 4'000'000'000);
  EXPECT_EQ(audit.rows[0].verdict, "possible");
}

std::vector<RowFinding> AuditRows(const std::string& rows) {
  const auto article = ParseArticleCsv("machine,model,quant,users,tok_s,figure,ttft_ms\n" + rows, "a.csv");
  EXPECT_TRUE(article.ok()) << article.error().message;
  const auto audit = AuditArticle(*article, *MachineCatalogue::Load(""));
  EXPECT_TRUE(audit.ok()) << audit.error().message;
  return audit->rows;
}

TEST(Audit, WhatMemoryOrMultipliersOrOneReadingForbidIsImpossibleAndSaysWhy) {
  const std::vector<RowFinding> rows = AuditRows(
      "intel-n100-16gb,qwen3.5-27b,F16,1,0.5,median,\n"
      "rtx-3090-24gb,qwen3.5-9b,Q4_K_M,4096,200000,median,\n"
      "rtx-5090-32gb,qwen3.5-27b,Q8_0,1,50,median,0.001\n"
      "rtx-5090-32gb,qwen3.5-27b,Q8_0,1,50,median,30\n");
  const char* reasons[] = {"and the memory 17.2 GB", "cannot multiply that often", "reading the weights once takes"};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(rows[i].verdict, "impossible") << i;
    ASSERT_EQ(rows[i].reasons.size(), 1u) << i;
    EXPECT_THAT(rows[i].reasons[0], HasSubstr(reasons[i]));
  }
  EXPECT_EQ(rows[3].verdict, "possible");
  EXPECT_TRUE(rows[3].reasons.empty());
}

TEST(Audit, RowsSayTheSideOfTheRoofline) {
  const std::vector<RowFinding> rows = AuditRows(
      "rtx-3090-24gb,qwen3.5-2b,Q8_0,1,100,median,\n"
      "rtx-3090-24gb,qwen3.5-2b,Q8_0,1024,20000,median,\n"
      "mac-mini-m4-pro-64gb,qwen3.5-2b,Q8_0,1024,20000,median,\n");
  EXPECT_EQ(rows[0].side, "bandwidth");
  EXPECT_EQ(rows[1].side, "arithmetic");
  EXPECT_GT(rows[1].arithmetic.share, rows[1].uses[0].share);
  EXPECT_EQ(rows[2].side, "arithmetic");
  EXPECT_GT(rows[2].arithmetic.share, 1);
  EXPECT_EQ(rows[2].verdict, "possible") << "Apple states no rate for int8, and that of floats forbids nothing";
}

TEST(Audit, AnUnknownModelLeavesTheOtherRowsAsTheyAre) {
  const std::vector<RowFinding> rows = AuditRows(
      "rtx-5090-32gb,gpt-9,Q8_0,1,50,median,\n"
      "rtx-5090-32gb,qwen3.5-2b,Q8_0,1,50,median,\n");
  EXPECT_EQ(rows[0].verdict, "unknown_model");
  EXPECT_THAT(rows[0].reasons.at(0), HasSubstr("gpt-9"));
  EXPECT_EQ(rows[1].verdict, "possible");
}

TEST(Article, CsvHasTheSameRows) {
  const auto article = ParseArticleCsv(
      "machine,model,quant,users,tok_s,ttft_ms\r\n"
      "\"rtx-5090-32gb\",qwen3.5-9b,Q4_K_M,1,150.5,48\r\n\n"
      "rtx-5090-32gb,qwen3.5-9b,Q4_K_M,2,280,\n",
      "a.csv");
  ASSERT_TRUE(article.ok()) << article.error().message;
  ASSERT_EQ(article->rows.size(), 2u);
  EXPECT_EQ(article->rows[0].machine, "rtx-5090-32gb");
  EXPECT_DOUBLE_EQ(article->rows[0].tok_s, 150.5);
  EXPECT_EQ(article->rows[0].ttft_ms, 48);
  EXPECT_FALSE(article->rows[1].ttft_ms.has_value());
}

TEST(Article, WhatIsWrongIsNamedWithItsLine) {
  const std::pair<std::string, std::string> csv[] = {
      {"", "found no row"},
      {"model,price\n", "a.csv:1: no such column 'price'"},
      {"machine,model,quant,users,tok_s\na,b,c,1\n", "a.csv:2: tok_s is missing"},
      {"machine,model,quant,users,tok_s\na,b,c,0,5\n", "a.csv:2: users: expected a number from 1"},
      {"machine,model,quant,users,tok_s\na,b,c,1,nan\n", "a.csv:2: tok_s: expected a number"},
      {"machine,model,quant,users,tok_s\na,b,c,1,5,6\n", "a.csv:2: more cells than columns"},
  };
  for (const auto& [text, message] : csv) {
    const auto article = ParseArticleCsv(text, "a.csv");
    ASSERT_FALSE(article.ok()) << text;
    EXPECT_THAT(article.error().message, HasSubstr(message));
  }
  const std::string head = "title = \"x\"\nmachine = \"y\"\n";
  const std::string row = "[[row]]\nmodel = \"m\"\nquant = \"q\"\nusers = 1\ntok_s = 5\n";
  const std::pair<std::string, std::string> toml[] = {
      {"title = 3", "a.toml:1: title: expected a string"},
      {head + "row = 3", "a.toml:3: row: expected [[row]]"},
      {head + row + "figure = \"best\"\n", "a.toml:8: figure: expected"},
      {head + row + "watts = 3\n", "a.toml:8: watts: no such key"},
      {head + "[[row]]\nmodel = \"m\"\nquant = \"q\"\nusers = 1.5\ntok_s = 5\n", "users: expected a whole number"},
      {head + "[[ratio]]\ntext = \"t\"\nof = \"a\"\nto = \"b\"\nlow = 3\nhigh = 2\n", "a.toml:8: high: expected 3 to"},
      {head + "[[fit]]\ntext = \"t\"\nmodel = \"m\"\nquant = \"q\"\nmachine = \"a\"\ncomfort = \"cosy\"\n",
       "comfort: expected comfortable, tight or no"},
  };
  for (const auto& [text, message] : toml) {
    const auto article = ParseArticle(text, "a.toml");
    ASSERT_FALSE(article.ok()) << text;
    EXPECT_THAT(article.error().message, HasSubstr(message));
  }
}

TEST(Audit, UnknownMachinesAreNamed) {
  const auto article = ParseArticleCsv("machine,model,quant,users,tok_s\nabacus,qwen3.5-9b,Q8_0,1,5\n", "a.csv");
  const auto audit = AuditArticle(*article, *MachineCatalogue::Load(""));
  ASSERT_FALSE(audit.ok());
  EXPECT_THAT(audit.error().message, HasSubstr("abacus"));
}

}  // namespace
}  // namespace weir
