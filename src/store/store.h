// The results database: what was run, on what, and every raw time stamp. Several programs may write one
// file: each call below is one short transaction, a request is written when it ends, and a crash loses
// those in flight only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "store/attempt_writer.h"
#include "store/database.h"
#include "store/fleet.h"

namespace weir {

struct ModelRow {
  std::string name;
  std::string arch;
  std::string quant;
  bool synthetic = false;
  int64_t n_params = 0;
  int64_t file_tensor_bytes = 0;
  int64_t packed_bytes = 0;
  std::string fingerprint;  // of names, types and shapes of all tensors
};

struct RunRow {
  std::string machine_fingerprint;
  std::optional<std::string> cpu;
  std::optional<int64_t> memory_bytes;
  std::string machine_facts;  // JSON
  std::string build;          // what `weir --version` prints
  std::string isa;
  int threads = 1;
  uint64_t seed = 0;
  std::optional<int64_t> campaign = {};            // id
  std::string foreign_tool = {}, foreign_file = {};  // empty: weir measures
  std::optional<int64_t> oom_kills = {};  // that the kernel has counted by now
};

/// What the instrument itself takes for a token of a target that computes nothing.
struct OwnCost {
  std::optional<double> token_ns;         // in process
  std::optional<double> client_token_ns;  // over HTTP, with
  std::optional<int64_t> client_streams;  // at once; nothing: no server is measured
};

struct CellRow {
  int users = 1;
  int64_t prompt_tokens = 0;
  int64_t gen_tokens = 0;
  int requests_per_user = 1;
  int repeats = 1;
  std::optional<int64_t> planned_bytes;
  std::string target = "engine";
  std::string key = {}, config = {};
  std::optional<int64_t> model_file = {};  // id
  std::string foreign_row = {};            // JSON
  std::string search = {};  // the objective of the search that tried this load, or "memory"; empty: none
  std::optional<int64_t> asked = {};  // id of the fixed questions' answers at this target
  std::optional<StepCost> least_step = {};  // of a target that shows no steps and computes a known model here
};

/// The answer to one of the fixed questions.
struct AnswerRow {
  int question = 0;
  std::string text;
  std::optional<int64_t> tokens;
  bool cut = false;      // the time was up before its end
  std::string logprobs;  // JSON, as the schema describes it; empty: the target does not say
};

/// A model at a target that was asked the fixed questions.
struct AskedRow {
  int64_t model = 0;  // id
  std::string target = "engine";
  std::string named;      // the model as the campaign calls it; empty: the first that the server lists
  std::string questions;  // which ones
  std::string note = {};  // why answers are missing
  std::vector<AnswerRow> answers = {};  // by question
  int64_t id = 0, run = 0;              // only when read
};

/// The content of a model's file.
struct ModelFileRow {
  std::string path, sha256;
  int64_t bytes = 0, mtime_ns = 0;
  std::string tensor_types;  // JSON: {"Q8_0": {"tensors": 12, "bytes": 34}, ...}
};

struct CampaignRow {
  int64_t id = 0;
  std::string name, suite, started_at;
};

enum class CellStatus { kOk, kFailed, kRefused, kSkipped, kTooShort, kInterrupted };
std::string_view Name(CellStatus status);
CellStatus ParseCellStatus(std::string_view name);

/// A cell of a campaign, as whoever continues it must know it.
struct CellState {
  std::string key;
  int64_t cell = 0;
  CellStatus status = CellStatus::kInterrupted;
  int n_ends = 0;    // how often the program was killed while it was at a cell with this key,
  int n_deaths = 0;  // and of these, how often the machine killed it as far as can be told: for want of memory, or itself
};

/// The answer of a search for the largest load that a target bears.
struct CapacityRow {
  int64_t model = 0;  // id
  std::string target = "engine", key = {}, objective = {};
  std::string unit = {};                  // users, requests_per_s, context_tokens
  double best = 0;                        // 0: not even the smallest held
  std::optional<double> broken = {};      // the smallest that did not; nothing: the largest that was tried held
  std::optional<double> predicted = {};   // by the plan of the memory
  std::string why = {};                   // what broke
  std::optional<int64_t> cell = {};       // of `best`
  std::string model_name = {}, quant = {};  // only when read
};

/// Something about a cell that a reader of its figures must know.
struct Flag {
  std::string name;    // "noisy"
  std::string detail;  // a sentence with the numbers
};

/// What the machine could do at one moment; absent is not measured.
struct RatesRow {
  int64_t time_ns = 0;
  std::optional<double> read_gb_s, read_write_gb_s, int8_gmac_s, f32_gmac_s;
  bool buffer_small = false;  // caches may have served the reads: B and B_rw may be too high
};

/// One figure over the samples of a cell (view `summary`).
struct Figure {
  int64_t n = 0;
  double median = 0, p95 = 0, least = 0, greatest = 0;
  std::optional<double> p99 = {};  // only of enough values
};

/// A cell as tables, JSON and reports show it. `figures` has what could be computed: decode_tok_s,
/// limit_tok_s, step_bytes, step_macs, aggregate_tok_s, prefill_tok_s, ttft_ms, itl_ms, tpot_ms,
/// peak_memory_bytes.
struct CellResult {
  int64_t id = 0;
  ModelRow model;
  CellRow row;
  CellStatus status = CellStatus::kInterrupted;
  std::string reason;
  std::map<std::string, Figure, std::less<>> figures;
  std::vector<double> decode_samples, aggregate_samples;  // per whole repeat, in order of time
  std::optional<std::string> logits_hash;                 // that all whole repeats agree on
  bool logits_differ = false;
  std::vector<Flag> flags;
  int64_t run = 0;
  std::string started_at, machine, build, isa;
  std::string foreign_tool;  // empty: weir measured it
  std::optional<std::string> answers_hash;  // like logits_hash
  std::optional<double> read_gb_s;          // of the limits of its repeats, their mean

