// Flags of `weir bench` that say who is measured, and with what load.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "bench/cell_spec.h"
#include "bench/target.h"
#include "bench/workload.h"

namespace weir {

struct TargetFlags {
  std::vector<std::string> targets;  // empty: the engine
  std::string model_name;            // of a server
  std::string tokenizer;             // a model
  std::string serves;                // a model
};

void AddTargetFlags(CLI::App& app, TargetFlags& flags);
/// Everything about a load but the numbers of users, requests and tokens.
void AddLoadFlags(CLI::App& app, Workload& load);

/// Whether a target is told which file to run: the engine, and a peer with {model} in its command.
bool TakesModel(const std::string& target);

/// The subject of a cell whose target is not the engine. An API key is read from $WEIR_API_KEY.
Result<std::unique_ptr<Subject>> OpenTarget(const CellSpec& spec);

}  // namespace weir
