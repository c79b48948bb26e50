// Downloads from a hub that misbehaves: nothing half-written is ever taken for whole.
#include "hub/pull.h"

#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "hub/cache.h"
#include "hub/fake_hub.h"
#include "hub/part_file.h"
#include "temp_folder.h"
#include "test_data.h"
#include "util/file_lock.h"
#include "util/interrupt.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kChunk = 64 << 10;

std::string Noise(size_t n_bytes) {
  std::string bytes(n_bytes, '\0');
  uint64_t state = 88172645463325252u;
  for (char& c : bytes) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    c = static_cast<char>(state);
  }
  return bytes;
}

FakeReply Plain(int status, std::map<std::string, std::string> headers, std::string body) {
  FakeReply reply;
  reply.status = status;
  reply.headers = std::move(headers);
  reply.body = std::move(body);
  return reply;
}

/// What a test hands to itself in another process.
constexpr const char *kEndpoint = "WEIR_TEST_ENDPOINT", *kCache = "WEIR_TEST_CACHE";

class PullTest : public testing::Test {
 protected:
  PullTest() {
    settings_ = {.endpoint = hub_.url(), .token = "", .cache = folder_ / "cache"};
    options_ = {.connect_seconds = 5,
                .stall_seconds = 20,
                .max_failures = 3,
                .first_wait_ms = 1,
                .max_wait_seconds = 2,
                .n_parallel = 4,
                .chunk_bytes = kChunk};
    hub_.Add(kFile, bytes_);
  }

  Result<PulledModel> PullIt(const std::string& name = "hf:org/model") {
    const Result<HubReference> reference = ParseHubReference(name);
    EXPECT_TRUE(reference.ok());
    return Pull(settings_, options_, *reference, {});
  }
  void ExpectWhole(const Result<PulledModel>& pulled) {
    ASSERT_TRUE(pulled.ok()) << pulled.error().message;
    EXPECT_TRUE(ReadText(pulled->path()) == bytes_);
    EXPECT_EQ(fs::read_symlink(pulled->path()).string(), "../../blobs/" + FakeHub::Etag(bytes_));
    EXPECT_EQ(ReadText(folder_ / "cache/models--org--model/refs/main"), FakeHub::commit());
    EXPECT_EQ(BlobNames(), std::vector<std::string>{FakeHub::Etag(bytes_)});
  }
  /// An error with that word, and nothing that a reader of the cache would find.
  void ExpectFailure(const Result<PulledModel>& pulled, ErrorCode code, const std::string& word) {
    ASSERT_FALSE(pulled.ok());
    EXPECT_EQ(pulled.error().code, code) << pulled.error().message;
    EXPECT_NE((pulled.error().message + pulled.error().hint).find(word), std::string::npos)
        << pulled.error().message << "\n"
        << pulled.error().hint;
    EXPECT_FALSE(fs::exists(folder_ / "cache/models--org--model/snapshots"));
    EXPECT_FALSE(fs::exists(Blob()));
    EXPECT_FALSE(FindInCache(settings_, *ParseHubReference("hf:org/model")));
  }
  std::string Blob() const {
    return folder_ / "cache/models--org--model/blobs/" + FakeHub::Etag(bytes_);
  }
  std::vector<std::string> BlobNames() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_ / "cache/models--org--model/blobs")) {
      names.push_back(entry.path().filename());
    }
    return names;
  }
  int64_t BytesKept() {
    return PartFile::BytesKept(Blob(), FakeHub::Etag(bytes_), static_cast<int64_t>(bytes_.size()),
                               kChunk);
  }
  /// The test of that name in a process of its own, with kEndpoint and kCache set. A fork alone would inherit the locks
  /// that the threads of the hub happen to hold, of the allocator for instance, and not the threads.
  pid_t PullBeside(const std::string& test) {
    setenv(kEndpoint, settings_.endpoint.c_str(), 1);
    setenv(kCache, settings_.cache.c_str(), 1);
    setenv("TEST_TMPDIR", (folder_ / "").c_str(), 1);
    std::string program = "/proc/self/exe", filter = "--gtest_filter=" + test;
    char* argv[] = {program.data(), filter.data(), nullptr};
    pid_t child = -1;
    EXPECT_EQ(posix_spawn(&child, argv[0], nullptr, nullptr, argv, environ), 0);
    for (const char* name : {kEndpoint, kCache, "TEST_TMPDIR"}) unsetenv(name);
    return child;
  }
  static bool IsBody(const FakeRequest& request) {
    return request.method == "GET" && request.has("/resolve/");
  }

  const std::string kFile = "model-Q8_0.gguf";
  TempFolder folder_;
  std::string bytes_ = Noise(10 * kChunk + 12345);
  HubSettings settings_;
  NetworkOptions options_;
  // Mischief may still run in the hub's threads when a test's body has ended: what it counts in
  // lives as long as the fixture, and the hubs, declared last, end first.
  std::atomic<int> n_ = 0, n_open_ = 0, most_ = 0;
  std::atomic<int64_t> n_sent_ = 0;
  FakeHub cdn_;
  FakeHub hub_;
};

