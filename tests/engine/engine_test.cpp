#include "engine/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "engine/engine_testing.h"
#include "model/constrain/json_schema.h"
#include "model/constrain/token_mask.h"
#include "model/text/stream_decoder.h"
#include "model/text/utf8.h"
#include "util/clock.h"

namespace weir {
namespace {

using Ids = std::vector<int32_t>;

Ids Prompt(const std::string& text) { return TinyModel().tokenizer->Encode(text, false); }

TEST(Engine, EveryTokenIsAnEventAndTheLastHasTheReason) {
  const auto engine = TinyModel().Start({.context_tokens = 256});
  const int64_t before = NowNs();
  const Answer answer = Complete(*engine, Ask(Prompt("It was a dark night, and"), 12));
  EXPECT_EQ(answer.tokens.size(), 12u);
  EXPECT_EQ(answer.finished, FinishReason::kLength);
  EXPECT_TRUE(std::is_sorted(answer.times.begin(), answer.times.end()));
  EXPECT_TRUE(answer.times.front() > before && answer.times.back() < NowNs());
  StreamDecoder decoder(*TinyModel().tokenizer);
  std::string text;
  for (int32_t token : answer.tokens) text += decoder.Push(token);
  EXPECT_EQ(answer.text, text + decoder.Flush());
  EXPECT_TRUE(IsValidUtf8(answer.text));
}

TEST(Engine, SeedsDecideWhatIsSampled) {
  const auto engine = TinyModel().Start({.context_tokens = 256});
  Request request = Ask(Prompt("Once upon a time"), 12);
  request.sampling.temperature = 1;
  request.sampling.top_p = 0.9f;
  request.sampling.seed = 5;
  const Ids first = Complete(*engine, request).tokens;
  EXPECT_EQ(Complete(*engine, request).tokens, first);
  request.sampling.seed = 6;
  EXPECT_NE(Complete(*engine, request).tokens, first);
}

TEST(Engine, EndOfGenerationStopsUnlessIgnored) {
  const auto engine = TinyModel().Start({.context_tokens = 256});
  const int32_t eos = TinyModel().tokenizer->eos().value();
  Request request = Ask(Prompt("The end"), 5);
  request.sampling.logit_bias = {{eos, 1e6f}};
  EXPECT_EQ(Complete(*engine, request).finished, FinishReason::kLength);
  request.ignore_eos = false;
  const Answer answer = Complete(*engine, request);
  EXPECT_EQ(answer.finished, FinishReason::kStop);
  EXPECT_EQ(answer.tokens, Ids{eos});
  EXPECT_EQ(answer.text, "");
}

TEST(Engine, StopStringsEndTheTextBeforeThem) {
  const auto engine = TinyModel().Start({.context_tokens = 256});
  Request request = Ask(Prompt("She looked at the old man and said"), 30);
  const Answer whole = Complete(*engine, request);
  // A piece of the text that no token boundary respects.
  const std::string stop = whole.text.substr(whole.text.size() / 2, 5);
  request.stop = {"never said", stop};
  const Answer cut = Complete(*engine, request);
  EXPECT_EQ(cut.finished, FinishReason::kStop);
  EXPECT_EQ(cut.text, whole.text.substr(0, whole.text.find(stop)));
  EXPECT_LT(cut.tokens.size(), whole.tokens.size());
  request.stop = {whole.text.substr(whole.text.size() - 3) + "never said"};
  EXPECT_EQ(Complete(*engine, request).text, whole.text);  // held back to the end, then flushed
}

TEST(Engine, NothingToDrawIsAnError) {
  const auto engine = TinyModel().Start({.context_tokens = 256});
  Request request = Ask({1, 2, 3}, 5);
  request.sampling.allowed_tokens = std::make_shared<std::vector<uint64_t>>();
  const Answer answer = Complete(*engine, request);
  EXPECT_EQ(answer.finished, FinishReason::kError);
  EXPECT_TRUE(answer.tokens.empty());
  EXPECT_NE(answer.error, "");
  EXPECT_EQ(Complete(*engine, Ask({1, 2, 3}, 5)).finished, FinishReason::kLength);
}

std::shared_ptr<const Constraint> AnyObject() {
  return std::make_shared<const Constraint>(
      JsonObjectGrammar(), std::make_shared<const TokenIndex>(*TinyModel().tokenizer));
}

TEST(Engine, AConstrainedAnswerIsJsonUnlessItIsCut) {
  const auto engine = TinyModel().Start({.context_tokens = 512});
  Request request = Ask(Prompt("It was a dark night, and"), 400);
  request.ignore_eos = false;
  request.constraint = AnyObject();
  request.sampling.temperature = 1;
  int n_whole = 0;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    request.sampling.seed = seed;
    const Answer answer = Complete(*engine, request);
    const auto json = nlohmann::json::parse(answer.text, nullptr, false);
    if (answer.finished == FinishReason::kStop) {
      EXPECT_TRUE(json.is_object()) << answer.text;
      ++n_whole;
    } else {
      EXPECT_EQ(answer.finished, FinishReason::kLength);
      EXPECT_EQ(answer.text[0], '{');
    }
  }
  EXPECT_GT(n_whole, 0);
}

TEST(Engine, AConstraintCanWaitForAText) {
  const auto engine = TinyModel().Start({.context_tokens = 256});
  Request request = Ask(Prompt("She looked at the old man and said"), 40);
  const Answer free = Complete(*engine, request);
  request.constraint = AnyObject();
  request.constrained_after = free.text.substr(10, 8);
  const Answer answer = Complete(*engine, request);
  const size_t begins = answer.text.find('{');
  ASSERT_NE(begins, std::string::npos);
  EXPECT_EQ(answer.text.substr(0, begins), free.text.substr(0, begins));
  EXPECT_LE(18u, begins);
}

TEST(Engine, AnAnswerDoesNotEndBeforeAConstraintThatMustCome) {
  const auto engine = TinyModel().Start({.context_tokens = 512});
  Request request = Ask(Prompt("It was a dark night, and"), 400);
  request.ignore_eos = false;
  request.constraint = AnyObject();
  request.constrained_after = "</no such thought>";
  request.sampling.temperature = 1;
  int n_ended = 0;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    request.sampling.seed = seed;
    request.constraint_comes = false;
    n_ended += Complete(*engine, request).finished == FinishReason::kStop;
    request.constraint_comes = true;
    EXPECT_EQ(Complete(*engine, request).finished, FinishReason::kLength);
  }
  EXPECT_GT(n_ended, 0) << "none would have ended by itself";
}

