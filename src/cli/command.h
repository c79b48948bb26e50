// One file per command; each adds itself to the command line and returns its exit code.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "util/error.h"

namespace weir {

using Json = nlohmann::ordered_json;

inline constexpr int kExitOk = 0, kExitFailed = 1, kExitBadInput = 2, kExitGateFell = 3,
                     kExitInterrupted = 130;

/// A command adds its flags to `app` and returns what runs after parsing. That returns an Error for the
/// one printer in main, or the exit code.
using Command = std::function<Result<int>()>;
using AddCommand = Command (*)(CLI::App& app);

Command AddInspect(CLI::App& app);
Command AddLogits(CLI::App& app);
Command AddTokenize(CLI::App& app);
Command AddTemplate(CLI::App& app);
Command AddRun(CLI::App& app);
Command AddServe(CLI::App& app);
Command AddSynth(CLI::App& app);
Command AddBench(CLI::App& app);
Command AddAudit(CLI::App& app);
Command AddCompare(CLI::App& app);
Command AddFit(CLI::App& app);
Command AddMachine(CLI::App& app);
Command AddPerplexity(CLI::App& app);
Command AddQuantise(CLI::App& app);
Command AddPull(CLI::App& app);
Command AddModels(CLI::App& app);

/// Prints one JSON document, and nothing else, to stdout.
void PrintJson(const Json& document);

/// Prints to stderr, where nobody can be told that it failed.
void PrintMessage(const std::string& text);

template <class T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}
inline Json OrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

}  // namespace weir
