#include "bench/agreement.h"

#include <gmock/gmock.h>

#include <cmath>
#include <random>

#include "bench/questions.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

AskedRow Asked(std::string target, std::vector<AnswerRow> answers, std::string named = "m.gguf") {
  AskedRow row;
  row.target = std::move(target);
  row.named = std::move(named);
  row.questions = "some";
  row.answers = std::move(answers);
  return row;
}

AskedRow Saying(std::string target, const std::string& text, std::string named = "m.gguf") {
  return Asked(std::move(target), {{0, text, 8, false, ""}, {1, text + " and on", 9, false, ""}}, std::move(named));
}

TEST(Agreement, CountsUntilTheAnswersPart) {
  const AskedRow base = Asked("engine", {{0, "the same", 2, false, ""}, {1, "a b c d", 4, false, ""}, {2, "only here", 2, false, ""},
                                         {3, "größer", 1, false, ""}, {4, "abcd", 1, true, ""}, {5, "abcd", 1, true, ""}});
  const AskedRow other = Asked("http://h", {{0, "the same", 2, false, ""}, {1, "a b x", 3, false, ""}, {3, "grüner", 1, false, ""},
                                            {4, "abcdefgh", 2, false, ""}, {5, "ab", 1, false, ""}});
  const Agreement agreement = *AgreementOf(base, other);
  EXPECT_EQ(agreement.n_questions, 5);
  EXPECT_EQ(agreement.n_same, 2);  // the first, and the one that was cut within the other
  // ö and ü begin with the same byte: two characters in common, not two and a half. 8, 4, 2, 4, 2 characters.
  EXPECT_DOUBLE_EQ(agreement.common_characters, 4);
  EXPECT_DOUBLE_EQ(agreement.common_share, (1 + 4.0 / 7 + 2.0 / 8 + 1 + 2.0 / 4) / 5);
  EXPECT_FALSE(agreement.kl_nats);
  AskedRow others = other;
  others.questions = "others";
  EXPECT_FALSE(AgreementOf(base, others));
  EXPECT_FALSE(AgreementOf(base, Asked("x", {{7, "the same", 2, false, ""}})));
}

RankedToken Top(const std::vector<double>& probabilities, size_t n) {
  RankedToken token;
  std::vector<size_t> order(probabilities.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return probabilities[a] > probabilities[b]; });
  for (size_t i = 0; i < n; ++i) token.top.emplace_back(std::to_string(order[i]), std::log(probabilities[order[i]]));
  return token;
}

TEST(Agreement, TheBoundOfKlIsBelowItAndNearItWhereAllTokensAreKnown) {
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  const auto draw = [&](double spread) {
    std::vector<double> p(60);
    double sum = 0;
    for (double& value : p) sum += value = std::exp(spread * normal(random));
    for (double& value : p) value /= sum;
    return p;
  };
  for (int i = 0; i < 200; ++i) {
    const std::vector<double> p = draw(2);
    std::vector<double> q = i % 2 ? draw(2) : p;
    double sum = 0, kl = 0;
    for (double& value : q) sum += value *= std::exp(0.1 * normal(random));
    for (size_t j = 0; j < q.size(); ++j) kl += p[j] * std::log(p[j] / (q[j] /= sum));
    for (const size_t n : {1, 5, 20}) EXPECT_LE(KlAtLeast(Top(p, n), Top(q, n)), kl + 1e-9) << n;
    EXPECT_NEAR(KlAtLeast(Top(p, 60), Top(q, 60)), kl, 2e-5);
    // Small differences between common tokens are seen with twenty of them.
    if (i % 2 == 0) {
      EXPECT_GT(KlAtLeast(Top(p, 20), Top(q, 20)), kl / 3);
    }
  }
  // Nothing in common: the second may give at most a little to what the first finds likely.
  EXPECT_GT(KlAtLeast({"", {{"a", std::log(0.9)}}}, {"", {{"b", std::log(0.5)}, {"c", std::log(0.01)}}}), 3);
  EXPECT_EQ(KlAtLeast({"", {}}, {"", {}}), 0);
  // Two tokens with one text are one.
  EXPECT_NEAR(KlAtLeast({"", {{"a", std::log(0.5)}, {"a", std::log(0.4)}}}, {"", {{"a", std::log(0.9)}}}), 0, 1e-5);
}

