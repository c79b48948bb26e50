// The hub's cache on disk, in the layout of its own client
// (https://huggingface.co/docs/huggingface_hub/guides/manage-cache): models--ORG--REPO/blobs/ETAG,
// snapshots/COMMIT/FILE -> ../../blobs/ETAG, refs/REVISION with the commit's name in it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hub/api.h"

namespace weir {

class HubCache {
 public:
  /// `root`: HubSettings::cache.
  HubCache(std::string root, const HubReference& reference);

  const std::string& root() const { return root_; }
  std::string BlobPath(const std::string& etag) const;
  /// Where readers find a file of a commit.
  std::string SnapshotPath(const std::string& commit, const std::string& path) const;
  /// The lock that the hub's own client takes, too.
  std::string LockPath(const std::string& etag) const;

  /// Makes the folders of this repository.
  Status MakeFolders() const;
  /// Whether the blob is there, of that size.
  bool HasBlob(const HubFile& file) const;
  /// Makes `file` of a commit findable; its blob is there.
  Status Link(const std::string& commit, const HubFile& file) const;
  /// Remembers what a branch or tag stood for; a commit stands for itself.
  Status WriteRef(const std::string& revision, const std::string& commit) const;

  /// The commits that the cache has something of and `revision` may mean: what its ref says, or
  /// itself; without a ref (not every client writes one) all, the newest first.
  std::vector<std::string> Commits(const std::string& revision) const;
  /// The files of a commit whose data is there, paths in ascending order; their etags are empty.
  std::vector<HubFile> CachedFiles(const std::string& commit) const;

 private:
  std::string root_, repo_;  // repo_: models--ORG--REPO
};

}  // namespace weir