TEST_F(PullTest, FetchesAFileByRangesAndNeverTwice) {
  ExpectWhole(PullIt());
  EXPECT_EQ(hub_.CountRequests("/resolve/"), 1u + 11u);  // HEAD, and each chunk once
  const Result<PulledModel> again = PullIt();
  ExpectWhole(again);
  EXPECT_EQ(again->bytes_fetched, 0);
  EXPECT_EQ(hub_.CountRequests("/resolve/"), 12u);
  EXPECT_TRUE(FindInCache(settings_, *ParseHubReference("hf:org/model:q8_0")));
  EXPECT_FALSE(FindInCache(settings_, *ParseHubReference("hf:org/model:Q4_K_M")));
}

TEST_F(PullTest, AsksForSeveralRangesAtOnce) {
  hub_.SetMischief([&](const FakeRequest& request, FakeReply&) {
    if (!IsBody(request)) return;
    most_ = std::max(most_.load(), ++n_open_);
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    --n_open_;
  });
  ExpectWhole(PullIt());
  EXPECT_GT(most_, 1);
  EXPECT_LE(most_, options_.n_parallel);
}

TEST_F(PullTest, FilesInGitAndEmptyFilesAreVerifiedToo) {
  hub_.Add("folder/in-git-F16.gguf", "GGUF and little else", false);
  hub_.Add("empty-F32.gguf", "");
  const Result<PulledModel> small = PullIt("hf:org/model:folder/in-git-F16.gguf");
  ASSERT_TRUE(small.ok()) << small.error().message;
  EXPECT_EQ(ReadText(small->path()), "GGUF and little else");
  EXPECT_EQ(fs::read_symlink(small->path()).string(),
            "../../../blobs/" + FakeHub::Etag("GGUF and little else", false));
  const Result<PulledModel> empty = PullIt("hf:org/model:F32");
  ASSERT_TRUE(empty.ok()) << empty.error().message;
  EXPECT_EQ(ReadText(empty->path()), "");
}

TEST_F(PullTest, SplitModelsComeWhole) {
  hub_.Add("big/m-Q4_K_M-00001-of-00002.gguf", "first");
  hub_.Add("big/m-Q4_K_M-00002-of-00002.gguf", "second");
  hub_.Add("mmproj-Q4_K_M.gguf", "eyes");
  const Result<PulledModel> pulled = PullIt("hf:org/model:q4_k_m");
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  ASSERT_EQ(pulled->paths.size(), 2u);
  EXPECT_EQ(ReadText(pulled->paths[1]), "second");
  // One part of two is not the model.
  fs::remove(fs::canonical(pulled->paths[1]));
  EXPECT_FALSE(FindInCache(settings_, *ParseHubReference("hf:org/model:q4_k_m")));
}

