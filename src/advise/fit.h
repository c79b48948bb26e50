// Whether a model fits into a machine's memory, and how many users with how much context.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/engine.h"

namespace weir {

/// What a machine has for a model.
struct MemoryOffer {
  int64_t memory_bytes = 0;     // in all
  int64_t available_bytes = 0;  // what the system does not keep
  std::optional<int64_t> gpu_bytes;  // of it, what the GPU takes by default; a user may raise that
};

/// What is to be run.
struct FitQuestion {
  ModelConfig config;
  ModelFootprint footprint;
  Dtype dtype = Dtype::kInt8;
  EngineOptions options;  // users, context of each, threads, type of keys and values
};

enum class Comfort { kComfortable, kTight, kNo };
std::string_view Name(Comfort comfort);

/// Below this share of the memory, what is left makes a fit tight.
inline constexpr double kTightShare = 0.2;

/// What a process holds besides the plan: program, libraries, vocabulary, heap, stacks. Measured: 20 to 30 MB with the
/// small models of the catalogue, 1 to 32 users.
inline constexpr int64_t kRuntimeBytes = 26'000'000;

struct Fit {
  EnginePlan plan;
  int64_t total_bytes = 0;     // the plan's and kRuntimeBytes
  int64_t headroom_bytes = 0;  // of what is available; negative where it does not fit
  bool over_gpu_share = false;
  Comfort comfort = Comfort::kNo;
  bool fits() const { return comfort != Comfort::kNo; }
};

/// kBadInput for options out of range.
Result<Fit> FitInto(const FitQuestion& question, const MemoryOffer& offer);

/// The longest context of each of n_users; 0: not even one page.
Result<int64_t> LongestContext(FitQuestion question, const MemoryOffer& offer, int n_users);
/// The most users with context_tokens each, at most kMostUsers; 0: none.
inline constexpr int kMostUsers = 4096;
Result<int64_t> MostUsers(FitQuestion question, const MemoryOffer& offer, int64_t context_tokens);

}  // namespace weir