TEST(Engine, LogprobsComeWithEachToken) {
  const auto engine = TinyModel().Start({.context_tokens = 256});
  Request request = Ask(Prompt("It was a dark night, and"), 6);
  request.n_logprobs = 3;
  Stream stream = MustSubmit(*engine, request);
  int n_tokens = 0;
  while (const auto event = stream.Next()) {
    ASSERT_TRUE(event->logprobs);
    EXPECT_EQ(event->logprobs->n_top, 3);
    EXPECT_EQ(event->logprobs->top[0].id, event->token);  // greedy
    EXPECT_EQ(event->logprobs->top[0].logprob, event->logprobs->chosen);
    ++n_tokens;
  }
  EXPECT_EQ(n_tokens, 6);
}

TEST(Engine, BadRequestsAreRefusedByName) {
  const auto engine =
      TinyModel().Start({.max_sequences = 2, .context_tokens = 256, .kv_tokens = 64});
  const auto error = [&](auto change) {
    Request request = Ask({1, 2, 3}, 5);
    change(request);
    auto stream = engine->Submit(request);
    if (stream.ok()) return std::string("accepted");
    EXPECT_EQ(stream.error().code, ErrorCode::kBadInput);
    return stream.error().message;
  };
  const auto names = [&](const char* word, auto change) {
    EXPECT_NE(error(change).find(word), std::string::npos) << error(change);
  };
  EXPECT_EQ(error([](Request&) {}), "accepted");
  names("prompt", [](Request& r) { r.prompt.clear(); });
  names("prompt", [](Request& r) { r.prompt[1] = -1; });
  names("prompt", [](Request& r) { r.prompt[1] = 1 << 30; });
  names("max_tokens", [](Request& r) { r.max_tokens = 0; });
  names("context of 256", [](Request& r) { r.max_tokens = 254; });
  names("context of 256", [](Request& r) { r.max_tokens = std::numeric_limits<int64_t>::max(); });
  names("all users share", [](Request& r) { r.max_tokens = 200; });
  names("top_p", [](Request& r) { r.sampling.top_p = 2; });
  names("stop", [](Request& r) { r.stop = {""}; });
  names("stop", [](Request& r) { r.stop = {"\xff"}; });
  names("stop", [](Request& r) { r.stop = std::vector<std::string>(1000, "x"); });
  names("gate", [](Request& r) { r.gate = Gate{1, 3}; });
  names("gate", [](Request& r) { r.gate = Gate{1, 0}; });
}

