// What a model of the hub is, without its weights: a few range requests for the header of each of
// its files.
#pragma once

#include <memory>

#include "gguf/gguf_file.h"
#include "hub/pull.h"

namespace weir {

struct RemoteModel {
  std::unique_ptr<GgufFile> source;  // has metadata and tensors, and no rows
  std::string commit;
  HubModel model;
  std::vector<HubModel> others;
  int n_requests = 0;         // for ranges; lists are not counted
  int64_t bytes_fetched = 0;  // of the files
};

/// kFailed for a server that knows no ranges; kBadInput for a file that is no GGUF, or whose header
/// is longer than 64 MB.
Result<RemoteModel> OpenRemoteHeader(const HubSettings& settings, const NetworkOptions& options,
                                     const HubReference& reference, const OnWait& on_wait);

}  // namespace weir
