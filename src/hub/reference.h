// hf:ORG/REPO[@REVISION][:QUANT|:FILE]: how a user names a model of the hub.
#pragma once

#include <string>
#include <string_view>

#include "util/error.h"

namespace weir {

struct HubReference {
  std::string org, repo;
  std::string revision = "main";  // a branch, a tag or a commit
  std::string selector;           // a quantisation or a file of the repository; empty: none given

  std::string repo_id() const { return org + "/" + repo; }
  /// As the user would write it.
  std::string name() const;
  /// The same repository and revision with another selector, as the user would write it.
  std::string NameWith(std::string_view other_selector) const;
};

/// Whether a MODEL starts with "hf:", in any case of letters.
bool IsHubName(std::string_view model);

/// kBadInput for what is not of the form above, or what would leave its folder as a path or a URL.
Result<HubReference> ParseHubReference(std::string_view model);

/// A commit: 40 lower-case hexadecimal digits.
bool IsCommit(std::string_view text);

/// Whether a file's name from the hub may become a path below a folder of ours: relative, no "." or
/// "..", no control characters or backslashes, no component above 255 bytes and 1024 in all.
bool IsSafeRepoPath(std::string_view path);

}  // namespace weir
