#include "hub/remote_header.h"

#include <algorithm>

namespace weir {
namespace {

/// Without its vocabulary a header has some 100 kB, with it up to 12 MB.
constexpr int64_t kFirstBytes = 256 << 10, kGrowth = 4, kMaxBytes = int64_t{64} << 20;

struct RemoteFile {
  const HubSettings& settings;
  const NetworkOptions& options;
  const HubReference& reference;
  const OnWait& on_wait;
  const std::string& commit;
  const HubFile& file;
};

/// Appends bytes [bytes->size(), end) of the file.
Status Fetch(const RemoteFile& remote, int64_t end, std::string* bytes) {
  FetchRequest request;
  request.url = ResolveUrl(remote.settings, remote.reference, remote.commit, remote.file.path);
  request.range_begin = static_cast<int64_t>(bytes->size());
  request.range_end = end;
  request.max_body = static_cast<size_t>(end - request.range_begin);
  WEIR_TRY(const FetchResponse response,
           Fetch(remote.settings, remote.options, request, remote.on_wait));
  const std::string name = remote.reference.NameWith(remote.file.path);
  if (response.status == 200)
    return Failed("{}: the server does not answer with ranges of files", name);
  if (response.status != 206)
    return HubAnswerError(remote.settings, response, name, remote.reference.repo_id());
  const std::string expected =
      fmt::format("bytes {}-{}/{}", request.range_begin, end - 1, remote.file.n_bytes);
  if (response.header("content-range") != expected || response.body.size() != request.max_body) {
    return Failed("{}: expected {}, the server answers with \"{}\" and {} bytes", name, expected,
                  response.header("content-range"), response.body.size());
  }
  *bytes += response.body;
  return {};
}

Result<GgufHeader> FetchHeader(const RemoteFile& remote, RemoteModel* model) {
  const std::string name = remote.reference.NameWith(remote.file.path);
  std::string bytes;
  for (int64_t wanted = kFirstBytes; wanted <= kMaxBytes; wanted *= kGrowth) {
    const int64_t end = std::min(wanted, remote.file.n_bytes);
    const auto before = static_cast<int64_t>(bytes.size());
    if (end > before) {
      WEIR_RETURN_IF_ERROR(Fetch(remote, end, &bytes));
      ++model->n_requests;
      model->bytes_fetched += end - before;
    }
    bool wants_more = false;
    Result<GgufHeader> header =
        ParseGgufPrefix(name, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
                        static_cast<uint64_t>(remote.file.n_bytes), &wants_more);
    if (!wants_more) return header;
  }
  return BadInput("{}: expected a header of at most {} MB", name, kMaxBytes >> 20);
}

}  // namespace

Result<RemoteModel> OpenRemoteHeader(const HubSettings& settings, const NetworkOptions& options,
                                     const HubReference& reference, const OnWait& on_wait) {
  WEIR_TRY(const HubListing listing, ListFiles(settings, options, reference, on_wait));
  RemoteModel model;
  model.commit = listing.commit;
  const std::vector<HubModel> models = ModelsAmong(listing.files);
  WEIR_TRY(model.model, SelectModel(models, reference));
  model.others = OtherModels(models, model.model);
  std::vector<GgufFile::Part> parts;
  for (const HubFile& file : model.model.files) {
    const RemoteFile remote{settings, options, reference, on_wait, model.commit, file};
    WEIR_TRY(GgufHeader header, FetchHeader(remote, &model));
    parts.push_back({reference.NameWith(file.path), std::move(header), file.n_bytes});
  }
  const std::string name = ExactName(reference, model.model);
  WEIR_TRY(model.source, GgufFile::FromHeaders(name, std::move(parts)));
  return model;
}

}  // namespace weir
