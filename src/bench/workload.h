// What a cell asks of its target, and the plan of it.
#pragma once

#include <string>
#include <string_view>

#include "bench/load.h"
#include "bench/stream_watch.h"
#include "bench/trace.h"

namespace weir {

/// When requests come.
enum class Arrivals {
  kClosed,    // N users, each of whom asks again when its answer is complete
  kPoisson,   // at random moments, whether or not the ones before are answered
  kConstant,  // at equal distances
  kBurst,     // several at once, at equal distances
  kTrace,     // as in a file
};
std::string_view Name(Arrivals arrivals);

enum class PromptKind {
  kAuto,       // text where there is a tokenizer or a server; else random ids
  kText,       // paragraphs of a novel, recombined
  kRandomIds,
  kFile,       // a file of prompts
};
std::string_view Name(PromptKind prompts);

struct Workload {
  int users = 1;              // in an open loop only the number of its requests depends on it
  int requests_per_user = 1;  // without the warm-up
  int64_t prompt_tokens = 1;
  int64_t gen_tokens = 1;
  uint64_t seed = 0;  // of prompts, arrivals and think times, which are independent of each other

  Arrivals arrivals = Arrivals::kClosed;
  double rate = 0;         // requests a second, of an open loop
  int burst = 1;           // requests that come together, with kBurst
  std::string trace = {};  // a file: see trace.h; SetTrace fills in what follows from it
  std::string trace_id = {};  // its name and the beginning of its SHA-256: what rows call it, whatever its folder
  TraceSummary traced = {};
  double think_s = 0;      // mean of the exponential time between an answer and the next request
  double ramp_s = 0;       // users start one after the other, all of them within this time
  int turns = 1;           // requests of a user that make one conversation: each sends all before it
  int warm_up_rounds = 0;  // first requests of each user, in no figure, that the others follow on

  PromptKind prompts = PromptKind::kAuto;
  std::string file = {};      // of prompts; prompt_tokens is then the longest: see LongestPrompt
  int64_t shared_tokens = 0;  // of prompt_tokens, the same for all users: a warm prefix cache
  int64_t depth_tokens = 0;   // of context before the prompt: how deep the answer begins
  bool chat = false;          // with the model's chat template
  /// Answers have exactly gen_tokens tokens, end-of-text tokens are ignored; else they end where the model
  /// ends them, gen_tokens at the latest.
  bool fixed_length = true;
};

/// Of a trace, how many requests weir's own engine serves at once where nobody says.
inline constexpr int kTraceUsers = 4;

/// Makes `load` the replay of a trace. It has its own lengths: the longest are what a target must have room for.
Status SetTrace(const std::string& file, Workload& load);

/// Of the prompts that warm a target up: it must not know those of the repeats.
inline uint64_t WarmUpSeed(const Workload& load) { return load.seed + 1; }

/// What defines the load, in one line; workloads with equal lines are the same.
std::string Describe(const Workload& load);

/// kBadInput, naming what is wrong, for a workload that makes no sense.
Status CheckLoad(const Workload& load);

/// All requests, before the clock starts. The first request of all users of a closed loop without think time,
/// ramp or warm-up is gated, where the subject can do that: they are prefilled, released together and end
/// together. `salt`: see Prompts; a target that may keep prompts needs another one for each repeat.
Result<LoadPlan> PlanLoad(const Workload& load, const Subject& subject, uint64_t salt);

/// Of prompts that the subject cannot have seen: another number each time for a target that may keep what it
/// has computed, and always 0, so that repeats give the same bits, for one that keeps nothing.
uint64_t FreshSalt(const Subject& subject);

/// Runs the plan once, every request into `writer` as it ends. A target that fails or a stop is in the row, and
/// all that happened until then is written; an Error is one of the writer's. `watch` and `records`, which get
/// all requests too, may be null.
Result<AttemptRow> RunAttempt(Target& target, const LoadPlan& plan, const ShouldStop& stop,
                              AttemptWriter& writer, StreamWatch* watch = nullptr,
                              std::vector<RequestRecord>* records = nullptr);

}  // namespace weir
