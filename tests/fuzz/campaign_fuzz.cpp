// What a file can make weir bench believe about a campaign: suites, objectives, recorded traffic.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "bench/slo.h"
#include "bench/suite.h"
#include "bench/trace.h"

namespace {

using namespace weir;

void Require(bool condition) {
  if (!condition) std::abort();
}

void CheckSuite(const std::string& text) {
  const auto suite = ParseSuite(text, "f.toml", {});
  if (!suite) return Require(suite.error().message.find("f.toml") != std::string::npos);
  for (const CellSpec& cell : suite->cells) {
    Require(CheckLoad(cell.load).ok() && !KeyOf(cell).empty());
    Require(cell.slo.empty() || ParseSlo(cell.slo).ok());
  }
}

void CheckTrace(const std::string& text) {
  const auto trace = ParseTrace(text, "f.jsonl");
  if (!trace) return;
  double at_s = 0;
  for (const TracedRequest& traced : *trace) {
    Require(traced.at_s >= at_s && traced.prompt_tokens > 0 && traced.gen_tokens > 0);
    Require(static_cast<int64_t>(traced.blocks.size()) * traced.block_tokens <= traced.prompt_tokens);
    Require(traced.conversation >= 0 && traced.turn >= 0);
    at_s = traced.at_s;
  }
  const TraceSummary summary = Summarise(*trace);
  Require(summary.shared_tokens >= 0 && summary.shared_tokens <= summary.prompt_tokens);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  CheckSuite(text);
  CheckTrace(text);
  if (const auto slo = ParseSlo(text)) {
    for (const SloTerm& term : slo->terms) Require(term.limit_ms > 0 && !Name(term).empty());
  }
  return 0;
}
