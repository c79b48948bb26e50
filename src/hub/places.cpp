#include "hub/places.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "hub/answers.h"
#include "hub/cache.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 6;
constexpr size_t kMaxFiles = 100'000;
constexpr std::streamsize kMaxManifestBytes = 1 << 20;

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool IsFolder(const fs::path& path) {
  std::error_code error;
  return !path.empty() && fs::is_directory(path, error);
}

/// Regular files below `folder`, their paths relative to it, in ascending order.
std::vector<HubFile> FilesBelow(const fs::path& folder, int max_depth) {
  std::vector<HubFile> files;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied,
                                         error),
      end;
  for (; !error && entry != end && files.size() < kMaxFiles; entry.increment(error)) {
    if (entry.depth() >= max_depth) entry.disable_recursion_pending();
    std::error_code missing;
    if (!fs::is_regular_file(entry->path(), missing)) continue;
    const auto n_bytes = static_cast<int64_t>(fs::file_size(entry->path(), missing));
    if (!missing) files.push_back({entry->path().lexically_relative(folder).string(), n_bytes, {}});
  }
  std::sort(files.begin(), files.end(),
            [](const HubFile& a, const HubFile& b) { return a.path < b.path; });
  return files;
}

LocalModel LocalOf(const HubModel& model, const fs::path& folder) {
  LocalModel local;
  local.name = model.files.front().path;
  local.model = local.path = (folder / local.name).string();
  local.quant = model.quant;
  local.n_bytes = model.n_bytes();
  local.n_files = static_cast<int>(model.files.size());
  local.n_parts = model.n_parts;
  return local;
}

Place FolderPlace(std::string program, const fs::path& folder, int max_depth) {
  Place place{std::move(program), folder.string(), {}};
  for (const HubModel& model : WholeAndPartModels(FilesBelow(folder, max_depth))) {
    place.models.push_back(LocalOf(model, folder));
  }
  return place;
}

// ---- The hub's cache.

/// What the user writes for a model of a commit: by its quantisation, if that is enough.
std::string HubName(const HubSettings& settings, HubReference reference, const std::string& path,
                    const HubModel& model) {
  for (const std::string& selector : {model.quant, model.files.front().path}) {
    if (selector.empty()) continue;
    reference.selector = selector;
    const std::optional<PulledModel> found = FindInCache(settings, reference);
    if (found && found->path() == path) return reference.name();
  }
  return path;
}

