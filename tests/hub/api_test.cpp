// What the hub may answer, honestly or not.
#include "hub/api.h"

#include <gtest/gtest.h>

#include <fstream>

#include "hub/curl_handle.h"
#include "hub/settings.h"
#include "temp_folder.h"

namespace weir {
namespace {

TEST(HubReference, ReadsAllForms) {
  const auto plain = ParseHubReference("hf:unsloth/Qwen3.5-2B-GGUF");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->repo_id(), "unsloth/Qwen3.5-2B-GGUF");
  EXPECT_EQ(plain->revision, "main");
  EXPECT_EQ(plain->selector, "");
  const auto full = ParseHubReference("HF:a/b@refs/pr/1:dir/file-00001-of-00002.gguf");
  ASSERT_TRUE(full.ok());
  EXPECT_EQ(full->revision, "refs/pr/1");
  EXPECT_EQ(full->selector, "dir/file-00001-of-00002.gguf");
  EXPECT_EQ(full->name(), "hf:a/b@refs/pr/1:dir/file-00001-of-00002.gguf");
}

TEST(HubReference, RefusesWhatWouldLeaveItsFolder) {
  for (const char* name : {"hf:",
                           "hf:a",
                           "hf:a/",
                           "hf:/b",
                           "hf:a/b/c",
                           "hf:../b",
                           "hf:a/..",
                           "hf:a/.b",
                           "hf:a/b--c",
                           "hf:a/b@",
                           "hf:a/b@..",
                           "hf:a/b@../../x",
                           "hf:a/b@/x",
                           "hf:a/b@x y",
                           "hf:a/b:",
                           "hf:a/b:../x.gguf",
                           "hf:a/b:/etc/passwd",
                           "hf:a/b:x\ny",
                           "hf:a/b:x\\y",
                           "hf:a b/c",
                           "hf:a/b?c",
                           "hf:a/b#c",
                           "hf:a%2f/b",
                           "file.gguf"}) {
    EXPECT_FALSE(ParseHubReference(name).ok()) << name;
  }
  EXPECT_FALSE(ParseHubReference("hf:a/" + std::string(97, 'b')).ok());
}

TEST(HubApi, EncodesWhatAUrlCannotHold) {
  EXPECT_EQ(EncodePath("dir/a b#?%é.gguf"), "dir/a%20b%23%3F%25%C3%A9.gguf");
  EXPECT_EQ(EncodePath("refs/pr/1", true), "refs%2Fpr%2F1");
}

TEST(HubApi, ReadsEtagsAndLinks) {
  EXPECT_EQ(BareEtag("\"abc\""), "abc");
  EXPECT_EQ(BareEtag("W/\"abc\""), "abc");
  EXPECT_EQ(BareEtag("\""), "\"");
  EXPECT_EQ(NextPage("<http://h/p?c=2>; rel=\"next\""), "http://h/p?c=2");
  EXPECT_EQ(NextPage("<http://h/1>; rel=\"first\", <http://h/3>; rel=\"next\""), "http://h/3");
  for (const char* link :
       {"", "<", ">", "><", "<http://h>", "<http://h>; rel=\"prev\"", "http://h; rel=\"next\""}) {
    EXPECT_EQ(NextPage(link), "") << link;
  }
}

TEST(HubApi, RedirectsStayOnTheWebAndEncrypted) {
  EXPECT_TRUE(RedirectTarget("https://a/x", "https://b/y").ok());
  EXPECT_TRUE(RedirectTarget("http://a/x", "http://b/y").ok());
  for (const char* target :
       {"http://b/y", "file:///etc/passwd", "ftp://b/y", "", "nonsense", "https://"}) {
    EXPECT_FALSE(RedirectTarget("https://a/x", target).ok()) << target;
  }
  EXPECT_EQ(OriginOf("HTTPS://Example.com/x"), "https://example.com:443");
  EXPECT_NE(OriginOf("https://example.com:8443"), OriginOf("https://example.com"));
  EXPECT_NE(OriginOf("http://example.com"), OriginOf("https://example.com"));
  EXPECT_EQ(OriginOf("https://example.com@evil.org/"), "https://evil.org:443");
}

TEST(HubApi, TreesOfFiles) {
  std::vector<HubFile> files;
  const std::string sha1(40, 'a'), sha256(64, 'b');
  ASSERT_TRUE(ParseTree(R"([{"type":"directory","path":"d","oid":"x","size":0},
    {"type":"file","path":"d/m.gguf","oid":")" +
                            sha1 + R"(","size":7,"lfs":{"oid":")" + sha256 +
                            R"(","size":7,"pointerSize":134}},
    {"type":"file","path":"README.md","oid":")" +
                            sha1 + R"(","size":3},
    {"type":"file","path":"../odd.txt","oid":")" +
                            sha1 + R"(","size":3}])",
                        &files)
                  .ok());
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].path, "d/m.gguf");
  EXPECT_EQ(files[0].etag, sha256);
  EXPECT_EQ(files[1].etag, sha1);
}

