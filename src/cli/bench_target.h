// Flags of `weir bench` that say who is measured, and with what load.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "bench/target.h"
#include "bench/workload.h"

namespace weir {

struct TargetFlags {
  std::string target;      // empty: models in this process
  std::string model_name;  // of a server
  std::string tokenizer;   // a model
};

void AddTargetFlags(CLI::App& app, TargetFlags& flags);
/// Everything about a load but the numbers of users, requests and tokens.
void AddLoadFlags(CLI::App& app, Workload& load);

/// The subject that the flags name; `target` must not be empty. An API key is read from $WEIR_API_KEY.
Result<std::unique_ptr<Subject>> OpenTarget(const TargetFlags& flags);

}  // namespace weir
