// What the model said of its tokens, and prompts that are given back.
#include <gtest/gtest.h>

#include <cmath>

#include "server/serving.h"

namespace weir {
namespace {

using nlohmann::json;

std::string BytesOf(const json& entry) {
  std::string bytes;
  for (const json& byte : entry["bytes"]) bytes += static_cast<char>(byte.get<int>());
  return bytes;
}

json Chat(const std::string& content) {
  return {{"messages", {{{"role", "user"}, {"content", content}}}},
          {"max_tokens", 12},
          {"temperature", 0},
          {"ignore_eos", true},
          {"logprobs", true},
          {"top_logprobs", 3}};
}

/// logprobs.content of all chunks of a stream, joined.
json Streamed(const Serving& serving, json body) {
  body["stream"] = true;
  json content = json::array();
  for (const json& event : Events(serving.Post("/v1/chat/completions", body).body)) {
    const json& logprobs = event["choices"][0]["logprobs"];
    if (logprobs.is_null()) continue;
    for (const json& entry : logprobs["content"]) content.push_back(entry);
  }
  return content;
}

TEST(Logprobs, TellOfEveryTokenOfTheText) {
  Serving serving;
  const json choice = serving.Post("/v1/chat/completions", Chat("Hello")).json()["choices"][0];
  const json& content = choice["logprobs"]["content"];
  std::string text;
  for (const json& entry : content) {
    text += BytesOf(entry);
    ASSERT_EQ(entry["top_logprobs"].size(), 3u);
    EXPECT_EQ(entry["token"], entry["top_logprobs"][0]["token"]);  // temperature 0
    EXPECT_EQ(entry["logprob"], entry["top_logprobs"][0]["logprob"]);
    double sum = 0, before = 0;
    for (const json& top : entry["top_logprobs"]) {
      EXPECT_LE(top["logprob"], before);
      before = top["logprob"];
      sum += std::exp(before);
    }
    EXPECT_GT(sum, 0);
    EXPECT_LE(sum, 1.0001);
  }
  EXPECT_EQ(choice["message"]["content"], text);
  EXPECT_FALSE(text.empty());
  EXPECT_EQ(Streamed(serving, Chat("Hello")), content);

  json without = Chat("Hello");
  without.erase("top_logprobs");
  const json own = serving.Post("/v1/chat/completions", without).json()["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(own.size(), content.size());
  EXPECT_EQ(own[0]["logprob"], content[0]["logprob"]);
  EXPECT_EQ(own[0]["top_logprobs"], json::array());
}

TEST(Logprobs, LeaveOutWhatIsNoTextOfTheAnswer) {
  Serving serving;
  json body = Chat("Hello");
  const std::string text =
      serving.Post("/v1/chat/completions", body).json()["choices"][0]["message"]["content"];
  body["stop"] = text.substr(6, 8);  // spans tokens
  const json stopped = serving.Post("/v1/chat/completions", body).json()["choices"][0];
  ASSERT_EQ(stopped["finish_reason"], "stop");
  std::string joined;
  for (const json& entry : stopped["logprobs"]["content"]) joined += BytesOf(entry);
  const std::string content = stopped["message"]["content"];
  EXPECT_EQ(joined.substr(0, content.size()), content);
  EXPECT_LT(joined.size(), text.size());
  EXPECT_EQ(Streamed(serving, body), stopped["logprobs"]["content"]);

  body = Chat("Hello");  // all of it is thinking
  body["enable_thinking"] = true;
  const json thinking = serving.Post("/v1/chat/completions", body).json()["choices"][0];
  ASSERT_FALSE(thinking["message"]["reasoning_content"].get<std::string>().empty());
  EXPECT_EQ(thinking["logprobs"]["content"], json::array());
}

TEST(Logprobs, OfCompletionsAreThoseOfTheSameTokens) {
  Serving serving;
  const std::string prompt = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n";
  const json body = {{"prompt", prompt}, {"max_tokens", 12}, {"temperature", 0},
                     {"ignore_eos", true}, {"logprobs", 3}};
  const json choice = serving.Post("/v1/completions", body).json()["choices"][0];
  const json& logprobs = choice["logprobs"];
  const json content =
      serving.Post("/v1/chat/completions", Chat("Hello")).json()["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(logprobs["tokens"].size(), content.size());
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    EXPECT_EQ(logprobs["text_offset"][i], text.size());  // the text is ASCII
    text += logprobs["tokens"][i].get<std::string>();
    EXPECT_EQ(logprobs["token_logprobs"][i], content[i]["logprob"]);
    EXPECT_EQ(logprobs["top_logprobs"][i].size(), 3u);
    EXPECT_EQ(logprobs["top_logprobs"][i][logprobs["tokens"][i].get<std::string>()], content[i]["logprob"]);
  }
  EXPECT_EQ(choice["text"], text);

  json stream = body;
  stream["stream"] = true;
  json tokens = json::array(), offsets = json::array();
  for (const json& event : Events(serving.Post("/v1/completions", stream).body)) {
    const json& part = event["choices"][0]["logprobs"];
    tokens.insert(tokens.end(), part["tokens"].begin(), part["tokens"].end());
    offsets.insert(offsets.end(), part["text_offset"].begin(), part["text_offset"].end());
  }
  EXPECT_EQ(tokens, logprobs["tokens"]);
  EXPECT_EQ(offsets, logprobs["text_offset"]);
}

TEST(Echo, GivesThePromptBack) {
  Serving serving;
  const std::string prompt = "<|im_start|>Once upon \u00e4";
  json body = {{"prompt", {prompt, "Two"}}, {"n", 2}, {"max_tokens", 4}, {"temperature", 0}, {"ignore_eos", true}};
  const json plain = serving.Post("/v1/completions", body).json()["choices"];
  body["echo"] = true;
  const json echoed = serving.Post("/v1/completions", body).json()["choices"];
  ASSERT_EQ(echoed.size(), 4u);
  EXPECT_EQ(echoed[1]["text"], prompt + plain[1]["text"].get<std::string>());
  EXPECT_EQ(echoed[2]["text"], "Two" + plain[2]["text"].get<std::string>());

  body["prompt"] = TinyModel().tokenizer->Encode(prompt, true);
  body["n"] = 1;
  body["stream"] = true;
  std::string text;
  for (const json& event : Events(serving.Post("/v1/completions", body).body)) {
    text += event["choices"][0]["text"].get<std::string>();
  }
  EXPECT_EQ(echoed[0]["text"], text);
}

}  // namespace
}  // namespace weir
