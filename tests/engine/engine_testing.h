// A running engine and the reading of its streams, for tests.
#pragma once

#include "engine/engine.h"
#include "model/harness.h"
#include "model/text/tokenizer.h"

namespace weir {

/// A model with what belongs to it.
struct TestModel {
  explicit TestModel(const std::string& file) {
    ThreadPool threads(2);
    auto source = GgufFile::Open(TestData(file));
    EXPECT_TRUE(source.ok()) << source.error().message;
    model = Model::Load(**source, {Dtype::kInt8, BestIsa(), nullptr, nullptr}, threads).value();
    tokenizer = Tokenizer::Create((*source)->metadata()).value();
  }

  std::unique_ptr<Engine> Start(const EngineOptions& options) const {
    auto engine = Engine::Start(*model, tokenizer.get(), options);
    EXPECT_TRUE(engine.ok()) << engine.error().message;
    return std::move(engine).value();
  }

  std::unique_ptr<Model> model;
  std::unique_ptr<Tokenizer> tokenizer;
};

/// The model that writes text; loaded once.
inline const TestModel& TinyModel() {
  static const TestModel model("weir-tiny-q8_0.gguf");
  return model;
}

inline Request Ask(std::vector<int32_t> prompt, int64_t max_tokens) {
  Request request;
  request.prompt = std::move(prompt);
  request.max_tokens = max_tokens;
  request.ignore_eos = true;
  return request;
}

inline Stream MustSubmit(Engine& engine, Request request) {
  auto stream = engine.Submit(std::move(request));
  EXPECT_TRUE(stream.ok()) << stream.error().message;
  return std::move(stream).value();
}

/// All that came out of a stream.
struct Answer {
  std::vector<int32_t> tokens;
  std::string text;
  std::vector<int64_t> times;
  std::optional<FinishReason> finished;
  std::string error;
};

inline Answer ReadAll(Stream& stream) {
  Answer answer;
  while (const auto event = stream.Next()) {
    EXPECT_FALSE(answer.finished) << "an event after the last";
    if (event->token >= 0) answer.tokens.push_back(event->token);
    answer.text += event->text;
    answer.times.push_back(event->time_ns);
    answer.finished = event->finished;
    answer.error = event->error;
  }
  EXPECT_TRUE(answer.finished);
  return answer;
}

inline Answer Complete(Engine& engine, Request request) {
  Stream stream = MustSubmit(engine, std::move(request));
  return ReadAll(stream);
}

}  // namespace weir