void AddRepository(const HubSettings& settings, const HubReference& repository,
                   const fs::path& folder, Place* place) {
  std::vector<std::string> commits = HubCache(settings.cache, repository).Commits("main");
  const std::set<std::string> current(commits.begin(), commits.end());
  std::error_code error;
  for (fs::directory_iterator entry(folder / "snapshots", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string commit = entry->path().filename();
    if (IsCommit(commit) && !current.contains(commit)) commits.push_back(commit);
  }
  for (const std::string& commit : commits) {
    const HubCache cache(settings.cache, repository);
    HubReference reference = repository;
    if (!current.contains(commit)) reference.revision = commit;
    for (const HubModel& model : WholeAndPartModels(cache.CachedFiles(commit))) {
      LocalModel local = LocalOf(model, cache.SnapshotPath(commit, ""));
      local.path = cache.SnapshotPath(commit, model.files.front().path);
      local.model = local.name = HubName(settings, reference, local.path, model);
      place->models.push_back(std::move(local));
    }
  }
}

Place HubPlace(const HubSettings& settings) {
  Place place{"hub", settings.cache, {}};
  std::vector<fs::path> folders;
  std::error_code error;
  for (fs::directory_iterator entry(settings.cache, error), end; !error && entry != end;
       entry.increment(error)) {
    folders.push_back(entry->path());
  }
  std::sort(folders.begin(), folders.end());
  for (const fs::path& folder : folders) {
    // models--ORG--REPO
    std::string name = folder.filename();
    if (!name.starts_with("models--")) continue;
    name = name.substr(8);
    const size_t dashes = name.find("--");
    if (dashes == name.npos) continue;
    const auto reference = ParseHubReference("hf:" + name.replace(dashes, 2, "/"));
    if (reference) AddRepository(settings, *reference, folder, &place);
  }
  return place;
}

// ---- Ollama: manifests/HOST/NAMESPACE/NAME/TAG name a blob.

std::string OllamaName(const fs::path& manifest) {
  std::vector<std::string> words;
  for (const fs::path& word : manifest) words.push_back(word.string());
  if (words.size() < 2) return manifest.string();
  std::string name = words[words.size() - 2] + ":" + words.back();
  const bool usual = words.size() == 4 && words[0] == "registry.ollama.ai";
  const size_t first = usual ? 1 : 0;
  if (usual && words[1] == "library") return name;
  for (size_t i = words.size() - 2; i-- > first;) name = words[i] + "/" + name;
  return name;
}

Place OllamaPlace(const fs::path& folder) {
  Place place{"ollama", folder.string(), {}};
  const fs::path manifests = folder / "manifests";
  for (const HubFile& file : FilesBelow(manifests, kMaxDepth)) {
    if (file.n_bytes > kMaxManifestBytes) continue;
    std::ifstream stream(manifests / file.path, std::ios::binary);
    std::ostringstream text;
    text << stream.rdbuf();
    LocalModel model;
    model.name = OllamaName(file.path);
    const Result<OllamaLayer> layer = ParseOllamaManifest(text.str());
    if (!layer) {
      model.problem = layer.error().message;
      model.model = model.path = (manifests / file.path).string();
    } else {
      model.model = model.path = (folder / "blobs" / layer->blob).string();
      std::error_code missing;
      const auto n_bytes = static_cast<int64_t>(fs::file_size(model.path, missing));
      model.n_bytes = missing ? layer->n_bytes : n_bytes;
      if (missing) model.problem = "its blob is not there";
      if (!missing && n_bytes != layer->n_bytes) {
        model.problem = fmt::format("{} of {} bytes are there", n_bytes, layer->n_bytes);
      }
    }
    place.models.push_back(std::move(model));
  }
  return place;
}

fs::path OllamaFolder(const std::string& home) {
  if (const std::string named = Variable("OLLAMA_MODELS"); !named.empty()) return named;
  if (!home.empty() && IsFolder(fs::path(home) / ".ollama/models"))
    return fs::path(home) / ".ollama/models";
  return "/usr/share/ollama/.ollama/models";  // of the service that its installer makes
}

fs::path LlamaCppFolder(const std::string& home) {
  if (const std::string named = Variable("LLAMA_CACHE"); !named.empty()) return named;
  if (const std::string cache = Variable("XDG_CACHE_HOME"); !cache.empty())
    return fs::path(cache) / "llama.cpp";
  return home.empty() ? fs::path() : fs::path(home) / ".cache/llama.cpp";
}

/// Leaves out what is the same file as one found before, by whatever name.
void LeaveOutSeen(std::vector<Place>* places) {
  std::set<std::string> seen;
  for (Place& place : *places) {
    std::erase_if(place.models, [&](const LocalModel& model) {
      std::error_code error;
      const fs::path file = fs::canonical(model.path, error);
      return !error && !seen.insert(file.string()).second;
    });
  }
}

}  // namespace

std::vector<Place> FindLocalModels(const HubSettings& settings,
                                   const std::vector<std::string>& folders) {
  const std::string home = Variable("HOME");
  std::vector<Place> places;
  if (IsFolder(settings.cache)) places.push_back(HubPlace(settings));
  if (const fs::path folder = OllamaFolder(home); IsFolder(folder))
    places.push_back(OllamaPlace(folder));
  for (const char* name : {".lmstudio/models", ".cache/lm-studio/models"}) {
    const fs::path folder = fs::path(home) / name;
    if (!home.empty() && IsFolder(folder))
      places.push_back(FolderPlace("lm-studio", folder, kMaxDepth));
  }
  if (const fs::path folder = LlamaCppFolder(home); IsFolder(folder)) {
    places.push_back(FolderPlace("llama.cpp", folder, 0));
  }
  for (const std::string& folder : folders)
    places.push_back(FolderPlace("folder", folder, kMaxDepth));
  places.push_back(FolderPlace("folder", ".", 0));
  LeaveOutSeen(&places);
  return places;
}

}  // namespace weir