  const Figure* Find(std::string_view figure) const;
};

/// What of a text was scored.
struct ScoredText {
  std::string name, sha256;
  int64_t window = 0, score_from = 0, n_windows = 0, n_tokens = 0;
};

struct Estimated {
  double value = 0;
  std::optional<double> error;  // standard error
};

/// A model's prediction of a text: a row of `quality`, where the units are.
struct Predictions {
  int64_t model = 0;  // id
  std::string dtype, kv;
  Estimated nll, ppl;
};

/// How far they are from a reference's.
struct DistanceFromReference {
  Predictions reference;
  Estimated ppl_ratio, kl_mean, same_top;
  double kl_median = 0, kl_p99 = 0, kl_max = 0;
};

class Store {
 public:
  /// $XDG_DATA_HOME/weir/results.db; its folder is created.
  static Result<std::string> DefaultPath();
  /// Opens for writing, creating file and schema if missing; an Error if it cannot be written to. For the address of a
  /// fleet's server: the file from which rows are sent there.
  static Result<Store> Open(const std::string& path);
  /// Of a file that an older weir wrote, a migrated copy in memory: the file stays as it is. For the address of a
  /// fleet's server: a copy in memory of the runs that `selection` is about.
  static Result<Store> OpenReadOnly(const std::string& path, const FleetSelection& selection = {});

