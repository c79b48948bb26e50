// Machines that people could buy: what their makers state, in data/machines/*.toml.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "machine/rates.h"
#include "util/error.h"

namespace weir {

enum class MachineKind {
  kUnified,  // processor and GPU share one memory
  kCard,     // a graphics card: its own memory counts
  kCpu,      // a processor and its memory
};

struct CatalogueMachine {
  std::string name;  // "mac-mini-m4-pro-64gb"
  std::string title;
  MachineKind kind = MachineKind::kCpu;
  int64_t memory_bytes = 0;
  int64_t keeps_bytes = 0;  // what the system, or a card's driver, holds of it
  std::optional<double> gpu_share;  // of the memory, that the GPU may take unless told otherwise
  double bandwidth_gb_s = 0;
  std::optional<double> int8_tops;  // dense
  double float_tflops = 0;          // dense, what attention is multiplied with
  std::optional<double> power_load_w, power_idle_w;
  std::string power_of;  // "system", "card" or "processor"
  std::optional<double> price_usd;
  std::string price_of;
  std::vector<std::pair<std::string, std::string>> sources;  // of each figure: what states it, and when

  int64_t AvailableBytes() const { return memory_bytes - keeps_bytes; }
  /// What the GPU may take by default; nothing where that is no limit of its own.
  std::optional<int64_t> GpuBytes() const;
  /// The stated peaks as the rates of T*. Without a figure for int8 the floats' rate serves.
  MachineRates Rates() const;
};

/// A machine of data/machines; kBadInput, with the line, for an unknown key, a figure out of range or one without
/// a source.
Result<CatalogueMachine> ParseMachine(std::string_view text, const std::string& name,
                                      const std::string& path);

class MachineCatalogue {
 public:
  /// Those inside the program, and the *.toml of `folder` ("" or one that is missing: none), which replace
  /// machines of the same name. A file that is no machine is left out: one torn file must not keep all others away.
  static Result<MachineCatalogue> Load(const std::string& folder);

  const std::vector<CatalogueMachine>& machines() const { return machines_; }
  /// What is wrong with the files that were left out.
  const std::vector<Error>& left_out() const { return left_out_; }
  /// kBadInput with the names that are alike, or all.
  Result<const CatalogueMachine*> Find(std::string_view name) const;

 private:
  std::vector<CatalogueMachine> machines_;  // by name
  std::vector<Error> left_out_;
};

}  // namespace weir
