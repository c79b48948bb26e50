// A model of the hub on this machine: found in the cache, or downloaded into it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hub/api.h"
#include "hub/select.h"

namespace weir {

/// A model whose files are in the cache.
struct PulledModel {
  HubReference reference;
  std::string commit;
  HubModel model;
  std::vector<std::string> paths;  // of the files, where readers find them; the first is opened
  std::vector<HubModel> others;    // what else the repository (or the cache) has
  int64_t bytes_fetched = 0;       // over the network, this time
  int64_t bytes_kept = 0;          // were here already, whole or in parts

  const std::string& path() const { return paths.front(); }
  std::string name() const { return ExactName(reference, model); }
};

struct PullEvents {
  /// Before the first byte: what was chosen, and how much of it is missing here.
  std::function<void(const HubModel& model, const std::vector<HubModel>& others,
                     int64_t bytes_missing)>
      chosen;
  std::function<void(int64_t bytes_done, int64_t bytes_total)> progress;  // of all files
  std::function<void(const std::string& file)> verifying;
  std::function<void(const std::string& file)>
      locked;      // another process is downloading it; we wait
  OnWait on_wait;  // before another attempt
};

/// What the cache has for the reference, without the network; nothing if it has not all of it, or
/// if several models there fit.
std::optional<PulledModel> FindInCache(const HubSettings& settings, const HubReference& reference);

/// Asks the hub what the reference means today and downloads what is missing. kRefused if the disk
/// is too full, kInterrupted on Ctrl-C; what has arrived is kept in both cases.
Result<PulledModel> Pull(const HubSettings& settings, const NetworkOptions& options,
                         const HubReference& reference, const PullEvents& events);

}  // namespace weir