TEST_F(PullTest, ReadsAllPagesOfTheList) {
  for (int i = 0; i < 7; ++i) hub_.Add(fmt::format("a{}.txt", i), "text", false);
  hub_.SetPageSize(3);
  hub_.SetMischief([&](const FakeRequest&, FakeReply& reply) {
    // As through a mirror, which passes on the addresses of the original.
    if (reply.headers.contains("Link"))
      reply.headers["Link"].replace(1, hub_.url().size(), "https://original");
  });
  ExpectWhole(PullIt());
  EXPECT_EQ(hub_.CountRequests("/tree/"), 3u);
}

TEST_F(PullTest, FollowsRedirectsWithoutCarryingTheTokenAway) {
  hub_.RedirectTo(&cdn_);
  hub_.SetToken("secret");
  settings_.token = "secret";
  ExpectWhole(PullIt());
  ASSERT_GT(cdn_.requests().size(), 10u);
  for (const FakeRequest& request : cdn_.requests()) {
    EXPECT_EQ(request.header("authorization"), "");
  }
  for (const FakeRequest& request : hub_.requests())
    EXPECT_EQ(request.header("authorization"), "Bearer secret");
  EXPECT_EQ(hub_.CountRequests("/resolve/"), 2u);  // HEAD, and one redirect for all ranges
}

TEST_F(PullTest, AsksForANewAddressWhenTheSignedOneExpires) {
  hub_.RedirectTo(&cdn_);
  cdn_.SetMischief([&](const FakeRequest&, FakeReply& reply) {
    if (++n_ == 5) reply = Plain(403, {}, "expired");
  });
  ExpectWhole(PullIt());
  EXPECT_EQ(hub_.CountRequests("/resolve/"), 3u);
}

TEST_F(PullTest, GoesOnWhereACutCameWithinOneRun) {
  hub_.SetMischief([&](const FakeRequest& request, FakeReply& reply) {
    if (!IsBody(request)) return;
    if (++n_ % 2 == 0) reply.cut_after = reply.body.size() / 2;
    n_sent_ += static_cast<int64_t>(reply.cut_after.value_or(reply.body.size()));
  });
  ExpectWhole(PullIt());
  EXPECT_EQ(n_sent_, static_cast<int64_t>(bytes_.size()));  // not a byte twice
}

TEST_F(PullTest, GoesOnWhereAnEarlierRunFailed) {
  hub_.SetMischief([&](const FakeRequest& request, FakeReply& reply) {
    if (IsBody(request) && ++n_ > 5) reply = Plain(500, {}, "down");
  });
  ExpectFailure(PullIt(), ErrorCode::kFailed, "500");
  const int64_t kept = BytesKept();
  EXPECT_GT(kept, 0);
  hub_.SetMischief(nullptr);
  const Result<PulledModel> pulled = PullIt();
  ExpectWhole(pulled);
  EXPECT_EQ(pulled->bytes_kept, kept);
  EXPECT_EQ(pulled->bytes_fetched, static_cast<int64_t>(bytes_.size()) - kept);
}

TEST_F(PullTest, GoesOnAfterTheDeathOfTheProcess) {
  if (const char* endpoint = std::getenv(kEndpoint)) {
    settings_.endpoint = endpoint;
    settings_.cache = std::getenv(kCache);
    static_cast<void>(PullIt());
    return;
  }
  hub_.SetMischief([&](const FakeRequest& request, FakeReply& reply) {
    if (IsBody(request) && request.header("range").find("bytes=327680-") == 0)
      reply.stall_ms = 20000;
  });
  const pid_t child = PullBeside("PullTest.GoesOnAfterTheDeathOfTheProcess");
  ASSERT_GT(child, 0);
  while (BytesKept() < 9 * kChunk) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_FALSE(fs::exists(Blob()));
  const int64_t kept = BytesKept();
  hub_.SetMischief(nullptr);
  const Result<PulledModel> pulled = PullIt();
  ExpectWhole(pulled);
  EXPECT_EQ(pulled->bytes_kept, kept);
  EXPECT_EQ(pulled->bytes_fetched, static_cast<int64_t>(bytes_.size()) - kept);
}

