// The fixed questions, asked at weir's engine and at servers that answer rightly, wrongly, or not at all.
#include "bench/questions.h"

#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "bench/agreement.h"
#include "bench/http_target.h"
#include "bench/in_process.h"
#include "bench/peer.h"
#include "fake_sse_server.h"
#include "null_target.h"
#include "test_data.h"

namespace weir {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;

constexpr int64_t kPatience = 60'000'000'000;
bool Never() { return false; }

std::unique_ptr<Subject> OpenTiny() {
  Result<std::unique_ptr<Subject>> subject = OpenSubject(TestData("weir-tiny-q8_0.gguf"), {*SelectIsa(nullptr), 2});
  EXPECT_TRUE(subject.ok()) << subject.error().message;
  return std::move(*subject);
}

AskedRow AskTiny(int64_t most_ns = kPatience) {
  const std::unique_ptr<Subject> subject = OpenTiny();
  EXPECT_TRUE(subject->Load([](int64_t, int64_t) { return true; }).ok());
  return AskQuestions(*subject, {"engine", "tiny"}, most_ns, Never);
}

/// A server whose text of an answer `answer` decides, from the body of the request.
class Server {
 public:
  explicit Server(std::function<void(const FakeCall&, const ordered_json&)> answer)
      : server_([answer](const FakeCall& call) {
          if (call.head.starts_with("GET /v1/models")) {
            call.SendHead(200, "application/json");
            return call.Send(R"({"data":[{"id":"served","owned_by":"somebody"}]})");
          }
          if (call.head.starts_with("GET")) return call.SendHead(404, "application/json");
          answer(call, ordered_json::parse(call.body));
        }) {}
  std::unique_ptr<Subject> Open() const {
    HttpServerOptions options;
    options.url = server_.url();
    return OpenHttpSubject(options);
  }
  std::string url() const { return server_.url(); }

  static void Say(const FakeCall& call, const std::string& text) {
    call.SendHead();
    call.Event(ordered_json{{"choices", {{{"text", text}, {"finish_reason", nullptr}}}}}.dump());
    call.Event(R"({"choices":[{"text":"","finish_reason":"length"}],"usage":{"completion_tokens":32}})");
    call.Send("data: [DONE]\n\n");
  }

