#include "bench/answer_reader.h"

#include <gmock/gmock.h>

#include "model/text/tokenizer.h"
#include "test_data.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Each part arrives 1 ns after the one before it, the first at 1.
std::vector<TargetEvent> Read(const std::vector<std::string>& parts, const std::string& problem = "",
                              int status = 200, const std::string& type = "text/event-stream",
                              const Tokenizer* tokenizer = nullptr) {
  AnswerReader reader(tokenizer);
  std::vector<TargetEvent> events;
  reader.Begin(status, type, 0);
  int64_t time_ns = 0;
  for (const std::string& part : parts) reader.Feed(part, ++time_ns, &events);
  reader.Finish(++time_ns, problem, &events);
  EXPECT_TRUE(reader.Ended());
  EXPECT_FALSE(events.empty());
  EXPECT_TRUE(events.back().finished.has_value());
  for (size_t i = 0; i + 1 < events.size(); ++i) EXPECT_FALSE(events[i].finished.has_value());
  return events;
}

std::string Delta(const std::string& delta, const std::string& finish = "null") {
  return R"(data: {"choices":[{"index":0,"delta":)" + delta + R"(,"finish_reason":)" + finish +
         "}]}\n\n";
}

TEST(AnswerReader, RolesAndEmptyPiecesAreNoTokens) {
  const auto events =
      Read({Delta(R"({"role":"assistant","content":""})"), Delta(R"({"content":null})"),
            Delta(R"({"reasoning_content":"hm"})"), Delta(R"({"content":"a"})"),
            Delta(R"({})", R"("stop")"),
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,"
            "\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n",
            "data: [DONE]\n\n"});
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].time_ns, 3);
  EXPECT_TRUE(events[0].reasoning);
  EXPECT_EQ(events[1].time_ns, 4);
  EXPECT_FALSE(events[1].reasoning);
  EXPECT_EQ(events[1].text, "a");
  EXPECT_EQ(events[2].time_ns, 7);
  EXPECT_EQ(events[2].finished, FinishReason::kStop);
  const AnswerFacts& facts = *events[2].facts;
  EXPECT_EQ(facts.first_chunk_ns, 1);
  EXPECT_EQ(facts.counted_by, CountedBy::kUsage);
  EXPECT_EQ(facts.generated_tokens, 3);
  EXPECT_EQ(facts.prompt_tokens, 9);
  EXPECT_EQ(facts.cached_tokens, 4);
  EXPECT_THAT(facts.tokens_of_event, IsEmpty()) << "the third has no text: it ended the answer";
}

TEST(AnswerReader, ProbabilitiesOfBothForms) {
  using testing::Pair;
  const std::string chat = R"(data: {"choices":[{"delta":{"content":"ä"},"logprobs":{"content":[
      {"token":"�","bytes":[195],"logprob":-1,"top_logprobs":[{"token":"�","bytes":[195],"logprob":-1},{"token":"x","logprob":-2}]},
      {"token":"?","bytes":[-1],"logprob":-1,"top_logprobs":[{"token":"?","logprob":"many"}]}]}}]})";
  std::string line = chat;
  std::erase(line, '\n');
  auto events = Read({line + "\n\n", Delta("{}", R"("stop")")});
  ASSERT_EQ(events[0].ranked.size(), 2u);
  EXPECT_EQ(events[0].ranked[0].text, "\xc3");
  EXPECT_THAT(events[0].ranked[0].top, ElementsAre(Pair("\xc3", -1), Pair("x", -2)));
  EXPECT_EQ(events[0].ranked[1].text, "?");
  EXPECT_THAT(events[0].ranked[1].top, IsEmpty());
  // A token whose text comes with the next one.
  events = Read({R"(data: {"choices":[{"text":"","logprobs":{"tokens":["a"],"top_logprobs":[{"a":-0.5,"b":-1}]}}]})" "\n\n",
                 R"(data: {"choices":[{"text":"ab","logprobs":{"tokens":["b","c"],"top_logprobs":[{"b":0}]}}]})" "\n\n",
                 R"(data: {"choices":[{"text":"","finish_reason":"length","logprobs":{"tokens":["d"],"top_logprobs":[null]}}]})" "\n\n"});
  ASSERT_EQ(events.size(), 2u);
  ASSERT_EQ(events[0].ranked.size(), 2u);
  EXPECT_THAT(events[0].ranked[0].top, ElementsAre(Pair("a", -0.5), Pair("b", -1)));
  ASSERT_EQ(events[1].ranked.size(), 1u);
  EXPECT_EQ(events[1].ranked[0].text, "d");
  for (const char* odd : {"7", "{}", R"({"content":7})", R"({"content":[7]})", R"({"tokens":7,"top_logprobs":[]})", R"({"content":[{"bytes":"x"}]})"}) {
    events = Read({fmt::format("data: {{\"choices\":[{{\"text\":\"a\",\"finish_reason\":\"stop\",\"logprobs\":{}}}]}}\n\n", odd)});
    EXPECT_EQ(events[0].text, "a") << odd;
  }
}

