// Several processes with one file.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store_fixture.h"

namespace weir {
namespace {

constexpr int kProcesses = 3, kCells = 8, kRequests = 12;

/// One process's bench, in miniature; the number of the step that failed.
int WriteCells(const std::string& path) {
  Result<Store> store = Store::Open(path);
  if (!store.ok()) return 1;
  const Result<int64_t> run = store->BeginRun({"m", {}, {}, "{}", "weir", "plain", 1, 1});
  const Result<int64_t> model = store->AddModel({"null.gguf", "", "", false, 0, 0, 0, "f"});
  if (!run || !model) return 2;
  for (int i = 0; i < kCells; ++i) {
    const Result<int64_t> cell = store->BeginCell(*run, *model, {1, 1, 1, 1, 1, {}});
    if (!cell) return 3;
    Result<AttemptWriter> writer = store->BeginAttempt(*cell, 1, {});
    if (!writer) return 4;
    for (int round = 0; round < kRequests; ++round) {
      writer->AddRequest({0, round, false, 0, 0, 1, 1});
      if (!writer->Flush().ok()) return 5;
    }
    if (!writer->Finish({AttemptStatus::kOk, "", {}, {}, {}}).ok()) return 6;
    if (!store->EndCell(*cell, CellStatus::kOk, "", {{"f", "d"}}).ok()) return 7;
  }
  return 0;
}

TEST_F(StoreTest, SeveralProcessesWriteOneFileAtTheSameTime) {
  pid_t children[kProcesses];
  for (pid_t& child : children) {
    child = fork();
    if (child == 0) _exit(WriteCells(Path()));
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
  Store store = OpenOrDie(Path());
  const auto count = [&](const char* table) {
    return *store.database().QueryInt(fmt::format("SELECT count(*) FROM {}", table));
  };
  EXPECT_EQ(count("machine"), 1);
  EXPECT_EQ(count("model"), 1);
  EXPECT_EQ(count("run"), kProcesses);
  EXPECT_EQ(count("cell WHERE status = 'ok'"), kProcesses * kCells);
  EXPECT_EQ(count("request"), kProcesses * kCells * kRequests);
  EXPECT_EQ(count("pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
}

}  // namespace
}  // namespace weir
