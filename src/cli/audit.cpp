// weir audit: what published numbers rest on.
#include "cli/audit.h"

#include <memory>

#include "advise/verdict.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/machines_folder.h"
#include "cli/model_text.h"
#include "cli/text_input.h"

namespace weir {
namespace {

struct Flags {
  std::string file, machines_folder;
  bool json = false;
};

double WeightsGbS(const RowFinding& finding) {
  return static_cast<double>(finding.weight_bytes) * finding.steps_per_s * 1e-9;
}

const char* RateText(const ArithmeticUse& use) { return use.int8 ? "int8" : "float"; }

// ---- As JSON.

Json RowJson(const RowFinding& finding) {
  Json uses = Json::array();
  for (const BandwidthUse& use : finding.uses) {
    uses.push_back({{"name", use.name}, {"gb_s", use.gb_s}, {"share", use.share}, {"possible", use.share <= 1}});
  }
  Json flags = Json::array();
  if (finding.lone_peak) flags.push_back("peak_without_median");
  const PublishedRow& row = finding.row;
  const bool known = finding.verdict != "unknown_model";
  Json arithmetic;
  if (known) {
    const ArithmeticUse& use = finding.arithmetic;
    arithmetic = {{"gmac_s", use.gmac_s}, {"of", RateText(use)}, {"share", use.share}, {"possible", use.possible()}};
  }
  return Json{{"machine", row.machine},
              {"model", row.model},
              {"quant", row.quant},
              {"users", row.users},
              {"tok_s", row.tok_s},
              {"tok_s_per_user", row.tok_s / row.users},
              {"figure", OrNull(row.figure)},
              {"ttft_ms", OrNull(row.ttft_ms)},
              {"weight_bytes", known ? Json(finding.weight_bytes) : Json()},
              {"steps_per_s", finding.steps_per_s},
              {"weights_gb_s", known ? Json(WeightsGbS(finding)) : Json()},
              {"bandwidths", uses},
              {"arithmetic", arithmetic},
              {"side", OrNull(finding.side)},
              {"verdict", finding.verdict},
              {"reasons", finding.reasons},
              {"flags", flags}};
}

Json RatioJson(const RatioFinding& finding) {
  Json bases = Json::array();
  for (const RatioBasis& basis : finding.bases) {
    bases.push_back({{"name", basis.name},
                     {"of_gb_s", basis.of_gb_s},
                     {"to_gb_s", basis.to_gb_s},
                     {"ratio", basis.ratio()},
                     {"supports", basis.supports}});
  }
  const RatioClaim& claim = finding.claim;
  return Json{{"claim", claim.text}, {"of", claim.of},     {"to", claim.to},
              {"low", claim.low},    {"high", claim.high}, {"bases", bases},
              {"supported", finding.supported}};
}

Json FitJson(const FitFinding& finding) {
  return Json{{"claim", finding.claim.text},
              {"model", finding.claim.model},
              {"quant", finding.claim.quant},
              {"machine", finding.claim.machine},
              {"claimed", Name(finding.claim.comfort)},
              {"comfort", Name(finding.fit.comfort)},
              {"total_bytes", finding.fit.total_bytes},
              {"headroom_bytes", finding.fit.headroom_bytes},
              {"holds", finding.holds()}};
}

Json PowerJson(const PowerFinding& finding) {
  Json flags = Json::array();
  if (finding.other_boundary) flags.push_back("boundaries_differ");
  return Json{{"claim", finding.claim.text},
              {"machine", finding.claim.machine},
              {"boundary", finding.claim.boundary},
              {"low_w", finding.claim.low_w},
              {"high_w", finding.claim.high_w},
              {"catalogue_w", OrNull(finding.catalogue_w)},
              {"catalogue_of", OrNull(finding.catalogue_of)},
              {"flags", flags}};
}

template <class Finding>
Json ListJson(const std::vector<Finding>& findings, Json (*to_json)(const Finding&)) {
  Json list = Json::array();
  for (const Finding& finding : findings) list.push_back(to_json(finding));
  return list;
}

// ---- As text.

std::string_view VerdictText(const RowFinding& finding) {
  if (finding.verdict == "possible") return "possible";
  if (finding.verdict == "unknown_model") return "unknown model";
  return finding.verdict == "impossible" ? "IMPOSSIBLE on that machine" : "more than the article's own bandwidth allows";
}

void PrintRow(const RowFinding& finding) {
  const PublishedRow& row = finding.row;
  fmt::print("{} {}, {} {}: {} tok/s{}{}: {}\n", EscapedControls(row.model), EscapedControls(row.quant), row.users,
             row.users == 1 ? "user" : "users", Digits(row.tok_s),
             row.users == 1 ? "" : fmt::format(" ({} each)", Digits(row.tok_s / row.users)),
             row.figure.empty() ? "" : ", " + row.figure, VerdictText(finding));
  for (const std::string& reason : finding.reasons) fmt::print("  {}\n", EscapedControls(reason));
  if (finding.verdict == "unknown_model") return;
  fmt::print("  {} steps a second x {} of weights = {} GB/s\n", Digits(finding.steps_per_s),
             ByteSize(finding.weight_bytes), Digits(WeightsGbS(finding)));
  for (const BandwidthUse& use : finding.uses) {
    fmt::print("  {:<25} {:.0f} % of {} GB/s\n", use.name, 100 * use.share, Digits(use.gb_s));
  }
  const ArithmeticUse& arithmetic = finding.arithmetic;
  fmt::print("  {:<25} {:.0f} % of {} GMAC/s ({}): it sits on the side of {}\n", "multiplications",
             100 * arithmetic.share, Digits(arithmetic.gmac_s), RateText(arithmetic), finding.side);
  fmt::print("{}", finding.lone_peak ? "  a peak without its median\n" : "");
}

void PrintRatio(const RatioFinding& finding) {
  const bool percent = finding.claim.high < 1;
  fmt::print("\"{}\": {}\n", finding.claim.text, finding.supported ? "supported" : "UNSUPPORTED by bandwidth");
  for (const RatioBasis& basis : finding.bases) {
    fmt::print("  {:<25} {:.4g} / {:.4g} = {}{}\n", basis.name, basis.of_gb_s, basis.to_gb_s,
               percent ? fmt::format("{:.0f} %", 100 * basis.ratio()) : fmt::format("{:.2f}", basis.ratio()),
               basis.supports ? "   supports it" : "");
  }
}

void PrintFit(const FitFinding& finding) {
  fmt::print("\"{}\": {}\n  needs {} with 8,192 tokens: {} ({} {})\n", finding.claim.text,
             finding.holds() ? "holds" : "DOES NOT HOLD", ByteSize(finding.fit.total_bytes),
             finding.fit.fits() ? fmt::format("fits, {}", Name(finding.fit.comfort)) : "does not fit",
             ByteSize(std::abs(finding.fit.headroom_bytes)), finding.fit.headroom_bytes < 0 ? "too much" : "left");
}

void PrintPower(const PowerFinding& finding) {
  const std::string catalogue =
      finding.catalogue_w ? fmt::format("; catalogue: {:.0f} W at most ({})", *finding.catalogue_w, finding.catalogue_of) : "";
  fmt::print("\"{}\" of {} ({}){}{}\n", finding.claim.text, finding.claim.machine, finding.claim.boundary, catalogue,
             finding.other_boundary ? "; boundaries differ: not to be compared" : "");
}

template <class Finding>
void PrintList(const char* heading, const std::vector<Finding>& findings, void (*print)(const Finding&)) {
  if (findings.empty()) return;
  fmt::print("\n");
  PrintHeading(heading);
  for (const Finding& finding : findings) print(finding);
}

Result<int> RunAudit(const Flags& flags) {
  WEIR_TRY(const MachineCatalogue catalogue, LoadMachines(flags.machines_folder));
  WEIR_TRY(const std::string text, ReadText(flags.file));
  const bool csv = flags.file.ends_with(".csv");
  WEIR_TRY(const Article article, csv ? ParseArticleCsv(text, flags.file) : ParseArticle(text, flags.file));
  WEIR_TRY(const Audit audit, AuditArticle(article, catalogue));
  if (flags.json) {
    PrintJson(AuditDocument(article, audit));
    return kExitOk;
  }
  PrintHeading(EscapedControls(article.title));
  PrintList("Rows", audit.rows, PrintRow);
  PrintList("Ratios", audit.ratios, PrintRatio);
  PrintList("What fits", audit.fits, PrintFit);
  PrintList("Power", audit.powers, PrintPower);
  return kExitOk;
}

}  // namespace

Json AuditDocument(const Article& article, const Audit& audit) {
  return Json{{"title", article.title},
              {"rows", ListJson(audit.rows, RowJson)},
              {"ratios", ListJson(audit.ratios, RatioJson)},
              {"fits", ListJson(audit.fits, FitJson)},
              {"powers", ListJson(audit.powers, PowerJson)}};
}

Command AddAudit(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->machines_folder = DefaultMachinesFolder();
  app.add_option("FILE", flags->file, "published numbers: TOML (data/articles has one), or CSV with the columns "
                                      "machine, model, quant, users, tok_s, figure, ttft_ms")
      ->required();
  app.add_option("--machines", flags->machines_folder, "folder with further machines (*.toml)")->capture_default_str();
  app.add_flag("--json", flags->json, "one JSON document on stdout");
  app.footer(
      "Examples:\n"
      "  weir audit data/articles/mac-mini-m4-pro.toml\n"
      "  weir audit numbers.csv --json\n\n"
      "Shares count the weights alone, the least that a step must read and multiply with. Impossible is an answer: the\n"
      "exit code is 0.");
  return [flags] { return RunAudit(*flags); };
}

}  // namespace weir
