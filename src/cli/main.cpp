// weir's command line: the only code that prints, parses flags or exits.
#include <cstdio>
#include <deque>
#include <new>
#include <string>
#include <system_error>

#include "cli/command.h"
#include "cli/fleet.h"
#include "cli/row_commands.h"
#include "cli/verdict_commands.h"
#include "cli/format.h"
#include "cli/version.h"
#include "util/memory.h"
#include "util/terminal.h"

namespace weir {
namespace {

struct CommandEntry {
  const char* name;
  const char* summary;
  AddCommand add;
};

constexpr CommandEntry kCommands[] = {
    {"bench", "Model x quant x users on this machine: the main job", AddBench},
    {"report", "What was measured, as an article: tables, charts, evidence", AddReport},
    {"rows", "What was measured so far", AddRows},
    {"sql", "A question to the results database", AddSql},
    {"export", "Rows as CSV, JSON lines, Parquet, llama-bench's SQL or Poor Paul's Benchmark's CSV", AddExport},
    {"import", "Rows that llama-bench or Poor Paul's Benchmark measured", AddImport},
    {"push", "Rows to a server that keeps those of many machines", AddPush},
    {"run", "Chat in the terminal, answer a prompt, or continue a text", AddRun},
    {"serve", "OpenAI-compatible server for the users of this machine", AddServe},
    {"record", "What traffic that weir serve --record kept is like", AddRecord},
    {"fit", "Does a model fit, for how many users, how fast: here, or on a machine to buy", AddFit},
    {"verdict", "For whom this machine, or one to buy, is the right choice, and for whom the wrong one", AddVerdict},
    {"cliff", "Where the memory ends: the largest context and the most users, measured", AddCliff},
    {"audit", "What published numbers rest on: which are possible, how far from the limit", AddAudit},
    {"compare", "Runs, builds, machines, engines or mixtures against each other", AddCompare},
    {"mcp", "Rows, fit and verdict for an assistant (Model Context Protocol)", AddMcp},
    {"machine", "What this computer is, its measured bandwidth and arithmetic rates", AddMachine},
    {"inspect", "What is in a model: metadata, tensors, types, bytes per user", AddInspect},
    {"pull", "Download a model of the hub, resume, verify", AddPull},
    {"models", "What is on this machine: the hub's cache, Ollama, LM Studio, llama.cpp", AddModels},
    {"synth", "List synthetic models, or write one as a GGUF for other engines", AddSynth},
    {"logits", "What a model answers to token ids, as numbers", AddLogits},
    {"tokenize", "Text to token ids", AddTokenize},
    {"quantise", "Make a smaller file of a model", AddQuantise},
    {"template", "A chat request as the text that the model reads", AddTemplate},
    {"perplexity", "How well a model predicts a text", AddPerplexity},
};

int ExitCode(ErrorCode code) {
  switch (code) {
    case ErrorCode::kBadInput: return kExitBadInput;
    case ErrorCode::kInterrupted: return kExitInterrupted;
    case ErrorCode::kRefused:
    case ErrorCode::kFailed: break;
  }
  return kExitFailed;
}

void PrintError(const Error& error) {
  std::string text = fmt::format("{}error:{} {}\n", StderrStyle("\x1b[1;31m"),
                                 StderrStyle("\x1b[0m"), EscapedControls(error.message));
  if (!error.hint.empty()) text += fmt::format("  {}\n", EscapedControls(error.hint));
  PrintMessage(text);
}

Result<int> RunCommandLine(int argc, char** argv) {
  CLI::App app{"weir runs GGUF models on this machine and measures them against its limits."};
  app.require_subcommand(1);
  app.set_version_flag("--version", VersionText());
  std::deque<std::pair<CLI::App*, Command>> commands;
  for (const CommandEntry& entry : kCommands) {
    CLI::App* sub = app.add_subcommand(entry.name, entry.summary);
    commands.emplace_back(sub, entry.add(*sub));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitBadInput;
  }
  for (auto& [sub, command] : commands) {
    if (sub->parsed()) return command();
  }
  return kExitBadInput;
}

/// What the system refuses small things with: memory, a thread, a place to print to.
Result<int> CatchRefusals(int argc, char** argv) {
  try {
    return RunCommandLine(argc, argv);
  } catch (const std::bad_alloc&) {
    return Failed("there is not enough memory");
  } catch (const std::system_error& error) {
    return Failed("{}", error.what());
  }
}

int Main(int argc, char** argv) {
  Result<int> code = CatchRefusals(argc, argv);
  const bool printed = std::fflush(stdout) == 0 && !std::ferror(stdout);
  if (code && *code == kExitOk && !printed) code = Failed("standard output cannot be written");
  if (code) return *code;
  PrintError(code.error());
  return ExitCode(code.error().code);
}

}  // namespace

void PrintJson(const Json& document) {
  const std::string text = document.dump(1, ' ', false, Json::error_handler_t::replace);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
}

void PrintMessage(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace weir

int main(int argc, char** argv) {
  weir::OpenClosedStreams();
  weir::SayWhenMappedBytesAreGone();
  return weir::Main(argc, argv);
}