TEST_F(PullTest, CorruptBytesAreNeverTakenForTheFile) {
  hub_.SetMischief([&](const FakeRequest& request, FakeReply& reply) {
    if (IsBody(request) && request.header("range").find("bytes=65536-") == 0) reply.body[100] ^= 1;
  });
  ExpectFailure(PullIt(), ErrorCode::kFailed, "checksum");
  EXPECT_TRUE(BlobNames().empty());
  hub_.SetMischief(nullptr);
  ExpectWhole(PullIt());
}

TEST_F(PullTest, ServersWithoutRangesDeliverInOneGo) {
  hub_.SetMischief([&](const FakeRequest& request, FakeReply& reply) {
    if (!IsBody(request)) return;
    reply.status = 200;
    reply.headers.erase("Content-Range");
    reply.body = bytes_;
  });
  ExpectWhole(PullIt());
}

TEST_F(PullTest, ACutOfASingleAnswerStartsAnew) {
  hub_.SetMischief([&](const FakeRequest& request, FakeReply& reply) {
    if (!IsBody(request)) return;
    reply.status = 200;
    reply.headers.erase("Content-Range");
    reply.body = bytes_;
    if (++n_ == 2) reply.cut_after = 3 * kChunk + 5;
  });
  ExpectWhole(PullIt());
  EXPECT_EQ(n_, 3);
}

TEST_F(PullTest, LiesAboutRangesAndLengthsAreFound) {
  const auto pull_with = [&](const Mischief& lie) {
    hub_.SetMischief([&, lie](const FakeRequest& request, FakeReply& reply) {
      if (IsBody(request)) lie(request, reply);
    });
    return PullIt();
  };
  const auto wrong_start = [](const FakeRequest&, FakeReply& reply) {
    reply.headers["Content-Range"] = "bytes 1-65536/667705";
  };
  ExpectFailure(pull_with(wrong_start), ErrorCode::kFailed, "bytes 1-65536");
  const auto wrong_total = [](const FakeRequest&, FakeReply& reply) {
    std::string& range = reply.headers["Content-Range"];
    range = range.substr(0, range.find('/')) + "/999";
  };
  ExpectFailure(pull_with(wrong_total), ErrorCode::kFailed, "/999");
  const auto nonsense = [](const FakeRequest&, FakeReply& reply) {
    reply.headers["Content-Range"] = "bytes 0-99999999999999999999/\x01";
  };
  ExpectFailure(pull_with(nonsense), ErrorCode::kFailed, "asked for bytes");
  const auto too_long = [](const FakeRequest&, FakeReply& reply) {
    reply.body += "more";
    reply.claim_length = false;
  };
  ExpectFailure(pull_with(too_long), ErrorCode::kFailed, "found more");
  const auto claims_more = [](const FakeRequest&, FakeReply& reply) { reply.body += "more"; };
  ExpectFailure(pull_with(claims_more), ErrorCode::kFailed, "expected an answer of 65536 bytes");
  const auto empty = [](const FakeRequest&, FakeReply& reply) { reply.body.clear(); };
  ExpectFailure(pull_with(empty), ErrorCode::kFailed, "early");
}

TEST_F(PullTest, AnswersThatEndEarlyAreCompleted) {
  hub_.SetMischief([&](const FakeRequest& request, FakeReply& reply) {
    if (!IsBody(request) || reply.body.size() < 20000) return;
    reply.body.resize(20000);  // fewer bytes than Content-Range says, and no Content-Length
    reply.claim_length = false;
  });
  ExpectWhole(PullIt());
}

