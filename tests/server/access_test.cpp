// Keys, and requests that a web page makes a browser send.
#include "server/access.h"

#include <gtest/gtest.h>

#include "server/serving.h"

namespace weir {
namespace {

HttpRequest Head(std::vector<HttpHeader> headers, std::string path = "/v1/models") {
  HttpRequest head;
  head.method = "GET";
  head.path = std::move(path);
  head.headers = std::move(headers);
  return head;
}

int Status(const HttpRequest& head, const AccessRules& rules = {}) {
  const std::optional<ApiError> error = CheckAccess(head, rules);
  return error ? error->status : 200;
}

TEST(CheckAccess, AnswersToItsOwnNamesOnly) {
  const AccessRules rules{{}, {"box.lan"}};
  for (const char* host : {"localhost", "LOCALHOST:8080", "127.0.0.1:80", "192.168.1.7", "[::1]:80", "[::1]",
                           "box.lan:8080", "Box.Lan"}) {
    EXPECT_EQ(Status(Head({{"host", host}}), rules), 200) << host;
  }
  for (const char* host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "box", "1.2.3",
                           "localhost@evil.example", "evil.example:127.0.0.1", "[evil.example"}) {
    EXPECT_EQ(Status(Head({{"host", host}}), rules), 403) << host;
  }
  EXPECT_EQ(Status(Head({})), 200);  // HTTP/1.0: no browser
  EXPECT_EQ(Status(Head({{"host", "localhost"}, {"host", "evil.example"}})), 400);
}

TEST(CheckAccess, RefusesPagesOfOthers) {
  const auto from = [](const char* origin) {
    return Status(Head({{"host", "localhost:8080"}, {"origin", origin}}));
  };
  EXPECT_EQ(from("http://localhost:8080"), 200);
  EXPECT_EQ(from("https://localhost:8080"), 200);
  for (const char* origin : {"http://evil.example", "null", "http://localhost", "http://localhost:8081",
                             "http://localhost:8080.evil.example", "file://", "localhost:8080"}) {
    EXPECT_EQ(from(origin), 403) << origin;
  }
  EXPECT_EQ(Status(Head({{"origin", "http://"}})), 403);
}

TEST(CheckAccess, WantsAKey) {
  const AccessRules rules{{{"first-key", 1}, {"second", 5}}, {}};
  const auto with = [&](const char* value) { return Status(Head({{"authorization", value}}), rules); };
  EXPECT_EQ(with("Bearer first-key"), 200);
  EXPECT_EQ(with("bearer second"), 200);
  for (const char* value : {"", "Bearer ", "Bearer first-ke", "Bearer first-key2", "Bearer FIRST-KEY", "first-key",
                            "Basic first-key", "Bearer secondsecond", "Bearer first-key "}) {
    EXPECT_EQ(with(value), 401) << value;
  }
  EXPECT_EQ(KeyLine(Head({{"authorization", "Bearer second"}}), rules), 5);
  EXPECT_EQ(KeyLine(Head({{"x-api-key", "first-key"}}), rules), 1);
  EXPECT_EQ(KeyLine(Head({{"x-api-key", "third"}}), rules), std::nullopt);
  EXPECT_EQ(Status(Head({}), rules), 401);
  EXPECT_EQ(Status(Head({}, "/metrics"), rules), 401);
  EXPECT_EQ(Status(Head({}, "/health"), rules), 200);
  EXPECT_EQ(Status(Head({}, "/ready"), rules), 200);
  EXPECT_EQ(Status(Head({{"host", "evil.example"}, {"authorization", "Bearer second"}}), rules), 403);
}

TEST(ParseKeys, TakesOneALine) {
  std::vector<std::pair<int, std::string>> keys;
  for (const AccessKey& key : ParseKeys("# team\n\n  one \r\ntwo\n\t\n#three\nfour")) {
    keys.emplace_back(key.line, key.text);
  }
  EXPECT_EQ(keys, (std::vector<std::pair<int, std::string>>{{3, "one"}, {4, "two"}, {7, "four"}}));
  EXPECT_TRUE(ParseKeys("").empty());
  EXPECT_TRUE(ParseKeys("\n# none\n").empty());
}

TEST(Access, ClosesTheDoorBeforeTheBody) {
  ApiOptions options;
  options.access.keys = {{"open-sesame", 3}};
  Serving serving(Serving::DefaultEngine(), options);
  Client client(serving.port());
  client.Send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
  const ClientAnswer refused = client.ReadAnswer();
  EXPECT_EQ(refused.status, 401);
  EXPECT_TRUE(refused.Has("WWW-Authenticate: Bearer\r\n"));
  EXPECT_EQ(refused.json()["error"]["type"], "authentication_error");
  EXPECT_EQ(Ask(serving.port(), Get("/v1/models", "Authorization: Bearer open-sesame\r\n")).status, 200);
  const ClientAnswer foreign = Ask(serving.port(), Get("/v1/models", "Origin: http://evil.example\r\n"));
  EXPECT_EQ(foreign.status, 403);
  EXPECT_FALSE(foreign.Has("Access-Control"));
}

}  // namespace
}  // namespace weir
