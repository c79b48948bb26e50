#include "bench/workload.h"

#include <gmock/gmock.h>

#include <cmath>
#include <fstream>

#include "bench/trace.h"
#include "null_target.h"
#include "recorded.h"
#include "temp_folder.h"

namespace weir {
namespace {

using testing::HasSubstr;

const std::vector<int32_t> kIds{3, 5, 7, 11, 13, 17, 19, 23};

bool Never() { return false; }

TEST(ClosedLoop, EachUserAsksAgainAtTheEndOfItsAnswer) {
  NullScript script;
  NullTarget target(script);
  const Recorded row = Record(target, {2, 3, 4, 5, 1}, kIds, Never);
  EXPECT_EQ(row.status, AttemptStatus::kOk) << row.reason;
  ASSERT_EQ(row.requests.size(), 6u);
  for (const RecordedRequest& request : row.requests) {
    EXPECT_EQ(request.token_ns.size(), 5u);
    EXPECT_EQ(request.gated, request.round == 0);
    EXPECT_EQ(*request.ended_ns, request.token_ns.back());
    for (const RecordedRequest& next : row.requests) {
      if (next.user == request.user && next.round == request.round + 1) {
        EXPECT_EQ(next.scheduled_ns, *request.ended_ns);
      }
    }
  }
  EXPECT_EQ(row.logits_hash, "0123456789abcdef");
  // Three rounds of two prefills and four steps, and none of them recorded twice.
  EXPECT_EQ(row.steps.size(), 3u * (2 + 4));
}

TEST(ClosedLoop, RequestsAreGreedyFixedLengthAndGatedFirst) {
  NullScript script;
  NullTarget target(script);
  Record(target, {2, 2, 4, 5, 1}, kIds, Never);
  ASSERT_EQ(script.requests.size(), 4u);
  std::set<int32_t> first;
  for (size_t i = 0; i < 4; ++i) {
    const Query& request = script.requests[i];
    EXPECT_EQ(request.ids.size(), 4u);
    EXPECT_EQ(request.max_tokens, 5);
    EXPECT_TRUE(request.fixed_length);
    EXPECT_EQ(request.gate.has_value(), i < 2);
    first.insert(request.ids[0]);
  }
  EXPECT_EQ(script.requests[0].gate->size, 2);
  EXPECT_EQ(first.size(), 4u);
}

TEST(ClosedLoop, AnErrorFailsTheAttemptAndKeepsItsStamps) {
  NullScript script;
  script.failing_attempts = {1};
  NullTarget target(script);
  const Recorded row = Record(target, {1, 2, 4, 5, 1}, kIds, Never);
  EXPECT_EQ(row.status, AttemptStatus::kFailed);
  EXPECT_THAT(row.reason, HasSubstr("told to fail"));
  ASSERT_EQ(row.requests.size(), 1u);
  EXPECT_EQ(row.requests[0].finish, "error");
  EXPECT_EQ(row.requests[0].token_ns.size(), 2u);
  EXPECT_FALSE(row.logits_hash.has_value());
}

TEST(ClosedLoop, StopsBetweenEvents) {
  NullScript script;
  NullTarget target(script);
  int asked = 0;
  const Recorded row = Record(target, {1, 2, 4, 5, 1}, kIds, [&] { return ++asked == 3; });
  EXPECT_EQ(row.status, AttemptStatus::kInterrupted);
  EXPECT_EQ(row.requests[0].token_ns.size(), 3u);
  EXPECT_FALSE(row.requests[0].ended_ns.has_value());
}

LoadPlan PlanOf(const Workload& load, uint64_t salt = 0) {
  static NullSubject subject;
  Result<LoadPlan> plan = PlanLoad(load, subject, salt);
  EXPECT_TRUE(plan.ok()) << plan.error().message;
  return std::move(plan).value();
}

std::vector<double> Seconds(const LoadPlan& plan) {
  std::vector<double> seconds;
  for (const PlannedQuery& planned : plan.queries) {
    EXPECT_EQ(planned.after, PlannedQuery::kStart);
    EXPECT_FALSE(planned.query.gate.has_value());
    seconds.push_back(static_cast<double>(planned.delay_ns) / 1e9);
  }
  return seconds;
}

Workload OpenLoop(Arrivals arrivals, double rate, int n_requests) {
  Workload load{n_requests, 1, 4, 5, 3};
  load.arrivals = arrivals;
  load.rate = rate;
  return load;
}

TEST(PlanLoad, ConstantArrivalsWaitForNobody) {
  EXPECT_EQ(Seconds(PlanOf(OpenLoop(Arrivals::kConstant, 4, 4))), (std::vector<double>{0, 0.25, 0.5, 0.75}));
}

TEST(PlanLoad, BurstsComeTogetherAtTheSameMeanRate) {
  Workload load = OpenLoop(Arrivals::kBurst, 4, 5);
  load.burst = 2;
  EXPECT_EQ(Seconds(PlanOf(load)), (std::vector<double>{0, 0, 0.5, 0.5, 1}));
}

TEST(PlanLoad, PoissonArrivalsHaveTheRateAndTheirOwnSeed) {
  const Workload load = OpenLoop(Arrivals::kPoisson, 10, 4000);
  const std::vector<double> seconds = Seconds(PlanOf(load));
  EXPECT_NEAR(seconds.back(), 400, 25);  // 4 standard deviations of 4000 gaps
  // The square of an exponential gap is 2 / rate^2 in the mean.
  double squares = 0;
  for (size_t i = 1; i < seconds.size(); ++i) squares += std::pow(seconds[i] - seconds[i - 1], 2);
  EXPECT_NEAR(squares / 3999, 0.02, 0.004);
  EXPECT_EQ(Seconds(PlanOf(load, 7)), seconds) << "other prompts must not move the arrivals";
  EXPECT_NE(PlanOf(load, 7).queries[5].query.ids, PlanOf(load).queries[5].query.ids);
  Workload other = load;
  other.seed = 4;
  EXPECT_NE(Seconds(PlanOf(other)), seconds);
}

TEST(PlanLoad, UsersThinkAndStartOneAfterTheOther) {
  Workload load{4, 500, 4, 5, 3};
  load.think_s = 2;
  load.ramp_s = 8;
  const LoadPlan plan = PlanOf(load);
  double thought = 0;
  for (const PlannedQuery& planned : plan.queries) {
    EXPECT_FALSE(planned.query.gate.has_value());
    if (planned.round == 0) {
      EXPECT_EQ(planned.delay_ns, planned.user * 2'000'000'000LL);
    } else {
      EXPECT_EQ(plan.queries[planned.after].user, planned.user);
      EXPECT_EQ(plan.queries[planned.after].round, planned.round - 1);
      thought += static_cast<double>(planned.delay_ns) / 1e9;
    }
  }
  EXPECT_NEAR(thought / (4 * 499), 2, 0.2);
  EXPECT_FALSE(plan.end_at_first_error);
}

TEST(PlanLoad, ConversationsAndWarmUp) {
  Workload load{2, 4, 4, 5, 3};
  load.turns = 2;
  load.warm_up_rounds = 2;
  const LoadPlan plan = PlanOf(load);
  ASSERT_EQ(plan.queries.size(), 12u);
  for (const PlannedQuery& planned : plan.queries) {
    EXPECT_EQ(planned.warm_up, planned.round < 2);
    EXPECT_EQ(planned.continues, planned.round % 2 == 1);
  }
}

TEST(PlanLoad, ATurnSendsAllThatWasSaidBeforeIt) {
  NullScript script;
  NullTarget target(script);
  Workload load{1, 3, 4, 5, 3};
  load.turns = 3;
  Record(target, load, kIds, Never);
  ASSERT_EQ(script.requests.size(), 3u);
  // The null target's tokens have no ids, so that only the prompts are there.
  EXPECT_EQ(script.requests[1].ids.size(), 8u);
  EXPECT_EQ(script.requests[2].ids.size(), 12u);
  EXPECT_TRUE(std::equal(script.requests[1].ids.begin(), script.requests[1].ids.end(), script.requests[2].ids.begin()));
}

TEST(PlanLoad, AConversationHasItsDepthOnce) {
  NullScript script;
  NullTarget target(script);
  Workload load{1, 2, 4, 5, 3};
  load.turns = 2;
  load.depth_tokens = 3;
  Record(target, load, kIds, Never);
  ASSERT_EQ(script.requests.size(), 2u);
  EXPECT_EQ(script.requests[0].ids.size(), 7u);
  EXPECT_EQ(script.requests[1].ids.size(), 11u);
}

TEST(PlanLoad, LatencyIsCountedFromTheScheduleHoweverLateTheTargetIs) {
  NullScript script;  // 4 ms for a prompt, 10 ms for a token: one request takes 44 ms
  NullTarget target(script);
  const Recorded row = Record(target, OpenLoop(Arrivals::kConstant, 100, 8), kIds, Never);
  ASSERT_EQ(row.requests.size(), 8u);
  std::vector<int64_t> scheduled;
  for (const RecordedRequest& request : row.requests) scheduled.push_back(request.scheduled_ns);
  std::sort(scheduled.begin(), scheduled.end());
  for (size_t i = 0; i < scheduled.size(); ++i) {
    EXPECT_EQ(scheduled[i] - scheduled[0], static_cast<int64_t>(i) * 10 * kMs);
  }
}

TEST(PlanLoad, WhatMakesNoSenseIsRefused) {
  const auto refused = [](const Workload& load) { return CheckLoad(load).error().message; };
  EXPECT_THAT(refused(OpenLoop(Arrivals::kPoisson, 0, 1)), HasSubstr("rate 0"));
  Workload load = OpenLoop(Arrivals::kConstant, 1, 1);
  load.think_s = 1;
  EXPECT_THAT(refused(load), HasSubstr("closed arrivals, found constant"));
  Workload shared{1, 1, 4, 5, 3};
  shared.shared_tokens = 5;
  EXPECT_THAT(refused(shared), HasSubstr("5 shared tokens"));
  Workload trace;
  trace.arrivals = Arrivals::kTrace;
  EXPECT_THAT(refused(trace), HasSubstr("file"));
  EXPECT_TRUE(CheckLoad(Workload{}).ok());
}

TEST(Describe, DiffersWhereverTheLoadDoes) {
  const Workload base{2, 3, 4, 5, 6};
  std::vector<Workload> all(14, base);
  all[1].users = 9;
  all[2].requests_per_user = 9;
  all[3].prompt_tokens = 9;
  all[4].gen_tokens = 9;
  all[5].seed = 9;
  all[6].arrivals = Arrivals::kPoisson;
  all[7].think_s = 0.5;
  all[8].turns = 2;
  all[9].fixed_length = false;
  all[10].chat = true;
  all[11].shared_tokens = 1;
  all[12].depth_tokens = 1;
  all[13].prompts = PromptKind::kText;
  std::set<std::string> lines;
  for (const Workload& load : all) lines.insert(Describe(load));
  EXPECT_EQ(lines.size(), all.size());
}

TEST(Trace, ReadsBothFormsInOrderOfTime) {
  const auto trace = ParseTrace(
      "{\"timestamp\": 3500, \"input_length\": 10, \"output_length\": 20, \"hash_ids\": [1]}\n"
      "{\"at_s\": 1.5, \"prompt_tokens\": 7, \"gen_tokens\": 8, \"shared_tokens\": 3, \"group\": 2}\n\n", "t");
  ASSERT_TRUE(trace.ok()) << trace.error().message;
  ASSERT_EQ(trace->size(), 2u);
  EXPECT_EQ((*trace)[0].at_s, 0);
  EXPECT_EQ((*trace)[0].shared_tokens, 3);
  EXPECT_EQ((*trace)[0].group, 2);
  EXPECT_EQ((*trace)[1].at_s, 2);
  EXPECT_EQ((*trace)[1].prompt_tokens, 10);
  EXPECT_EQ((*trace)[1].gen_tokens, 20);
}

TEST(Trace, SaysWhatIsWrongAndWhere) {
  for (const std::string text : {"", "\n", "[]", "{}", "{\"at_s\":1}", "{\"at_s\":-1,\"prompt_tokens\":1,\"gen_tokens\":1}",
                                 "{\"at_s\":1,\"prompt_tokens\":0,\"gen_tokens\":1}", "{\"at_s\":1e300,\"prompt_tokens\":1,\"gen_tokens\":1}",
                                 "{\"at_s\":\"1\",\"prompt_tokens\":1,\"gen_tokens\":1}", "garbage"}) {
    const auto trace = ParseTrace(text, "t");
    ASSERT_FALSE(trace.ok()) << text;
    EXPECT_EQ(trace.error().code, ErrorCode::kBadInput);
  }
}

TEST(Trace, IsReplayed) {
  TempFolder folder;
  std::ofstream(folder / "t.jsonl") << "{\"at_s\":5,\"prompt_tokens\":3,\"gen_tokens\":2}\n"
                                       "{\"at_s\":6,\"prompt_tokens\":9,\"gen_tokens\":4}\n";
  Workload load;
  load.arrivals = Arrivals::kTrace;
  load.trace = folder / "t.jsonl";
  const LoadPlan plan = PlanOf(load);
  ASSERT_EQ(plan.queries.size(), 2u);
  EXPECT_EQ(plan.queries[0].query.ids.size(), 3u);
  EXPECT_EQ(plan.queries[1].query.ids.size(), 9u);
  EXPECT_EQ(plan.queries[1].query.max_tokens, 4);
  EXPECT_EQ(plan.queries[1].delay_ns, 1'000'000'000);
  load.trace = folder / "missing";
  EXPECT_FALSE(PlanLoad(load, NullSubject(), 0).ok());
}

}  // namespace
}  // namespace weir
