// Models as other programs keep them, in fake homes.
#include "hub/places.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "hub/fake_hub.h"
#include "temp_folder.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

class PlacesTest : public testing::Test {
 protected:
  PlacesTest() {
    for (const char* name : {"OLLAMA_MODELS", "LLAMA_CACHE", "XDG_CACHE_HOME"}) unsetenv(name);
    setenv("HOME", (folder_ / "home").c_str(), 1);
    settings_.cache = folder_ / "home/.cache/huggingface/hub";
  }
  void Write(const std::string& path, const std::string& bytes) {
    fs::create_directories(fs::path(folder_ / path).parent_path());
    std::ofstream(folder_ / path, std::ios::binary) << bytes;
  }
  std::vector<LocalModel> Find(const std::string& program,
                               const std::vector<std::string>& folders = {}) {
    for (const Place& place : FindLocalModels(settings_, folders)) {
      if (place.program == program) return place.models;
    }
    return {};
  }

  TempFolder folder_;
  HubSettings settings_;
};

TEST_F(PlacesTest, TheHubsCacheByTheNamesThatPullTakes) {
  FakeHub hub;
  hub.Add("m-Q8_0.gguf", "one");
  hub.Add("d/m-F16-00001-of-00002.gguf", "two");
  hub.Add("d/m-F16-00002-of-00002.gguf", "three");
  settings_.endpoint = hub.url();
  ASSERT_TRUE(Pull(settings_, {}, *ParseHubReference("hf:org/model:Q8_0"), {}).ok());
  ASSERT_TRUE(Pull(settings_, {}, *ParseHubReference("hf:org/model:F16"), {}).ok());
  std::vector<LocalModel> models = Find("hub");
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0].model, "hf:org/model:F16");
  EXPECT_EQ(models[0].n_bytes, 8);
  EXPECT_EQ(models[0].n_files, 2);
  EXPECT_EQ(models[1].model, "hf:org/model:Q8_0");
  // Another commit of the same blob is no other model; one with a part missing is seen.
  const std::string other = folder_ / ("home/.cache/huggingface/hub/models--org--model/snapshots/" +
                                       std::string(40, 'f'));
  fs::create_directories(other);
  fs::create_symlink("../../blobs/" + FakeHub::Etag("one"), other + "/m-Q8_0.gguf");
  std::ofstream(other + "/new-Q4_0.gguf") << "x";
  const std::string first = models[0].path, end = "00001-of-00002.gguf";
  fs::remove(fs::canonical(first.substr(0, first.size() - end.size()) + "00002-of-00002.gguf"));
  models = Find("hub");
  ASSERT_EQ(models.size(), 3u);
  EXPECT_EQ(models[0].n_files, 1);
  EXPECT_EQ(models[0].n_parts, 2);
  EXPECT_EQ(models[2].model, "hf:org/model@" + std::string(40, 'f') + ":Q4_0");
}

TEST_F(PlacesTest, OllamasManifests) {
  const std::string hex(64, 'a'), missing(64, 'b'), cut(64, 'c');
  const auto manifest = [](const std::string& digest, int size) {
    return R"({"layers":[{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:)" +
           digest + "\",\"size\":" + std::to_string(size) + "}]}";
  };
  const std::string root = "home/.ollama/models/";
  Write(root + "manifests/registry.ollama.ai/library/qwen3/8b", manifest(hex, 4));
  Write(root + "manifests/registry.ollama.ai/someone/tiny/latest", manifest(missing, 4));
  Write(root + "manifests/hf.co/org/repo/Q4_0", manifest(cut, 400));
  Write(root + "manifests/registry.ollama.ai/library/odd/x", "{");
  Write(root + "blobs/sha256-" + hex, "GGUF");
  Write(root + "blobs/sha256-" + cut, "GGUF");
  std::vector<LocalModel> models = Find("ollama");
  std::sort(models.begin(), models.end(),
            [](const LocalModel& a, const LocalModel& b) { return a.name < b.name; });
  ASSERT_EQ(models.size(), 4u);
  EXPECT_EQ(models[0].name, "hf.co/org/repo:Q4_0");
  EXPECT_EQ(models[0].problem, "4 of 400 bytes are there");
  EXPECT_EQ(models[1].name, "odd:x");
  EXPECT_NE(models[1].problem, "");
  EXPECT_EQ(models[2].name, "qwen3:8b");
  EXPECT_EQ(models[2].model, folder_ / (root + "blobs/sha256-" + hex));
  EXPECT_EQ(models[2].problem, "");
  EXPECT_EQ(models[3].name, "someone/tiny:latest");
  EXPECT_EQ(models[3].problem, "its blob is not there");
  setenv("OLLAMA_MODELS", (folder_ / "elsewhere").c_str(), 1);
  EXPECT_TRUE(Find("ollama").empty());
}

TEST_F(PlacesTest, FoldersOfTheOthers) {
  Write("home/.lmstudio/models/pub/repo/m-Q4_K_M.gguf", "1");
  Write("home/.lmstudio/models/pub/repo/mmproj-F16.gguf", "2");
  Write("home/.cache/lm-studio/models/pub/repo/n-Q8_0.gguf", "3");
  Write("home/.cache/llama.cpp/org_repo_m-Q5_K_M.gguf", "4");
  Write("home/.cache/llama.cpp/org_repo_m-Q6_K.gguf.downloadInProgress", "5");
  Write("mine/deep/er/x-Q4_0-00001-of-00003.gguf", "6");
  ASSERT_EQ(Find("lm-studio").size(), 1u);
  EXPECT_EQ(Find("lm-studio")[0].quant, "Q4_K_M");
  ASSERT_EQ(Find("llama.cpp").size(), 1u);
  EXPECT_EQ(Find("llama.cpp")[0].model, folder_ / "home/.cache/llama.cpp/org_repo_m-Q5_K_M.gguf");
  ASSERT_EQ(Find("folder", {folder_ / "mine"}).size(), 1u);
  EXPECT_EQ(Find("folder", {folder_ / "mine"})[0].n_parts, 3);
  // The folder that has what LM Studio has already shows nothing new.
  EXPECT_TRUE(Find("folder", {folder_ / "home/.lmstudio"}).empty());
}

TEST_F(PlacesTest, AFolderThatPointsAtItselfEnds) {
  Write("mine/x-Q8_0.gguf", "1");
  fs::create_directory_symlink(folder_ / "mine", folder_ / "mine/again");
  fs::create_symlink("nowhere.gguf", folder_ / "mine/dangling.gguf");
  EXPECT_EQ(Find("folder", {folder_ / "mine"}).size(), 1u);
}

}  // namespace
}  // namespace weir