TEST_F(PullTest, AFileThatChangesMeanwhileIsRefused) {
  hub_.SetMischief([&](const FakeRequest& request, FakeReply& reply) {
    if (IsBody(request) && ++n_ > 3) reply.headers["ETag"] = "\"another\"";
  });
  ExpectFailure(PullIt(), ErrorCode::kFailed, "changed on the server");
  EXPECT_EQ(BytesKept(), 0);
}

TEST_F(PullTest, HeadersThatContradictTheListAreRefused) {
  hub_.SetMischief([&](const FakeRequest& request, FakeReply& reply) {
    if (request.method == "HEAD") reply.headers["X-Linked-Size"] = "5";
  });
  ExpectFailure(PullIt(), ErrorCode::kFailed, "found 5 bytes");
}

TEST_F(PullTest, WaitsAsLongAsTheServerAsks) {
  hub_.SetMischief([&](const FakeRequest& request, FakeReply& reply) {
    if (!IsBody(request) || ++n_ != 2) return;
    reply = Plain(429, {{"Retry-After", "1"}}, "slow down");
  });
  std::vector<int64_t> waits;
  PullEvents events;
  events.on_wait = [&](const std::string&, int64_t ms) { waits.push_back(ms); };
  ExpectWhole(Pull(settings_, options_, *ParseHubReference("hf:org/model"), events));
  EXPECT_EQ(waits, std::vector<int64_t>{1000});
}

TEST_F(PullTest, DoesNotWaitForHours) {
  hub_.SetMischief([&](const FakeRequest& request, FakeReply& reply) {
    if (request.has("/tree/")) reply = Plain(429, {{"Retry-After", "7200"}}, "");
  });
  ExpectFailure(PullIt(), ErrorCode::kFailed, "7200 s");
}

TEST_F(PullTest, TriesAgainAfter503ThenGivesUp) {
  hub_.SetMischief([&](const FakeRequest& request, FakeReply& reply) {
    if (request.has("/revision/") && ++n_ <= 2) reply = Plain(503, {}, "");
  });
  ExpectWhole(PullIt());
  fs::remove_all(folder_ / "cache");
  hub_.SetMischief([](const FakeRequest&, FakeReply& reply) { reply = Plain(503, {}, ""); });
  ExpectFailure(PullIt(), ErrorCode::kFailed, "503");
}

TEST_F(PullTest, StalledConnectionsAreGivenUpAndReplaced) {
  hub_.SetMischief([&](const FakeRequest& request, FakeReply& reply) {
    if (IsBody(request) && ++n_ == 3) reply.stall_ms = 20000;
  });
  options_.stall_seconds = 1;
  ExpectWhole(PullIt());
}

TEST_F(PullTest, RefusalsOfTheHubSayWhatToDo) {
  hub_.SetToken("secret");
  ExpectFailure(PullIt(), ErrorCode::kBadInput, "HF_TOKEN");
  settings_.token = "secret";
  ExpectFailure(PullIt("hf:org/other"), ErrorCode::kBadInput, "org/other");
  ExpectFailure(PullIt("hf:org/model@v9"), ErrorCode::kBadInput, "no such revision");
  hub_.SetMischief([](const FakeRequest&, FakeReply& reply) {
    reply = Plain(403, {{"X-Error-Code", "GatedRepo"}}, "");
  });
  ExpectFailure(PullIt(), ErrorCode::kBadInput, "accept its conditions");
}

TEST_F(PullTest, EndlessRedirectsEnd) {
  hub_.SetMischief([](const FakeRequest& request, FakeReply& reply) {
    if (IsBody(request)) reply = Plain(302, {{"Location", request.path}}, "x");
  });
  ExpectFailure(PullIt(), ErrorCode::kFailed, "redirects");
  hub_.SetMischief([](const FakeRequest& request, FakeReply& reply) {
    if (IsBody(request)) reply = Plain(302, {{"Location", "file:///etc/passwd"}}, "x");
  });
  ExpectFailure(PullIt(), ErrorCode::kFailed, "no web address");
}

