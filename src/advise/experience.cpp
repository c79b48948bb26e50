#include "advise/experience.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "model/limit.h"

namespace weir {
namespace {

constexpr int kTerms = 4;  // a constant and the three traits
using Terms = std::array<double, kTerms>;

// Distances at which a neighbour counts for 1/e of one that is equal: octaves of users, bits, octaves of bytes.
constexpr double kUsersScale = 2, kBitsScale = 2, kBytesScale = 3;
// Neighbours that count for less than this together teach nothing.
constexpr double kLeastWeight = 0.3;
// A pull of the slopes towards 0, in units of a neighbour's weight: few rows must not make steep lines.
constexpr double kRidge = 0.05;
constexpr double kNarrowest = 0.08;  // of the logarithm, to either side
constexpr size_t kMostCells = 8;     // named as evidence

Terms Offsets(const CellTraits& from, const CellTraits& to) {
  return {1, std::log2(to.users / from.users) / kUsersScale,
          (to.bits_per_weight - from.bits_per_weight) / kBitsScale,
          std::log2(to.weight_bytes / from.weight_bytes) / kBytesScale};
}

double Nearness(const Terms& offsets) {
  double square = 0;
  for (size_t i = 1; i < kTerms; ++i) square += offsets[i] * offsets[i];
  return std::exp(-square);
}

/// Solves a symmetric positive definite system in place by elimination.
Terms Solve(std::array<Terms, kTerms> a, Terms b) {
  for (size_t i = 0; i < kTerms; ++i) {
    for (size_t j = i + 1; j < kTerms; ++j) {
      const double factor = a[j][i] / a[i][i];
      for (size_t k = i; k < kTerms; ++k) a[j][k] -= factor * a[i][k];
      b[j] -= factor * b[i];
    }
  }
  Terms x{};
  for (size_t i = kTerms; i-- > 0;) {
    double sum = b[i];
    for (size_t k = i + 1; k < kTerms; ++k) sum -= a[i][k] * x[k];
    x[i] = sum / a[i][i];
  }
  return x;
}

struct LocalFit {
  double log_value = 0;
  double weight = 0;  // of the neighbours together
  double spread = 0;  // variance of log_value in units of that of a row of weight 1: small amid rows, large beyond them
};

/// The expected logarithm at `traits`, from all rows but `left_out`.
LocalFit FitAt(std::span<const Experience> rows, const CellTraits& traits, const Experience* left_out) {
  std::array<Terms, kTerms> a{};
  Terms b{};
  LocalFit fit;
  for (const Experience& row : rows) {
    if (&row == left_out) continue;
    const Terms offsets = Offsets(traits, row.traits);
    const double weight = Nearness(offsets);
    fit.weight += weight;
    for (size_t i = 0; i < kTerms; ++i) {
      b[i] += weight * offsets[i] * std::log(row.value);
      for (size_t k = 0; k < kTerms; ++k) a[i][k] += weight * offsets[i] * offsets[k];
    }
  }
  if (fit.weight < kLeastWeight) return fit;
  for (size_t i = 1; i < kTerms; ++i) a[i][i] += kRidge;
  fit.log_value = Solve(a, b)[0];
  fit.spread = Solve(a, {1, 0, 0, 0})[0];
  return fit;
}

Result<std::optional<MachineRates>> ReadRates(Database& database, const std::string& machine, int threads) {
  WEIR_TRY(Statement query, database.Prepare(R"sql(
    SELECT max(read_gb_s), max(read_write_gb_s), max(int8_gmac_s), max(f32_gmac_s)
    FROM rates JOIN run ON run.id = rates.run JOIN machine ON machine.id = run.machine
    WHERE machine.fingerprint = ?1 AND run.threads = ?2
    GROUP BY run.id
    HAVING count(read_gb_s) AND count(read_write_gb_s) AND count(int8_gmac_s) AND count(f32_gmac_s)
    ORDER BY run.id DESC LIMIT 1)sql"));
  query.Bind(machine, threads);
  WEIR_TRY(const bool found, query.Step());
  if (!found) return std::optional<MachineRates>();
  MachineRates rates;
  rates.threads = threads;
  rates.read_gb_s = query.Real(0);
  rates.read_write_gb_s = query.Real(1);
  rates.int8_gmac_s = query.Real(2);
  rates.f32_gmac_s = query.Real(3);
  return std::optional(rates);
}

/// The rows that matter: all others together weigh little, and each costs a prediction from every other.
std::vector<Experience> Nearest(std::span<const Experience> all, const CellTraits& traits) {
  constexpr size_t kMostRows = 64;
  std::vector<std::pair<double, size_t>> order;  // of equal ones the first comes first
  for (size_t i = 0; i < all.size(); ++i) order.emplace_back(-Nearness(Offsets(traits, all[i].traits)), i);
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(std::min(order.size(), kMostRows));
  std::partial_sort(order.begin(), end, order.end());
  std::vector<Experience> rows;
  for (auto at = order.begin(); at != end; ++at) rows.push_back(all[at->second]);
  return rows;
}

}  // namespace

std::optional<Lesson> Learn(std::span<const Experience> all, const CellTraits& traits) {
  const std::vector<Experience> rows = Nearest(all, traits);
  const LocalFit fit = FitAt(rows, traits, nullptr);
  if (fit.weight < kLeastWeight) return std::nullopt;
  double weights = 0, squares = 0;
  std::vector<std::pair<double, int64_t>> nearest;
  for (const Experience& row : rows) {
    const double weight = Nearness(Offsets(traits, row.traits));
    nearest.emplace_back(-weight, row.cell);
    const LocalFit others = FitAt(rows, row.traits, &row);
    if (others.weight < kLeastWeight) continue;
    const double error = std::log(row.value) - others.log_value;
    weights += weight;
    squares += weight * error * error;
  }
  if (weights < kLeastWeight) return std::nullopt;
  // Nine in ten errors of a normal distribution are below 1.64 of its deviation.
  const double half_width = std::max(kNarrowest, 1.64 * std::sqrt(squares / weights)) * std::sqrt(1 + fit.spread);
  if (std::exp(2 * half_width) > kWidestLesson) return std::nullopt;
  std::sort(nearest.begin(), nearest.end());
  nearest.resize(std::min(nearest.size(), kMostCells));
  Lesson lesson{{std::exp(fit.log_value - half_width), std::exp(fit.log_value + half_width)}, {}};
  for (const auto& [weight, cell] : nearest) lesson.cells.push_back(cell);
  return lesson;
}

Result<MachineExperience> ReadExperience(Database& database, const std::string& machine, const std::string& isa,
                                         int threads, FigureReader& figures) {
  MachineExperience experience;
  WEIR_TRY(experience.rates, ReadRates(database, machine, threads));
  WEIR_RETURN_IF_ERROR(figures.Read(database, machine, isa, threads));
  if (!experience.rates) return experience;
  WEIR_TRY(Statement cells, database.Prepare(R"sql(
    SELECT cell.id, model.file_tensor_bytes, model.n_params, cell.users
    FROM cell JOIN run ON run.id = cell.run JOIN machine ON machine.id = run.machine
    JOIN model ON model.id = cell.model
    WHERE cell.status = 'ok' AND machine.fingerprint = ?1 AND run.isa = ?2 AND run.threads = ?3
      AND model.n_params > 0 AND model.file_tensor_bytes > 0
      AND NOT EXISTS (SELECT 1 FROM flag WHERE flag.cell = cell.id
                      AND flag.name IN ('answer_changed', 'logits_differ', 'swapped'))
    ORDER BY cell.id)sql"));
  cells.Bind(machine, isa, threads);
  WEIR_RETURN_IF_ERROR(cells.ForEach([&](const Statement& row) {
    const CellFigures* cell = figures.Find(row.Int(0));
    if (!cell || !cell->decode_tok_s || !cell->step || !cell->step_macs || !cell->prefill_tok_s) return;
    const double prefill = cell->prefill_tok_s->median;
    if (prefill <= 0) return;
    Experience decode;
    decode.cell = row.Int(0);
    decode.traits.weight_bytes = row.Real(1);
    decode.traits.bits_per_weight = 8 * row.Real(1) / row.Real(2);
    decode.traits.users = row.Real(3);
    // Under the rates that predictions divide by, not those of the cell's moment: where rates move between cells, a
    // share of the lower ones times a limit of the higher ones is a speed that nobody has seen.
    const double limit_s = LimitNs(*cell->step, *experience.rates) * 1e-9;
    decode.value = cell->decode_tok_s->median * (limit_s / decode.traits.users + 1 / prefill);
    Experience prompt = decode;
    prompt.traits.users = 1;  // a prompt's rows are what is multiplied, whoever else waits
    prompt.value = prefill * cell->step_macs->median / decode.traits.users / 1e9;
    if (decode.value > 0) experience.decode_share.push_back(decode);
    if (prompt.value > 0) experience.prefill_gmac_s.push_back(prompt);
  }));
  return experience;
}

}  // namespace weir
