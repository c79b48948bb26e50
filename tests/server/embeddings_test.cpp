// Texts as vectors.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <thread>

#include "server/serving.h"

namespace weir {
namespace {

using nlohmann::json;

std::vector<std::vector<float>> Vectors(const json& document) {
  std::vector<std::vector<float>> vectors;
  for (const json& entry : document["data"]) vectors.push_back(entry["embedding"].get<std::vector<float>>());
  return vectors;
}

TEST(Embeddings, HaveLengthOneAndTellTextsApart) {
  Serving serving;
  const json document =
      serving.Post("/v1/embeddings", {{"model", "any"}, {"input", {"The river rose.", "The river rose.", "No"}}})
          .json();
  EXPECT_EQ(document["object"], "list");
  EXPECT_EQ(document["data"][2]["index"], 2);
  const auto vectors = Vectors(document);
  ASSERT_EQ(vectors.size(), 3u);
  double length = 0;
  for (const float x : vectors[0]) length += static_cast<double>(x) * static_cast<double>(x);
  EXPECT_NEAR(length, 1, 1e-5);
  EXPECT_EQ(vectors[0].size(), static_cast<size_t>(TinyModel().model->config().n_embd));
  EXPECT_EQ(vectors[0], vectors[1]);
  EXPECT_NE(vectors[0], vectors[2]);
  const size_t n_tokens = 2 * TinyModel().tokenizer->Encode("The river rose.", false).size() +
                          TinyModel().tokenizer->Encode("No", false).size();
  EXPECT_EQ(document["usage"]["prompt_tokens"], n_tokens);
  EXPECT_EQ(document["usage"]["total_tokens"], n_tokens);
}

/// The state that the LM head turns into logits: with it, the likeliest next token must come out.
TEST(Embeddings, AreTheStateThatTheNextTokenComesFrom) {
  Serving serving;
  const std::vector<int32_t> prompt = TinyModel().tokenizer->Encode("Once upon a", false);
  Request request = Ask(prompt, 1);
  request.embed = true;
  Stream stream = MustSubmit(serving.engine(), request);
  const std::optional<Event> event = stream.Next();
  ASSERT_TRUE(event && event->finished == FinishReason::kStop);
  EXPECT_EQ(event->token, -1);
  EXPECT_FALSE(stream.Next(0));
  const auto vectors = Vectors(serving.Post("/v1/embeddings", {{"input", prompt}}).json());
  double sum = 0;
  for (const float x : event->embedding) sum += static_cast<double>(x) * static_cast<double>(x);
  ASSERT_EQ(vectors[0].size(), event->embedding.size());
  for (size_t i = 0; i < vectors[0].size(); ++i) {
    EXPECT_NEAR(vectors[0][i], static_cast<double>(event->embedding[i]) / std::sqrt(sum), 1e-6);
  }
}

TEST(Embeddings, ComeInBase64WithTheSameBits) {
  Serving serving;
  json body = {{"input", "The river rose."}};
  const std::vector<float> floats = Vectors(serving.Post("/v1/embeddings", body).json())[0];
  body["encoding_format"] = "base64";
  const std::string text = serving.Post("/v1/embeddings", body).json()["data"][0]["embedding"];
  const std::string signs = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  for (size_t i = 0; i < text.size() && text[i] != '='; ++i) {
    bits = bits << 6 | static_cast<uint32_t>(signs.find(text[i]));
    if (i % 4 > 0) bytes += static_cast<char>(bits >> (6 - 2 * (i % 4)));
  }
  ASSERT_EQ(bytes.size(), floats.size() * sizeof(float));
  EXPECT_EQ(std::memcmp(bytes.data(), floats.data(), bytes.size()), 0);
}

TEST(Embeddings, DoNotDependOnWhoElseIsServed) {
  std::vector<std::string> texts;
  for (int i = 0; i < 24; ++i) texts.push_back("Text " + std::to_string(i) + std::string(static_cast<size_t>(i) * 5, 'x'));
  std::vector<std::vector<float>> alone;
  {
    const Serving lonely({.max_sequences = 1, .context_tokens = 512});
    for (const std::string& text : texts) {
      alone.push_back(Vectors(lonely.Post("/v1/embeddings", {{"input", text}}).json())[0]);
    }
  }
  const Serving serving({.max_sequences = 5, .context_tokens = 512, .prefill_tokens = 32, .n_checkpoints = 4});
  std::thread chat([&] {
    serving.Post("/v1/completions", {{"prompt", "Once"}, {"max_tokens", 60}, {"ignore_eos", true}});
  });
  EXPECT_EQ(Vectors(serving.Post("/v1/embeddings", {{"input", texts}}).json()), alone);
  chat.join();
}

TEST(Embeddings, NameTheFieldThatIsWrong) {
  Serving serving;
  const struct {
    const char* body;
    const char* param;
    const char* code;
  } kCases[] = {
      {R"({})", "input", "invalid_value"},
      {R"({"input":""})", "input", "invalid_value"},
      {R"({"input":["a",1]})", "input", "invalid_value"},
      {R"({"input":[[1,5000]]})", "input", "invalid_value"},
      {R"({"input":"a","encoding_format":"hex"})", "encoding_format", "invalid_value"},
      {R"({"input":"a","dimensions":16})", "dimensions", "unsupported_parameter"},
      {R"({"input":"a","temperature":1})", "temperature", "unknown_parameter"},
  };
  for (const auto& [body, param, code] : kCases) {
    const ClientAnswer answer = Ask(serving.port(), Post("/v1/embeddings", body));
    EXPECT_EQ(answer.status, 400) << body << answer.body;
    EXPECT_EQ(answer.json()["error"]["param"], param) << body;
    EXPECT_EQ(answer.json()["error"]["code"], code) << body;
  }
  const std::string long_text(4000, 'x');
  EXPECT_EQ(serving.Post("/v1/embeddings", {{"input", long_text}}).json()["error"]["code"],
            "context_length_exceeded");
}

}  // namespace
}  // namespace weir
