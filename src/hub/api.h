// The hub's API, as far as a download needs it (https://huggingface.co/docs/hub/api).
#pragma once

#include <string>
#include <vector>

#include "hub/answers.h"
#include "hub/http.h"
#include "hub/reference.h"

namespace weir {

struct HubListing {
  std::string commit;
  std::vector<HubFile> files;
};

/// The files of the reference's repository at its revision, whole pages of the list after each
/// other.
Result<HubListing> ListFiles(const HubSettings& settings, const NetworkOptions& options,
                             const HubReference& reference, const OnWait& on_wait);

/// Asks what the hub would deliver for `file` at `commit`; kFailed unless it is what the list
/// promised.
Status CheckFile(const HubSettings& settings, const NetworkOptions& options,
                 const HubReference& reference, const std::string& commit, const HubFile& file,
                 const OnWait& on_wait);

/// Where a file is to be had.
std::string ResolveUrl(const HubSettings& settings, const HubReference& reference,
                       const std::string& commit, const std::string& path);

}  // namespace weir
