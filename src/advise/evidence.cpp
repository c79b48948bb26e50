#include "advise/evidence.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <tuple>

namespace weir {
namespace {

/// What of a load (Describe in bench/workload.h) makes its figures those of another question than
/// "all users ask at once, again and again, with prompts that nobody has seen"; empty if nothing
/// does.
std::string OtherLoad(const std::string& load) {
  constexpr std::string_view kOthers[] = {
      "think_s=", "ramp_s=", "turns=", "shared=", "depth=", "file="};
  std::istringstream words(load);
  std::string word;
  if (words >> word && word != "closed") return word;
  while (words >> word) {
    for (const std::string_view other : kOthers) {
      if (word.starts_with(other)) return word;
    }
  }
  return "";
}

/// Why a cell of this machine does not count; empty if it does.
std::string WhyNot(const Statement& row, const Home& home, const std::vector<std::string>& flags) {
  if (!row.IsNull(6)) return fmt::format("measured by {}", row.Text(6));
  if (row.Text(7) != "engine")
    return fmt::format("measured at {}, not in weir's own engine", row.Text(7));
  if (row.Text(8) != home.isa || row.Int(9) != home.threads) {
    return fmt::format("measured with {} threads of {} instead of {} of {}", row.Int(9),
                       row.Text(8), home.threads, home.isa);
  }
  for (const std::string& flag : flags) {
    if (Disqualifies(flag)) return "flagged " + flag;
  }
  if (!row.IsNull(11)) return "tried by a search only: " + row.Text(11);
  if (const std::string load = OtherLoad(row.Text(10)); !load.empty())
    return "another load: " + load;
  return "";
}

Status ReadCells(Database& database, const Home& home, const FigureReader& figures, Evidence* evidence) {
  WEIR_TRY(Statement flags, database.Prepare("SELECT name FROM flag WHERE cell = ? ORDER BY name"));
  WEIR_TRY(Statement query, database.Prepare(R"sql(
    SELECT cell.id, model.name, model.quant, model.synthetic, cell.users, cell.prompt_tokens, run.foreign_tool,
           cell.target, run.isa, run.threads,
           iif(json_valid(cell.config), json_extract(cell.config, '$.load'), NULL),
           cell.search
    FROM cell JOIN run ON run.id = cell.run JOIN machine ON machine.id = run.machine
    JOIN model ON model.id = cell.model
    WHERE cell.status = 'ok' AND (machine.fingerprint = ?1 OR run.foreign_tool IS NOT NULL)
    ORDER BY cell.id)sql"));
  query.Bind(home.fingerprint);
  std::map<std::tuple<std::string, int, int64_t>, MeasuredCell> newest;
  while (true) {
    WEIR_TRY(const bool more, query.Step());
    if (!more) break;
    MeasuredCell cell;
    cell.id = query.Int(0);
    cell.name = query.Text(1);
    cell.quant = query.Text(2);
    cell.synthetic = query.Int(3) != 0;
    cell.users = static_cast<int>(query.Int(4));
    cell.prompt_tokens = query.Int(5);
    flags.Bind(cell.id);
    WEIR_RETURN_IF_ERROR(flags.ForEach([&](const Statement& row) { cell.caveats.push_back(row.Text(0)); }));
    const std::string why = WhyNot(query, home, cell.caveats);
    if (!why.empty()) {
      evidence->set_aside.push_back({cell.id, why});
      continue;
    }
    const CellFigures* found = figures.Find(cell.id);
    // Without a decode rate it has nothing to say.
    if (!found || !found->decode_tok_s || found->decode_tok_s->least <= 0) continue;
    cell.decode_tok_s = *found->decode_tok_s;
    cell.ttft_ms = found->ttft_ms;
    cell.limit_tok_s = found->limit_tok_s;
    cell.step = found->step;
    cell.joules_per_token = found->joules_per_token;
    newest.insert_or_assign({cell.name, cell.users, cell.prompt_tokens}, std::move(cell));
  }
  for (auto& [kind, cell] : newest) evidence->cells.push_back(std::move(cell));
  std::sort(evidence->cells.begin(), evidence->cells.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return {};
}

Status ReadQuality(Database& database, Evidence* evidence) {
  WEIR_TRY(Statement query, database.Prepare(R"sql(
    SELECT quality.id, model.name, model.quant, quality.text_name, quality.ppl, quality.ppl_se, other.name,
           quality.kl_mean, quality.kl_mean_se
    FROM quality JOIN model ON model.id = quality.model LEFT JOIN model AS other ON other.id = quality.reference
    ORDER BY quality.id)sql"));
  return query.ForEach([&](const Statement& row) {
    MeasuredQuality quality;
    quality.id = row.Int(0);
    quality.name = row.Text(1);
    quality.quant = row.Text(2);
    quality.text = row.Text(3);
    quality.ppl = {row.Real(4), row.OptionalReal(5)};
    quality.reference = row.Text(6);
    if (!row.IsNull(7)) quality.kl_mean = Estimated{row.Real(7), row.OptionalReal(8)};
    evidence->quality.push_back(std::move(quality));
  });
}

}  // namespace

Home HomeOf(const CatalogueMachine& machine) {
  Home home;
  home.name = machine.name;
  home.title = machine.title;
  home.memory = {machine.memory_bytes, machine.AvailableBytes(), machine.GpuBytes()};
  home.rates = machine.Rates();
  home.catalogued = &machine;
  return home;
}

Result<std::optional<Home>> HomeOfNewestRow(Store& store) {
  WEIR_TRY(Statement query, store.database().Prepare(R"sql(
    SELECT machine.fingerprint, run.isa, run.threads, coalesce(machine.cpu, machine.fingerprint), machine.memory_bytes,
           iif(json_valid(machine.facts), json_extract(machine.facts, '$.memory_available_bytes'), NULL), cell.id
    FROM cell JOIN run ON run.id = cell.run JOIN machine ON machine.id = run.machine
    WHERE run.foreign_tool IS NULL AND cell.target = 'engine' ORDER BY cell.id DESC LIMIT 1)sql"));
  WEIR_TRY(const bool found, query.Step());
  if (!found) return std::optional<Home>();
  Home home;
  home.fingerprint = query.Text(0);
  home.isa = query.Text(1);
  home.threads = static_cast<int>(query.Int(2));
  home.name = home.title = query.Text(3);
  home.memory.available_bytes = query.OptionalInt(5).value_or(query.OptionalInt(4).value_or(0));
  home.memory.memory_bytes = query.OptionalInt(4).value_or(home.memory.available_bytes);
  home.newest_cell = query.Int(6);
  return std::optional(home);
}

bool Disqualifies(std::string_view flag) {
  constexpr std::string_view kWrong[] = {"answer_changed", "logits_differ", "swapped", "foreign"};
  return std::find(std::begin(kWrong), std::end(kWrong), flag) != std::end(kWrong) ||
         flag.starts_with("kv_");
}

Result<Evidence> ReadEvidence(Store& store, const Home& home, FigureReader& figures) {
  Evidence evidence;
  WEIR_RETURN_IF_ERROR(ReadQuality(store.database(), &evidence));
  if (home.fingerprint.empty()) return evidence;
  WEIR_TRY(evidence.experience,
           ReadExperience(store.database(), home.fingerprint, home.isa, home.threads, figures));
  WEIR_RETURN_IF_ERROR(ReadCells(store.database(), home, figures, &evidence));
  return evidence;
}

}  // namespace weir
