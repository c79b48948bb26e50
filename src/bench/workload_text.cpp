// What a load is called, in words that tell it from every other, and whether it makes sense.
#include "bench/workload.h"

#include <filesystem>

#include "hub/digest.h"
#include "util/read_file.h"

namespace weir {

std::string_view Name(Arrivals arrivals) {
  constexpr std::string_view kNames[] = {"closed", "poisson", "constant", "burst", "trace"};
  return kNames[static_cast<int>(arrivals)];
}

std::string_view Name(PromptKind prompts) {
  constexpr std::string_view kNames[] = {"auto", "text", "random", "file"};
  return kNames[static_cast<int>(prompts)];
}

Status SetTrace(const std::string& file, Workload& load) {
  WEIR_TRY(const std::string text, ReadFile(file, kMostTraceBytes));
  WEIR_TRY(const std::vector<TracedRequest> trace, ParseTrace(text, file));
  load.arrivals = Arrivals::kTrace;
  load.trace = file;
  load.trace_id = fmt::format("{}#{}", std::filesystem::path(file).filename().string(), Sha256(text).substr(0, 8));
  load.traced = Summarise(trace);
  load.prompt_tokens = load.traced.longest_prompt;
  load.gen_tokens = load.traced.longest_answer;
  return {};
}

std::string Describe(const Workload& load) {
  std::string line = std::string(Name(load.arrivals));
  const auto add = [&](std::string_view name, const auto& value) {
    line += fmt::format(" {}={}", name, value);
  };
  if (load.arrivals == Arrivals::kTrace) add("trace", load.trace_id);
  add("users", load.users);
  add("requests", load.requests_per_user);
  if (load.rate > 0) add("rate", load.rate);
  if (load.arrivals == Arrivals::kBurst) add("burst", load.burst);
  if (load.think_s > 0) add("think_s", load.think_s);
  if (load.ramp_s > 0) add("ramp_s", load.ramp_s);
  if (load.turns > 1) add("turns", load.turns);
  if (load.warm_up_rounds > 0) add("warm_up", load.warm_up_rounds);
  add("prompts", Name(load.prompts));
  if (load.prompts == PromptKind::kFile) add("file", load.file);
  if (load.prompts != PromptKind::kFile) add("prompt", load.prompt_tokens);
  if (load.shared_tokens > 0) add("shared", load.shared_tokens);
  if (load.depth_tokens > 0) add("depth", load.depth_tokens);
  if (load.chat) line += " chat";
  add("gen", load.gen_tokens);
  if (!load.fixed_length) line += " natural";
  add("seed", load.seed);
  return line;
}

Status CheckLoad(const Workload& load) {
  const bool open = load.arrivals != Arrivals::kClosed && load.arrivals != Arrivals::kTrace;
  if (open && !(load.rate > 0 && load.rate <= 1e6)) {
    return BadInput("rate {}: expected requests per second, for arrivals of kind {}", load.rate,
                    Name(load.arrivals));
  }
  if (load.arrivals != Arrivals::kClosed &&
      (load.think_s > 0 || load.turns > 1 || load.warm_up_rounds > 0 || load.ramp_s > 0)) {
    return BadInput("think time, turns, ramp and warm-up rounds are those of users who wait: expected "
                    "closed arrivals, found {}", Name(load.arrivals));
  }
  if (load.burst < 1) return BadInput("burst {}: expected at least 1", load.burst);
  if (load.turns < 1) return BadInput("turns {}: expected at least 1", load.turns);
  if (!(load.think_s >= 0 && load.think_s < 1e6) || !(load.ramp_s >= 0 && load.ramp_s < 1e6)) {
    return BadInput("think time {} s, ramp {} s: expected no less than 0", load.think_s, load.ramp_s);
  }
  if (load.warm_up_rounds < 0) return BadInput("warm-up rounds {}: expected no less than 0", load.warm_up_rounds);
  if (load.shared_tokens < 0 || load.shared_tokens > load.prompt_tokens + load.depth_tokens) {
    return BadInput("{} shared tokens: expected 0 to all {} of the prompt", load.shared_tokens,
                    load.prompt_tokens + load.depth_tokens);
  }
  if (load.depth_tokens < 0) return BadInput("depth {}: expected no less than 0", load.depth_tokens);
  if (load.prompts == PromptKind::kFile && load.file.empty()) return BadInput("prompts of a file: which one?");
  if (load.arrivals == Arrivals::kTrace && load.trace.empty()) return BadInput("arrivals of a trace: of which file?");
  return {};
}

}  // namespace weir