TEST_F(PullTest, AWorthlessMapIsNotBelieved) {
  ASSERT_TRUE(PullIt().ok());
  fs::remove(Blob());
  fs::remove_all(folder_ / "cache/models--org--model/snapshots");
  // A map that says "all here" beside a file that is not, as after a power cut.
  {
    Result<PartFile> part =
        PartFile::Open(Blob(), FakeHub::Etag(bytes_), static_cast<int64_t>(bytes_.size()), kChunk);
    ASSERT_TRUE(part.ok());
    const std::string zeros(bytes_.size(), '\0');
    ASSERT_TRUE(part->Add(0, reinterpret_cast<const uint8_t*>(zeros.data()), part->n_bytes()).ok());
  }
  ExpectFailure(PullIt(), ErrorCode::kFailed, "checksum");
  ExpectWhole(PullIt());
  // One of another size, or cut.
  fs::remove(Blob());
  std::ofstream(Blob() + ".weir-map") << "weir download 1\n";
  std::ofstream(Blob() + ".weir-part") << "something";
  ExpectWhole(PullIt());
}

TEST_F(PullTest, TheOtherClientsIncompleteFileIsLeftAlone) {
  ASSERT_TRUE(HubCache(settings_.cache, *ParseHubReference("hf:org/model")).MakeFolders().ok());
  std::ofstream(Blob() + ".incomplete") << "theirs";
  ASSERT_TRUE(PullIt().ok());
  EXPECT_EQ(ReadText(Blob() + ".incomplete"), "theirs");
}

TEST_F(PullTest, TwoProcessesDownloadOnce) {
  const HubCache cache(settings_.cache, *ParseHubReference("hf:org/model"));
  ASSERT_TRUE(cache.MakeFolders().ok());
  std::atomic<bool> waited = false;
  std::optional<FileLock> held =
      std::move(FileLock::Try(cache.LockPath(FakeHub::Etag(bytes_)))).value();
  ASSERT_TRUE(held);
  PullEvents events;
  events.locked = [&](const std::string&) {
    // The other process finishes now.
    waited = true;
    std::ofstream(Blob(), std::ios::binary) << bytes_;
    held.reset();
  };
  ExpectWhole(Pull(settings_, options_, *ParseHubReference("hf:org/model"), events));
  EXPECT_TRUE(waited);
  EXPECT_EQ(hub_.CountRequests("/resolve/"), 1u);  // HEAD alone
}

TEST_F(PullTest, InterruptsKeepWhatHasArrived) {
  CatchInterrupts();
  hub_.SetMischief([&](const FakeRequest& request, FakeReply&) {
    if (IsBody(request) && ++n_ == 6) raise(SIGINT);
  });
  ExpectFailure(PullIt(), ErrorCode::kInterrupted, "");
  ClearInterrupt();
  EXPECT_GT(BytesKept(), 0);
  hub_.SetMischief(nullptr);
  const Result<PulledModel> pulled = PullIt();
  ExpectWhole(pulled);
  EXPECT_GT(pulled->bytes_kept, 0);
}

TEST_F(PullTest, ChecksTheDiskFirst) {
  hub_.SetMischief([](const FakeRequest& request, FakeReply& reply) {
    if (!request.has("/tree/")) return;
    reply.body =
        fmt::format(R"([{{"type":"file","path":"x.gguf","size":1000000000000000,"oid":"{}"}}])",
                    std::string(40, 'a'));
  });
  ExpectFailure(PullIt(), ErrorCode::kRefused, "1000000.00 GB");
  EXPECT_EQ(hub_.CountRequests("/resolve/"), 0u);
}

}  // namespace
}  // namespace weir