TEST(AnswerReader, WithoutUsagePiecesAreCounted) {
  const auto events = Read({"data: {\"choices\":[{\"text\":\"a\"}]}\n\n",
                            "data: {\"choices\":[{\"text\":\"b\",\"finish_reason\":\"length\"}]}\n\n"});
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[2].finished, FinishReason::kLength);
  EXPECT_EQ(events[2].facts->counted_by, CountedBy::kChunks);
  EXPECT_EQ(events[2].facts->generated_tokens, 2);
}

TEST(AnswerReader, TheTokenizerSaysWhichPieceHadHowMany) {
  Result<std::unique_ptr<ModelSource>> source = OpenModel(TestData("weir-tiny-q8_0.gguf"));
  auto tokenizer = Tokenizer::Create((*source)->metadata());
  if (!tokenizer) GTEST_SKIP() << "the model in tests/data has no tokenizer";
  const std::string text = "one two three four five six";
  const auto ids = (*tokenizer)->Encode(text, false);
  const std::vector<std::string> texts{text.substr(0, 3), text.substr(3, 11), text.substr(14)};
  const auto counts = CountTokens(**tokenizer, texts);
  ASSERT_EQ(counts.size(), 3u);
  EXPECT_EQ(counts[0] + counts[1] + counts[2], static_cast<int32_t>(ids.size()));
  EXPECT_GE(counts[0], 1);
  EXPECT_GT(counts[2], counts[0]);
  const auto events = Read({"data: {\"choices\":[{\"text\":\"" + text + "\"}]}\n\ndata: [DONE]\n\n"},
                           "", 200, "text/event-stream", tokenizer->get());
  EXPECT_EQ(events.back().facts->counted_by, CountedBy::kTokenizer);
  EXPECT_EQ(events.back().facts->generated_tokens, static_cast<int64_t>(ids.size()));
  EXPECT_THAT(CountTokens(**tokenizer, {}), IsEmpty());
}

TEST(AnswerReader, WhereTheTokenizerDisagreesTheServersCountIsSpread) {
  Result<std::unique_ptr<ModelSource>> source = OpenModel(TestData("weir-tiny-q8_0.gguf"));
  auto tokenizer = Tokenizer::Create((*source)->metadata());
  if (!tokenizer) GTEST_SKIP() << "the model in tests/data has no tokenizer";
  const std::string first = "data: {\"choices\":[{\"text\":\"one two three four\"}]}\n\n",
                    second = "data: {\"choices\":[{\"text\":\" five six seven eight\"}]}\n\n";
  const auto tokens = [&](int n) {
    const std::string usage = "data: {\"choices\":[],\"usage\":{\"completion_tokens\":" + std::to_string(n) + "}}\n\n";
    const auto facts = Read({first, second, usage, "data: [DONE]\n\n"}, "", 200, "text/event-stream", tokenizer->get()).back().facts;
    EXPECT_EQ(facts->generated_tokens, n);
    return facts->tokens_of_event;
  };
  const auto recounted = CountTokens(**tokenizer, {"one two three four", " five six seven eight"});
  EXPECT_EQ(tokens(recounted[0] + recounted[1] + 1), recounted) << "one more ended the turn";
  EXPECT_THAT(tokens(2), IsEmpty()) << "one each";
  EXPECT_THAT(tokens(40), ElementsAre(20, 20));
}

