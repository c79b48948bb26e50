// The hub's API, as far as a download needs it (https://huggingface.co/docs/hub/api).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hub/http.h"
#include "hub/reference.h"

namespace weir {

/// A file of a repository at one commit.
struct HubFile {
  std::string path;
  int64_t n_bytes = 0;
  std::string etag;  // SHA-256 in LFS, else git's SHA-1: the name of its blob in the cache
};

struct HubListing {
  std::string commit;
  std::vector<HubFile> files;
};

/// The files of the reference's repository at its revision, whole pages of the list after each other.
Result<HubListing> ListFiles(const HubSettings& settings, const NetworkOptions& options, const HubReference& reference,
                             const OnWait& on_wait);

/// Asks what the hub would deliver for `file` at `commit`; kFailed unless it is what the list promised.
Status CheckFile(const HubSettings& settings, const NetworkOptions& options, const HubReference& reference,
                 const std::string& commit, const HubFile& file, const OnWait& on_wait);

/// Where a file is to be had.
std::string ResolveUrl(const HubSettings& settings, const HubReference& reference, const std::string& commit,
                       const std::string& path);

/// An etag as blobs are named by it: without quotes and W/.
std::string BareEtag(std::string_view header);

// The parsers, which trust nothing: tests and the fuzzer call them.

/// The commit in an answer about a revision.
Result<std::string> ParseRevision(std::string_view json);
/// Adds the files of one page. A .gguf whose path, size or checksum cannot be right is an Error, others are
/// left out.
Status ParseTree(std::string_view json, std::vector<HubFile>* files);
/// The address of the next page in a Link header; empty if there is none.
std::string NextPage(std::string_view link_header);

}  // namespace weir
