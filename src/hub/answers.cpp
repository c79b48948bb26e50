#include "hub/answers.h"

#include <algorithm>

#include "hub/digest.h"
#include "hub/reference.h"
#include "hub/shallow_json.h"

namespace weir {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxFiles = 100'000;

bool IsGguf(std::string_view path) { return path.ends_with(".gguf"); }

Error BadAnswer(std::string_view what) { return Failed("the hub's answer: {}", what); }

HubFile FileOf(const Json& entry) {
  const Json* lfs = FindMember(entry, "lfs");
  const bool in_lfs = lfs && lfs->is_object();
  HubFile file{TextMember(entry, "path"), SizeMember(entry, "size"), TextMember(entry, "oid")};
  if (in_lfs) {
    file.etag = TextMember(*lfs, "oid");
    if (FindMember(*lfs, "size")) file.n_bytes = SizeMember(*lfs, "size");
  }
  return file;
}

}  // namespace

Result<std::string> ParseRevision(std::string_view json) {
  const Json answer = ParseShallow(json);
  std::string commit = TextMember(answer, "sha");
  if (!IsCommit(commit))
    return BadAnswer("expected the commit of 40 hexadecimal digits, found none");
  return commit;
}

Status ParseTree(std::string_view json, std::vector<HubFile>* files) {
  const Json answer = ParseShallow(json);
  if (!answer.is_array()) return BadAnswer("expected a list of files, found something else");
  for (const Json& entry : answer) {
    if (TextMember(entry, "type") != "file") continue;
    HubFile file = FileOf(entry);
    const bool sound =
        IsSafeRepoPath(file.path) && file.n_bytes >= 0 && BlobDigest::Knows(file.etag);
    if (!sound && IsGguf(file.path)) {
      return BadAnswer(
          fmt::format("file '{}': expected a plain path, a size and a checksum, found size {} and "
                      "checksum '{}'",
                      file.path, file.n_bytes, file.etag));
    }
    if (files->size() >= kMaxFiles)
      return BadAnswer(fmt::format("expected at most {} files", kMaxFiles));
    if (sound) files->push_back(std::move(file));
  }
  return {};
}

std::string NextPage(std::string_view link_header) {
  // <URL>; rel="next", <URL>; rel="last"
  while (!link_header.empty()) {
    const size_t open = link_header.find('<'), close = link_header.find('>');
    if (open == link_header.npos || close == link_header.npos || close < open) return {};
    const std::string_view after = link_header.substr(close + 1);
    const std::string_view parameters = after.substr(0, after.find('<'));
    if (parameters.find("rel=\"next\"") != parameters.npos) {
      return std::string(link_header.substr(open + 1, close - open - 1));
    }
    link_header = after.substr(parameters.size());
  }
  return {};
}

std::string BareEtag(std::string_view header) {
  if (header.starts_with("W/")) header.remove_prefix(2);
  if (header.size() >= 2 && header.front() == '"' && header.back() == '"') {
    header = header.substr(1, header.size() - 2);
  }
  return std::string(header);
}

Result<OllamaLayer> ParseOllamaManifest(std::string_view json) {
  const nlohmann::json manifest = ParseShallow(json);
  const nlohmann::json* layers = FindMember(manifest, "layers");
  if (!layers || !layers->is_array()) return BadInput("not a manifest of Ollama");
  for (const nlohmann::json& layer : *layers) {
    if (TextMember(layer, "mediaType") != "application/vnd.ollama.image.model") continue;
    const std::string digest = TextMember(layer, "digest");
    const std::string hex = digest.substr(std::min<size_t>(7, digest.size()));
    const bool sound = digest.starts_with("sha256:") && hex.size() == 64 &&
                       hex.find_first_not_of("0123456789abcdef") == hex.npos &&
                       SizeMember(layer, "size") >= 0;
    if (!sound)
      return BadInput("a manifest of Ollama: expected a digest and a size, found '{}'", digest);
    return OllamaLayer{"sha256-" + hex, SizeMember(layer, "size")};
  }
  return BadInput("a manifest of Ollama without a model");
}

}  // namespace weir