TEST(SpreadTokens, GivesEveryTokenAPiece) {
  EXPECT_THAT(SpreadTokens(4, 4), IsEmpty());
  EXPECT_THAT(SpreadTokens(5, 4), IsEmpty());
  EXPECT_THAT(SpreadTokens(0, 0), IsEmpty());
  EXPECT_THAT(SpreadTokens(7, 3), ElementsAre(2, 2, 3));
  EXPECT_THAT(SpreadTokens(2, 4), ElementsAre(1, 0, 1, 0));
  EXPECT_THAT(SpreadTokens(0, 2), ElementsAre(0, 0));
}

TEST(AnswerReader, AServerThatDoesNotStreamIsOneLump) {
  const auto events = Read({R"({"choices":[{"message":{"content":"all of it"},"finish_)",
                            R"(reason":"length"}],"usage":{"completion_tokens":3}})"},
                           "", 200, "application/json; charset=utf-8");
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].time_ns, 3) << "nothing can be read before all of it is there";
  EXPECT_EQ(events[1].finished, FinishReason::kLength);
  EXPECT_THAT(events[1].facts->tokens_of_event, ElementsAre(3));
}

struct Hostile {
  std::string name;
  std::vector<std::string> parts;
  std::string problem;
  int status;
  std::string expected;  // part of the error
  std::string type = "text/event-stream";
};

TEST(AnswerReader, WhateverGoesWrongIsAReason) {
  const std::string token = Delta(R"({"content":"a"})");
  const std::vector<Hostile> cases{
      {"nothing", {}, "", 200, "ends without a reason"},
      {"no text", {"data: [DONE]\n\n"}, "", 200, "no text"},
      {"half an answer", {token}, "", 200, "after 1 pieces of text"},
      {"a broken connection", {token}, "connection reset", 200, "connection reset after 1"},
      {"garbage", {token, "data: <html>\n\n"}, "", 200, "expected a JSON object, found <html>"},
      {"a torn event", {token, "data: {\"choices\":[{\"te"}, "", 200, "expected a JSON object"},
      {"no object", {"data: 7\n\n"}, "", 200, "expected a JSON object, found 7"},
      {"an error on the way", {token, "data: {\"error\":{\"message\":\"out of memory\"}}\n\n"}, "", 200, "out of memory"},
      {"an error without words", {"data: {\"error\":{}}\n\n"}, "", 200, "without a message"},
      {"an error as text", {"data: {\"error\":\"bad\"}\n\n"}, "", 200, "bad"},
      {"an HTTP error", {R"({"error":{"message":"no such model"}})"}, "", 404, "HTTP 404: no such model", "application/json"},
      {"an HTTP error as a page", {"<html>\nBad gateway"}, "", 502, "HTTP 502: <html> Bad gateway", "text/html"},
      {"an empty HTTP error", {}, "", 503, "HTTP 503"},
      {"refused", {}, "could not connect", 0, "could not connect", ""},
      {"fields of other types", {"data: {\"choices\":{\"a\":1},\"usage\":7}\n\ndata: {\"choices\":[7]}\n\ndata: "
                                 "{\"choices\":[{\"delta\":[],\"text\":{},\"finish_reason\":3}]}\n\n"}, "", 200, "ends without a reason"},
      {"deep", {"data: " + std::string(200'000, '[') + "\n\n"}, "", 200, "expected a JSON object"},
      {"a JSON body that is cut", {R"({"choices":)"}, "", 200, "expected a JSON object", "application/json"},
  };
  for (const Hostile& hostile : cases) {
    const auto events = Read(hostile.parts, hostile.problem, hostile.status, hostile.type);
    EXPECT_EQ(events.back().finished, FinishReason::kError) << hostile.name;
    EXPECT_THAT(events.back().error, HasSubstr(hostile.expected)) << hostile.name;
    EXPECT_LT(events.back().error.size(), 400u) << hostile.name;
  }
}

TEST(AnswerReader, WhatComesAfterTheEndIsIgnored) {
  const auto events = Read({Delta(R"({"content":"a"})"), "data: [DONE]\n\n", "data: garbage\n\n"}, "reset");
  EXPECT_EQ(events.size(), 2u);
  EXPECT_EQ(events.back().error, "");
  // Without [DONE], a finish reason says that all was there.
  EXPECT_EQ(Read({Delta(R"({"content":"a"})", R"("stop")")}, "reset").back().error, "");
}

}  // namespace
}  // namespace weir
