// What `weir bench` measures: from flags or a suite to subjects and cells.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/in_process.h"
#include "bench/suite.h"
#include "cli/bench_target.h"

namespace weir {

struct BenchFlags {
  std::vector<std::string> models{"synth:qwen3.5-0.8b:Q8_0", "synth:qwen3.5-2b:UD-IQ2_XXS"};
  TargetFlags target;
  BenchOptions options;
  Workload load{1, 2, 64, 32, 1};
  std::vector<std::string> users{"1", "2", "4"};  // numbers and ranges
  std::string precision;                          // "3%"
  int timeout_s = 0;
  std::string suite, models_dir, slo;
  std::string db, wall_file;
  std::string kv_name;
  int threads = 0;       // 0: what this machine has
  int64_t probe_mb = 0;  // 0: as much as honest rates need
  bool explain = false, json = false, resume = false, dry_run = false;
  // Which of those that a suite says too were given.
  bool has_repeats = false, has_max_repeats = false;
  bool has_users = false, has_warm_up = false;
  bool has_arrivals = false, has_rate = false, has_burst = false;
  std::vector<std::string> of_cells;  // those given that only the cells of a suite may say
};

/// The campaign that the flags describe, or the suite that they name, corrected by them.
Result<Suite> MakeSuite(const BenchFlags& flags);

/// Subjects of cells, each opened once.
struct BenchPlan {
  std::vector<std::unique_ptr<Subject>> subjects;
  std::vector<PlannedCell> cells;
};
Result<BenchPlan> OpenCells(const std::vector<CellSpec>& cells, Isa isa, bool profile);

/// Cells that need not run again, from what the campaign has: those that ended, searches with an answer, and those at
/// which weir died twice.
struct ResumePlan {
  std::vector<CellSpec> left;
  std::vector<CellSpec> deadly;  // they get a row that says so
  int n_done = 0;
};
ResumePlan PlanResume(const std::vector<CellSpec>& cells, const std::vector<CellState>& states,
                      const std::vector<CapacityRow>& found);

/// Prints cells with their time and memory, without measuring anything. The exit code: kExitFailed if none of them
/// could run because something is wrong, a server that does not answer for instance.
int PrintDryRun(const Suite& suite, const BenchPlan& plan, bool json);

}  // namespace weir
