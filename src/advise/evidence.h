// What the results database says about a machine, and what of it a verdict may rest on.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "advise/experience.h"
#include "advise/fit.h"
#include "advise/machine_catalogue.h"
#include "store/store.h"

namespace weir {

/// The machine that is judged.
struct Home {
  std::string name, title;
  std::string fingerprint, isa;  // of its rows; empty: it has none
  int threads = 0;
  MemoryOffer memory;
  std::optional<MachineRates> rates;             // nothing: nobody measured them
  const CatalogueMachine* catalogued = nullptr;  // null: a machine that weir runs on
  int64_t newest_cell = 0;                       // 0: nobody asked which of its rows is the newest
};
/// One of the catalogue, of which there are no rows.
Home HomeOf(const CatalogueMachine& machine);
/// The one that the newest row of weir's own engine was measured on, with the memory that it had
/// then; nothing without rows.
Result<std::optional<Home>> HomeOfNewestRow(Store& store);

/// A cell of weir's own engine that counts. Of equal cells (model, users, prompt) the newest.
struct MeasuredCell {
  int64_t id = 0;
  std::string name;  // as weir bench takes it
  std::string quant;
  bool synthetic = false;
  int users = 1;
  int64_t prompt_tokens = 0;
  Figure decode_tok_s;  // of all users together, over repeats
  std::optional<Figure> ttft_ms, limit_tok_s;
  std::optional<StepCost> step;  // the mean of its decode steps
  std::vector<std::string> caveats;                              // flags that its reader must know
  std::vector<std::pair<std::string, double>> joules_per_token;  // by boundary, gross, median
};

/// A cell with figures that a verdict must not rest on.
struct SetAside {
  int64_t cell = 0;
  std::string why;
};

/// A row of `quality`.
struct MeasuredQuality {
  int64_t id = 0;
  std::string name, quant, text;
  Estimated ppl;
  std::string reference;  // empty: none, and no divergence
  std::optional<Estimated> kl_mean;
};

struct Evidence {
  std::vector<MeasuredCell> cells;
  std::vector<SetAside> set_aside;
  std::vector<MeasuredQuality> quality;
  MachineExperience experience;
};

/// Whether a flag says that a cell's figures are wrong, or of another question (a cache of another
/// type), and not only that they are uncertain.
bool Disqualifies(std::string_view flag);

Result<Evidence> ReadEvidence(Store& store, const Home& home, FigureReader& figures);

}  // namespace weir
