// weir record: what traffic that a server recorded is like.
#include <memory>

#include "bench/trace.h"
#include "cli/format.h"
#include "cli/row_commands.h"
#include "util/read_file.h"

namespace weir {
namespace {

struct Flags {
  std::string file;
  bool json = false;
};

Json TraceJson(const TraceSummary& trace) {
  return Json{{"requests", trace.n_requests},
              {"conversations", trace.n_conversations},
              {"seconds", trace.seconds},
              {"prompt_tokens", trace.prompt_tokens},
              {"gen_tokens", trace.gen_tokens},
              {"shared_tokens", trace.shared_tokens},
              {"longest_prompt_tokens", trace.longest_prompt},
              {"longest_answer_tokens", trace.longest_answer}};
}

void PrintTrace(const TraceSummary& trace, const std::string& file) {
  const auto n = static_cast<double>(trace.n_requests);
  fmt::print("{} requests in {} conversations within {:.4g} s\n", trace.n_requests, trace.n_conversations, trace.seconds);
  fmt::print("prompts: {} tokens, {:.4g} each, {} at most; {:.0f} % of them began a prompt before\n", trace.prompt_tokens,
             static_cast<double>(trace.prompt_tokens) / n, trace.longest_prompt,
             100.0 * static_cast<double>(trace.shared_tokens) / static_cast<double>(trace.prompt_tokens));
  fmt::print("answers: {} tokens, {:.4g} each, {} at most\n", trace.gen_tokens, static_cast<double>(trace.gen_tokens) / n,
             trace.longest_answer);
  fmt::print("replay:  weir bench MODEL --trace {}\n", EscapedControls(file));
}

Result<int> RunRecord(const Flags& flags) {
  WEIR_TRY(const std::string text, ReadFile(flags.file, kMostTraceBytes));
  WEIR_TRY(const std::vector<TracedRequest> trace, ParseTrace(text, flags.file));
  const TraceSummary summary = Summarise(trace);
  flags.json ? PrintJson(TraceJson(summary)) : PrintTrace(summary, flags.file);
  return kExitOk;
}

}  // namespace

Command AddRecord(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("FILE", flags->file, "what weir serve --record wrote, or another trace (docs/targets.md)")->required();
  app.add_flag("--json", flags->json, "one JSON document on stdout");
  app.footer(
      "Examples:\n"
      "  weir serve model.gguf --record monday.jsonl        # users do what they do\n"
      "  weir record monday.jsonl                           # what was that?\n"
      "  weir bench other.gguf --trace monday.jsonl         # and how would this one have done?\n\n"
      "A record has when requests came, how many tokens prompts and answers had, and which prompts began alike. It has\n"
      "nothing of what was said, and nothing that a text could be recognised by.");
  return [flags] { return RunRecord(*flags); };
}

}  // namespace weir
