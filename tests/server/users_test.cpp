// Many clients at once, and clients that go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <thread>

#include "server/serving.h"

namespace weir {
namespace {

using nlohmann::json;

json LongRequest(bool stream) {
  return {{"prompt", {1, 2, 3}}, {"max_tokens", 4000}, {"stream", stream}, {"ignore_eos", true}};
}

EngineOptions LongAnswers(int n_users) {
  return {.max_sequences = n_users, .context_tokens = 4096, .n_checkpoints = 4};
}

TEST(ManyUsers, GetTheSameTextAsAlone) {
  constexpr int kUsers = 16;
  std::vector<json> bodies;
  for (int i = 0; i < kUsers; ++i) {
    const std::string prompt = "Story " + std::to_string(i) + std::string(static_cast<size_t>(i) * 7, 'x');
    bodies.push_back({{"max_tokens", 8 + 2 * i},
                      {"temperature", i % 2 ? 0.8 : 0.0},
                      {"seed", i},
                      {"stream", i % 3 == 0},
                      {"ignore_eos", true}});
    if (i % 4 < 2) {
      bodies[i]["prompt"] = prompt;
    } else {
      bodies[i]["messages"] = {{{"role", "system"}, {"content", "Be brief."}},
                               {{"role", "user"}, {"content", prompt}}};
    }
  }
  const auto text = [](const Serving& serving, const json& body) {
    const bool chat = body.contains("messages");
    const ClientAnswer answer = serving.Post(chat ? "/v1/chat/completions" : "/v1/completions", body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    const auto said = [chat](const json& choice, const char* part) {
      return chat ? choice[part].value("content", "") : choice["text"].get<std::string>();
    };
    if (!body["stream"]) return said(answer.json()["choices"][0], "message");
    std::string joined;
    for (const json& event : Events(answer.body)) joined += said(event["choices"][0], "delta");
    return joined;
  };
  std::vector<std::string> alone;
  {
    const Serving lonely({.max_sequences = 1, .context_tokens = 512});
    for (const json& body : bodies) alone.push_back(text(lonely, body));
    EXPECT_TRUE(std::ranges::none_of(alone, &std::string::empty));
  }
  // All at once; and more than fit, so that some wait and prompts are cut.
  for (const int n_at_once : {kUsers, 6}) {
    const Serving serving(
        {.max_sequences = n_at_once, .context_tokens = 512, .prefill_tokens = 40, .n_checkpoints = 8});
    std::vector<std::string> together(kUsers);
    std::vector<std::thread> users;
    for (int i = 0; i < kUsers; ++i) {
      users.emplace_back([&, i] { together[i] = text(serving, bodies[i]); });
    }
    for (std::thread& user : users) user.join();
    EXPECT_EQ(together, alone);
    EXPECT_TRUE(Eventually([&] { return serving.Idle(); }));
  }
}

/// About n tokens of text.
std::string TextOf(size_t n) {
  std::string text;
  size_t n_tokens = 0;
  for (int i = 0; n_tokens < n; ++i) {
    const std::string phrase = " the river " + std::to_string(i) + ",";
    n_tokens += TinyModel().tokenizer->Encode(phrase, false).size();
    text += phrase;
  }
  return text;
}

json Chat(const std::string& system, const std::string& user) {
  return {{"messages", {{{"role", "system"}, {"content", system}}, {{"role", "user"}, {"content", user}}}},
          {"max_tokens", 4},
          {"temperature", 0}};
}

TEST(ManyUsers, OfOneSystemPromptComputeItOnce) {
  constexpr int kUsers = 16;
  Serving serving({.max_sequences = kUsers, .context_tokens = 2048, .n_checkpoints = 40});
  const std::string system = TextOf(1000);
  const auto n_system = static_cast<int64_t>(TinyModel().tokenizer->Encode(system, false).size());
  const auto ask = [&](int i) {
    return serving.Post("/v1/chat/completions", Chat(system, "Question " + std::to_string(i))).json()["usage"];
  };
  std::vector<json> usages(kUsers);
  std::vector<std::thread> users;
  for (int i = 0; i < kUsers; ++i) users.emplace_back([&, i] { usages[i] = ask(i); });
  for (std::thread& user : users) user.join();
  int n_shared = 0;
  for (const json& usage : usages) n_shared += usage["prompt_tokens_details"]["cached_tokens"] >= n_system;
  EXPECT_EQ(n_shared, kUsers - 1);
  const std::string metrics = serving.Get("/metrics").body;
  const std::string name = "\nweir_prefilled_tokens_total ";
  const int64_t n_computed = std::stoll(metrics.substr(metrics.find(name) + name.size()));
  EXPECT_LT(n_computed, n_system + kUsers * 40);
}

TEST(ManyUsers, DoNotReadALongConversationTwice) {
  Serving serving({.max_sequences = 2, .context_tokens = 4096, .n_checkpoints = 8});
  json body = Chat("Be brief.", TextOf(3950));
  const json first = serving.Post("/v1/chat/completions", body).json();
  ASSERT_GE(first["usage"]["prompt_tokens"], 3950);
  body["messages"].push_back(first["choices"][0]["message"]);
  body["messages"].push_back({{"role", "user"}, {"content", "And then?"}});
  const int64_t before = serving.engine().CurrentStatus().n_prefilled_tokens;
  const json usage = serving.Post("/v1/chat/completions", body).json()["usage"];
  const int64_t n_prompt = usage["prompt_tokens"];
  const int64_t n_cached = usage["prompt_tokens_details"]["cached_tokens"];
  EXPECT_GE(10 * n_cached, 9 * n_prompt);
  EXPECT_EQ(serving.engine().CurrentStatus().n_prefilled_tokens - before, n_prompt - n_cached);
}

TEST(ManyUsers, BeyondTheQueueAreToldToComeBack) {
  ApiOptions options;
  options.max_queue = 1;
  Serving serving(LongAnswers(1), options);
  Client active(serving.port()), waiting(serving.port());
  const std::string request = Post("/v1/completions", LongRequest(true).dump());
  active.Send(request);
  active.ReadUntil("data: ");
  waiting.Send(request);
  ASSERT_TRUE(Eventually([&] { return serving.engine().CurrentStatus().n_queued == 1; }));
  const ClientAnswer full = serving.Post("/v1/completions", {{"prompt", "a"}});
  EXPECT_EQ(full.status, 429);
  EXPECT_TRUE(full.Has("Retry-After: 1\r\n"));
  EXPECT_EQ(full.json()["error"]["type"], "rate_limit_error");
  EXPECT_EQ(serving.Get("/health").status, 200);
  active.Hang();
  waiting.Hang();
  EXPECT_TRUE(Eventually([&] {
    return serving.Post("/v1/completions", {{"prompt", "a"}, {"max_tokens", 1}}).status == 200;
  }));
}

TEST(ManyUsers, WhoAsksForMuchLeavesPlacesAndTurnsToOthers) {
  ApiOptions options;
  options.max_queue = 4;
  options.access.keys = {{"much", 1}, {"little", 2}};
  Serving serving(LongAnswers(1), options);
  const std::string much = "Authorization: Bearer much\r\n", little = "Authorization: Bearer little\r\n";
  std::list<Client> clients;
  for (int n = 0; n < 4; ++n) {
    clients.emplace_back(serving.port()).Send(Post("/v1/completions", LongRequest(true).dump(), much));
    ASSERT_TRUE(Eventually([&] { return serving.engine().CurrentStatus().n_queued == n; }));
  }
  Client fifth(serving.port()), other(serving.port());
  fifth.Send(Post("/v1/completions", R"({"prompt":"a"})", much));
  const ClientAnswer full = fifth.ReadAnswer();
  EXPECT_EQ(full.status, 429);
  EXPECT_THAT(full.json()["error"]["message"].get<std::string>(), testing::HasSubstr("4 requests of yours"));
  other.Send(Post("/v1/completions", R"({"prompt":"a","max_tokens":1})", little));
  ASSERT_TRUE(Eventually([&] { return serving.engine().CurrentStatus().n_queued == 4; }));
  clients.front().Hang();
  EXPECT_EQ(other.ReadAnswer().status, 200);
  EXPECT_GE(serving.engine().CurrentStatus().n_queued, 2) << "before the others of the one who came first";
}

TEST(Clients, ThatGoStopTheirAnswers) {
  Serving serving(LongAnswers(4));
  for (const bool stream : {false, true}) {
    Client client(serving.port());
    client.Send(Post("/v1/completions", LongRequest(stream).dump()));
    ASSERT_TRUE(Eventually([&] { return serving.engine().CurrentStatus().n_decoding == 1; }));
    client.Hang();
    EXPECT_TRUE(Eventually([&] { return serving.Idle(); }));
  }
  ASSERT_TRUE(Eventually([&] { return serving.log().size() == 2; }));
  for (const AccessRecord& record : serving.log()) {
    EXPECT_STREQ(record.summary.end, "client gone");
    EXPECT_LT(record.summary.n_answer_tokens, 4000);
  }
  EXPECT_TRUE(Eventually([&] { return serving.server().n_connections() == 0; }));
}

TEST(Clients, ThatDoNotReadStopTheirAnswersOnly) {
  // The model writes faster than this client reads; another one is served all the while.
  HttpOptions http;
  http.max_unsent_bytes = 1000;
  http.send_buffer_bytes = 4096;
  Serving serving(LongAnswers(2), {}, http);
  Client lazy(serving.port(), /*receive_buffer_bytes=*/1);
  json body = LongRequest(true);
  body["n"] = 2;
  lazy.Send(Post("/v1/completions", body.dump()));
  EXPECT_EQ(serving.Post("/v1/completions", {{"prompt", "a"}, {"max_tokens", 1}}).status, 200);
  ASSERT_TRUE(Eventually([&] { return serving.log().size() == 2 && serving.Idle(); }));
  const std::vector<AccessRecord> log = serving.log();
  EXPECT_EQ(std::ranges::count(log, 499, [](const AccessRecord& record) { return record.summary.status; }), 1);
  EXPECT_LT(serving.engine().CurrentStatus().n_generated_tokens, 1000);
}

TEST(Clients, ThatGoLeaveNoPagesBehind) {
  // One is answered, one waits for its place, one has not sent all of its request.
  EngineOptions options = LongAnswers(1);
  options.n_checkpoints = 0;
  Serving serving(options);
  const auto n_free = [&] { return serving.engine().CurrentStatus().n_free_pages; };
  EXPECT_EQ(serving.Post("/v1/completions", {{"prompt", "a"}, {"max_tokens", 1}}).status, 200);
  ASSERT_TRUE(Eventually([&] { return serving.Idle(); }));
  const int64_t n_pages = serving.engine().CurrentStatus().n_pages;
  EXPECT_EQ(n_free(), n_pages);
  Client active(serving.port()), waiting(serving.port()), sending(serving.port());
  const std::string request = Post("/v1/completions", LongRequest(true).dump());
  active.Send(request);
  active.ReadUntil("data: ");
  waiting.Send(request);
  sending.Send(request.substr(0, request.size() - 1));
  ASSERT_TRUE(Eventually([&] { return serving.engine().CurrentStatus().n_queued == 1; }));
  EXPECT_LT(n_free(), n_pages);
  waiting.Hang();
  EXPECT_TRUE(Eventually([&] { return serving.engine().CurrentStatus().n_queued == 0; }));
  EXPECT_EQ(serving.engine().CurrentStatus().n_active, 1);
  active.Hang();
  sending.Hang();
  EXPECT_TRUE(Eventually([&] { return serving.Idle() && n_free() == n_pages; }));
  EXPECT_TRUE(Eventually([&] { return serving.server().n_connections() == 0; }));
}

TEST(Clients, AreToldWhenTheServerEnds) {
  Serving serving(LongAnswers(2));
  Client stream(serving.port()), whole(serving.port());
  stream.Send(Post("/v1/completions", LongRequest(true).dump()));
  whole.Send(Post("/v1/completions", LongRequest(false).dump()));
  ASSERT_TRUE(Eventually([&] { return serving.engine().CurrentStatus().n_decoding == 2; }));
  serving.api().CancelAll();
  const ClientAnswer cut = stream.ReadAnswer();
  EXPECT_EQ(cut.status, 200);
  EXPECT_EQ(cut.body.find("[DONE]"), std::string::npos);
  EXPECT_NE(cut.body.find(R"("code":"shutting_down")"), std::string::npos);
  EXPECT_EQ(whole.ReadAnswer().status, 503);
  EXPECT_TRUE(Eventually([&] { return serving.Idle(); }));
}

TEST(Clients, HundredsComeAndGo) {
  HttpOptions http;
  http.max_connections = 64;
  Serving serving(LongAnswers(4), {}, http);
  const std::string ask = Post("/v1/completions", LongRequest(true).dump());
  for (int round = 0; round < 20; ++round) {
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 12; ++i) {
      clients.push_back(std::make_unique<Client>(serving.port()));
      clients.back()->Send(i % 4 == 0 ? ask.substr(0, ask.size() / 2) : i % 4 == 1 ? ask + ask : ask);
    }
  }
  // Some requests are still on their way through the threads when their connections have gone.
  EXPECT_TRUE(Eventually([&] {
    return serving.Post("/v1/completions", {{"prompt", "a"}, {"max_tokens", 1}}).status == 200;
  }));
  EXPECT_TRUE(Eventually([&] {
    if (serving.server().n_connections() != 0 || !serving.Idle()) return false;
    return serving.Get("/metrics").body.find("\nweir_requests_in_flight 0\n") != std::string::npos;
  }));
}

}  // namespace
}  // namespace weir
