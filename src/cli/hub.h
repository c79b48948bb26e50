// hf: models on the command line: found in the cache, pulled when missing, with words and progress
// on stderr.
#pragma once

#include <memory>
#include <string>

#include "hub/pull.h"
#include "hub/remote_header.h"

namespace weir {

/// Downloads what is missing, with progress. Ctrl-C keeps what has arrived, and the error says so.
Result<PulledModel> PullWithProgress(const HubSettings& settings, const NetworkOptions& options,
                                     const HubReference& reference);

/// A MODEL of the hub that is not on this machine is pulled, after a word about it; with
/// HF_HUB_OFFLINE it is an Error. Other MODELs are left to OpenModel.
Status EnsureLocal(const std::string& model);

/// OpenModel, after EnsureLocal.
Result<std::unique_ptr<ModelSource>> OpenOrPull(const std::string& model);

/// OpenModel; but of a MODEL of the hub that is not on this machine, or with `remote` of any, only
/// the header is fetched, and there are no rows.
Result<std::unique_ptr<ModelSource>> OpenHeader(const std::string& model, bool remote);

/// "Q4_K_M; there are also Q8_0, F16": what was chosen among what.
std::string ChoiceText(const HubModel& model, const std::vector<HubModel>& others);

}  // namespace weir
