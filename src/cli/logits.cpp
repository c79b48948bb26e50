// weir logits: what a model answers to given token ids, as numbers to compare with other engines.
#include <algorithm>
#include <charconv>
#include <memory>

#include "cli/command.h"
#include "cli/hub.h"
#include "cli/load.h"
#include "model/session.h"

namespace weir {
namespace {

struct Flags {
  ModelFlags model;
  std::string prompt_ids;
  std::string at = "last";
  int64_t n_generate = 0;
  bool json = false;
};

/// --at: positions of the prompt and the generated tokens, `last` being the very last.
Result<std::vector<int64_t>> ParsePositions(const std::string& list, int64_t n_tokens) {
  std::vector<int64_t> positions;
  for (const std::string& item : CLI::detail::split(list, ',')) {
    int64_t position = n_tokens - 1;
    if (item != "last") {
      const char* const end = item.data() + item.size();
      const auto [next, error] = std::from_chars(item.data(), end, position);
      if (error != std::errc() || next != end) {
        return BadInput("--at {}: '{}' is neither a position nor 'last'", list, item);
      }
    }
    if (position < 0 || position >= n_tokens) {
      return BadInput("--at {}: position {} is outside 0 to {} (prompt and generated tokens)", list,
                      position, n_tokens - 1);
    }
    positions.push_back(position);
  }
  return positions;
}

struct Answer {
  std::vector<int32_t> greedy;
  std::vector<std::vector<float>> logits;  // of the asked positions
};

Result<Answer> Run(Session& session, int64_t n_vocab, const std::vector<int32_t>& prompt,
                   int64_t n_generate, const std::vector<int64_t>& positions) {
  Answer answer;
  answer.logits.resize(positions.size());
  const auto keep = [&](int64_t position, const float* logits) {
    for (size_t i = 0; i < positions.size(); ++i) {
      if (positions[i] == position) answer.logits[i].assign(logits, logits + n_vocab);
    }
  };
  int32_t next = 0;
  const auto feed = [&](std::span<const int32_t> tokens) -> Status {
    const int64_t first = session.position(), n = static_cast<int64_t>(tokens.size());
    const float* logits = session.Feed(tokens, n);
    for (int64_t i = 0; i < n; ++i) {
      WEIR_RETURN_IF_ERROR(
          CheckFinite({logits + i * n_vocab, static_cast<size_t>(n_vocab)}, first + i));
      keep(first + i, logits + i * n_vocab);
    }
    next = ArgMax({logits + (n - 1) * n_vocab, static_cast<size_t>(n_vocab)});
    return {};
  };
  const size_t chunk = static_cast<size_t>(session.max_chunk());
  for (size_t begin = 0; begin < prompt.size(); begin += chunk) {
    const size_t n = std::min(chunk, prompt.size() - begin);
    WEIR_RETURN_IF_ERROR(feed(std::span(prompt).subspan(begin, n)));
  }
  for (int64_t i = 0; i < n_generate; ++i) {
    answer.greedy.push_back(next);
    WEIR_RETURN_IF_ERROR(feed({&answer.greedy.back(), 1}));
  }
  return answer;
}

Json Document(const std::vector<int32_t>& prompt, const std::vector<int64_t>& positions,
              const Answer& answer) {
  Json document;
  document["prompt"] = prompt;
  document["positions"] = Json::array();
  for (size_t i = 0; i < positions.size(); ++i) {
    document["positions"].push_back(Json{{"pos", positions[i]},
                                         {"argmax", ArgMax(answer.logits[i])},
                                         {"logits", answer.logits[i]}});
  }
  document["greedy"] = answer.greedy;
  return document;
}

void PrintText(const std::vector<int64_t>& positions, const Answer& answer) {
  for (size_t i = 0; i < positions.size(); ++i) {
    const std::vector<float>& logits = answer.logits[i];
    const int32_t best = ArgMax(logits);
    fmt::print("position {}: argmax {} (logit {:.5f})\n", positions[i], best,
               logits[static_cast<size_t>(best)]);
  }
  if (!answer.greedy.empty()) fmt::print("greedy: {}\n", fmt::join(answer.greedy, ","));
}

Result<int> RunLogits(const Flags& flags) {
  WEIR_TRY(const std::vector<int32_t> prompt, ParseIds("--prompt-ids", flags.prompt_ids));
  const int64_t n_tokens = static_cast<int64_t>(prompt.size()) + flags.n_generate;
  WEIR_TRY(const std::vector<int64_t> positions, ParsePositions(flags.at, n_tokens));
  WEIR_TRY(const std::unique_ptr<ModelSource> source, OpenOrPull(flags.model.model));
  WEIR_TRY(const ModelConfig config, ReadConfig(*source));
  const int64_t n_vocab = config.n_vocab;
  for (const int32_t id : prompt) {
    if (id < 0 || id >= n_vocab) {
      return BadInput("--prompt-ids: {} is not a token of this model (0 to {})", id, n_vocab - 1);
    }
  }
  // Logits of all rows of a chunk are kept, so chunks are small where the vocabulary is large.
  const int64_t chunk = std::clamp<int64_t>((int64_t{64} << 20) / (4 * n_vocab), 1, 256);
  const KvType kv_type = flags.model.kv_type();
  WEIR_TRY(const int64_t n_bytes,
           Session::Plan(config, flags.model.dtype(), kv_type, n_tokens, chunk));
  WEIR_TRY(const LoadedModel loaded, LoadModel(flags.model, *source, n_bytes));
  const ThreadPool::PinCaller pin(*loaded.threads);
  WEIR_TRY(const std::unique_ptr<Session> session,
           Session::Open(*loaded.model, kv_type, n_tokens, chunk, *loaded.threads));
  const Result<Answer> answer = Run(*session, n_vocab, prompt, flags.n_generate, positions);
  if (!answer) return In(source->name(), answer.error());
  if (flags.json) {
    PrintJson(Document(prompt, positions, *answer));
  } else {
    PrintText(positions, *answer);
  }
  return kExitOk;
}

}  // namespace

Command AddLogits(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  AddModelFlags(app, flags->model);
  app.add_option("--prompt-ids", flags->prompt_ids, "token ids, like 1,2,3 (no BOS is added)")
      ->required();
  app.add_option("--at", flags->at, "positions to report: numbers and 'last', like 0,5,last");
  app.add_option("--generate", flags->n_generate, "greedy tokens to append, end-of-text ignored")
      ->check(CLI::Range(0, 1 << 20));
  app.add_flag("--json", flags->json, "one JSON document with full logits");
  app.footer("Example:\n  weir logits model.gguf --prompt-ids 1,2,3 --at 0,last --generate 4 --json");
  return [flags] { return RunLogits(*flags); };
}

}  // namespace weir