TEST(Engine, WithoutATokenizerThereAreTokensOnly) {
  const auto engine = Engine::Start(*TinyModel().model, nullptr, {.context_tokens = 256}).value();
  Request request = Ask(Prompt("Hello"), 8);
  request.ignore_eos = false;
  const Answer answer = Complete(*engine, request);
  EXPECT_EQ(answer.tokens.size(), 8u);
  EXPECT_EQ(answer.text, "");
  request.stop = {"x"};
  EXPECT_EQ(engine->Submit(request).error().code, ErrorCode::kBadInput);
}

TEST(Engine, AGateLetsUsersDecodeTogether) {
  const auto engine =
      TinyModel().Start({.max_sequences = 3, .context_tokens = 256, .prefill_tokens = 8});
  engine->TakeSteps();
  std::vector<Stream> streams;
  for (int i = 0; i < 3; ++i) {
    Request request = Ask(Ids(20, 5 + i), 6);
    request.gate = Gate{1, 3};
    streams.push_back(MustSubmit(*engine, request));
  }
  for (Stream& stream : streams) EXPECT_EQ(ReadAll(stream).tokens.size(), 6u);
  const std::vector<StepRecord> steps = engine->TakeSteps();
  int n_decode_steps = 0, n_prefill_rows = 0;
  for (const StepRecord& step : steps) {
    n_prefill_rows += step.n_prefill_rows;
    if (step.n_decode_rows == 0) continue;
    ++n_decode_steps;
    EXPECT_EQ(step.n_decode_rows, 3);
    EXPECT_EQ(step.n_prefill_rows, 0);
  }
  EXPECT_EQ(n_decode_steps, 5);  // the first of six tokens comes from the prompt
  EXPECT_EQ(n_prefill_rows, 60);
}

TEST(Engine, WhoWaitsAtAGateWakesUpForTheLastAndForCancels) {
  const auto engine = TinyModel().Start({.max_sequences = 3, .context_tokens = 256});
  Request request = Ask({1, 2, 3}, 4);
  request.gate = Gate{1, 3};
  Stream first = MustSubmit(*engine, request), second = MustSubmit(*engine, request);
  EXPECT_TRUE(first.Next());
  EXPECT_TRUE(second.Next());
  EXPECT_FALSE(first.Next(20));  // two of three are there
  second.Cancel();
  EXPECT_EQ(ReadAll(second).finished, FinishReason::kCancelled);
  EXPECT_FALSE(first.Next(20));  // the third could still come
  Stream third = MustSubmit(*engine, request);
  EXPECT_EQ(ReadAll(first).finished, FinishReason::kLength);
  EXPECT_EQ(ReadAll(third).tokens.size(), 4u);
}