 private:
  FakeSseServer server_;
};

AskedRow AskServer(const Server& server, int64_t most_ns = kPatience) {
  const std::unique_ptr<Subject> subject = server.Open();
  return AskQuestions(*subject, {server.url(), ""}, most_ns, Never);
}

TEST(Questions, HaveTheirPlaceInTheEstimate) {
  const std::unique_ptr<Subject> tiny = OpenTiny();
  const double at_once = RoughAskingSeconds(*tiny, {"engine", "tiny"});
  EXPECT_GT(at_once, 0);
  EXPECT_LT(at_once, 30);
  EXPECT_EQ(RoughAskingSeconds(NullSubject(), {"null", ""}), 0) << "is not asked";
  const std::unique_ptr<Subject> server = OpenHttpSubject({"http://127.0.0.1:1"});
  EXPECT_EQ(RoughAskingSeconds(*server, {"http://127.0.0.1:1", ""}), 30) << "who knows what it serves";
  PeerOptions peer;
  peer.command = "serve {port}";
  peer.http.serves = KnownModel{tiny->row()};
  EXPECT_GT(RoughAskingSeconds(**OpenPeer(peer), {"peer:", ""}), at_once) << "one after the other";
}

TEST(Questions, AreTheSameInAllBuilds) {
  const std::vector<std::string> texts = QuestionTexts();
  ASSERT_EQ(texts.size(), static_cast<size_t>(kQuestions));
  EXPECT_EQ(std::set(texts.begin(), texts.end()).size(), texts.size());
  uint64_t hash = 0xcbf29ce484222325;
  for (const std::string& text : texts) {
    EXPECT_EQ(std::count(text.begin(), text.end(), ' '), kQuestionWords - 1) << text;
    for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  }
  // Other questions need another name: see kSet.
  EXPECT_EQ(hash, 15056156156226270182u) << texts[0] << '\n' << texts[7];
  EXPECT_THAT(AskTiny(0).questions, HasSubstr("novel 1:"));
}

TEST(Questions, TheEngineAnswersAllOfThemAlwaysAlike) {
  const AskedRow asked = AskTiny();
  EXPECT_EQ(asked.note, "");
  EXPECT_EQ(asked.target, "engine");
  EXPECT_EQ(asked.named, "tiny");
  ASSERT_EQ(asked.answers.size(), static_cast<size_t>(kQuestions));
  for (const AnswerRow& answer : asked.answers) {
    EXPECT_FALSE(answer.cut);
    EXPECT_FALSE(answer.text.empty());
    const std::vector<RankedToken> ranked = ParseRanked(answer.logprobs);
    ASSERT_EQ(static_cast<int64_t>(ranked.size()), *answer.tokens);
    EXPECT_LE(*answer.tokens, kAnswerTokens);
    std::string text;
    for (const RankedToken& token : ranked) {
      ASSERT_EQ(token.top.size(), static_cast<size_t>(kTopLogprobs));
      EXPECT_EQ(token.top[0].first, token.text);  // greedy
      text += token.text;
    }
    EXPECT_EQ(text, answer.text);
  }
  const Agreement agreement = *AgreementOf(asked, AskTiny());
  EXPECT_EQ(agreement.n_same, kQuestions);
  EXPECT_NEAR(*agreement.kl_nats, 0, 1e-9);
}

TEST(Questions, WhoCannotBeAskedSaysWhy) {
  NullSubject random;  // ids, but no tokenizer
  EXPECT_THAT(AskQuestions(random, {"engine", "m"}, kPatience, Never).note, HasSubstr("no tokenizer"));
  random.row_.synthetic = true;
  EXPECT_THAT(AskQuestions(random, {"engine", "m"}, kPatience, Never).note, HasSubstr("random"));
  EXPECT_THAT(AskQuestions(random, {"null", ""}, kPatience, Never).note, HasSubstr("computes nothing"));
  EXPECT_TRUE(random.script_.requests.empty());
  const AskedRow late = AskTiny(0);
  EXPECT_EQ(late.note, "0 of 8 were answered in time");
  EXPECT_TRUE(late.answers.empty());
}

TEST(Questions, AServerIsAskedOneByOneWithoutWhatItRefuses) {
  std::atomic<int> n_open = 0, n_most = 0, n_refused = 0;
  const Server server([&](const FakeCall& call, const ordered_json& body) {
    n_most = std::max(n_most.load(), ++n_open);
    if (body.contains("logprobs")) {
      ++n_refused;
      call.SendHead(400, "application/json");
      call.Send(R"({"error":{"message":"logprobs: no"}})");
    } else {
      EXPECT_EQ(body["temperature"], 0);
      Server::Say(call, " and " + body["prompt"].get<std::string>().substr(0, 5));
    }
    --n_open;
  });
  const AskedRow asked = AskServer(server);
  EXPECT_EQ(asked.note, "");
  ASSERT_EQ(asked.answers.size(), 8u);
  EXPECT_EQ(asked.answers[3].text, " and " + QuestionTexts()[3].substr(0, 5));
  EXPECT_EQ(asked.answers[3].tokens, 32);
  EXPECT_EQ(asked.answers[3].logprobs, "");
  EXPECT_EQ(n_most, 1);
  EXPECT_EQ(n_refused, 1);
}

TEST(Questions, WhatIsNotAnsweredInTimeIsCut) {
  int n = 0;
  const Server server([&](const FakeCall& call, const ordered_json& body) {
    if (body["max_tokens"] == 1 || n++ < 2) return Server::Say(call, " quick");
    call.SendHead();
    call.Text(" slow");
    call.WaitForHangUp();
  });
  const AskedRow asked = AskServer(server, 500'000'000);
  EXPECT_EQ(asked.note, "2 of 8 were answered in time");
  ASSERT_EQ(asked.answers.size(), 3u);
  EXPECT_FALSE(asked.answers[1].cut);
  EXPECT_TRUE(asked.answers[2].cut);
  EXPECT_EQ(asked.answers[2].text, " slow");
}

/// The flags of the cells of weir-tiny in process and at a server, in turns.
std::map<std::string, std::vector<Flag>> FlagsBeside(const Server& server) {
  Store store = Store::Open(":memory:").value();
  BenchOptions options;
  options.repeats = 1;
  options.interleave = true;
  NullInstruments instruments;
  const std::unique_ptr<Subject> tiny = OpenTiny(), served = server.Open();
  CellSpec here{"engine", "tiny"}, there{server.url(), ""};
  here.load = there.load = {1, 1, 8, 4, 1};
  const auto outcome = RunBench(options, {"m", {}, {}, "{}", "weir", "plain", 1, 1}, {{tiny.get(), here}, {served.get(), there}}, store,
                                instruments, nullptr);
  EXPECT_TRUE(outcome.ok() && outcome->written.ok());
  std::map<std::string, std::vector<Flag>> flags;
  const std::vector<CellResult> cells = *store.Results(outcome->run);
  for (const CellResult& cell : cells) {
    EXPECT_TRUE(cell.row.asked.has_value());
    for (const Flag& flag : cell.flags) {
      if (flag.name == "answers_differ") flags[cell.row.target].push_back(flag);
    }
  }
  return flags;
}

TEST(Questions, FastAndWrongIsFlagged) {
  const Server wrong([](const FakeCall& call, const ordered_json&) { Server::Say(call, "!!!!!!!!!!!!!!!!"); });
  const auto flags = FlagsBeside(wrong);
  EXPECT_EQ(flags.size(), 2u);  // which of two is wrong, nobody knows
  ASSERT_TRUE(flags.contains(wrong.url()));
  EXPECT_THAT(flags.at(wrong.url())[0].detail, HasSubstr("engine"));
}

TEST(Questions, AServerWithTheSameAnswersIsNot) {
  std::map<std::string, std::string> known;
  const AskedRow asked = AskTiny();
  for (const AnswerRow& answer : asked.answers) known[QuestionTexts()[static_cast<size_t>(answer.question)]] = answer.text;
  const Server right([&](const FakeCall& call, const ordered_json& body) {
    const auto found = known.find(body["prompt"].get<std::string>());
    Server::Say(call, found == known.end() ? " x x x x" : found->second);
  });
  EXPECT_TRUE(FlagsBeside(right).empty());
}

}  // namespace
}  // namespace weir
