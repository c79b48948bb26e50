#include "advise/offers.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <memory>
#include <tuple>

#include "gguf/quant_name.h"
#include "model/limit.h"
#include "model/synth/synth_model.h"

namespace weir {
namespace {

/// A row counts for prompts of this many times fewer tokens at most: a longer one takes longer.
constexpr int64_t kLongestRow = 2;

/// "27b" of "qwen3.5-27b" as 27e9: people ask for models by that number; nothing where the name has
/// none.
std::optional<double> ParamsInName(const std::string& name) {
  for (size_t i = 0; i < name.size(); ++i) {
    if (!std::isdigit(static_cast<unsigned char>(name[i]))) continue;
    size_t end = i;
    while (end < name.size() &&
           (std::isdigit(static_cast<unsigned char>(name[end])) || name[end] == '.'))
      ++end;
    const char unit = end < name.size()
                          ? static_cast<char>(std::tolower(static_cast<unsigned char>(name[end])))
                          : 0;
    const bool last =
        end + 1 >= name.size() || !std::isalnum(static_cast<unsigned char>(name[end + 1]));
    if (last && unit == 'b') return std::strtod(name.c_str() + i, nullptr) * 1e9;
    if (last && unit == 'm') return std::strtod(name.c_str() + i, nullptr) * 1e6;
    i = end;
  }
  return std::nullopt;
}

SpeedQuestion QuestionOf(const Candidate& candidate, const Need& need) {
  return {candidate.config, candidate.footprint, candidate.cost,
          KvType::kF16,     need.users,          std::min(need.prompt_tokens, candidate.config.context_length)};
}

Speed FromPrediction(const SpeedPrediction& prediction, Basis basis) {
  Speed speed;
  speed.basis = basis;
  const double users = prediction.users;
  speed.tok_s_each = {prediction.decode_tok_s.low / users, prediction.decode_tok_s.high / users};
  speed.ttft_ms = prediction.all_ttft_ms;
  speed.limit_tok_s_each = prediction.limit_tok_s / users;
  speed.cells = prediction.cells;
  return speed;
}

/// What no software exceeds, of all users: by the best rates that the machine had, in the cell's own repeats or at any
/// other moment of the last run. The median of the repeats is a limit of half of them only.
std::optional<double> LimitOf(const MeasuredCell& cell, const std::optional<MachineRates>& best) {
  if (!cell.limit_tok_s) return std::nullopt;
  double limit = cell.limit_tok_s->greatest;
  if (cell.step && best) limit = std::max(limit, cell.users * 1e9 / LimitNs(*cell.step, *best));
  return limit;
}

Speed FromCell(const MeasuredCell& cell, const std::optional<MachineRates>& best) {
  Speed speed;
  speed.basis = Basis::kMeasured;
  const double users = cell.users;
  speed.tok_s_each = {cell.decode_tok_s.least / users, cell.decode_tok_s.greatest / users};
  speed.median_tok_s_each = cell.decode_tok_s.median / users;
  speed.ttft_ms = {cell.ttft_ms->p95, cell.ttft_ms->p95};
  // Rates that a cache has served, or that are missing, make no limit.
  const bool doubtful =
      std::any_of(cell.caveats.begin(), cell.caveats.end(), [](const std::string& flag) {
        return flag == "share_above_one" || flag == "probe_buffer_small";
      });
  const std::optional<double> limit = LimitOf(cell, best);
  if (limit && !doubtful) speed.limit_tok_s_each = *limit / users;
  speed.cells = {cell.id};
  return speed;
}

Answer Within(Range range, double least_allowed) {
  return range.low >= least_allowed    ? Answer::kYes
         : range.high >= least_allowed ? Answer::kMaybe
                                       : Answer::kNo;
}

/// The newest row of quality of the same model.
std::optional<MeasuredQuality> QualityOf(const Candidate& candidate, const Evidence& evidence) {
  std::optional<MeasuredQuality> found;
  for (const MeasuredQuality& row : evidence.quality) {
    if (!candidate.synthetic && row.name == candidate.name) found = row;
  }
  return found;
}

/// Nothing where not even a page of context fits, or where the model has less context than is
/// needed.
void Fill(const Candidate& candidate, const Home& home, const Need& need, Offer* offer) {
  FitQuestion question;
  question.config = candidate.config;
  question.footprint = candidate.footprint;
  question.options.max_sequences = need.users;
  question.options.n_threads = std::max(1, home.threads);
  const Result<int64_t> longest = LongestContext(question, home.memory, need.users);
  if (longest) offer->longest_context = *longest;
  question.options.context_tokens = std::min(need.context_tokens, candidate.config.context_length);
  const Result<Fit> fit = FitInto(question, home.memory);
  if (!fit) return;
  offer->total_bytes = fit->total_bytes;
  offer->plan = fit->plan;
  if (need.context_tokens <= offer->longest_context) offer->comfort = fit->comfort;
}

}  // namespace

std::string_view Name(Basis basis) {
  switch (basis) {
    case Basis::kMeasured:
      return "measured";
    case Basis::kRows:
      return "predicted";
    case Basis::kEstimated:
      return "estimated";
    case Basis::kNone:
      break;
  }
  return "unknown";
}

std::string_view Name(Answer answer) {
  return answer == Answer::kYes ? "yes" : answer == Answer::kMaybe ? "maybe" : "no";
}

Result<Candidate> OpenCandidate(const std::string& name) {
  WEIR_TRY(const std::unique_ptr<ModelSource> source, OpenModel(name));
  Candidate candidate;
  candidate.name = name;
  candidate.synthetic = name.starts_with("synth:");
  candidate.quant = QuantOf(*source);
  // "synth:MODEL:QUANT", or the file's name.
  candidate.model = name.substr(name.find_last_of('/') + 1);
  if (candidate.synthetic) candidate.model = name.substr(6, name.rfind(':') - 6);
  WEIR_TRY(candidate.config, ReadConfig(*source));
  WEIR_TRY(candidate.footprint, Model::Plan(*source, Dtype::kInt8));
  WEIR_TRY(candidate.cost, Model::Cost(*source, Dtype::kInt8));
  const auto n_params = static_cast<double>(candidate.footprint.n_params);
  candidate.params = ParamsInName(candidate.model).value_or(n_params);
  candidate.bits_per_weight =
      8 * static_cast<double>(candidate.footprint.file_tensor_bytes) / std::max(1.0, n_params);
  return candidate;
}

namespace {

void AddCandidate(const std::string& name, std::vector<Candidate>& candidates) {
  const bool known = std::any_of(candidates.begin(), candidates.end(),
                                 [&](const Candidate& other) { return SameName(other.name, name); });
  if (known) return;
  if (Result<Candidate> candidate = OpenCandidate(name)) candidates.push_back(std::move(*candidate));
}

/// Made once: each has a vocabulary, and a page that follows a campaign asks again and again.
const std::vector<Candidate>& CatalogueCandidates() {
  static const std::vector<Candidate> all = [] {
    std::vector<Candidate> candidates;
    for (const SynthModel& model : SynthModels()) {
      for (const std::string_view quant : kQuants) {
        AddCandidate(fmt::format("synth:{}:{}", model.name, quant), candidates);
      }
    }
    return candidates;
  }();
  return all;
}

}  // namespace

std::vector<Candidate> FindCandidates(std::span<const MeasuredCell> cells) {
  std::vector<Candidate> candidates = CatalogueCandidates();
  for (const MeasuredCell& cell : cells) AddCandidate(cell.name, candidates);
  return candidates;
}

const MeasuredCell* SpeedSource::CellOf(const Candidate& candidate, const Need& need) const {
  const MeasuredCell* found = nullptr;
  for (const MeasuredCell& cell : evidence_.cells) {
    const bool same =
        candidate.synthetic ? SameName(cell.name, candidate.name) : cell.name == candidate.name;
    if (same && cell.users == need.users && cell.ttft_ms &&
        cell.prompt_tokens >= need.prompt_tokens &&
        cell.prompt_tokens <= kLongestRow * need.prompt_tokens &&
        (!found || cell.prompt_tokens <= found->prompt_tokens)) {
      found = &cell;
    }
  }
  return found;
}

Speed SpeedSource::Of(const Candidate& candidate, const Need& need) {
  if (const MeasuredCell* cell = CellOf(candidate, need)) return FromCell(*cell, evidence_.experience.rates);
  const SpeedQuestion question = QuestionOf(candidate, need);
  if (home_.catalogued)
    return FromPrediction(Estimate(question, *home_.catalogued), Basis::kEstimated);
  const std::optional<MachineRates>& rates =
      evidence_.experience.rates ? evidence_.experience.rates : home_.rates;
  if (!rates) return {};
  auto known = std::find_if(learned_.begin(), learned_.end(), [&](const Learned& learned) {
    return learned.name == candidate.name && learned.users == need.users;
  });
  if (known == learned_.end()) {
    learned_.push_back({candidate.name, need.users, LearnSpeed(question, evidence_.experience)});
    known = learned_.end() - 1;
  }
  if (known->lessons)
    return FromPrediction(PredictFrom(question, *rates, *known->lessons), Basis::kRows);
  return FromPrediction(Estimate(question, *rates), Basis::kEstimated);
}

Answer FastEnough(const Speed& speed, const Need& need) {
  if (!need.min_tok_s) return Answer::kYes;
  return speed.basis == Basis::kNone ? Answer::kMaybe : Within(speed.tok_s_each, *need.min_tok_s);
}

Answer SoonEnough(const Speed& speed, const Need& need) {
  if (!need.max_ttft_ms) return Answer::kYes;
  if (speed.basis == Basis::kNone) return Answer::kMaybe;
  return Within({-speed.ttft_ms.high, -speed.ttft_ms.low}, -*need.max_ttft_ms);
}

Range IntervalOf(const Estimated& estimate) {
  const double half = 1.96 * estimate.error.value_or(0);
  return {estimate.value - half, estimate.value + half};
}

Answer FaithfulEnough(const std::optional<MeasuredQuality>& quality, const Need& need) {
  if (!need.max_kl) return Answer::kYes;
  if (!quality || !quality->kl_mean) return Answer::kMaybe;
  const Range kl = IntervalOf(*quality->kl_mean);
  return Within({-kl.high, -kl.low}, -*need.max_kl);
}

std::vector<Offer> OffersOf(const Home& home, const Evidence& evidence, SpeedSource& speeds,
                            const Need& need, std::span<const Candidate> candidates) {
  std::vector<Offer> offers;
  for (const Candidate& candidate : candidates) {
    if (candidate.params < need.least_params) continue;
    Offer offer;
    offer.candidate = &candidate;
    offer.machine = home.name;
    offer.title = home.title;
    offer.catalogued = home.catalogued;
    Fill(candidate, home, need, &offer);
    offer.speed = speeds.Of(candidate, need);
    offer.quality = QualityOf(candidate, evidence);
    if (offer.fits()) {
      offer.meets = std::min({FastEnough(offer.speed, need), SoonEnough(offer.speed, need),
                              FaithfulEnough(offer.quality, need)});
    }
    offers.push_back(std::move(offer));
  }
  return offers;
}

const Offer* Choose(std::span<const Offer> offers) {
  const Offer* best = nullptr;
  for (const Offer& offer : offers) {
    if (offer.meets == Answer::kNo) continue;
    const auto rank = [](const Offer& o) {
      const double bits = o.candidate->bits_per_weight;
      return std::tuple(o.meets, -static_cast<int>(o.speed.basis), bits >= kFewBits,
                        o.candidate->params, bits);
    };
    if (!best || rank(offer) > rank(*best)) best = &offer;
  }
  return best;
}

}  // namespace weir
