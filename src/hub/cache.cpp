#include "hub/cache.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "util/atomic_file.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxCachedFiles = 100'000;

Status MakeFolder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error) return {};
  return WithHint(Failed("{}: cannot create the folder: {}", path.string(), error.message()),
                  "HF_HOME or HF_HUB_CACHE names another place for downloads");
}

}  // namespace

HubCache::HubCache(std::string root, const HubReference& reference)
    : root_(std::move(root)), repo_("models--" + reference.org + "--" + reference.repo) {}

std::string HubCache::BlobPath(const std::string& etag) const {
  return fmt::format("{}/{}/blobs/{}", root_, repo_, etag);
}
std::string HubCache::SnapshotPath(const std::string& commit, const std::string& path) const {
  return fmt::format("{}/{}/snapshots/{}/{}", root_, repo_, commit, path);
}
std::string HubCache::LockPath(const std::string& etag) const {
  return fmt::format("{}/.locks/{}/{}.lock", root_, repo_, etag);
}

Status HubCache::MakeFolders() const {
  WEIR_RETURN_IF_ERROR(MakeFolder(fs::path(root_) / repo_ / "blobs"));
  return MakeFolder(fs::path(root_) / ".locks" / repo_);
}

bool HubCache::HasBlob(const HubFile& file) const {
  std::error_code error;
  const fs::path path = BlobPath(file.etag);
  return fs::is_regular_file(path, error) &&
         fs::file_size(path, error) == static_cast<uint64_t>(file.n_bytes);
}

Status HubCache::Link(const std::string& commit, const HubFile& file) const {
  const fs::path link = SnapshotPath(commit, file.path);
  WEIR_RETURN_IF_ERROR(MakeFolder(link.parent_path()));
  // From snapshots/COMMIT up to the repository, and once more for each folder of the file's path.
  const auto depth = std::count(file.path.begin(), file.path.end(), '/') + 2;
  std::string target;
  for (std::ptrdiff_t i = 0; i < depth; ++i) target += "../";
  target += "blobs/" + file.etag;
  std::error_code error;
  if (fs::read_symlink(link, error) == target) return {};
  fs::remove(link, error);
  fs::create_symlink(target, link, error);
  if (!error || fs::read_symlink(link, error) == target) return {};
  return Failed("{}: cannot link to {}: {}", link.string(), target, error.message());
}

Status HubCache::WriteRef(const std::string& revision, const std::string& commit) const {
  if (revision == commit) return {};
  const fs::path path = fs::path(root_) / repo_ / "refs" / revision;
  WEIR_RETURN_IF_ERROR(MakeFolder(path.parent_path()));
  WEIR_TRY(AtomicFile file, AtomicFile::Create(path.string()));
  WEIR_RETURN_IF_ERROR(file.Write(commit.data(), commit.size()));
  return file.Commit();
}

std::vector<std::string> HubCache::Commits(const std::string& revision) const {
  std::error_code error;
  const fs::path snapshots = fs::path(root_) / repo_ / "snapshots";
  std::string commit;
  std::ifstream(fs::path(root_) / repo_ / "refs" / revision) >> commit;
  if (!IsCommit(commit) && IsCommit(revision)) commit = revision;
  if (IsCommit(commit)) return {commit};
  std::vector<std::pair<fs::file_time_type, std::string>> found;
  if (revision != "main") return {};
  for (fs::directory_iterator entry(snapshots, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    std::error_code ignored;
    if (IsCommit(name)) found.emplace_back(fs::last_write_time(entry->path(), ignored), name);
  }
  std::sort(found.rbegin(), found.rend());
  std::vector<std::string> commits;
  for (auto& [time, name] : found) commits.push_back(std::move(name));
  return commits;
}

std::vector<HubFile> HubCache::CachedFiles(const std::string& commit) const {
  std::vector<HubFile> files;
  std::error_code error;
  const fs::path folder = fs::path(root_) / repo_ / "snapshots" / commit;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code missing;  // a link to a blob that is gone
    const bool is_file = fs::is_regular_file(entry->path(), missing);
    if (missing || !is_file || files.size() >= kMaxCachedFiles) continue;
    const auto n_bytes = static_cast<int64_t>(fs::file_size(entry->path(), missing));
    files.push_back({entry->path().lexically_relative(folder).string(), n_bytes, {}});
  }
  std::sort(files.begin(), files.end(),
            [](const HubFile& a, const HubFile& b) { return a.path < b.path; });
  return files;
}

}  // namespace weir
