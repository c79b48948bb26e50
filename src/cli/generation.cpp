#include "cli/generation.h"

#include "cli/format.h"
#include "cli/progress.h"
#include "machine/rates.h"
#include "model/limit.h"
#include "util/clock.h"
#include "util/interrupt.h"

namespace weir {
namespace {

// Enough for a rate to divide by (machine/rates.h).
constexpr int kProbePasses = 5;
// How often a waiting stream looks whether the user has asked to stop.
constexpr int64_t kInterruptPollMs = 100;

const char* Name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kCancelled: return "cancelled";
    case FinishReason::kError: return "error";
  }
  return "";
}

}  // namespace

Result<Generation> Generate(Engine& engine, Request request,
                            const std::function<void(const Event&)>& on_event) {
  Generation generation;
  generation.prompt = request.prompt;
  engine.TakeSteps();
  generation.submitted_ns = NowNs();
  WEIR_TRY(Stream stream, engine.Submit(std::move(request)));
  for (bool cancelled = false;;) {
    const std::optional<Event> event = stream.Next(kInterruptPollMs);
    if (Interrupted() && !cancelled) {
      stream.Cancel();
      cancelled = true;
    }
    if (!event) continue;
    if (event->token >= 0) {
      if (generation.tokens.empty()) generation.first_ns = event->time_ns;
      generation.last_ns = event->time_ns;
      generation.tokens.push_back(event->token);
    }
    generation.text += event->text;
    generation.n_cached = event->n_cached;
    on_event(*event);
    if (event->finished == FinishReason::kError) return Failed("{}", event->error);
    if (event->finished) {
      generation.finished = *event->finished;
      break;
    }
  }
  generation.steps = engine.TakeSteps();
  generation.logits_hash = engine.LogitsHash();
  return generation;
}

std::optional<double> TtftMs(const Generation& generation) {
  if (generation.tokens.empty()) return std::nullopt;
  return static_cast<double>(generation.first_ns - generation.submitted_ns) * 1e-6;
}

std::optional<double> DecodeRate(const Generation& generation) {
  if (generation.tokens.size() < 2) return std::nullopt;
  return static_cast<double>(generation.tokens.size() - 1) * 1e9 /
         static_cast<double>(generation.last_ns - generation.first_ns);
}

Result<std::optional<double>> ShareOfLimit(const std::vector<StepRecord>& steps, int n_threads) {
  double measured = 0;
  for (const StepRecord& step : steps) {
    if (step.n_prefill_rows == 0) measured += static_cast<double>(step.end_ns - step.begin_ns);
  }
  if (measured == 0 || Interrupted()) return std::optional<double>();
  Progress progress("measuring this machine's limits");
  const auto report = [&](int64_t done, int64_t total) { progress.Update(done, total); };
  WEIR_TRY(const Isa best, SelectIsa(nullptr));
  WEIR_TRY(Prober prober, Prober::Create(best, PlanProbeBuffer(ReadMachine()), n_threads, report));
  WEIR_TRY(const MachineRates rates, prober.Measure(n_threads, kProbePasses, report));
  double limit = 0;
  for (const StepRecord& step : steps) {
    if (step.n_prefill_rows == 0) limit += LimitNs(step.cost, rates);
  }
  return std::optional<double>(limit / measured);
}

Json GenerationJson(const Generation& generation) {
  Json json{{"text", generation.text},
            {"prompt", generation.prompt},
            {"cached_tokens", generation.n_cached},
            {"tokens", generation.tokens},
            {"finish_reason", Name(generation.finished)}};
  json["ttft_ms"] = OrNull(TtftMs(generation));
  json["decode_tok_s"] = OrNull(DecodeRate(generation));
  json["logits_hash"] = OrNull(generation.logits_hash);
  return json;
}

std::string Summary(const Generation& generation) {
  std::string line = fmt::format("{} prompt", Grouped(std::ssize(generation.prompt)));
  if (generation.n_cached > 0) line += fmt::format(" ({} cached)", Grouped(generation.n_cached));
  line += fmt::format(" + {} new tokens", Grouped(std::ssize(generation.tokens)));
  if (const auto ttft = TtftMs(generation)) line += fmt::format(", first after {:.0f} ms", *ttft);
  if (const auto rate = DecodeRate(generation)) line += fmt::format(", {:.1f} tok/s", *rate);
  return line;
}

}  // namespace weir
