// One file of the hub into its blob: range requests in parallel, resumed, verified.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "hub/api.h"

namespace weir {

/// What a download tells while it runs. Called on the caller's thread.
struct DownloadEvents {
  std::function<void(int64_t bytes_done)> progress;  // of this file; also while verifying
  std::function<void()> verifying;
  OnWait on_wait;
};

struct DownloadResult {
  int64_t bytes_kept = 0;     // from an earlier attempt
  int64_t bytes_fetched = 0;  // by this one, what had to be thrown away included
};

/// Fetches `url` into `blob_path`, whose folder exists. At the end the file has file.n_bytes bytes
/// with the checksum file.etag, or it is not there. What has arrived stays beside it
/// (hub/part_file.h) after failures and Ctrl-C (kInterrupted), and is not fetched again. The caller
/// holds the lock of the blob.
Result<DownloadResult> DownloadBlob(const HubSettings& settings, const NetworkOptions& options,
                                    const std::string& url, const HubFile& file,
                                    const std::string& blob_path, const DownloadEvents& events);

}  // namespace weir