  Result<int64_t> BeginRun(const RunRow& run);
  Status NoteOwnCost(int64_t run, const OwnCost& cost);
  Status EndRun(int64_t run);
  /// The id of a model; the same model has the same id in all runs.
  Result<int64_t> AddModel(const ModelRow& model);
  /// A cell is `interrupted` until it is ended.
  Result<int64_t> BeginCell(int64_t run, int64_t model, const CellRow& cell);
  Status EndCell(int64_t cell, CellStatus status, const std::string& reason,
                 const std::vector<Flag>& flags);
  /// Cells that have no attempts.
  Status RemoveCells(const std::vector<int64_t>& cells);
  Status AddFlag(int64_t cell, const Flag& flag);
  /// Takes a whole repeat out of all figures.
  Status RejectAttempt(int64_t attempt, const std::string& reason);
  /// What one whole repeat gave, and the limit at that time.
  struct Decoding {
    std::optional<double> tok_s, limit_tok_s, step_bytes;
  };
  Result<Decoding> DecodingOf(int64_t cell, int64_t attempt);
  /// The hash of the answer (the logits' if there is one) that the last cell before this one gave with the same
  /// key, model, file, build and instruction set; nothing if there is none.
  Result<std::optional<std::string>> EarlierHash(int64_t cell);

  Result<int64_t> AddCampaign(const std::string& name, const std::string& suite);
  Status SetSuite(int64_t campaign, const std::string& suite);
  /// The last one of that name.
  Result<std::optional<CampaignRow>> FindCampaign(const std::string& name);
  /// Of each key the last cell.
  /// `oom_kills`: what the kernel has counted by now.
  Result<std::vector<CellState>> CampaignStates(int64_t campaign, std::optional<int64_t> oom_kills);
  Result<std::vector<CellResult>> CampaignCells(int64_t campaign);
  /// All cells, or the last `most` of them, oldest first.
  Result<std::vector<CellResult>> LastCells(int64_t most);

  /// The id of a file's content; the same content of the same model has the same id.
  Result<int64_t> AddModelFile(int64_t model, const ModelFileRow& file);
  /// What the file's content hashed to when it was last looked at, if it has not been touched since.
  Result<std::optional<std::string>> KnownHash(const ModelFileRow& file);

  Status AddCapacity(int64_t run, const CapacityRow& row);
  /// Of a run, in the order in which they were found.
  Result<std::vector<CapacityRow>> Capacities(int64_t run);
  /// Of each key of a campaign the last one.
  Result<std::vector<CapacityRow>> CampaignCapacities(int64_t campaign);

  /// The row's id.
  Result<int64_t> AddAsked(int64_t run, const AskedRow& row);
  /// Of one id.
  Result<AskedRow> Asked(int64_t id);
  /// For all cells that were measured where these answers came from.
  Status FlagAsked(int64_t id, const Flag& flag);
  /// Of a run and of all other runs of its campaign, the oldest first.
  Result<std::vector<AskedRow>> AskedWith(int64_t run);

  Status AddForeignFigure(int64_t cell, const std::string& figure, double value);

  Result<int64_t> AddRates(int64_t run, const RatesRow& rates);
  /// Repeat 0 is the warm-up. The store must not move while the attempt is written.
  Result<AttemptWriter> BeginAttempt(int64_t cell, int repeat, std::optional<int64_t> rates_before);

  /// The row's id.
  Result<int64_t> AddQuality(int64_t run, const ScoredText& text, const Predictions& predictions,
                             const std::optional<DistanceFromReference>& distance);

  /// The cells of a run, in the order in which they were begun.
  Result<std::vector<CellResult>> Results(int64_t run);
  Result<CellResult> ResultOfCell(int64_t cell);
  /// The best of each rate over all measurements of a run.
  Result<RatesRow> BestRates(int64_t run);

  Database& database() { return database_; }
  const std::string& path() const { return database_.path(); }

 private:
  explicit Store(Database database) : database_(std::move(database)) {}
  Result<std::vector<CellResult>> ReadCells(std::string_view condition, int64_t id,
                                            std::string_view order = "c.id");
  Result<std::vector<AskedRow>> ReadAsked(std::string_view condition, int64_t id);
  Result<std::vector<CapacityRow>> ReadCapacities(std::string_view condition, int64_t id);

  Database database_;
};

}  // namespace weir
