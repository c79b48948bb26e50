// What the browser is told about the page; tests/page has what the page does.
#include "server/page.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "server/serving.h"

namespace weir {
namespace {

std::string HeaderOf(const HttpAnswer& answer, std::string_view name) {
  const auto at = std::ranges::find(answer.headers, name, &HttpHeader::name);
  return at == answer.headers.end() ? "" : at->value;
}

TEST(Page, IsWholeAndSmall) {
  const HttpAnswer answer = PageAnswer({});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.content_type, "text/html; charset=utf-8");
  EXPECT_TRUE(answer.body.starts_with("<!doctype html>"));
  EXPECT_TRUE(answer.body.ends_with("</html>\n"));
  EXPECT_LT(answer.body.size(), 200'000u);
}

TEST(Page, FetchesNothingElse) {
  const std::string page = PageAnswer({}).body;
  for (const char* loads : {"<script src", "src=\"http", "src=\"/", "<link rel=\"stylesheet", "@import"}) {
    EXPECT_EQ(page.find(loads), std::string::npos) << loads;
  }
}

TEST(Page, AllowsOnlyItsOwnScript) {
  const std::string policy = HeaderOf(PageAnswer({}), "Content-Security-Policy");
  EXPECT_TRUE(policy.starts_with("default-src 'none'; script-src 'sha256-")) << policy;
  EXPECT_TRUE(policy.ends_with("; frame-ancestors 'none'")) << policy;
  EXPECT_EQ(policy.find("unsafe"), std::string::npos) << policy;
}

TEST(Page, IsSentOnce) {
  HttpRequest request;
  const std::string tag = HeaderOf(PageAnswer(request), "ETag");
  request.headers = {{"if-none-match", tag}};
  const HttpAnswer again = PageAnswer(request);
  EXPECT_EQ(again.status, 304);
  EXPECT_TRUE(again.body.empty());
  EXPECT_EQ(HeaderOf(again, "ETag"), tag);
  request.headers[0].value = "\"another\"";
  EXPECT_EQ(PageAnswer(request).status, 200);
}

TEST(Page, NeedsNoKeyAndNoModel) {
  ApiOptions options;
  options.access.keys = {{"secret", 1}};
  Serving serving(Serving::DefaultEngine(), options, {}, /*ready=*/false);
  const ClientAnswer page = serving.Get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.body, PageAnswer({}).body);
  EXPECT_TRUE(page.Has("X-Content-Type-Options: nosniff\r\n"));
  EXPECT_TRUE(page.Has("Cache-Control: no-cache\r\n"));
  EXPECT_FALSE(page.Has("no-store"));
  const std::string tag = HeaderOf(PageAnswer({}), "ETag");
  Client client(serving.port());
  client.Send(Get("/", "If-None-Match: " + tag + "\r\n") + Get("/health"));
  EXPECT_EQ(client.ReadAnswer(/*has_body=*/false).status, 304);
  EXPECT_EQ(client.ReadAnswer().json()["status"], "loading");
  EXPECT_EQ(serving.Get("/v1/models").status, 401);
}

}  // namespace
}  // namespace weir