TEST(Engine, CancelledAndDroppedStreamsMakeRoom) {
  const auto engine = TinyModel().Start({.max_sequences = 1, .context_tokens = 4000});
  auto dropped = std::make_optional(MustSubmit(*engine, Ask({1, 2}, 3990)));
  Stream cancelled = MustSubmit(*engine, Ask({1, 2, 3}, 3990));
  Stream waiting = MustSubmit(*engine, Ask({1, 2, 3, 4}, 4));
  EXPECT_TRUE(dropped->Next());
  dropped.reset();
  EXPECT_TRUE(cancelled.Next());
  cancelled.Cancel();
  const Answer answer = ReadAll(cancelled);
  EXPECT_EQ(answer.finished, FinishReason::kCancelled);
  EXPECT_LT(answer.tokens.size(), 3989u);
  EXPECT_EQ(ReadAll(waiting).finished, FinishReason::kLength);
  cancelled.Cancel();  // harmless after the end
  EXPECT_FALSE(cancelled.Next());
}

TEST(Engine, DestructionEndsAllStreamsAndTheyOutliveIt) {
  auto engine = TinyModel().Start({.max_sequences = 2, .context_tokens = 2000});
  std::vector<Stream> streams;
  for (int i = 0; i < 5; ++i) streams.push_back(MustSubmit(*engine, Ask({1, 2, 3 + i}, 1900)));
  EXPECT_TRUE(streams[0].Next());
  std::optional<FinishReason> seen_by_reader;
  std::thread reader([&] { seen_by_reader = ReadAll(streams[1]).finished; });
  engine.reset();
  reader.join();
  EXPECT_EQ(seen_by_reader, FinishReason::kCancelled);
  for (int i : {0, 2, 3, 4}) EXPECT_EQ(ReadAll(streams[i]).finished, FinishReason::kCancelled);
}

TEST(Engine, StepRecordsAddUp) {
  const auto engine =
      TinyModel().Start({.max_sequences = 4, .context_tokens = 256, .prefill_tokens = 16});
  Complete(*engine, Ask({1}, 2));
  engine->TakeSteps();
  std::vector<Stream> streams;
  int n_prompt = 0;
  for (int i = 0; i < 7; ++i) {
    streams.push_back(MustSubmit(*engine, Ask(Ids(10 * i + 1, 7), 5)));
    n_prompt += 10 * i + 1;
  }
  for (Stream& stream : streams) ReadAll(stream);
  int n_decode = 0, n_prefill = 0;
  int64_t end_ns = 0;
  for (const StepRecord& step : engine->TakeSteps()) {
    n_decode += step.n_decode_rows;
    n_prefill += step.n_prefill_rows;
    EXPECT_LE(step.n_prefill_rows, 16);
    EXPECT_GE(step.begin_ns, end_ns);
    EXPECT_GT(step.end_ns, step.begin_ns);
    end_ns = step.end_ns;
    EXPECT_GT(step.cost.weight_bytes, 0);
    EXPECT_GT(step.cost.int8_macs, 0);
  }
  EXPECT_EQ(n_decode, 7 * 4);
  EXPECT_EQ(n_prefill, n_prompt);
  EXPECT_TRUE(engine->TakeSteps().empty());
}

TEST(Engine, TheLogitsHashNamesTheAnswer) {
  const auto hash = [](Ids prompt, int n_threads) {
    const auto engine = TinyModel().Start({.context_tokens = 256, .n_threads = n_threads});
    EXPECT_EQ(engine->LogitsHash(), "");
    Complete(*engine, Ask(std::move(prompt), 4));
    return engine->LogitsHash();
  };
  const std::string name = hash({1, 2, 3}, 1);
  EXPECT_EQ(name.size(), 16u);
  EXPECT_TRUE(std::all_of(name.begin(), name.end(), [](char c) { return std::isxdigit(c); }));
  EXPECT_EQ(hash({1, 2, 3}, 2), name);
  EXPECT_NE(hash({1, 2, 4}, 1), name);
}

}  // namespace
}  // namespace weir
