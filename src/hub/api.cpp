#include "hub/api.h"

#include <nlohmann/json.hpp>

#include "hub/curl_handle.h"
#include "hub/digest.h"

namespace weir {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 32;
constexpr int kMaxPages = 200;
constexpr size_t kMaxFiles = 100'000;
constexpr int64_t kMaxFileBytes = int64_t{1} << 50;

/// Discards what no honest answer has: the parser recurses where values are destroyed.
Json ParseShallow(std::string_view text) {
  bool too_deep = false;
  const auto limit = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kMaxDepth;
    return !too_deep;
  };
  Json json = Json::parse(text, limit, false);
  return too_deep ? Json(Json::value_t::discarded) : json;
}

const Json* Find(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

std::string Text(const Json& object, const char* key) {
  const Json* value = Find(object, key);
  return value && value->is_string() ? value->get<std::string>() : std::string();
}

int64_t Size(const Json& object) {
  const Json* value = Find(object, "size");
  if (!value || !value->is_number_unsigned()) return -1;
  const auto size = value->get<uint64_t>();
  return size <= static_cast<uint64_t>(kMaxFileBytes) ? static_cast<int64_t>(size) : -1;
}

bool IsGguf(std::string_view path) { return path.ends_with(".gguf"); }

Error BadAnswer(std::string_view what) { return Failed("the hub's answer: {}", what); }

HubFile FileOf(const Json& entry) {
  const Json* lfs = Find(entry, "lfs");
  const bool in_lfs = lfs && lfs->is_object();
  HubFile file{Text(entry, "path"), Size(entry), Text(entry, "oid")};
  if (in_lfs) {
    file.etag = Text(*lfs, "oid");
    if (Find(*lfs, "size")) file.n_bytes = Size(*lfs);
  }
  return file;
}

Result<HttpResponse> FetchOk(const HubSettings& settings, const NetworkOptions& options, const HubReference& reference,
                             const std::string& url, const OnWait& on_wait) {
  HttpRequest request;
  request.url = url;
  WEIR_TRY(HttpResponse response, Fetch(settings, options, request, on_wait));
  if (response.status == 200) return response;
  return HubAnswerError(settings, response, reference.NameWith(""), reference.repo_id());
}

}  // namespace

Result<std::string> ParseRevision(std::string_view json) {
  const Json answer = ParseShallow(json);
  std::string commit = Text(answer, "sha");
  if (!IsCommit(commit)) return BadAnswer("expected the commit of 40 hexadecimal digits, found none");
  return commit;
}

Status ParseTree(std::string_view json, std::vector<HubFile>* files) {
  const Json answer = ParseShallow(json);
  if (!answer.is_array()) return BadAnswer("expected a list of files, found something else");
  for (const Json& entry : answer) {
    if (Text(entry, "type") != "file") continue;
    HubFile file = FileOf(entry);
    const bool sound = IsSafeRepoPath(file.path) && file.n_bytes >= 0 && BlobDigest::Knows(file.etag);
    if (!sound && IsGguf(file.path)) {
      return BadAnswer(fmt::format("file '{}': expected a plain path, a size and a checksum, found size {} and checksum '{}'",
                                   file.path, file.n_bytes, file.etag));
    }
    if (files->size() >= kMaxFiles) return BadAnswer(fmt::format("expected at most {} files", kMaxFiles));
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

std::string ResolveUrl(const HubSettings& settings, const HubReference& reference, const std::string& commit,
                       const std::string& path) {
  return fmt::format("{}/{}/resolve/{}/{}", settings.endpoint, reference.repo_id(), EncodePath(commit, true),
                     EncodePath(path));
}

Result<HubListing> ListFiles(const HubSettings& settings, const NetworkOptions& options, const HubReference& reference,
                             const OnWait& on_wait) {
  const std::string api = fmt::format("{}/api/models/{}", settings.endpoint, reference.repo_id());
  WEIR_TRY(const HttpResponse revision,
           FetchOk(settings, options, reference,
                   fmt::format("{}/revision/{}", api, EncodePath(reference.revision, true)), on_wait));
  HubListing listing;
  WEIR_TRY(listing.commit, ParseRevision(revision.body));
  std::string url = fmt::format("{}/tree/{}?recursive=true", api, listing.commit);
  for (int page = 0; page < kMaxPages; ++page) {
    WEIR_TRY(const HttpResponse tree, FetchOk(settings, options, reference, url, on_wait));
    WEIR_RETURN_IF_ERROR(ParseTree(tree.body, &listing.files));
    const std::string next = NextPage(tree.header("link"));
    if (next.empty()) return listing;
    if (Origin(next) != Origin(settings.endpoint)) return BadAnswer("the next page of the list is on another host");
    url = next;
  }
  return BadAnswer(fmt::format("expected at most {} pages of files", kMaxPages));
}

Status CheckFile(const HubSettings& settings, const NetworkOptions& options, const HubReference& reference,
                 const std::string& commit, const HubFile& file, const OnWait& on_wait) {
  HttpRequest request;
  request.url = ResolveUrl(settings, reference, commit, file.path);
  request.head = request.stay_home = true;
  const std::string name = reference.NameWith(file.path);
  WEIR_TRY(const HttpResponse response, Fetch(settings, options, request, on_wait));
  if (response.status < 200 || response.status >= 400) {
    return HubAnswerError(settings, response, name, reference.repo_id());
  }
  const bool linked = !response.header("x-linked-etag").empty();
  const std::string etag = BareEtag(response.header(linked ? "x-linked-etag" : "etag"));
  const std::string_view size = response.header(linked ? "x-linked-size" : "content-length");
  const std::string_view at = response.header("x-repo-commit");
  // A redirect without the hub's own headers has an etag and a length of itself, not of the file.
  if (!linked && response.status >= 300) return {};
  if (etag != file.etag || (!size.empty() && size != std::to_string(file.n_bytes)) || (!at.empty() && at != commit)) {
    return Failed("{}: expected {} bytes with checksum {} at commit {}, found {} bytes with checksum {} at commit {}",
                  name, file.n_bytes, file.etag, commit, size, etag, at);
  }
  return {};
}

}  // namespace weir
