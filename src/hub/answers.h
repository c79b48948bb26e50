// What servers and other programs' notes say, parsed without trust: a file that comes from here has
// a path that stays below its folder, a sane size, and a checksum that can be verified.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "util/error.h"

namespace weir {

/// A file of a repository at one commit.
struct HubFile {
  std::string path;
  int64_t n_bytes = 0;
  std::string etag;  // SHA-256 in LFS, else git's SHA-1: the name of its blob in the cache
};

/// An etag as blobs are named by it: without quotes and W/.
std::string BareEtag(std::string_view header);

/// The commit in an answer about a revision.
Result<std::string> ParseRevision(std::string_view json);
/// Adds the files of one page. A .gguf whose path, size or checksum cannot be right is an Error,
/// others are left out.
Status ParseTree(std::string_view json, std::vector<HubFile>* files);
/// The address of the next page in a Link header; empty if there is none.
std::string NextPage(std::string_view link_header);

/// The digest ("sha256-…", as its blob is named) and the size of the model in one of Ollama's
/// manifests.
struct OllamaLayer {
  std::string blob;
  int64_t n_bytes = 0;
};
Result<OllamaLayer> ParseOllamaManifest(std::string_view json);

}  // namespace weir