TEST(Agreement, PositionsAfterTheSameTextAreCompared) {
  const std::vector<RankedToken> base{{" a", {{" a", -0.1}, {" b", -3}}}, {" c", {{" c", -0.2}, {" d", -2}}}, {" e", {{" e", 0}}}};
  const std::vector<RankedToken> other{{" a", {{" a", -0.1}, {" b", -3}}}, {" d", {{" d", -0.2}, {" c", -2}}}, {" e", {{" e", 0}}}};
  const Agreement agreement = *AgreementOf(Asked("a", {{0, " a c e", 3, false, RankedJson(base)}}),
                                           Asked("b", {{0, " a d e", 3, false, RankedJson(other)}}));
  EXPECT_EQ(agreement.n_positions, 2);  // the third follows other tokens
  EXPECT_NEAR(*agreement.kl_nats, KlAtLeast(base[1], other[1]) / 2, 1e-6);
  EXPECT_GT(*agreement.kl_nats, 0.1);
}

TEST(Agreement, ProbabilitiesSurviveTheirText) {
  const std::vector<RankedToken> tokens{{" \"ä", {{" \"ä", -0.25}, {"\xe4", -1.5}}}, {"", {}}};
  const std::vector<RankedToken> read = ParseRanked(RankedJson(tokens));
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].text, " \"ä");
  EXPECT_THAT(read[0].top, ElementsAre(Pair(" \"ä", -0.25), Pair("\xef\xbf\xbd", -1.5)));
  for (const char* bad : {"", "{", "{}", "[1]", "[[1,[]]]", "[[\"a\"]]", "[[\"a\",[[\"b\"]]]]", "[[\"a\",[[1,2]]]]", "[[\"a\",[[\"b\",\"c\"]]]]"}) {
    EXPECT_TRUE(ParseRanked(bad).empty()) << bad;
  }
}

TEST(Agreement, WhoShouldAgreeWithWhom) {
  const auto pairs = [](std::vector<AskedRow> rows) { return ComparablePairs(rows); };
  // One file here, one model there, whatever the server calls it; the engine first.
  EXPECT_THAT(pairs({Saying("http://h", "x", "SmolLM2"), Saying("engine", "x")}), ElementsAre(Pair(1, 0)));
  // Which of two files a server has is not known; a peer is told.
  EXPECT_THAT(pairs({Saying("engine", "x", "a"), Saying("engine", "x", "b"), Saying("http://h", "x", "s"), Saying("peer:p {model}", "x", "b")}),
              ElementsAre(Pair(1, 3)));
  // Those without answers are nobody's model.
  EXPECT_THAT(pairs({Asked("null", {}, ""), Saying("http://h", "x", ""), Saying("engine", "x")}), ElementsAre(Pair(2, 1)));
  AskedRow again = Saying("engine", "x");
  again.run = 2;
  EXPECT_THAT(pairs({Saying("engine", "x"), again}), testing::IsEmpty());
}

TEST(Agreement, WhoAgreesWithNobodyIsFlagged) {
  const std::string right = "of the river that ran below the town", wrong = "!!!!!!!!";
  std::vector<AskedRow> rows{Saying("engine", right), Saying("http://a", wrong, "")};
  // Of two, nobody knows which.
  EXPECT_EQ(JudgeAnswers(rows).at(0).name, "answers_differ");
  EXPECT_THAT(JudgeAnswers(rows).at(1).detail, HasSubstr("those of engine"));
  // Of three, the one that is alone.
  rows.push_back(Saying("http://b", right + ", and then", ""));
  EXPECT_FALSE(JudgeAnswers(rows).contains(0));
  EXPECT_TRUE(JudgeAnswers(rows).contains(1));
  EXPECT_FALSE(JudgeAnswers(rows).contains(2));
  // Two configurations of one engine that are wrong alike are no proof against a server.
  rows = {Saying("engine", wrong), Saying("engine", wrong), Saying("http://b", right)};
  EXPECT_TRUE(JudgeAnswers(rows).contains(0));
  EXPECT_TRUE(JudgeAnswers(rows).contains(2));
  // With nobody else they are compared with each other.
  rows = {Saying("engine", wrong), Saying("engine", right)};
  EXPECT_TRUE(JudgeAnswers(rows).contains(1));
  EXPECT_TRUE(JudgeAnswers({Saying("engine", wrong)}).empty());
}

}  // namespace
}  // namespace weir
