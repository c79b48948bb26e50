#include "bench/cell_spec.h"

#include <nlohmann/json.hpp>

namespace weir {

namespace {

constexpr std::string_view kThreads = "{threads}";

/// Of a server that weir starts with as many as the cell says.
std::string ThreadsOf(const CellSpec& spec) {
  return spec.target.find(kThreads) == spec.target.npos ? "" : fmt::format(" threads={}", spec.threads);
}

std::string ServesOf(const CellSpec& spec) { return spec.serves.empty() ? "" : " serves=" + spec.serves; }

}  // namespace

std::string KeyOf(const CellSpec& spec) {
  const std::string how = spec.target == "engine" ? fmt::format("kv={} threads={}", spec.kv, spec.threads)
                                                  : fmt::format("tokenizer={}{}{}", spec.tokenizer, ServesOf(spec), ThreadsOf(spec));
  const std::string slo = spec.slo.empty() ? "" : " slo=" + spec.slo;
  return fmt::format("{} {} {} {}{}", spec.target, spec.model, how, Describe(spec.load), slo);
}

std::string ConfigOf(const CellSpec& spec) {
  const Workload& load = spec.load;
  nlohmann::ordered_json config{{"target", spec.target}, {"model", spec.model}};
  if (spec.target == "engine") {
    config["kv"] = spec.kv;
    config["threads"] = spec.threads;
  }
  if (!ThreadsOf(spec).empty()) config["threads"] = spec.threads;
  if (!spec.tokenizer.empty()) config["tokenizer"] = spec.tokenizer;
  if (!spec.serves.empty()) config["serves"] = spec.serves;
  config["load"] = Describe(load);
  config["arrivals"] = Name(load.arrivals);
  config["users"] = load.users;
  config["prompt_tokens"] = load.prompt_tokens;
  config["depth_tokens"] = load.depth_tokens;
  config["gen_tokens"] = load.gen_tokens;
  config["seed"] = load.seed;
  if (load.rate > 0) config["rate"] = load.rate;
  if (!spec.slo.empty()) config["slo"] = spec.slo;
  return config.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace weir
