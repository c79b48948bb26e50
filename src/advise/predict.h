// How fast a model would be: the limit of its steps, times the share of it that engines reach.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "advise/experience.h"
#include "advise/machine_catalogue.h"
#include "machine/rates.h"
#include "model/model.h"

namespace weir {

/// A model as far as its speed depends on it.
struct SpeedQuestion {
  ModelConfig config;
  ModelFootprint footprint;
  ModelCost cost;
  KvType kv_type = KvType::kF16;
  int users = 1;
  int64_t depth = 0;  // tokens of context that each user has when decoding, and that a first prompt has
};

struct SpeedPrediction {
  int users = 1;
  double limit_tok_s = 0;        // of all users together: tokens over T*
  Range decode_tok_s;            // of all users together
  Range ttft_ms;                 // of a prompt of `depth` tokens that has the machine for itself
  Range all_ttft_ms;             // of the last user's, where all users bring one at once
  std::vector<int64_t> cells;    // rows that it rests on; none: kEstimate
};

/// Where nothing was measured: 2.5 between low and high, around what published runs of llama.cpp-style engines
/// reach. Not within reach of it: published runs themselves scatter more.
inline constexpr double kWidestEstimate = 2.5;
SpeedPrediction Estimate(const SpeedQuestion& question, const CatalogueMachine& machine);
/// On a machine that weir runs on, in the terms of the catalogue.
SpeedPrediction Estimate(const SpeedQuestion& question, const MachineRates& rates);

/// The rows of this very model and number of users.
std::vector<Experience> SameCells(const SpeedQuestion& question, const MachineExperience& experience);

/// What rows teach about a model with so many users, whatever its context.
struct SpeedLessons {
  Lesson decode_share, prefill_gmac_s;
};
std::optional<SpeedLessons> LearnSpeed(const SpeedQuestion& question, const MachineExperience& experience);
SpeedPrediction PredictFrom(const SpeedQuestion& question, const MachineRates& rates, const SpeedLessons& lessons);

/// From rows of the machine with these rates; nothing where they teach too little.
std::optional<SpeedPrediction> Predict(const SpeedQuestion& question, const MachineRates& rates,
                                       const MachineExperience& experience);

/// T* in seconds of a decode step of all users, and of prefilling one prompt of `depth` tokens.
double DecodeLimitSeconds(const SpeedQuestion& question, const MachineRates& rates);
double PromptLimitSeconds(const SpeedQuestion& question, const MachineRates& rates);

}  // namespace weir
