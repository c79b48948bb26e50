// weir pull, models, inspect --diff and hf: names as users meet them.
#include <fstream>

#include "hub/fake_hub.h"
#include "weir_process.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

const std::string kTiny = TestData("weir-tiny-q8_0.gguf");

class HubCliTest : public testing::Test {
 protected:
  HubCliTest() {
    for (const char* name :
         {"HF_TOKEN", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "OLLAMA_MODELS", "LLAMA_CACHE",
          "XDG_CACHE_HOME", "HUGGINGFACE_HUB_CACHE", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"}) {
      unsetenv(name);
    }
    setenv("HOME", (folder_ / "home").c_str(), 1);
    setenv("HF_HOME", (folder_ / "hf").c_str(), 1);
    setenv("HF_ENDPOINT", hub_.url().c_str(), 1);
    hub_.Add("weir-tiny-Q8_0.gguf", ReadText(kTiny));
    hub_.Add("weir-tiny-F16.gguf", "not much");
    hub_.Add("README.md", "words", false);
  }
  ~HubCliTest() override {
    for (const char* name : {"HF_HOME", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_TOKEN"})
      unsetenv(name);
  }
  static nlohmann::json Document(const std::string& arguments) {
    const Outcome outcome = Weir(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << arguments << "\n" << outcome.err;
    return nlohmann::json::parse(outcome.out);
  }

  TempFolder folder_;
  FakeHub hub_;
};

TEST_F(HubCliTest, PullsOnceAndEveryCommandFindsIt) {
  const nlohmann::json pulled = Document("pull hf:org/model:q8_0 --json");
  EXPECT_EQ(pulled["model"], "hf:org/model:q8_0");
  EXPECT_EQ(pulled["quant"], "Q8_0");
  EXPECT_EQ(pulled["bytes"], fs::file_size(kTiny));
  EXPECT_EQ(pulled["bytes_fetched"], fs::file_size(kTiny));
  EXPECT_EQ(pulled["commit"], FakeHub::commit());
  EXPECT_EQ(pulled["others"][0]["quant"], "F16");
  EXPECT_TRUE(ReadText(pulled["path"]) == ReadText(kTiny));
  EXPECT_EQ(Document("pull hf:org/model:q8_0 --json")["bytes_fetched"], 0);
  const size_t n_requests = hub_.requests().size();
  EXPECT_EQ(Document("inspect --summary --json hf:org/model:Q8_0")["model"], "hf:org/model:Q8_0");
  const nlohmann::json logits =
      Document("logits hf:org/model:Q8_0 --prompt-ids 1,2 --at last --json");
  EXPECT_EQ(logits["positions"].size(), 1u);
  EXPECT_EQ(hub_.requests().size(), n_requests);  // no network
}

TEST_F(HubCliTest, ACommandPullsWhatIsMissingAndSaysSo) {
  const Outcome outcome = Weir("logits hf:org/model:Q8_0 --prompt-ids 1,2 --at last --json");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("downloading hf:org/model:Q8_0"), std::string::npos) << outcome.err;
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["positions"].size(), 1u);
  setenv("HF_HUB_OFFLINE", "1", 1);
  EXPECT_EQ(Weir("logits hf:org/model:Q8_0 --prompt-ids 1 --at last").exit_code, 0);
  const Outcome offline = Weir("logits hf:org/model:F16 --prompt-ids 1 --at last");
  EXPECT_EQ(offline.exit_code, 2);
  EXPECT_NE(offline.err.find("weir pull hf:org/model:F16"), std::string::npos) << offline.err;
}

TEST_F(HubCliTest, FitsFromAfar) {
  const nlohmann::json remote = Document("fit hf:org/model:Q8_0 --machine mac-mini-m4-16gb --json");
  const nlohmann::json local = Document("fit " + kTiny + " --machine mac-mini-m4-16gb --json");
  EXPECT_TRUE(remote["fits"]);
  for (const char* bytes : {"weights_bytes", "weights_file_bytes", "weights_by_type", "kv_bytes", "state_bytes", "total_bytes"}) {
    EXPECT_EQ(remote[bytes], local[bytes]) << bytes;
  }
  EXPECT_FALSE(fs::exists(folder_ / "hf/hub")) << "a header is enough";
}

TEST_F(HubCliTest, InspectsFromAfar) {
  nlohmann::json remote = Document("inspect --json hf:org/model:Q8_0");
  nlohmann::json local = Document("inspect --json " + kTiny);
  EXPECT_EQ(remote["model"], "hf:org/model:Q8_0");
  local.erase("model"), remote.erase("model");
  EXPECT_EQ(remote, local);
  EXPECT_FALSE(fs::exists(folder_ / "hf"));
  EXPECT_EQ(Document("tokenize --json hf:org/model:Q8_0 hello"),
            Document("tokenize --json " + kTiny + " hello"));
  EXPECT_FALSE(fs::exists(folder_ / "hf"));
  EXPECT_EQ(Document("pull --header-only --json hf:org/model:Q8_0")["parameters"],
            local["parameters"]);
}

TEST_F(HubCliTest, CtrlCKeepsWhatHasArrived) {
  hub_.Add("big-Q4_0.gguf", std::string(size_t{40} << 20, 'x'));
  hub_.SetMischief([](const FakeRequest& request, FakeReply& reply) {
    if (request.header("range").find("bytes=16777216-") == 0) reply.stall_ms = 60000;
  });
  // In the foreground the signal comes once: a second one ends the program before it says what it kept.
  const std::string command = "XDG_DATA_HOME=" + (folder_ / "data") +
                              " timeout --foreground --preserve-status -s INT 3 " WEIR_BINARY
                              " pull hf:org/model:Q4_0 2>" +
                              (folder_ / "stderr") + " >" + (folder_ / "stdout");
  const int status = std::system(command.c_str());
  EXPECT_EQ(WEXITSTATUS(status), 130);
  EXPECT_NE(ReadText(folder_ / "stderr").find("goes on from there"), std::string::npos)
      << ReadText(folder_ / "stderr");
  EXPECT_EQ(ReadText(folder_ / "stdout"), "");
  EXPECT_FALSE(fs::exists(folder_ / "hf/hub/models--org--model/snapshots"));
  hub_.SetMischief(nullptr);
  const nlohmann::json pulled = Document("pull hf:org/model:Q4_0 --json");
  EXPECT_GT(pulled["bytes_kept"], 0);
  EXPECT_EQ(pulled["bytes_kept"].get<int64_t>() + pulled["bytes_fetched"].get<int64_t>(),
            int64_t{40} << 20);
}

TEST_F(HubCliTest, RefusalsAreOneErrorWithItsExitCode) {
  hub_.SetToken("secret");
  const std::pair<const char*, const char*> cases[] = {
      {"pull hf:org/model", "HF_TOKEN"},
      {"pull org/model", "starts with hf:"},
      {"pull hf:org/model@../x", "a branch"},
      {"inspect --header-only x.gguf", "hf:ORG/REPO"}};
  for (const auto& [arguments, word] : cases) {
    const Outcome outcome = Weir(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << arguments;
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err.find(word), std::string::npos) << outcome.err;
  }
  setenv("HF_TOKEN", "secret", 1);
  const Outcome none = Weir("pull hf:org/model:Q5_K_M");
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_NE(none.err.find("there are: F16, Q8_0"), std::string::npos) << none.err;
}

TEST_F(HubCliTest, ModelsListsWhatIsHereAndWhyItDoesNotRun) {
  ASSERT_EQ(Weir("pull hf:org/model:Q8_0").exit_code, 0);
  fs::create_directories(folder_ / "mine");
  std::ofstream(folder_ / "mine/cut-Q8_0.gguf", std::ios::binary)
      << ReadText(kTiny).substr(0, 200000);
  std::ofstream(folder_ / "mine/part-F16-00001-of-00002.gguf") << "x";
  std::string unknown = ReadText(kTiny);
  for (size_t at; (at = unknown.find("qwen35")) != unknown.npos;) unknown.replace(at, 6, "novice");
  std::ofstream(folder_ / "mine/unknown-Q8_0.gguf", std::ios::binary) << unknown;
  const nlohmann::json document = Document("models --json --dir " + (folder_ / "mine"));
  std::map<std::string, nlohmann::json> by_name;
  for (const nlohmann::json& model : document["models"]) by_name[model["name"]] = model;
  const nlohmann::json& pulled = by_name["hf:org/model:Q8_0"];
  EXPECT_EQ(pulled["runnable"], true) << pulled;
  EXPECT_EQ(pulled["architecture"], "qwen35");
  EXPECT_EQ(pulled["place"], "hub");
  EXPECT_EQ(pulled["reason"], nullptr);
  const std::pair<const char*, const char*> reasons[] = {
      {"cut-Q8_0.gguf", "bytes are missing"},
      {"part-F16-00001-of-00002.gguf", "1 of 2 parts"},
      {"unknown-Q8_0.gguf", "novice"}};
  for (const auto& [name, reason] : reasons) {
    EXPECT_EQ(by_name[name]["runnable"], false) << name;
    EXPECT_NE(by_name[name]["reason"].dump().find(reason), std::string::npos) << by_name[name];
  }
  // The table fits, but for the lines that are to be copied.
  const Outcome table = Weir("models --dir " + (folder_ / "mine"));
  std::istringstream lines(table.out);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_TRUE(line.size() <= 82 || line.find("    /") == 0) << line;  // "…" has three bytes
  }
}

TEST_F(HubCliTest, DiffShowsWhatDiffers) {
  std::string bytes = ReadText(kTiny);
  const size_t at = bytes.find("blk.0.ffn_gate.weight");
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, 21, "blk.9.ffn_gate.weight");
  const size_t name = bytes.find("general.name");
  ASSERT_NE(name, std::string::npos);
  bytes[name + 12 + 4 + 8] = 'W';
  std::ofstream(folder_ / "b.gguf", std::ios::binary) << bytes;
  const nlohmann::json diff =
      Document("inspect --diff --json " + kTiny + " " + (folder_ / "b.gguf"));
  EXPECT_EQ(diff["same"], false);
  ASSERT_EQ(diff["metadata"]["different"].size(), 1u);
  EXPECT_EQ(diff["metadata"]["different"][0]["key"], "general.name");
  ASSERT_EQ(diff["tensors"]["only_a"].size(), 1u);
  EXPECT_EQ(diff["tensors"]["only_a"][0]["name"], "blk.0.ffn_gate.weight");
  EXPECT_EQ(diff["tensors"]["only_b"][0]["name"], "blk.9.ffn_gate.weight");
  EXPECT_EQ(diff["a"]["tensor_bytes"], diff["b"]["tensor_bytes"]);
  // With a model far away.
  EXPECT_EQ(Document("inspect --diff --json " + kTiny + " hf:org/model:Q8_0")["same"], true);
  EXPECT_EQ(Weir("inspect --diff " + kTiny).exit_code, 2);
  EXPECT_EQ(Weir("inspect " + kTiny + " " + kTiny).exit_code, 2);
  EXPECT_EQ(Weir("inspect --diff " + kTiny + " synth:qwen3.5-0.8b:Q8_0").exit_code, 0);
}

}  // namespace
}  // namespace weir
