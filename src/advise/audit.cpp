#include "advise/audit.h"

#include <algorithm>
#include <memory>

#include "advise/verdict.h"
#include "model/model.h"

namespace weir {
namespace {

constexpr int64_t kFitContext = 8192;    // tokens, of the one user that claims of fit are about
constexpr double kHalfPercent = 0.005;   // claims in whole percents are rounded

Result<std::unique_ptr<ModelSource>> SourceOf(const std::string& model, const std::string& quant) {
  return OpenModel(fmt::format("synth:{}:{}", model, quant));
}

struct LeastWork {
  int64_t file_bytes = 0;    // all weights
  int64_t weight_bytes = 0;  // read in a step, of one token
  double macs = 0;           // multiplied in a step of all users
};
Result<LeastWork> LeastWorkOf(const PublishedRow& row) {
  WEIR_TRY(const std::unique_ptr<ModelSource> source, SourceOf(row.model, row.quant));
  WEIR_TRY(const ModelConfig config, ReadConfig(*source));
  WEIR_TRY(const ModelFootprint footprint, Model::Plan(*source, Dtype::kInt8));
  WEIR_TRY(const ModelCost cost, Model::Cost(*source, Dtype::kInt8));
  const StepCost step = cost.Weights(config, 1, 1, ExpectedExperts(config, 1));
  return LeastWork{footprint.file_tensor_bytes, step.weight_bytes,
                   row.users * static_cast<double>(step.int8_macs + step.f32_macs)};
}

bool SameCell(const PublishedRow& a, const PublishedRow& b) {
  return a.machine == b.machine && a.model == b.model && a.quant == b.quant && a.users == b.users;
}

bool IsLonePeak(const PublishedRow& row, const std::vector<PublishedRow>& rows) {
  return row.figure == "peak" && std::none_of(rows.begin(), rows.end(), [&](const PublishedRow& other) {
           return other.figure == "median" && SameCell(row, other);
         });
}

/// Each reason for which no software can have measured it.
std::vector<std::string> WhyImpossible(const RowFinding& finding, const LeastWork& work,
                                       const CatalogueMachine& machine) {
  std::vector<std::string> reasons;
  if (work.file_bytes > machine.memory_bytes) {
    reasons.push_back(fmt::format("its weights are {:.1f} GB, and the memory {:.1f} GB",
                                  1e-9 * static_cast<double>(work.file_bytes),
                                  1e-9 * static_cast<double>(machine.memory_bytes)));
  }
  if (finding.uses[0].share > 1) reasons.push_back("its weights cannot be read that often");
  if (!finding.arithmetic.possible()) reasons.push_back("the machine cannot multiply that often");
  const double once_ms = 1e-6 * static_cast<double>(work.weight_bytes) / machine.bandwidth_gb_s;
  if (finding.row.ttft_ms && *finding.row.ttft_ms < once_ms) {
    reasons.push_back(fmt::format("the first token comes after {} ms, and reading the weights once takes {} ms",
                                  Digits(*finding.row.ttft_ms), Digits(once_ms)));
  }
  return reasons;
}

Result<RowFinding> JudgeRow(const PublishedRow& row, const Article& article, const MachineCatalogue& catalogue) {
  WEIR_TRY(const CatalogueMachine* machine, catalogue.Find(row.machine));
  RowFinding finding;
  finding.row = row;
  finding.steps_per_s = row.tok_s / row.users;
  finding.lone_peak = IsLonePeak(row, article.rows);
  const Result<LeastWork> work = LeastWorkOf(row);
  if (!work) {
    finding.verdict = "unknown_model";
    finding.reasons.push_back(work.error().message);
    return finding;
  }
  finding.weight_bytes = work->weight_bytes;
  const double gb_s = static_cast<double>(finding.weight_bytes) * finding.steps_per_s * 1e-9;
  finding.uses.push_back({"catalogue", machine->bandwidth_gb_s, gb_s / machine->bandwidth_gb_s});
  const double gmac_s = machine->Rates().int8_gmac_s;
  finding.arithmetic = {gmac_s, work->macs * finding.steps_per_s * 1e-9 / gmac_s, machine->int8_tops.has_value()};
  finding.side = finding.arithmetic.share > finding.uses[0].share ? "arithmetic" : "bandwidth";
  finding.reasons = WhyImpossible(finding, *work, *machine);
  finding.verdict = finding.reasons.empty() ? "possible" : "impossible";
  if (row.machine != article.machine) return finding;
  for (const ClaimedBandwidth& claimed : article.bandwidths) {
    finding.uses.push_back({claimed.name, claimed.gb_s, gb_s / claimed.gb_s});
    if (gb_s > claimed.gb_s && finding.verdict == "possible") finding.verdict = "exceeds_claim";
  }
  return finding;
}

Result<RatioFinding> JudgeRatio(const RatioClaim& claim, const Article& article, const MachineCatalogue& catalogue) {
  WEIR_TRY(const CatalogueMachine* of, catalogue.Find(claim.of));
  WEIR_TRY(const CatalogueMachine* to, catalogue.Find(claim.to));
  RatioFinding finding{claim, {{"catalogue", of->bandwidth_gb_s, to->bandwidth_gb_s}}, false};
  for (const ClaimedBandwidth& claimed : article.bandwidths) {
    if (claim.of == article.machine) finding.bases.push_back({claimed.name, claimed.gb_s, to->bandwidth_gb_s});
    if (claim.to == article.machine) finding.bases.push_back({claimed.name, of->bandwidth_gb_s, claimed.gb_s});
  }
  const double rounding = claim.high < 1 ? kHalfPercent : 0;
  for (RatioBasis& basis : finding.bases) {
    basis.supports = basis.ratio() >= claim.low - rounding && basis.ratio() <= claim.high + rounding;
    finding.supported |= basis.supports;
  }
  return finding;
}

Result<FitFinding> JudgeFit(const FitClaim& claim, const MachineCatalogue& catalogue) {
  WEIR_TRY(const CatalogueMachine* machine, catalogue.Find(claim.machine));
  WEIR_TRY(const std::unique_ptr<ModelSource> source, SourceOf(claim.model, claim.quant));
  FitQuestion question;
  WEIR_TRY(question.config, ReadConfig(*source));
  WEIR_TRY(question.footprint, Model::Plan(*source, question.dtype));
  question.options.context_tokens = std::min(kFitContext, question.config.context_length);
  FitFinding finding{claim, {}};
  WEIR_TRY(finding.fit,
           FitInto(question, {machine->memory_bytes, machine->AvailableBytes(), machine->GpuBytes()}));
  return finding;
}

Result<PowerFinding> JudgePower(const PowerClaim& claim, const Article& article, const MachineCatalogue& catalogue) {
  WEIR_TRY(const CatalogueMachine* machine, catalogue.Find(claim.machine));
  const bool differs = std::any_of(article.powers.begin(), article.powers.end(), [&](const PowerClaim& other) {
    return other.boundary != claim.boundary;
  });
  return PowerFinding{claim, machine->power_load_w, machine->power_of, differs};
}

}  // namespace

Result<Audit> AuditArticle(const Article& article, const MachineCatalogue& catalogue) {
  Audit audit;
  for (const PublishedRow& row : article.rows) {
    WEIR_TRY(RowFinding finding, JudgeRow(row, article, catalogue));
    audit.rows.push_back(std::move(finding));
  }
  for (const RatioClaim& claim : article.ratios) {
    WEIR_TRY(RatioFinding finding, JudgeRatio(claim, article, catalogue));
    audit.ratios.push_back(std::move(finding));
  }
  for (const FitClaim& claim : article.fits) {
    WEIR_TRY(FitFinding finding, JudgeFit(claim, catalogue));
    audit.fits.push_back(std::move(finding));
  }
  for (const PowerClaim& claim : article.powers) {
    WEIR_TRY(PowerFinding finding, JudgePower(claim, article, catalogue));
    audit.powers.push_back(std::move(finding));
  }
  return audit;
}

}  // namespace weir
