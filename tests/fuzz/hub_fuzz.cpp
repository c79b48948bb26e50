// What a server, a manifest or a user can make weir believe about files: whatever is believed stays
// in its folder.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "hub/answers.h"
#include "hub/digest.h"
#include "hub/reference.h"
#include "hub/select.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void CheckFiles(const std::vector<weir::HubFile>& files, std::string_view selector) {
  for (const weir::HubFile& file : files) {
    Require(weir::IsSafeRepoPath(file.path) && file.n_bytes >= 0 &&
            weir::BlobDigest::Knows(file.etag));
    Require(file.path.front() != '/' && ("/" + file.path + "/").find("/../") == file.path.npos);
  }
  const std::vector<weir::HubModel> models = weir::ModelsAmong(files);
  weir::HubReference reference{
      .org = "o", .repo = "r", .revision = "main", .selector = std::string(selector)};
  const auto model = weir::SelectModel(models, reference);
  Require(!model.ok() || !model->files.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<weir::HubFile> files;
  if (weir::ParseTree(text, &files).ok()) CheckFiles(files, text.substr(0, 8));
  if (const auto commit = weir::ParseRevision(text); commit.ok()) Require(weir::IsCommit(*commit));
  if (const auto layer = weir::ParseOllamaManifest(text); layer.ok())
    Require(layer->blob.size() == 71);
  if (const auto reference = weir::ParseHubReference(text); reference.ok()) {
    Require(weir::IsHubName(text) && weir::ParseHubReference(reference->name()).ok());
  }
  // Names as files of a repository.
  files.clear();
  for (size_t begin = 0; begin < size;) {
    const size_t end = std::min(text.find('\n', begin), size);
    const std::string_view path = text.substr(begin, end - begin);
    if (weir::IsSafeRepoPath(path)) files.push_back({std::string(path), 1, std::string(40, 'a')});
    begin = end + 1;
  }
  CheckFiles(files, "Q4_K_M");
  weir::NextPage(text);
  weir::BareEtag(text);
  return 0;
}
