// What a machine gives for a need: each model and quantisation with its memory and its speed.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "advise/evidence.h"
#include "advise/need.h"
#include "advise/predict.h"

namespace weir {

/// A model that could be run.
struct Candidate {
  std::string name;          // as weir bench takes it: "synth:qwen3.5-9b:Q4_K_M"
  std::string model, quant;  // "qwen3.5-9b", "Q4_K_M"
  bool synthetic = false;    // its shapes are known, its weights and so its answers are not
  double params = 0;         // as its name says, "9b"; else counted
  double bits_per_weight = 0;
  ModelConfig config;
  ModelFootprint footprint;
  ModelCost cost;
};
Result<Candidate> OpenCandidate(const std::string& name);
/// All models of the catalogue of shapes in kQuants, and the models of `cells` whose files are
/// still there.
std::vector<Candidate> FindCandidates(std::span<const MeasuredCell> cells);
inline constexpr std::string_view kQuants[] = {"Q8_0",   "Q6_K",   "Q5_K_M",
                                               "Q4_K_M", "Q3_K_M", "UD-IQ2_XXS"};

enum class Basis {
  kMeasured,   // a row of this very cell
  kRows,       // learned from other rows of the machine
  kEstimated,  // from rates alone
  kNone,       // not even rates are known
};
std::string_view Name(Basis basis);

struct Speed {
  Basis basis = Basis::kNone;
  Range tok_s_each;                         // of each user; measured: least and greatest repeat
  std::optional<double> median_tok_s_each;  // measured
  Range ttft_ms;  // of the last of all users, who ask at once; measured: 95 %
  std::optional<double> limit_tok_s_each;  // T*
  std::vector<int64_t> cells;              // that it rests on
};

enum class Answer { kNo, kMaybe, kYes };
std::string_view Name(Answer answer);

/// A model on a machine.
struct Offer {
  const Candidate* candidate = nullptr;
  std::string machine, title;
  const CatalogueMachine* catalogued = nullptr;
  Comfort comfort = Comfort::kNo;  // with the context that is needed
  int64_t total_bytes = 0, longest_context = 0;
  EnginePlan plan;  // what the total is made of, besides kRuntimeBytes
  Speed speed;
  Answer meets = Answer::kNo;  // the whole need but the budget
  std::optional<MeasuredQuality> quality;
  bool fits() const { return comfort != Comfort::kNo; }
};

/// Rows of one machine, and what they taught about candidates: that does not depend on prompts.
class SpeedSource {
 public:
  /// Both must outlive this.
  SpeedSource(const Home& home, const Evidence& evidence) : home_(home), evidence_(evidence) {}
  Speed Of(const Candidate& candidate, const Need& need);

 private:
  const MeasuredCell* CellOf(const Candidate& candidate, const Need& need) const;

  const Home& home_;
  const Evidence& evidence_;
  struct Learned {
    std::string name;
    int users = 0;
    std::optional<SpeedLessons> lessons;
  };
  std::vector<Learned> learned_;
};

/// The offers of one machine for all candidates that are as large as is needed.
std::vector<Offer> OffersOf(const Home& home, const Evidence& evidence, SpeedSource& speeds,
                            const Need& need, std::span<const Candidate> candidates);

/// Whether speed and first token are as needed; kMaybe where a range straddles what is needed.
Answer FastEnough(const Speed& speed, const Need& need);
Answer SoonEnough(const Speed& speed, const Need& need);
/// kMaybe where no divergence was measured.
Answer FaithfulEnough(const std::optional<MeasuredQuality>& quality, const Need& need);
/// 95 % of the estimate's distribution; as wide as nothing where its error is unknown.
Range IntervalOf(const Estimated& estimate);

/// Fewer bits than this are chosen only where nothing else will do: answers get noticeably worse.
inline constexpr double kFewBits = 4;
/// The offer to choose: one that meets the need, surely rather than maybe, and as measured rather
/// than as predicted or estimated; of those not below kFewBits the largest model, in the most bits.
/// Null if there is none.
const Offer* Choose(std::span<const Offer> offers);

}  // namespace weir
