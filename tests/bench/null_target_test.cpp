// The targets that compute nothing, and with them the whole way over HTTP.
#include "bench/open_target.h"

#include <gmock/gmock.h>

#include "bench/prompts.h"
#include "bench/workload.h"

namespace weir {
namespace {

using testing::HasSubstr;

class Records : public LoadObserver {
 public:
  Status OnEnded(const RequestRecord& record) override {
    records.push_back(record);
    return {};
  }
  std::vector<RequestRecord> records;
};

std::vector<RequestRecord> RunOn(Subject& subject, const Workload& load) {
  const auto target = subject.Start(load.users, 100);
  EXPECT_TRUE(target.ok()) << target.error().message;
  const auto plan = PlanLoad(load, subject, 1);
  EXPECT_TRUE(plan.ok()) << plan.error().message;
  Records records;
  EXPECT_TRUE(RunLoad(**target, *plan, [] { return false; }, records).ok());
  return records.records;
}

TEST(NullTargets, AnswerEveryRequestInFull) {
  for (const char* name : {"null", "null-http"}) {
    const auto subject = OpenTarget(name, {});
    ASSERT_TRUE(subject.ok()) << subject.error().message;
    EXPECT_EQ((*subject)->facts().engine, "null");
    EXPECT_EQ((*subject)->facts().threads, 1);
    for (const bool chat : {false, true}) {
      Workload load{8, 3, 40, 200, 1};
      load.chat = chat && std::string(name) == "null-http";
      const auto records = RunOn(**subject, load);
      ASSERT_EQ(records.size(), 24u);
      for (const RequestRecord& record : records) {
        EXPECT_EQ(record.error, "");
        EXPECT_EQ(record.finish, FinishReason::kLength);
        EXPECT_EQ(record.generated_tokens, 200);
        EXPECT_EQ(TokenTimes(record).size(), 200u);
        EXPECT_LE(record.scheduled_ns, *record.first_token_ns);
      }
    }
  }
}

TEST(NullTargets, AConversationOverHttpRemembersTheAnswers) {
  const auto subject = OpenTarget("null-http", {});
  ASSERT_TRUE(subject.ok());
  Workload load{2, 4, 40, 5, 1};
  load.turns = 4;
  load.chat = true;
  for (const RequestRecord& record : RunOn(**subject, load)) EXPECT_EQ(record.error, "");
}

TEST(OpenTarget, RefusesOtherNames) {
  EXPECT_THAT(OpenTarget("localhost:8080", {}).error().message, HasSubstr("expected null, null-http or"));
  EXPECT_TRUE(OpenTarget("http://127.0.0.1:1", {}).ok()) << "who does not answer is a row";
}

}  // namespace
}  // namespace weir
