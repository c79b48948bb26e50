#include "hub/reference.h"

#include <algorithm>

namespace weir {
namespace {

constexpr size_t kPrefixBytes = 3;  // "hf:"
constexpr size_t kMaxNameBytes = 96, kMaxRevisionBytes = 200;

bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

/// The hub's own rule; "--" separates names in its cache, so that a name with it could mean two.
bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes &&
         std::all_of(name.begin(), name.end(), IsNameByte) && name.front() != '-' &&
         name.front() != '.' && name.back() != '-' && name.back() != '.' &&
         name.find("--") == name.npos && name.find("..") == name.npos;
}

bool IsRevision(std::string_view revision) {
  return revision.size() <= kMaxRevisionBytes && IsSafeRepoPath(revision) &&
         std::all_of(revision.begin(), revision.end(),
                     [](char c) { return IsNameByte(c) || c == '/' || c == '+'; });
}

}  // namespace

bool IsHubName(std::string_view model) {
  return model.size() >= kPrefixBytes && (model[0] == 'h' || model[0] == 'H') &&
         (model[1] == 'f' || model[1] == 'F') && model[2] == ':';
}

bool IsCommit(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

bool IsSafeRepoPath(std::string_view path) {
  if (path.empty() || path.size() > 1024) return false;
  const auto bad = [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\';
  };
  if (std::any_of(path.begin(), path.end(), bad)) return false;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return false;
    begin = end + 1;
  }
  return true;
}

std::string HubReference::name() const { return NameWith(selector); }

std::string HubReference::NameWith(std::string_view other_selector) const {
  return fmt::format("hf:{}{}{}{}{}", repo_id(), revision == "main" ? "" : "@",
                     revision == "main" ? "" : revision, other_selector.empty() ? "" : ":",
                     other_selector);
}

Result<HubReference> ParseHubReference(std::string_view model) {
  const auto bad = [&](std::string_view what) {
    return WithHint(BadInput("'{}': {}", model, what),
                    "write hf:ORG/REPO, hf:ORG/REPO:QUANT or hf:ORG/REPO@REVISION:FILE.gguf");
  };
  if (!IsHubName(model)) return bad("expected a name that starts with hf:");
  std::string_view rest = model.substr(kPrefixBytes);
  HubReference reference;
  if (const size_t colon = rest.find(':'); colon != rest.npos) {
    reference.selector = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (!IsSafeRepoPath(reference.selector))
      return bad("expected a quantisation or a file after the last colon");
  }
  if (const size_t at = rest.find('@'); at != rest.npos) {
    reference.revision = rest.substr(at + 1);
    rest = rest.substr(0, at);
    if (!IsRevision(reference.revision)) return bad("expected a branch, a tag or a commit after @");
  }
  const size_t slash = rest.find('/');
  if (slash == rest.npos) return bad("expected ORG/REPO after hf:");
  reference.org = rest.substr(0, slash);
  reference.repo = rest.substr(slash + 1);
  if (!IsName(reference.org) || !IsName(reference.repo))
    return bad("expected the names of an organisation and a repository");
  return reference;
}

}  // namespace weir
