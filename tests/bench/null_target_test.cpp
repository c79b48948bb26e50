// The targets that compute nothing, and with them the whole way over HTTP.
#include "bench/open_target.h"

#include <gmock/gmock.h>

#include "bench/prompts.h"
#include "recorded_load.h"

namespace weir {
namespace {

using testing::HasSubstr;

TEST(NullTargets, AnswerEveryRequestInFull) {
  for (const char* name : {"null", "null-http"}) {
    const auto subject = OpenTarget(name, {});
    ASSERT_TRUE(subject.ok()) << subject.error().message;
    EXPECT_EQ((*subject)->facts().engine, "null");
    EXPECT_EQ((*subject)->facts().threads, 1);
    for (const bool chat : {false, true}) {
      Workload load{8, 3, 40, 200, 1};
      load.chat = chat && std::string(name) == "null-http";
      const auto records = RunOn(**subject, load, 1);
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
  for (const RequestRecord& record : RunOn(**subject, load, 1)) EXPECT_EQ(record.error, "");
}

TEST(OpenTarget, RefusesOtherNames) {
  EXPECT_THAT(OpenTarget("localhost:8080", {}).error().message, HasSubstr("expected null, null-http or"));
  EXPECT_TRUE(OpenTarget("http://127.0.0.1:1", {}).ok()) << "who does not answer is a row";
}

}  // namespace
}  // namespace weir
