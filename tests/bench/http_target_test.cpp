// The HTTP target against servers that are anything but well-behaved.
#include "bench/http_target.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "bench/target_name.h"
#include "fake_sse_server.h"
#include "recorded_load.h"

namespace weir {
namespace {

using testing::HasSubstr;

ServerFacts FactsOf(const std::string& url) {
  ServerFacts server;
  server.base_url = url + "/v1";
  server.model_name = "m";
  return server;
}

std::vector<RequestRecord> RunUsers(const std::string& url, int n_users = 1, int rounds = 1,
                               int silence_seconds = 20) {
  HttpServerOptions options;
  options.url = url;
  options.silence_seconds = silence_seconds;
  options.connect_seconds = 5;
  const std::unique_ptr<Target> target = MakeHttpTarget(options, FactsOf(url));
  LoadPlan plan;
  for (int i = 0; i < n_users * rounds; ++i) {
    PlannedQuery planned;
    planned.query.text = "Hello";
    planned.query.max_tokens = 3;
    planned.user = i % n_users;
    planned.round = i / n_users;
    planned.after = i < n_users ? PlannedQuery::kStart : i - n_users;
    plan.queries.push_back(planned);
  }
  Records records;
  const auto outcome = RunLoad(*target, plan, [] { return false; }, records);
  EXPECT_TRUE(outcome.ok());
  EXPECT_EQ(records.records.size(), plan.queries.size());
  return records.records;
}

RequestRecord RunOne(const std::function<void(const FakeCall&)>& answer, int silence_seconds = 20) {
  FakeSseServer server(answer);
  return RunUsers(server.url(), 1, 1, silence_seconds)[0];
}

TEST(HttpTarget, StampsAreInOrderAndTokensAreCounted) {
  const RequestRecord record = RunOne([](const FakeCall& call) {
    const auto body = nlohmann::json::parse(call.body);
    EXPECT_THAT(call.head, HasSubstr("POST /v1/completions HTTP/1.1"));
    EXPECT_EQ(body["prompt"], "Hello");
    EXPECT_EQ(body["max_tokens"], 3);
    EXPECT_EQ(body["ignore_eos"], true);
    EXPECT_EQ(body["temperature"], 0);
    call.SendHead();
    call.Text("");
    FakeCall::Wait(20);
    call.Text("a");
    call.Text("b");
    call.Event(R"({"choices":[{"text":"c","finish_reason":"length"}],"usage":{"completion_tokens":3,"prompt_tokens":2}})");
    call.Event("[DONE]");
  });
  EXPECT_EQ(record.error, "");
  EXPECT_EQ(record.finish, FinishReason::kLength);
  EXPECT_EQ(record.generated_tokens, 3);
  EXPECT_EQ(record.counted_by, CountedBy::kUsage);
  EXPECT_EQ(TokenTimes(record).size(), 3u);
  EXPECT_LE(record.scheduled_ns, record.submitted_ns);
  EXPECT_LE(*record.headers_ns, *record.first_chunk_ns);
  EXPECT_GE(*record.first_token_ns - *record.first_chunk_ns, 15'000'000);
  EXPECT_LE(*record.first_token_ns, *record.ended_ns);
}

TEST(HttpTarget, TornBytesAreOneAnswer) {
  const RequestRecord record = RunOne([](const FakeCall& call) {
    const std::string all =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        "data: {\"choices\":[{\"text\":\"\xc3\xa4\"}]}\r\n\r\n"
        "data: {\"choices\":[{\"text\":\"b\",\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    for (char c : all) {
      call.Send(std::string(1, c));
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  });
  EXPECT_EQ(record.error, "");
  EXPECT_EQ(record.arrivals.size(), 2u);
}

TEST(HttpTarget, EveryFailureIsARecordWithAReason) {
  EXPECT_THAT(RunOne([](const FakeCall&) {}).error, HasSubstr("mpty reply"));
  EXPECT_THAT(RunOne([](const FakeCall& call) { call.Send("garbage\r\n\r\n"); }).error,
              testing::Not(""));
  EXPECT_THAT(RunOne([](const FakeCall& call) {
                call.SendHead(500, "application/json");
                call.Send(R"({"error":{"message":"no slot is free"}})");
              }).error,
              "HTTP 500: no slot is free");
  const RequestRecord half = RunOne([](const FakeCall& call) {
    call.Send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9999\r\n\r\n");
    call.Text("a");
  });
  EXPECT_THAT(half.error, HasSubstr("after 1 pieces of text"));
  EXPECT_EQ(half.arrivals.size(), 1u);
  EXPECT_EQ(half.finish, FinishReason::kError);
}

TEST(HttpTarget, ASilentServerIsGivenUp) {
  const RequestRecord never = RunOne([](const FakeCall& call) { call.WaitForHangUp(); }, 1);
  EXPECT_THAT(never.error, HasSubstr("no byte for 1 s"));
  const RequestRecord stuck = RunOne(
      [](const FakeCall& call) {
        call.SendHead();
        call.Text("a");
        call.WaitForHangUp();
      },
      1);
  EXPECT_THAT(stuck.error, HasSubstr("no byte for 1 s after 1 pieces"));
}

TEST(HttpTarget, AnAnswerEndsAtDoneAlsoIfTheConnectionStays) {
  const RequestRecord record = RunOne([](const FakeCall& call) {
    call.SendHead();
    call.Text("a");
    call.Event("[DONE]");
    call.WaitForHangUp();
  });
  EXPECT_EQ(record.error, "");
}

TEST(HttpTarget, NobodyListens) {
  std::string url;
  {
    FakeSseServer server([](const FakeCall&) {});
    url = server.url();
  }
  const auto records = RunUsers(url, 2, 2);
  for (const RequestRecord& record : records) {
    EXPECT_THAT(record.error, HasSubstr("connect"));
    EXPECT_FALSE(record.first_token_ns.has_value());
  }
}

TEST(HttpTarget, HundredsOfStreamsAtOnce) {
  FakeSseServer server([](const FakeCall& call) {
    call.SendHead();
    for (int i = 0; i < 3; ++i) call.Text("x");
    call.Event("[DONE]");
  });
  const auto records = RunUsers(server.url(), 200, 2);
  for (const RequestRecord& record : records) {
    EXPECT_EQ(record.error, "");
    EXPECT_EQ(record.generated_tokens, 3);
  }
}

TEST(HttpTarget, CancellingLeavesItUsable) {
  std::atomic<int> n_calls = 0;
  FakeSseServer server([&](const FakeCall& call) {
    if (n_calls++ == 0) return call.WaitForHangUp();
    call.SendHead();
    call.Text("a");
    call.Event("[DONE]");
  });
  const auto target = MakeHttpTarget({.url = server.url()}, FactsOf(server.url()));
  Query query;
  query.text = "Hello";
  const int64_t first = target->Submit(query).value();
  EXPECT_FALSE(target->Next(100'000'000).has_value());
  target->CancelAll();
  const int64_t second = target->Submit(query).value();
  EXPECT_NE(first, second);
  const auto event = target->Next(10'000'000'000);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->request, second);
}

void AnswerAsLlamaCpp(const FakeCall& call) {
  if (call.head.find("GET /v1/models") == 0) {
    call.SendHead(200, "application/json");
    call.Send(R"({"data":[{"id":"some-model","owned_by":"llamacpp"}]})");
  } else if (call.head.find("GET /props") == 0) {
    call.SendHead(200, "application/json");
    call.Send(R"({"build_info":"b1234-abc","default_generation_settings":{"n_ctx":2048}})");
  } else if (call.body.find("ignore_eos") != call.body.npos) {
    call.SendHead(400, "application/json");
    call.Send(R"({"error":{"message":"ignore_eos is not known"}})");
  } else {
    call.SendHead();
    call.Text("a");
    call.Event("[DONE]");
  }
}

TEST(MeetServer, LearnsNameVersionAndAbilities) {
  FakeSseServer server(AnswerAsLlamaCpp);
  const auto facts = MeetServer({.url = server.url() + "/v1/"});
  ASSERT_TRUE(facts.ok()) << facts.error().message;
  EXPECT_EQ(facts->model_name, "some-model");
  EXPECT_EQ(facts->target.engine, "llama.cpp");
  EXPECT_EQ(facts->target.version, "b1234-abc");
  EXPECT_EQ(facts->context_length, 2048);
  EXPECT_FALSE(facts->target.threads.has_value());
  EXPECT_FALSE(facts->abilities.ignore_eos);
}

TEST(MeetServer, SaysWhatIsWrong) {
  EXPECT_EQ(MeetServer({.url = "ftp://x"}).error().code, ErrorCode::kBadInput);
  EXPECT_EQ(MeetServer({.url = "http://"}).error().code, ErrorCode::kBadInput);
  FakeSseServer empty([](const FakeCall& call) {
    call.SendHead(200, "application/json");
    call.Send("[]");
  });
  EXPECT_THAT(MeetServer({.url = empty.url()}).error().message, HasSubstr("lists no model"));
  FakeSseServer locked([](const FakeCall& call) { call.SendHead(401, "text/plain"); });
  EXPECT_THAT(MeetServer({.url = locked.url()}).error().message, HasSubstr("401"));
  FakeSseServer loading([](const FakeCall& call) { call.SendHead(503, "text/plain"); });
  EXPECT_THAT(MeetServer({.url = loading.url(), .model_name = "m"}).error().message, HasSubstr("503"));
}

TEST(TargetName, KnowsWhichServersAreOnThisMachine) {
  for (const char* here : {"http://localhost", "http://127.0.0.1:8080/v1", "https://127.3.2.1", "http://[::1]:80/v1"}) {
    EXPECT_TRUE(IsOnThisMachine(here)) << here;
  }
  for (const char* elsewhere : {"http://10.0.0.1:8080", "http://localhost.example:80", "http://127.0.0.1.example",
                                "http://[::2]", "http://127.0.0.1@example", "http://example/127.0.0.1", "http://"}) {
    EXPECT_FALSE(IsOnThisMachine(elsewhere)) << elsewhere;
  }
}

TEST(HttpSubject, AServerThatIsNotThereIsAPlanThatFails) {
  std::string url;
  {
    FakeSseServer server([](const FakeCall&) {});
    url = server.url();
  }
  const auto subject = OpenHttpSubject({.url = url});
  EXPECT_EQ(subject->row().name, url);
  EXPECT_THAT(subject->Plan(1, 1).error().message, HasSubstr("connect"));
  EXPECT_FALSE(subject->Start(1, 1).ok());
}

}  // namespace
}  // namespace weir
