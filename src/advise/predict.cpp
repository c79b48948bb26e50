#include "advise/predict.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "model/limit.h"

namespace weir {
namespace {

// Middles of the estimates, for machines where weir has not measured. Decode: the share of T* of one user, how it
// falls with users, and what a layer costs besides (launching its kernels). Prefill: the share of the rate that
// multiplies, which is low where that is an int8 rate that no mixture of formats can use whole.
constexpr double kDecodeShare = 0.62, kUsersExponent = -0.4, kCpuUsersExponent = -0.15, kLayerSeconds = 100e-6;
constexpr double kPrefillInt8Share = 0.3, kPrefillFloatShare = 0.5;

Range Around(double middle) {
  const double half = std::sqrt(kWidestEstimate);
  return {middle / half, middle * half};
}

StepCost DecodeStep(const SpeedQuestion& question) {
  const std::vector<SliceShape> slices(static_cast<size_t>(question.users), {1, question.depth, 1});
  return question.cost.Step(question.config, question.kv_type, slices,
                            ExpectedExperts(question.config, question.users));
}

CellTraits TraitsOf(const SpeedQuestion& question, double users) {
  const auto bytes = static_cast<double>(question.footprint.file_tensor_bytes);
  return {8 * bytes / static_cast<double>(question.footprint.n_params), bytes, users};
}

/// All of them in one step: no other way to compute them reads less.
StepCost PromptStep(const SpeedQuestion& question, int n_prompts) {
  const int64_t n_tokens = std::max<int64_t>(1, question.depth);
  const std::vector<SliceShape> slices(static_cast<size_t>(n_prompts), {n_tokens, 0, 1});
  return question.cost.Step(question.config, question.kv_type, slices,
                            ExpectedExperts(question.config, n_prompts * n_tokens));
}

double Macs(const StepCost& cost) { return static_cast<double>(cost.int8_macs + cost.f32_macs); }

/// What is multiplied at these rates; but a short prompt waits for the weights, as each step does: a range that begins
/// before the limit moves up to it as a whole.
Range FirstTokenMs(const SpeedQuestion& question, int n_prompts, const MachineRates& rates, Range gmac_s) {
  const StepCost cost = PromptStep(question, n_prompts);
  const double low = Macs(cost) / gmac_s.high * 1e-6, high = Macs(cost) / gmac_s.low * 1e-6;
  const double limit_ms = LimitNs(cost, rates) * 1e-6;
  return low >= limit_ms ? Range{low, high} : Range{limit_ms, high * limit_ms / low};
}

}  // namespace

double DecodeLimitSeconds(const SpeedQuestion& question, const MachineRates& rates) {
  return LimitNs(DecodeStep(question), rates) * 1e-9;
}

double PromptLimitSeconds(const SpeedQuestion& question, const MachineRates& rates) {
  return LimitNs(PromptStep(question, 1), rates) * 1e-9;
}

namespace {

/// The middle for a decode step of all users.
double EstimatedStepSeconds(const SpeedQuestion& question, const CatalogueMachine& machine) {
  const bool cpu = machine.kind == MachineKind::kCpu;
  const double share = kDecodeShare * std::pow(question.users, cpu ? kCpuUsersExponent : kUsersExponent);
  const double layers = cpu ? 0 : static_cast<double>(question.config.n_layers);
  return DecodeLimitSeconds(question, machine.Rates()) / share + layers * kLayerSeconds;
}

}  // namespace

SpeedPrediction Estimate(const SpeedQuestion& question, const CatalogueMachine& machine) {
  const MachineRates rates = machine.Rates();
  double tok_s = question.users / EstimatedStepSeconds(question, machine);
  // Where multiplications are the limit a falling share would let all users together have less than fewer of them; but
  // an engine can serve these in turns.
  for (SpeedQuestion fewer = question; fewer.users > 1;) {
    fewer.users = static_cast<int>(std::bit_floor(static_cast<unsigned>(fewer.users - 1)));
    tok_s = std::max(tok_s, fewer.users / EstimatedStepSeconds(fewer, machine));
  }
  const double prefill = rates.int8_gmac_s * (machine.int8_tops ? kPrefillInt8Share : kPrefillFloatShare);
  return {question.users, question.users / DecodeLimitSeconds(question, rates), Around(tok_s),
          FirstTokenMs(question, 1, rates, Around(prefill)),
          FirstTokenMs(question, question.users, rates, Around(prefill)), {}};
}

SpeedPrediction Estimate(const SpeedQuestion& question, const MachineRates& rates) {
  CatalogueMachine machine;
  machine.bandwidth_gb_s = rates.read_gb_s;
  machine.int8_tops = rates.int8_gmac_s / 500;
  machine.float_tflops = rates.f32_gmac_s / 500;
  return Estimate(question, machine);
}

std::vector<Experience> SameCells(const SpeedQuestion& question, const MachineExperience& experience) {
  const CellTraits traits = TraitsOf(question, question.users);
  std::vector<Experience> same;
  for (const Experience& row : experience.decode_share) {
    if (row.traits == traits) same.push_back(row);
  }
  return same;
}

namespace {

/// What was seen is possible, whatever its neighbours say; where these scatter too much, it is all that is known.
std::optional<Lesson> LearnWith(std::span<const Experience> rows, const CellTraits& traits) {
  constexpr double kApart = 1.1;  // what one row may differ from the next of its kind
  std::optional<Lesson> own;
  for (const Experience& row : rows) {
    if (row.traits != traits) continue;
    if (!own) own = Lesson{{row.value / kApart, row.value * kApart}, {}};
    own->range = {std::min(own->range.low, row.value / kApart), std::max(own->range.high, row.value * kApart)};
    own->cells.push_back(row.cell);
  }
  std::optional<Lesson> lesson = Learn(rows, traits);
  if (!own) return lesson;
  if (lesson) {
    const Range both{std::min(lesson->range.low, own->range.low * kApart),
                     std::max(lesson->range.high, own->range.high / kApart)};
    if (both.high <= kWidestLesson * both.low) return Lesson{both, std::move(lesson->cells)};
  }
  return own->range.high <= kWidestLesson * own->range.low ? own : std::nullopt;
}

}  // namespace

std::optional<SpeedLessons> LearnSpeed(const SpeedQuestion& question, const MachineExperience& experience) {
  std::optional<Lesson> share = LearnWith(experience.decode_share, TraitsOf(question, question.users));
  std::optional<Lesson> prefill = LearnWith(experience.prefill_gmac_s, TraitsOf(question, 1));
  if (!share || !prefill) return std::nullopt;
  return SpeedLessons{*std::move(share), *std::move(prefill)};
}

SpeedPrediction PredictFrom(const SpeedQuestion& question, const MachineRates& rates, const SpeedLessons& lessons) {
  const StepCost step = DecodeStep(question);
  const double limit_s = LimitNs(step, rates) * 1e-9;
  const Range &share = lessons.decode_share.range, &gmac_s = lessons.prefill_gmac_s.range;
  const double attainable_s = limit_s + Macs(step) * 1e-9 / std::sqrt(gmac_s.low * gmac_s.high);
  const double users = question.users;
  return {question.users, users / limit_s, {users * share.low / attainable_s, users * share.high / attainable_s},
          FirstTokenMs(question, 1, rates, gmac_s), FirstTokenMs(question, question.users, rates, gmac_s),
          lessons.decode_share.cells};
}

std::optional<SpeedPrediction> Predict(const SpeedQuestion& question, const MachineRates& rates,
                                       const MachineExperience& experience) {
  const std::optional<SpeedLessons> lessons = LearnSpeed(question, experience);
  if (!lessons) return std::nullopt;
  return PredictFrom(question, rates, *lessons);
}

}  // namespace weir
