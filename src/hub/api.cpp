#include "hub/api.h"

namespace weir {
namespace {

constexpr int kMaxPages = 200;

Error BadAnswer(std::string_view what) { return Failed("the hub's answer: {}", what); }

Result<FetchResponse> FetchOk(const HubSettings& settings, const NetworkOptions& options,
                              const HubReference& reference, const std::string& url,
                              const OnWait& on_wait) {
  FetchRequest request;
  request.url = url;
  WEIR_TRY(FetchResponse response, Fetch(settings, options, request, on_wait));
  if (response.status == 200) return response;
  return HubAnswerError(settings, response, reference.NameWith(""), reference.repo_id());
}

}  // namespace

std::string ResolveUrl(const HubSettings& settings, const HubReference& reference,
                       const std::string& commit, const std::string& path) {
  return fmt::format("{}/{}/resolve/{}/{}", settings.endpoint, reference.repo_id(),
                     EncodePath(commit, true), EncodePath(path));
}

Result<HubListing> ListFiles(const HubSettings& settings, const NetworkOptions& options,
                             const HubReference& reference, const OnWait& on_wait) {
  const std::string api = fmt::format("{}/api/models/{}", settings.endpoint, reference.repo_id());
  WEIR_TRY(
      const FetchResponse revision,
      FetchOk(settings, options, reference,
              fmt::format("{}/revision/{}", api, EncodePath(reference.revision, true)), on_wait));
  HubListing listing;
  WEIR_TRY(listing.commit, ParseRevision(revision.body));
  std::string url = fmt::format("{}/tree/{}?recursive=true", api, listing.commit);
  for (int page = 0; page < kMaxPages; ++page) {
    WEIR_TRY(const FetchResponse tree, FetchOk(settings, options, reference, url, on_wait));
    WEIR_RETURN_IF_ERROR(ParseTree(tree.body, &listing.files));
    const std::string next = NextPage(tree.header("link"));
    if (next.empty()) return listing;
    // Asked of our own endpoint whatever host it names: mirrors pass on the addresses of the
    // original.
    const size_t path = next.find("/api/models/");
    if (path == next.npos)
      return BadAnswer("expected the address of the next page of the list, found another");
    url = settings.endpoint + next.substr(path);
  }
  return BadAnswer(fmt::format("expected at most {} pages of files", kMaxPages));
}

Status CheckFile(const HubSettings& settings, const NetworkOptions& options,
                 const HubReference& reference, const std::string& commit, const HubFile& file,
                 const OnWait& on_wait) {
  FetchRequest request;
  request.url = ResolveUrl(settings, reference, commit, file.path);
  request.head = request.stay_home = true;
  const std::string name = reference.NameWith(file.path);
  WEIR_TRY(const FetchResponse response, Fetch(settings, options, request, on_wait));
  if (response.status < 200 || response.status >= 400) {
    return HubAnswerError(settings, response, name, reference.repo_id());
  }
  const bool linked = !response.header("x-linked-etag").empty();
  const std::string etag = BareEtag(response.header(linked ? "x-linked-etag" : "etag"));
  const std::string_view size = response.header(linked ? "x-linked-size" : "content-length");
  const std::string_view at = response.header("x-repo-commit");
  // A redirect without the hub's own headers has an etag and a length of itself, not of the file.
  if (!linked && response.status >= 300) return {};
  if (etag != file.etag || (!size.empty() && size != std::to_string(file.n_bytes)) ||
      (!at.empty() && at != commit)) {
    return Failed(
        "{}: expected {} bytes with checksum {} at commit {}, found {} bytes with checksum {} at "
        "commit {}",
        name, file.n_bytes, file.etag, commit, size, etag, at);
  }
  return {};
}

}  // namespace weir
