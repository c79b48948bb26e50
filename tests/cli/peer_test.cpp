// weir's own server as a server of somebody else's: started, measured and stopped by the bench.
#include "bench/peer.h"

#include <gmock/gmock.h>

#include "bench/cache_probe.h"
#include "bench/slo.h"
#include "bench/recorded_load.h"
#include "cli/weir_process.h"

namespace weir {
namespace {

using testing::HasSubstr;

bool GoOn(int64_t, int64_t) { return true; }

PeerOptions Weir(const TempFolder& folder, const std::string& more = "") {
  PeerOptions options;
  options.command = std::string(WEIR_BINARY) + " serve " + TestData("weir-tiny-q8_0.gguf") +
                    " --port {port} --max-users 4 --ctx 400 " + more;
  options.log_path = folder / "log";
  options.start_seconds = 60;
  return options;
}

TEST(Peer, WeirsServerIsStartedMeasuredAndStopped) {
  const TempFolder folder;
  const auto peer = OpenPeer(Weir(folder, "--threads 1")).value();
  EXPECT_EQ(peer->row().name, "weir-tiny-q8_0.gguf");
  const Status loaded = peer->Load(GoOn);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_EQ(peer->facts().engine, "weir");
  EXPECT_EQ(peer->facts().threads, 1);
  EXPECT_THAT(peer->facts().version, HasSubstr("weir"));
  const std::string url = peer->facts().url;

  Workload load{4, 2, 40, 20, 1};
  for (const bool chat : {false, true}) {
    load.chat = chat;
    const auto records = RunOn(*peer, load, FreshSalt(*peer));
    ASSERT_EQ(records.size(), 8u);
    for (const RequestRecord& record : records) {
      if (chat && !record.error.empty()) {
        EXPECT_THAT(record.error, HasSubstr("HTTP 400")) << "the tiny model has no chat template";
        continue;
      }
      EXPECT_EQ(record.error, "");
      EXPECT_EQ(record.generated_tokens, 20);
      EXPECT_EQ(record.counted_by, CountedBy::kUsage);
      EXPECT_EQ(record.finish, FinishReason::kLength);
      EXPECT_GT(*record.prompt_tokens, 10);
    }
    EXPECT_EQ(Evaluate(ParseSlo("e2e_p95<100s").value(), records).n_good,
              std::count_if(records.begin(), records.end(), [](const auto& r) { return r.error.empty(); }));
  }
  peer->Unload();
  EXPECT_FALSE(MeetServer({.url = url}).ok());
  EXPECT_FALSE(peer->Start(1, 1).ok());
}

TEST(Peer, AServerThatDoesNotStartSaysWhy) {
  const TempFolder folder;
  PeerOptions options;
  options.log_path = folder / "log";
  options.start_seconds = 1;
  options.command = "echo no such model >&2; exit 7 # {port}";
  EXPECT_THAT(OpenPeer(options).value()->Load(GoOn).error().message, HasSubstr("code 7: no such model"));
  options.command = "sleep 100 # {port}";
  EXPECT_THAT(OpenPeer(options).value()->Load(GoOn).error().message, HasSubstr("did not answer"));
  EXPECT_EQ(OpenPeer(options).value()->Load([](int64_t, int64_t) { return false; }).error().code,
            ErrorCode::kInterrupted);
  options.command = "sleep 100";
  EXPECT_THAT(OpenPeer(options).error().message, HasSubstr("where will it listen"));
  options.command = " ";
  EXPECT_FALSE(OpenPeer(options).ok());
}

TEST(ThreadsIn, AreThoseOfTheCommand) {
  EXPECT_EQ(ThreadsIn("llama-server -m x.gguf -t 8 --port {port}"), 8);
  EXPECT_EQ(ThreadsIn("server --threads=3"), 3);
  EXPECT_EQ(ThreadsIn("server --threads 12"), 12);
  EXPECT_EQ(ThreadsIn("OMP_NUM_THREADS=5 server"), 5);
  EXPECT_EQ(ThreadsIn("server --threads"), std::nullopt);
  EXPECT_EQ(ThreadsIn("server -t x"), std::nullopt);
  EXPECT_EQ(ThreadsIn(""), std::nullopt);
}

}  // namespace
}  // namespace weir
