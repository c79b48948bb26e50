#include "hub/pull.h"

#include <algorithm>

#include "hub/cache.h"
#include "hub/download.h"
#include "hub/part_file.h"
#include "util/disk.h"
#include "util/file_lock.h"

namespace weir {
namespace {

constexpr int64_t kLockPollMs = 200;
constexpr int64_t kSpareBytes = int64_t{64} << 20;  // left free for others and for our own notes

std::vector<std::string> Paths(const HubCache& cache, const std::string& commit,
                               const HubModel& model) {
  std::vector<std::string> paths;
  for (const HubFile& file : model.files) paths.push_back(cache.SnapshotPath(commit, file.path));
  return paths;
}

/// Bytes of a file that are on this machine, and bytes of disk that they take already.
int64_t BytesHere(const HubCache& cache, const NetworkOptions& options, const HubFile& file) {
  if (cache.HasBlob(file)) return file.n_bytes;
  return PartFile::BytesKept(cache.BlobPath(file.etag), file.etag, file.n_bytes,
                             options.chunk_bytes);
}

std::string Gigabytes(int64_t n_bytes) {
  return fmt::format("{:.2f} GB ({} bytes)", static_cast<double>(n_bytes) * 1e-9, n_bytes);
}

Status CheckDisk(const HubCache& cache, const HubReference& reference, int64_t bytes_missing) {
  if (bytes_missing == 0) return {};
  WEIR_TRY(const int64_t free_bytes, FreeDiskBytes(cache.root()));
  if (bytes_missing <= free_bytes - kSpareBytes) return {};
  return WithHint(
      Refused("{}: {} are to be downloaded into {}, which has {} free", reference.name(),
              Gigabytes(bytes_missing), cache.root(), Gigabytes(free_bytes)),
      "make room, choose a smaller quantisation, or name another place with HF_HOME");
}

Result<FileLock> WaitForLock(const HubCache& cache, const HubFile& file, const PullEvents& events) {
  for (bool told = false;; told = true) {
    WEIR_TRY(std::optional<FileLock> lock, FileLock::Try(cache.LockPath(file.etag)));
    if (lock) return std::move(*lock);
    if (!told && events.locked) events.locked(file.path);
    if (!SleepMs(kLockPollMs)) return Error{ErrorCode::kInterrupted, file.path + ": stopped", {}};
  }
}

/// Brings one file into the cache; `bytes_before` of the model are done.
Status PullFile(const HubSettings& settings, const NetworkOptions& options, const HubCache& cache,
                const HubFile& file, int64_t bytes_before, const PullEvents& events,
                PulledModel* pulled) {
  const int64_t total = pulled->model.n_bytes();
  if (!cache.HasBlob(file)) {
    WEIR_RETURN_IF_ERROR(
        CheckFile(settings, options, pulled->reference, pulled->commit, file, events.on_wait));
    WEIR_TRY(const FileLock lock, WaitForLock(cache, file, events));
    // While we waited, the other process may have finished it.
    if (!cache.HasBlob(file)) {
      DownloadEvents download;
      download.on_wait = events.on_wait;
      download.progress = [&](int64_t done) {
        if (events.progress) events.progress(bytes_before + done, total);
      };
      download.verifying = [&] {
        if (events.verifying) events.verifying(file.path);
      };
      WEIR_TRY(const DownloadResult result,
               DownloadBlob(settings, options,
                            ResolveUrl(settings, pulled->reference, pulled->commit, file.path),
                            file, cache.BlobPath(file.etag), download));
      pulled->bytes_fetched += result.bytes_fetched;
      pulled->bytes_kept += result.bytes_kept;
    }
  } else {
    pulled->bytes_kept += file.n_bytes;
  }
  return cache.Link(pulled->commit, file);
}

}  // namespace

std::optional<PulledModel> FindInCache(const HubSettings& settings, const HubReference& reference) {
  const HubCache cache(settings.cache, reference);
  for (const std::string& commit : cache.Commits(reference.revision)) {
    const std::vector<HubModel> models = ModelsAmong(cache.CachedFiles(commit));
    if (models.empty()) continue;
    Result<HubModel> model = SelectModel(models, reference);
    if (!model) continue;
    PulledModel pulled{reference, commit, std::move(model).value(), {}, {}};
    pulled.paths = Paths(cache, commit, pulled.model);
    pulled.others = OtherModels(models, pulled.model);
    pulled.bytes_kept = pulled.model.n_bytes();
    return pulled;
  }
  return std::nullopt;
}

Result<PulledModel> Pull(const HubSettings& settings, const NetworkOptions& options,
                         const HubReference& reference, const PullEvents& events) {
  WEIR_TRY(const HubListing listing, ListFiles(settings, options, reference, events.on_wait));
  const std::vector<HubModel> models = ModelsAmong(listing.files);
  WEIR_TRY(HubModel chosen, SelectModel(models, reference));
  PulledModel pulled{reference, listing.commit, std::move(chosen), {}, {}};
  pulled.others = OtherModels(models, pulled.model);

  const HubCache cache(settings.cache, reference);
  WEIR_RETURN_IF_ERROR(cache.MakeFolders());
  int64_t bytes_missing = pulled.model.n_bytes();
  for (const HubFile& file : pulled.model.files) bytes_missing -= BytesHere(cache, options, file);
  if (events.chosen) events.chosen(pulled.model, pulled.others, bytes_missing);
  WEIR_RETURN_IF_ERROR(CheckDisk(cache, reference, bytes_missing));
  int64_t bytes_before = 0;
  for (const HubFile& file : pulled.model.files) {
    WEIR_RETURN_IF_ERROR(PullFile(settings, options, cache, file, bytes_before, events, &pulled));
    bytes_before += file.n_bytes;
  }
  // Only now: what the branch means is on this machine.
  WEIR_RETURN_IF_ERROR(cache.WriteRef(reference.revision, pulled.commit));
  pulled.paths = Paths(cache, pulled.commit, pulled.model);
  return pulled;
}

}  // namespace weir
