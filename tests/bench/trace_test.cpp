// Prompts that begin alike, in recorded traffic and in its replay.
#include "bench/trace.h"

#include <gmock/gmock.h>

#include "bench/prompts.h"
#include "null_target.h"

namespace weir {
namespace {

using testing::ElementsAre;

std::string Line(double at_s, int prompt, const std::string& blocks) {
  return fmt::format("{{\"at_s\":{},\"prompt_tokens\":{},\"gen_tokens\":5,\"block_tokens\":4,\"blocks\":[{}]}}\n", at_s, prompt,
                     blocks);
}

TEST(TraceBlocks, AreNumberedAsTheyAppearAndNameConversations) {
  const auto trace = ParseTrace(Line(1, 14, "900,70,5") + Line(2, 13, "900,70,6") + Line(3, 26, "900,70,5,8,9,11") +
                                    Line(4, 30, "900,70,5,8,9,12,13") + Line(0.5, 9, "1,2"),
                                "t")
                         .value();
  ASSERT_EQ(trace.size(), 5u);
  EXPECT_THAT(trace[0].blocks, ElementsAre(0, 1));
  EXPECT_THAT(trace[1].blocks, ElementsAre(2, 3, 4));
  EXPECT_THAT(trace[2].blocks, ElementsAre(2, 3, 5));
  EXPECT_THAT(trace[3].blocks, ElementsAre(2, 3, 4, 6, 7, 8));
  EXPECT_NE(trace[1].conversation, trace[0].conversation);
  EXPECT_EQ(trace[3].conversation, trace[1].conversation);
  EXPECT_EQ(trace[3].turn, 1);
  EXPECT_EQ(trace[4].conversation, trace[3].conversation) << "it has the last turn's prompt and more";
  EXPECT_EQ(trace[4].turn, 2);
  const TraceSummary summary = Summarise(trace);
  EXPECT_EQ(summary.n_requests, 5);
  EXPECT_EQ(summary.shared_tokens, 4 * (2 + 3 + 5));
  EXPECT_EQ(summary.prompt_tokens, 14 + 13 + 26 + 30 + 9);
  EXPECT_DOUBLE_EQ(summary.seconds, 3.5);
}

TEST(TraceBlocks, WhatIsNoListOfBlocksIsAnErrorWithItsLine) {
  for (const char* blocks : {"\"blocks\":3,\"block_tokens\":4", "\"blocks\":[1]", "\"blocks\":[\"a\"],\"block_tokens\":1",
                             "\"blocks\":[1],\"block_tokens\":-4", "\"blocks\":[1.5],\"block_tokens\":1",
                             "\"blocks\":[[]],\"block_tokens\":1", "\"hash_ids\":{}"}) {
    const auto trace = ParseTrace(fmt::format("{{\"at_s\":1,\"prompt_tokens\":600,\"gen_tokens\":1,{}}}", blocks), "t");
    ASSERT_FALSE(trace.ok()) << blocks;
    EXPECT_THAT(trace.error().message, testing::StartsWith("t:1: expected"));
  }
  const auto more = ParseTrace("{\"at_s\":1,\"prompt_tokens\":9,\"gen_tokens\":1,\"blocks\":[1,2,3,4],\"block_tokens\":4}", "t");
  EXPECT_EQ(more->at(0).blocks.size(), 2u) << "no more than the prompt has";
}

TEST(TraceBlocks, AreTheSameTokensInEveryPromptThatHasThem) {
  const NullSubject subject;
  Workload load{1, 1, 11, 5, 7};
  const Prompts prompts = Prompts::Create(load, subject, 0).value();
  const auto a = prompts.FromBlocks(0, {0, 1}, 4)->ids, b = prompts.FromBlocks(1, {0, 2}, 4)->ids;
  ASSERT_EQ(a.size(), 11u);
  ASSERT_EQ(b.size(), 11u);
  EXPECT_TRUE(std::equal(a.begin(), a.begin() + 4, b.begin()));
  EXPECT_FALSE(std::equal(a.begin() + 4, a.begin() + 8, b.begin() + 4));
  EXPECT_EQ(prompts.FromBlocks(0, {0, 1}, 4)->ids, a);
  EXPECT_EQ(prompts.FromBlocks(0, {0, 1, 2, 3, 4}, 4)->ids.size(), 11u) << "cut to the length";
}

}  // namespace
}  // namespace weir