TEST(HubApi, HostileTreesAreRefused) {
  const std::string sha1(40, 'a');
  const auto file = [&](const std::string& path, const std::string& size, const std::string& oid) {
    return R"([{"type":"file","path":")" + path + R"(","oid":")" + oid + R"(","size":)" + size +
           "}]";
  };
  std::string deep(100000, '[');
  std::string objects;
  for (int i = 0; i < 50000; ++i) objects += R"({"a":)";
  const std::vector<std::string> hostile = {"",
                                            "{}",
                                            "null",
                                            "[",
                                            "7",
                                            "\"x\"",
                                            "\xff\xfe",
                                            deep,
                                            objects,
                                            file("../../x.gguf", "1", sha1),
                                            file("/x.gguf", "1", sha1),
                                            file("a//x.gguf", "1", sha1),
                                            file("./x.gguf", "1", sha1),
                                            file("a/../x.gguf", "1", sha1),
                                            file("a\\\\x.gguf", "1", sha1),
                                            file("a\\u0000x.gguf", "1", sha1),
                                            file("a\\nx.gguf", "1", sha1),
                                            file("\\u001b[2Jx.gguf", "1", sha1),
                                            file(std::string(2000, 'x') + ".gguf", "1", sha1),
                                            file(std::string(300, 'x') + ".gguf", "1", sha1),
                                            file("x.gguf", "-1", sha1),
                                            file("x.gguf", "1.5", sha1),
                                            file("x.gguf", "\"1\"", sha1),
                                            file("x.gguf", "99999999999999999999", sha1),
                                            file("x.gguf", "2000000000000000", sha1),
                                            file("x.gguf", "1", ""),
                                            file("x.gguf", "1", "../../../x"),
                                            file("x.gguf", "1", std::string(40, 'A')),
                                            file("x.gguf", "1", std::string(41, 'a')),
                                            R"([{"type":"file","path":"x.gguf","size":1,"oid":7}])",
                                            R"([{"type":"file","path":"x.gguf","oid":")" + sha1 +
                                                R"(","size":1,"lfs":{"oid":[],"size":1}}])"};
  for (const std::string& json : hostile) {
    std::vector<HubFile> files;
    EXPECT_FALSE(ParseTree(json, &files).ok()) << json.substr(0, 200);
    EXPECT_TRUE(files.empty());
  }
}

TEST(HubApi, HostileRevisionsAreRefused) {
  EXPECT_EQ(*ParseRevision(R"({"sha":")" + std::string(40, '1') + "\"}"), std::string(40, '1'));
  for (const char* json : {"", "[]", "{}", R"({"sha":7})", R"({"sha":"main"})",
                           R"({"sha":"../../../../../../../../../../../../.."})"}) {
    EXPECT_FALSE(ParseRevision(json).ok()) << json;
  }
}

TEST(HubApi, ManifestsOfOllama) {
  const std::string hex(64, 'c');
  const auto manifest = [](const std::string& digest, const std::string& size) {
    return R"({"schemaVersion":2,"layers":[{"mediaType":"application/vnd.ollama.image.license","digest":"x"},
      {"mediaType":"application/vnd.ollama.image.model","digest":")" +
           digest + R"(","size":)" + size + "}]}";
  };
  const Result<OllamaLayer> layer = ParseOllamaManifest(manifest("sha256:" + hex, "12"));
  ASSERT_TRUE(layer.ok());
  EXPECT_EQ(layer->blob, "sha256-" + hex);
  EXPECT_EQ(layer->n_bytes, 12);
  for (const std::string& json :
       {std::string(), std::string("{}"), std::string(R"({"layers":{}})"),
        std::string(R"({"layers":[7]})"), manifest("sha256:../../x", "1"),
        manifest("md5:" + hex, "1"), manifest("sha256:" + hex, "-1"), manifest("", "1")}) {
    EXPECT_FALSE(ParseOllamaManifest(json).ok()) << json;
  }
}

class HubSettingsTest : public testing::Test {
 protected:
  HubSettingsTest() {
    for (const char* name :
         {"HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HOME",
          "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "XDG_CACHE_HOME"}) {
      unsetenv(name);
    }
    setenv("HOME", (folder_ / "home").c_str(), 1);
  }
  TempFolder folder_;
};

TEST_F(HubSettingsTest, FollowsTheVariablesOfTheHubsClient) {
  EXPECT_EQ(ReadHubSettings()->endpoint, "https://huggingface.co");
  EXPECT_EQ(ReadHubSettings()->cache, folder_ / "home/.cache/huggingface/hub");
  setenv("XDG_CACHE_HOME", "/xdg", 1);
  EXPECT_EQ(ReadHubSettings()->cache, "/xdg/huggingface/hub");
  setenv("HF_HOME", "~/hf", 1);
  EXPECT_EQ(ReadHubSettings()->cache, folder_ / "home/hf/hub");
  setenv("HF_HUB_CACHE", "/else", 1);
  EXPECT_EQ(ReadHubSettings()->cache, "/else");
  setenv("HF_ENDPOINT", "http://localhost:1/", 1);
  EXPECT_EQ(ReadHubSettings()->endpoint, "http://localhost:1");
  setenv("HF_HUB_OFFLINE", "yes", 1);
  EXPECT_TRUE(ReadHubSettings()->offline);
}

TEST_F(HubSettingsTest, FindsTheToken) {
  EXPECT_EQ(ReadHubSettings()->token, "");
  std::filesystem::create_directories(folder_ / "home/.cache/huggingface");
  std::ofstream(folder_ / "home/.cache/huggingface/token") << "hf_file\n";
  EXPECT_EQ(ReadHubSettings()->token, "hf_file");
  setenv("HF_TOKEN", " hf_variable ", 1);
  EXPECT_EQ(ReadHubSettings()->token, "hf_variable");
  setenv("HF_TOKEN", "hf_x\r\nX-Evil: 1", 1);
  EXPECT_FALSE(ReadHubSettings().ok());
}

TEST_F(HubSettingsTest, RefusesAnEndpointThatIsNone) {
  setenv("HF_ENDPOINT", "file:///etc", 1);
  EXPECT_FALSE(ReadHubSettings().ok());
}

}  // namespace
}  // namespace weir
