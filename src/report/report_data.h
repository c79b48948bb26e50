// What a report is made of, read from the results database.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "advise/cell_figures.h"
#include "advise/machine_catalogue.h"
#include "bench/agreement.h"
#include "bench/statistics.h"
#include "store/read_progress.h"
#include "store/store.h"

namespace weir {

struct ReportRun {
  int64_t id = 0;
  std::string started_at, ended_at;  // UTC; ended_at is empty for a run that has not ended
  std::string machine, build, isa;
  int threads = 0;
  int64_t seed = 0;
  std::string campaign, foreign_tool, foreign_file;
  RatesRow best;  // of each rate the best of this run
};

struct ReportMachine {
  std::string fingerprint, cpu, facts;  // facts: JSON
  std::optional<int64_t> memory_bytes;
};

/// Of the values of one cell.
struct Distribution {
  int64_t n = 0;
  double least = 0, p5 = 0, p25 = 0, median = 0, p75 = 0, p95 = 0, greatest = 0;
};

/// A repeat that is in no figure although it was tried.
struct LostRepeat {
  int64_t cell = 0, attempt = 0, repeat = 0;
  std::string status, reason;
};

struct QualityRow {
  int64_t id = 0;
  std::string model, quant, dtype, text_name, reference;
  std::string model_fingerprint;
  double ppl = 0;
  std::optional<double> ppl_se, ppl_ratio, kl_mean, kl_mean_se, same_top;
};

/// A sentence of weir verdict.
struct VerdictLine {
  std::string rule, text;
  std::vector<std::string> flips;
  std::string wanted;  // the command that would give the evidence that is missing
  std::vector<int64_t> cells;
};

/// What a model would take of the memory, by weir fit.
struct FitBar {
  std::string name, command;
  int64_t weights_bytes = 0, kv_bytes = 0, state_bytes = 0, work_bytes = 0;
  std::string comfort;          // comfortable, tight, no
  int64_t longest_context = 0;  // tokens of each user
};

/// What weir fit and weir verdict say of the machine.
struct Advice {
  int users = 1;
  int64_t context_tokens = 0;  // of each
  int64_t available_bytes = 0;
  int64_t cell = 0;            // the newest row, which says what machine that is
  std::vector<FitBar> fits;           // each model of the catalogue in the mixture that does best, smallest first
  std::vector<VerdictLine> verdict;   // right choice if, wrong choice if, not enough evidence
};

struct ReportData {
  std::string db;
  std::vector<CellResult> cells;        // as chosen, oldest first
  std::vector<ReportRun> runs;          // of those cells
  std::vector<ReportMachine> machines;  // of those runs
  std::map<int64_t, Distribution> ttft, itl;  // by cell; ms
  std::map<int64_t, Interval> decode_intervals, aggregate_intervals;  // 95 %, of medians over repeats; by cell
  std::vector<LostRepeat> lost;
  std::vector<CapacityRow> capacities;  // what the searches of those runs found
  std::vector<QualityRow> quality;      // of the cells' models
  std::vector<ComparedAnswers> answers;  // to the fixed questions, of the cells' targets
  std::optional<Advice> advice;         // nothing: nobody asked
};

/// Reads what is known of cells. It keeps what it read of those that have ended, so that a page that follows a campaign
/// takes little from the machine that is being measured.
class ReportReader {
 public:
  explicit ReportReader(ReadProgress progress = {}) : progress_(progress), figures_(std::move(progress)) {}
  /// Oldest first. Whoever wants one moment of a database that is being written opens a transaction.
  Result<ReportData> Read(Store& store, std::vector<int64_t> cells);
  /// On the machine of `data`; without sentences if there are several, or if the newest rows are another one's. Given
  /// again what it gave before, until a cell has ended or something was said of one.
  Result<Advice> ReadAdvice(Store& store, const ReportData& data, const MachineCatalogue& catalogue);

 private:
  struct Known {
    std::string stamp;  // another cell of the same id, in another file of the same name, has another one
    CellResult cell;
    std::optional<Distribution> ttft, itl;
  };
  Result<Known> ReadCell(Store& store, int64_t id);
  Status ReadAnswers(Store& store, const std::vector<CellResult>& cells);

  ReadProgress progress_;
  FigureReader figures_;
  std::map<int64_t, Known> ended_;
  std::set<int64_t> asked_;  // those that answers_ were read from
  std::vector<ComparedAnswers> answers_;
  std::string advised_;  // the rows that advice_ rests on; empty: none is known
  Advice advice_;
};

/// The cells of the newest run, or if that belongs to a campaign, all of the campaign that count; oldest first.
Result<std::vector<int64_t>> NewestCells(Store& store);

// The questions whose answers a report shows.
std::vector<int64_t> IdsOf(std::span<const CellResult> cells);
/// "cell BETWEEN 3 AND 9", "cell IN (1, 4)": a condition that SQLite hands down into the views.
std::string CellCondition(std::string_view column, std::span<const int64_t> ids);
std::string FiguresSql(std::span<const int64_t> cells, std::initializer_list<std::string_view> figures);
std::string DistributionSql(std::span<const int64_t> cells, std::string_view view, std::string_view value);
std::string LostRepeatsSql(std::span<const int64_t> cells);
std::string ExcludedSql(std::span<const int64_t> cells);
std::string FlagsSql(std::span<const int64_t> cells);
std::string AnswersSql(std::span<const int64_t> cells);
std::string QualitySql(std::span<const int64_t> cells);
std::string RunsSql(std::span<const int64_t> cells);
std::string MachinesSql(std::span<const int64_t> cells);
std::string AvailableMemorySql(int64_t cell);

}  // namespace weir
