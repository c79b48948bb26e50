// Endpoints, one request at a time.
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "server/serving.h"

namespace weir {
namespace {

using nlohmann::json;

TEST(Api, SaysHowItIs) {
  Serving serving(Serving::DefaultEngine(), {}, {}, /*ready=*/false);
  EXPECT_EQ(serving.Get("/health").json()["status"], "loading");
  EXPECT_EQ(serving.Get("/health").status, 200);
  const ClientAnswer loading = serving.Get("/ready");
  EXPECT_EQ(loading.status, 503);
  EXPECT_TRUE(loading.Has("Retry-After: 1"));
  EXPECT_EQ(serving.Post("/v1/completions", {{"prompt", "a"}}).json()["error"]["code"], "loading");
  serving.SetReady();
  EXPECT_EQ(serving.Get("/health").json()["status"], "ok");
  EXPECT_EQ(serving.Get("/ready").status, 200);
  serving.api().BeginDrain();
  EXPECT_EQ(serving.Get("/health").status, 200);
  EXPECT_EQ(serving.Get("/ready").status, 503);
  EXPECT_EQ(serving.Post("/v1/completions", {{"prompt", "a"}}).status, 503);
}

TEST(Api, ListsItsModel) {
  Serving serving;
  EXPECT_EQ(serving.Get("/version").json(), (json{{"version", ""}, {"threads", 1}}));
  const json list = serving.Get("/v1/models").json();
  EXPECT_EQ(list["object"], "list");
  ASSERT_EQ(list["data"].size(), 1u);
  EXPECT_EQ(list["data"][0]["id"], "tiny");
  EXPECT_EQ(serving.Get("/v1/models/gpt-9").json(), list["data"][0]);
}

TEST(Api, KnowsItsPathsAndMethods) {
  Serving serving;
  EXPECT_EQ(serving.Get("/nothing").status, 404);
  const ClientAnswer wrong = serving.Get("/v1/completions");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_TRUE(wrong.Has("Allow: POST\r\n"));
  EXPECT_EQ(Ask(serving.port(), Post("/health", "{}")).status, 405);
  const json error = serving.Get("/nothing").json()["error"];
  EXPECT_EQ(error["type"], "invalid_request_error");
  EXPECT_EQ(error["code"], "not_found");
  EXPECT_TRUE(error["param"].is_null());
}

TEST(Api, CompletesText) {
  Serving serving;
  const json body = {{"model", "any"}, {"prompt", "Once upon"}, {"max_tokens", 8}, {"temperature", 0}};
  const ClientAnswer answer = serving.Post("/v1/completions", body);
  ASSERT_EQ(answer.status, 200) << answer.body;
  const json document = answer.json();
  Request request = Ask(TinyModel().tokenizer->Encode("Once upon", true), 8);
  request.ignore_eos = false;
  const Answer expected = Complete(serving.engine(), request);
  EXPECT_EQ(document["object"], "text_completion");
  EXPECT_EQ(document["model"], "tiny");
  EXPECT_EQ(document["id"].get<std::string>().substr(0, 5), "cmpl-");
  ASSERT_EQ(document["choices"].size(), 1u);
  const json& choice = document["choices"][0];
  EXPECT_EQ(choice["text"], expected.text);
  EXPECT_FALSE(expected.text.empty());
  EXPECT_EQ(choice["index"], 0);
  EXPECT_TRUE(choice["logprobs"].is_null());
  EXPECT_EQ(choice["finish_reason"], expected.tokens.size() == 8 ? "length" : "stop");
  const size_t n_prompt = request.prompt.size();
  EXPECT_EQ(document["usage"]["prompt_tokens"], n_prompt);
  EXPECT_EQ(document["usage"]["completion_tokens"], expected.tokens.size());
  EXPECT_EQ(document["usage"]["total_tokens"], n_prompt + expected.tokens.size());
  EXPECT_EQ(document["usage"]["prompt_tokens_details"]["cached_tokens"], 0);

  json ids = body;
  ids["prompt"] = request.prompt;
  EXPECT_EQ(serving.Post("/v1/completions", ids).json()["choices"], document["choices"]);
}

TEST(Api, StreamsWhatItWouldSendWhole) {
  Serving serving;
  json body = {{"prompt", "The"}, {"max_tokens", 12}, {"temperature", 0.9}, {"seed", 5}, {"ignore_eos", true}};
  const json whole = serving.Post("/v1/completions", body).json();
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  const ClientAnswer stream = serving.Post("/v1/completions", body);
  EXPECT_TRUE(stream.Has("Content-Type: text/event-stream\r\n"));
  EXPECT_TRUE(stream.Has("X-Accel-Buffering: no\r\n"));
  std::vector<json> events = Events(stream.body);
  ASSERT_GE(events.size(), 3u);
  const json usage = events.back();
  events.pop_back();
  EXPECT_EQ(usage["choices"], json::array());
  EXPECT_EQ(usage["usage"]["completion_tokens"], whole["usage"]["completion_tokens"]);
  EXPECT_EQ(usage["usage"]["prompt_tokens"], whole["usage"]["prompt_tokens"]);
  std::string text;
  for (const json& event : events) {
    EXPECT_EQ(event["object"], "text_completion");
    EXPECT_EQ(event["id"], usage["id"]);
    EXPECT_TRUE(event["usage"].is_null());
    EXPECT_EQ(event["choices"][0]["finish_reason"], &event == &events.back() ? json("length") : json());
    text += event["choices"][0]["text"].get<std::string>();
  }
  EXPECT_EQ(whole["choices"][0]["text"], text);
}

TEST(Api, FramesEachEventByItself) {
  Serving serving;
  Client client(serving.port());
  client.Send(Post("/v1/completions",
                   R"({"prompt":[1,2,3],"max_tokens":1,"temperature":0,"stream":true,"ignore_eos":true})"));
  const std::string head = client.ReadUntil("\r\n\r\n");
  EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  const std::string rest = client.ReadUntil("0\r\n\r\n");
  const size_t at = rest.find("\r\n");
  const size_t length = std::stoul(rest.substr(0, at), nullptr, 16);
  const std::string event = rest.substr(at + 2, length);
  EXPECT_EQ(rest.substr(at + 2 + length), "\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
  EXPECT_EQ(event.substr(0, 6), "data: ");
  EXPECT_EQ(event.find('\n'), event.size() - 2);
  EXPECT_EQ(json::parse(event.substr(6))["choices"][0]["finish_reason"], "length");
}

TEST(Api, AnswersSeveralPromptsSeveralTimes) {
  Serving serving;
  json body = {{"prompt", {"One", "Two"}}, {"n", 2},    {"max_tokens", 6},
               {"temperature", 1.5},       {"seed", 9}, {"ignore_eos", true}};
  const json whole = serving.Post("/v1/completions", body).json();
  ASSERT_EQ(whole["choices"].size(), 4u);
  EXPECT_NE(whole["choices"][0]["text"], whole["choices"][1]["text"]);
  EXPECT_EQ(whole["usage"]["completion_tokens"], 24);
  EXPECT_EQ(serving.Post("/v1/completions", body).json()["choices"], whole["choices"]);

  json alone = body;  // the first choice is what n = 1 gives
  alone["prompt"] = "Two";
  alone["n"] = 1;
  EXPECT_EQ(serving.Post("/v1/completions", alone).json()["choices"][0]["text"], whole["choices"][2]["text"]);

  body["stream"] = true;
  std::vector<std::string> texts(4);
  for (const json& event : Events(serving.Post("/v1/completions", body).body)) {
    const json& choice = event["choices"][0];
    texts[choice["index"].get<size_t>()] += choice["text"].get<std::string>();
  }
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(whole["choices"][i]["text"], texts[i]);
}

TEST(Api, StopsBeforeAStopString) {
  Serving serving;
  const json body = {{"prompt", "Once"}, {"max_tokens", 40}, {"temperature", 0}, {"ignore_eos", true}};
  const std::string text = serving.Post("/v1/completions", body).json()["choices"][0]["text"];
  ASSERT_GT(text.size(), 10u);
  json stopped = body;
  stopped["stop"] = text.substr(5, 3);
  const json choice = serving.Post("/v1/completions", stopped).json()["choices"][0];
  EXPECT_EQ(choice["text"], text.substr(0, text.find(text.substr(5, 3))));
  EXPECT_EQ(choice["finish_reason"], "stop");
  stopped["stop"] = {"not there", text.substr(5, 3)};
  EXPECT_EQ(serving.Post("/v1/completions", stopped).json()["choices"][0], choice);
}

TEST(Api, TellsWhatNeededNoComputing) {
  Serving serving;
  std::vector<int32_t> prompt(100, 7);
  const Answer answer = Complete(serving.engine(), Ask(prompt, 5));
  prompt.insert(prompt.end(), answer.tokens.begin(), answer.tokens.end());
  prompt.insert(prompt.end(), {1, 2, 3});
  const json body = {{"prompt", prompt}, {"max_tokens", 1}};
  const json usage = serving.Post("/v1/completions", body).json()["usage"];
  EXPECT_EQ(usage["prompt_tokens"], 108);
  EXPECT_EQ(usage["prompt_tokens_details"]["cached_tokens"], 104);  // the last token's state is not computed
}

TEST(Api, BiasesAndPenalises) {
  Serving serving;
  const json plain = {{"prompt", {5, 6}}, {"max_tokens", 3}, {"temperature", 0}, {"ignore_eos", true}};
  json biased = plain;
  biased["logit_bias"] = {{"65", 100}};
  const std::string piece(TinyModel().tokenizer->Piece(65));
  EXPECT_EQ(serving.Post("/v1/completions", biased).json()["choices"][0]["text"], piece + piece + piece);
  biased["frequency_penalty"] = 2;
  biased["logit_bias"] = {{"65", 100}, {"66", 98}};
  biased["presence_penalty"] = 2;
  biased["max_tokens"] = 2;
  const std::string other(TinyModel().tokenizer->Piece(66));
  EXPECT_EQ(serving.Post("/v1/completions", biased).json()["choices"][0]["text"], piece + other);
}

TEST(Api, TokenisesAndBack) {
  Serving serving;
  const std::string text = "a b \u00e4\u20ac";
  const json tokens = serving.Post("/tokenize", {{"content", text}}).json();
  EXPECT_EQ(tokens["tokens"], TinyModel().tokenizer->Encode(text, true));
  EXPECT_EQ(tokens["count"], tokens["tokens"].size());
  EXPECT_EQ(serving.Post("/detokenize", {{"tokens", tokens["tokens"]}}).json()["content"], text);
  const json pieces = serving.Post("/tokenize", {{"content", "a"}, {"with_pieces", true}}).json();
  EXPECT_EQ(pieces["tokens"][0]["piece"], "a");
  const json plain =
      serving.Post("/tokenize", {{"content", "<|im_end|>"}, {"parse_special", false}}).json();
  EXPECT_GT(plain["count"], 1);
  EXPECT_EQ(serving.Post("/tokenize", {{"content", "<|im_end|>"}}).json()["count"], 1);
  EXPECT_EQ(serving.Post("/detokenize", {{"tokens", {-1}}}).json()["error"]["param"], "tokens");
  EXPECT_EQ(serving.Post("/tokenize", json::object()).json()["error"]["param"], "content");
}

struct BadField {
  const char* body;
  const char* param;  // null: none
  const char* code;
};

TEST(Api, NamesTheFieldThatIsWrong) {
  Serving serving;
  const BadField kCases[] = {
      {R"({})", "prompt", "invalid_value"},
      {R"({"prompt":null})", "prompt", "invalid_value"},
      {R"({"prompt":5})", "prompt", "invalid_value"},
      {R"({"prompt":""})", "prompt", "invalid_value"},
      {R"({"prompt":[]})", "prompt", "invalid_value"},
      {R"({"prompt":[[]]})", "prompt", "invalid_value"},
      {R"({"prompt":[1,"a"]})", "prompt", "invalid_value"},
      {R"({"prompt":[1,-1]})", "prompt", "invalid_value"},
      {R"({"prompt":[1,1.5]})", "prompt", "invalid_value"},
      {R"({"prompt":[2147483647]})", "prompt", "invalid_value"},
      {R"({"prompt":[[1,5000]]})", "prompt", "invalid_value"},
      {R"({"prompt":"a","max_tokens":0})", "max_tokens", "invalid_value"},
      {R"({"prompt":"a","max_tokens":"5"})", "max_tokens", "invalid_value"},
      {R"({"prompt":"a","max_tokens":1.5})", "max_tokens", "invalid_value"},
      {R"({"prompt":"a","max_tokens":18446744073709551615})", "max_tokens", "invalid_value"},
      {R"({"prompt":"a","max_tokens":5000})", "prompt", "context_length_exceeded"},
      {R"({"prompt":"a","temperature":-0.1})", "temperature", "invalid_value"},
      {R"({"prompt":"a","temperature":2.1})", "temperature", "invalid_value"},
      {R"({"prompt":"a","temperature":"hot"})", "temperature", "invalid_value"},
      {R"({"prompt":"a","top_p":1.1})", "top_p", "invalid_value"},
      {R"({"prompt":"a","top_k":-1})", "top_k", "invalid_value"},
      {R"({"prompt":"a","n":0})", "n", "invalid_value"},
      {R"({"prompt":"a","n":129})", "n", "invalid_value"},
      {R"({"prompt":"a","n":100})", "n", "invalid_value"},
      {R"({"prompt":"a","seed":1.5})", "seed", "invalid_value"},
      {R"({"prompt":"a","stop":[1]})", "stop", "invalid_value"},
      {R"({"prompt":"a","stop":""})", "stop", "invalid_value"},
      {R"({"prompt":"a","stream":1})", "stream", "invalid_value"},
      {R"({"prompt":"a","stream_options":{}})", "stream_options", "invalid_value"},
      {R"({"prompt":"a","stream":true,"stream_options":5})", "stream_options", "invalid_type"},
      {R"({"prompt":"a","stream":true,"stream_options":{"x":1}})", "stream_options.x", "unknown_parameter"},
      {R"({"prompt":"a","logit_bias":{"a":1}})", "logit_bias", "invalid_value"},
      {R"({"prompt":"a","logit_bias":{"1":101}})", "logit_bias", "invalid_value"},
      {R"({"prompt":"a","logit_bias":{"999999":1}})", "logit_bias", "invalid_value"},
      {R"({"prompt":"a","presence_penalty":3})", "presence_penalty", "invalid_value"},
      {R"({"prompt":"a","echo":1})", "echo", "invalid_value"},
      {R"({"prompt":"a","echo":true,"logprobs":1})", "echo", "unsupported_parameter"},
      {R"({"prompt":"a","logprobs":21})", "logprobs", "invalid_value"},
      {R"({"prompt":"a","logprobs":true})", "logprobs", "invalid_value"},
      {R"({"prompt":"a","best_of":3})", "best_of", "unsupported_parameter"},
      {R"({"prompt":"a","suffix":"b"})", "suffix", "unsupported_parameter"},
      {R"({"prompt":"a","grammar":"b"})", "grammar", "unknown_parameter"},
      {R"({"prompt":"a","Prompt":"b"})", "Prompt", "unknown_parameter"},
  };
  for (const auto& [body, param, code] : kCases) {
    const ClientAnswer answer = Ask(serving.port(), Post("/v1/completions", body));
    EXPECT_EQ(answer.status, 400) << body << answer.body;
    const json error = answer.json()["error"];
    EXPECT_EQ(error["param"], param ? json(param) : json()) << body;
    EXPECT_EQ(error["code"], code) << body;
    EXPECT_FALSE(error["message"].get<std::string>().empty());
  }
  EXPECT_TRUE(serving.Idle());
  const json neutral = {{"prompt", "a"},      {"max_tokens", 1}, {"echo", false},    {"best_of", 1},
                        {"logprobs", nullptr}, {"suffix", ""},    {"stop", nullptr}, {"user", "me"}};
  EXPECT_EQ(serving.Post("/v1/completions", neutral).status, 200);
}

TEST(Api, LimitsStopStringsToWhatTheEngineTakes) {
  Serving serving;
  const auto stopped = [&](size_t n) {
    return serving.Post("/v1/completions", {{"prompt", "a"}, {"max_tokens", 1}, {"stop", std::string(n, 'x')}});
  };
  EXPECT_EQ(stopped(1024).status, 200);
  EXPECT_EQ(stopped(1025).json()["error"]["param"], "stop");
}

TEST(Api, RefusesBodiesThatAreNoJson) {
  Serving serving;
  std::string keys = "{";
  for (int i = 0; i < 2000; ++i) keys += "\"k" + std::to_string(i) + "\":1,";
  const std::string kBodies[] = {
      "",      "{",  "nonsense", "[]", "\"a\"", "1", "{\"prompt\":\"\xff\"}", "{\"prompt\":1e400}",
      "{} {}", "\0", std::string(100'000, '['), keys + "\"z\":1}",
      "{\"prompt\":" + std::string(65, '[') + std::string(65, ']') + "}",
  };
  for (const std::string& body : kBodies) {
    const ClientAnswer answer = Ask(serving.port(), Post("/v1/completions", body));
    EXPECT_EQ(answer.status, 400) << body.substr(0, 50);
    EXPECT_EQ(answer.json()["error"]["code"], "invalid_json") << body.substr(0, 50);
  }
}

std::string Repeated(const std::string& value, int64_t n) {
  std::string list;
  for (int64_t i = 0; i < n; ++i) list += value + ",";
  list.pop_back();
  return "[" + list + "]";
}

TEST(Api, RefusesBodiesThatWouldTakeTimeAndMemory) {
  Serving serving;
  for (const char* value : {"{}", "[]", "null", "\"\"", "{\"a\":1}", "[{}]"}) {
    const ClientAnswer answer = Ask(serving.port(), Post("/tokenize", "{\"x\":" + Repeated(value, 1'000'000) + "}"));
    EXPECT_EQ(answer.status, 400) << value;
    EXPECT_EQ(answer.json()["error"]["code"], "invalid_json") << value << answer.body;
  }
  const ClientAnswer numbers = Ask(serving.port(), Post("/tokenize", "{\"x\":" + Repeated("1", 3'000'000) + "}"));
  EXPECT_EQ(numbers.json()["error"]["code"], "invalid_json") << numbers.body;
  // What is large and of use is read: these fields are not known, and that is all.
  for (const std::string& large : {Repeated("123456", 1'000'000), Repeated("{}", 90'000),
                                   Repeated(Repeated("1234", 700), 2048), "\"" + std::string(8'000'000, 'a') + "\""}) {
    const ClientAnswer answer = Ask(serving.port(), Post("/tokenize", "{\"content\":\"a\",\"x\":" + large + "}"));
    EXPECT_EQ(answer.json()["error"]["code"], "unknown_parameter") << large.substr(0, 20) << answer.body;
  }
}

int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

TEST(Api, KeepsNoMemoryOfLargeRequests) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the memory would be the sanitizer's";
#endif
  Serving serving;
  const std::string request =
      Post("/tokenize", "{\"x\":" + Repeated("\"" + std::string(75, 'a') + "\"", 99'000) + "}");
  const auto ask = [&] { EXPECT_EQ(Ask(serving.port(), request).status, 400); };
  ask();  // what is needed once
  const int64_t before = ResidentBytes();
  std::vector<std::thread> clients;
  for (int i = 0; i < 12; ++i) clients.emplace_back(ask);
  for (std::thread& client : clients) client.join();
  EXPECT_TRUE(Eventually([&] { return ResidentBytes() - before < 30'000'000; })) << ResidentBytes() - before;
}

TEST(Api, LogsWhoWhatHowLongAndNothingElse) {
  Serving serving;
  serving.Post("/v1/completions", {{"prompt", "secret"}, {"max_tokens", 2}, {"ignore_eos", true}});
  ASSERT_TRUE(Eventually([&] { return serving.log().size() == 1; }));
  serving.Get("/nowhere?secret");
  ASSERT_TRUE(Eventually([&] { return serving.log().size() == 2; }));
  const AccessRecord done = serving.log()[0], refused = serving.log()[1];
  EXPECT_EQ(done.peer.substr(0, 10), "127.0.0.1:");
  EXPECT_EQ(done.path, "/v1/completions");
  EXPECT_EQ(done.summary.status, 200);
  EXPECT_EQ(done.summary.n_answer_tokens, 2);
  EXPECT_STREQ(done.summary.end, "length");
  EXPECT_GT(done.seconds, 0);
  EXPECT_EQ(refused.path, "/nowhere");
  EXPECT_EQ(refused.summary.status, 404);
}

TEST(Api, LogsWhoseKeyAndWhatWasWrong) {
  ApiOptions options;
  options.access.keys = {{"open-sesame", 3}};
  Serving serving(Serving::DefaultEngine(), options, {.max_body_bytes = 1000});
  const std::string key = "Authorization: Bearer open-sesame\r\n";
  const auto logged = [&](const std::string& request) {
    const size_t n = serving.log().size();
    Ask(serving.port(), request);
    EXPECT_TRUE(Eventually([&] { return serving.log().size() == n + 1; })) << request;
    return serving.log().back();
  };
  EXPECT_EQ(logged(Get("/v1/models", key)).key_line, 3);
  const AccessRecord unknown = logged(Get("/v1/models", "Authorization: Bearer x\r\n"));
  EXPECT_EQ(unknown.key_line, std::nullopt);
  EXPECT_EQ(unknown.summary.code, "invalid_api_key");
  EXPECT_EQ(logged(Post("/v1/completions", R"({"x":1})", key)).summary.code, "invalid_value");
  EXPECT_EQ(logged(Post("/v1/models", "", key)).summary.code, "method_not_allowed");
  // What no handler sees.
  const AccessRecord large = logged(Post("/v1/completions", std::string(1001, 'a'), key));
  EXPECT_EQ(large.path, "/v1/completions");
  EXPECT_EQ(large.key_line, 3);
  EXPECT_EQ(large.summary.status, 413);
  EXPECT_EQ(large.summary.code, "body_too_large");
  const AccessRecord bad = logged("nonsense\r\n\r\n");
  EXPECT_EQ(bad.peer.substr(0, 10), "127.0.0.1:");
  EXPECT_EQ(bad.summary.code, "bad_request");
  EXPECT_NE(serving.Get("/health").status, 0);
  const std::string metrics = Ask(serving.port(), Get("/metrics", key)).body;
  EXPECT_NE(metrics.find("\nweir_requests_total{endpoint=\"/v1/completions\",status=\"413\"} 1\n"), std::string::npos);
  EXPECT_NE(metrics.find("\nweir_requests_total{endpoint=\"other\",status=\"400\"} 1\n"), std::string::npos);
}

TEST(Api, LogsWhomAProxyOnThisMachineSpeaksFor) {
  Serving serving;
  const auto forwarded = [&](const std::string& headers) {
    const size_t n = serving.log().size();
    Ask(serving.port(), Get("/v1/models", headers));
    EXPECT_TRUE(Eventually([&] { return serving.log().size() == n + 1; }));
    return serving.log().back().forwarded_for;
  };
  EXPECT_EQ(forwarded(""), "");
  EXPECT_EQ(forwarded("X-Forwarded-For: 203.0.113.7\r\n"), "203.0.113.7");
  // What the client itself has sent comes before what the proxy adds.
  EXPECT_EQ(forwarded("X-Forwarded-For: 10.0.0.1, 2001:DB8::1\r\n"), "2001:db8::1");
  EXPECT_EQ(forwarded("X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\n"), "10.0.0.2");
  for (const char* wrong : {"admin", "10.0.0.1:80", "10.0.0.1 200 OK", "10.0.0.1,"}) {
    EXPECT_EQ(forwarded("X-Forwarded-For: " + std::string(wrong) + "\r\n"), "") << wrong;
  }
}

TEST(Api, CountsWhatItDoes) {
  Serving serving;
  serving.Post("/v1/completions", {{"prompt", {1, 2, 3}}, {"max_tokens", 4}, {"ignore_eos", true}});
  serving.Get("/nowhere");
  ASSERT_TRUE(Eventually([&] { return serving.log().size() == 2; }));
  const ClientAnswer answer = serving.Get("/metrics");
  EXPECT_TRUE(answer.Has("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  for (const char* line : {
           "\nweir_generated_tokens_total 4\n", "\nweir_prefilled_tokens_total 3\n", "\nweir_ready 1\n",
           "\nweir_requests_total{endpoint=\"/v1/completions\",status=\"200\"} 1\n",
           "\nweir_requests_total{endpoint=\"other\",status=\"404\"} 1\n", "\nweir_ttft_seconds_count 1\n",
           "\nweir_itl_seconds_count 3\n", "\nweir_itl_seconds_bucket{le=\"+Inf\"} 3\n"}) {
    EXPECT_NE(answer.body.find(line), std::string::npos) << line << answer.body;
  }
}

}  // namespace
}  // namespace weir
