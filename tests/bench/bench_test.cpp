// The whole bench on a null target and a clock of its own: from options to rows, JSON and table.
#include "bench/bench.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <new>

#include "bench/document.h"
#include "null_target.h"
#include "temp_folder.h"

namespace weir {
namespace {

using nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;

class BenchTest : public testing::Test {
 protected:
  BenchTest() : store_(Store::Open(":memory:").value()) { options_ = {{1, 2}, 8, 32, 2, 3, 1, {}}; }

  NullSubject& Add(std::string name = "null.gguf") {
    subjects_.push_back(std::make_unique<NullSubject>(std::move(name)));
    return static_cast<NullSubject&>(*subjects_.back());
  }

  std::vector<CellResult> Run() {
    const RunRow run{"m", {}, {}, "{}", "weir", "plain", 1, 1};
    const auto outcome = RunBench(options_, run, subjects_, store_, instruments_, nullptr);
    EXPECT_TRUE(outcome.ok()) << outcome.error().message;
    outcome_ = *outcome;
    return *store_.Results(outcome_.run);
  }

  Store store_;
  BenchOptions options_;
  NullInstruments instruments_;
  std::vector<std::unique_ptr<Subject>> subjects_;
  BenchOutcome outcome_;
};

TEST_F(BenchTest, KnownTimingsGiveKnownFigures) {
  Add();
  const std::vector<CellResult> cells = Run();
  ASSERT_EQ(cells.size(), 2u);
  for (const CellResult& cell : cells) {
    const int n = cell.row.users;
    EXPECT_EQ(cell.status, CellStatus::kOk) << cell.reason;
    EXPECT_THAT(cell.flags, testing::IsEmpty());
    EXPECT_THAT(cell.decode_samples, ElementsAre(n / 0.010, n / 0.010, n / 0.010));
    // Inside the window: 31 steps, n prefills of 8 ms each, 31 steps; n * 63 tokens.
    EXPECT_DOUBLE_EQ(cell.Find("aggregate_tok_s")->median, n * 63 / (0.620 + 0.008 * n));
    EXPECT_DOUBLE_EQ(cell.Find("prefill_tok_s")->median, 1000);
    EXPECT_DOUBLE_EQ(cell.Find("ttft_ms")->greatest, 8 * n);
    EXPECT_EQ(cell.Find("ttft_ms")->n, 3 * 2 * n);
    // 80 MB at 10 GB/s and 800 M MAC at 200 G/s: 8 ms.
    EXPECT_DOUBLE_EQ(cell.Find("limit_tok_s")->median, n / 0.008);
    EXPECT_DOUBLE_EQ(cell.Find("peak_memory_bytes")->greatest, 4096);
    EXPECT_EQ(cell.logits_hash, "0123456789abcdef");
  }
  // Around each of 2 * 3 repeats, and shared between neighbours.
  EXPECT_EQ(instruments_.n_measured_, 2 * 4);
  EXPECT_EQ(*store_.database().QueryInt(
                "SELECT count(*) FROM attempt WHERE repeat > 0 AND status = 'ok' AND "
                "rates_before IS NOT NULL AND rates_after IS NOT NULL"),
            6);
  EXPECT_EQ(*store_.database().QueryInt("SELECT count(*) FROM attempt WHERE repeat = 0"), 2);
  EXPECT_EQ(*store_.database().QueryInt("SELECT count(*) FROM run WHERE ended_at IS NOT NULL"), 1);
}

TEST_F(BenchTest, MedianAndPeakOverRepeats) {
  Add().script_.speed_of_repeat = {1.0, 1.05, 0.97};
  options_.users = {1};
  const CellResult cell = Run()[0];
  EXPECT_NEAR(cell.Find("decode_tok_s")->median, 100, 1e-3);
  EXPECT_NEAR(cell.Find("decode_tok_s")->greatest, 105, 1e-3);
  EXPECT_THAT(cell.flags, testing::IsEmpty());
}

TEST_F(BenchTest, OneFailedRepeatIsARowAndAFlag) {
  Add().script_.failing_attempts = {3};  // the second repeat
  options_.users = {1};
  const CellResult cell = Run()[0];
  EXPECT_EQ(cell.status, CellStatus::kOk);
  EXPECT_THAT(cell.decode_samples, ElementsAre(100, 100));
  ASSERT_EQ(cell.flags.size(), 2u);
  EXPECT_EQ(cell.flags[0].name, "few_repeats");
  EXPECT_EQ(cell.flags[1].name, "repeats_failed");
  EXPECT_THAT(cell.flags[1].detail, HasSubstr("told to fail"));
}

TEST_F(BenchTest, WarmUpThatFailsFailsTheCellAndOthersGoOn) {
  Add().script_.failing_attempts = {1};
  Add("second.gguf");
  options_.users = {1};
  const std::vector<CellResult> cells = Run();
  ASSERT_EQ(cells.size(), 2u);
  EXPECT_EQ(cells[0].status, CellStatus::kFailed);
  EXPECT_THAT(cells[0].reason, HasSubstr("told to fail"));
  EXPECT_EQ(cells[1].status, CellStatus::kOk);
}

TEST_F(BenchTest, WhatDoesNotFitIsARefusedRow) {
  Add().most_users_ = 1;
  Add("second.gguf").most_users_ = 0;
  const std::vector<CellResult> cells = Run();
  ASSERT_EQ(cells.size(), 4u);
  EXPECT_EQ(cells[0].status, CellStatus::kOk);
  for (int i : {1, 2, 3}) {
    EXPECT_EQ(cells[i].status, CellStatus::kRefused);
    EXPECT_THAT(cells[i].reason, HasSubstr("need too much"));
    EXPECT_TRUE(cells[i].figures.empty());
  }
}

TEST_F(BenchTest, AModelThatDoesNotLoadFailsOnceAndIsSkippedThen) {
  Add().load_ = Failed("disk on fire");
  const std::vector<CellResult> cells = Run();
  EXPECT_EQ(cells[0].status, CellStatus::kFailed);
  EXPECT_EQ(cells[0].reason, "disk on fire");
  EXPECT_EQ(cells[1].status, CellStatus::kSkipped);
}

TEST_F(BenchTest, ShortAnswersAreTooShort) {
  Add();
  options_.users = {1};
  options_.gen_tokens = 12;
  const CellResult cell = Run()[0];  // 11 steps in each of two rounds: 22 count
  EXPECT_EQ(cell.status, CellStatus::kOk);
  options_.gen_tokens = 8;
  const CellResult brief = Run()[0];
  EXPECT_EQ(brief.status, CellStatus::kTooShort);
  EXPECT_EQ(brief.Find("decode_tok_s"), nullptr);
  EXPECT_NE(brief.Find("ttft_ms"), nullptr);
  EXPECT_THAT(brief.reason, HasSubstr("--gen-tokens"));
}

TEST_F(BenchTest, LogitsThatDifferAreFlagged) {
  Add().script_.hash_changes = true;
  options_.users = {1};
  const CellResult cell = Run()[0];
  EXPECT_FALSE(cell.logits_hash.has_value());
  ASSERT_EQ(cell.flags.size(), 1u);
  EXPECT_EQ(cell.flags[0].name, "logits_differ");
}

TEST_F(BenchTest, FlagsOfTheRunAreOnEveryMeasuredCell) {
  Add();
  options_.flags = {{"kv_q8_0", "not f16"}};
  for (const CellResult& cell : Run()) {
    ASSERT_EQ(cell.flags.size(), 1u);
    EXPECT_EQ(cell.flags[0].name, "kv_q8_0");
  }
}

TEST_F(BenchTest, BetterRatesAroundARepeatMakeItsLimit) {
  Add();
  options_.users = {1};
  options_.repeats = 1;
  instruments_.second_.read_gb_s = 20;
  const CellResult cell = Run()[0];
  EXPECT_DOUBLE_EQ(cell.Find("limit_tok_s")->median, 1 / 0.004);
  ASSERT_EQ(cell.flags.size(), 2u);
  EXPECT_EQ(cell.flags[0].name, "few_repeats");
  EXPECT_EQ(cell.flags[1].name, "rates_drifted");
}

TEST_F(BenchTest, WithoutRatesThereIsNoShare) {
  Add();
  options_.users = {1};
  instruments_.prepare_ = Refused("no memory for the buffer");
  const CellResult cell = Run()[0];
  EXPECT_EQ(cell.status, CellStatus::kOk);
  EXPECT_EQ(cell.Find("limit_tok_s"), nullptr);
  ASSERT_EQ(cell.flags.size(), 1u);
  EXPECT_EQ(cell.flags[0].name, "rates_missing");
  EXPECT_EQ(instruments_.n_measured_, 0);
}

TEST_F(BenchTest, AStopKeepsWhatWasMeasured) {
  Add();
  instruments_.stop_after_ = 100;  // in the second repeat of the first cell: about 65 events each
  const std::vector<CellResult> cells = Run();
  EXPECT_TRUE(outcome_.interrupted);
  ASSERT_EQ(cells.size(), 1u);
  EXPECT_EQ(cells[0].status, CellStatus::kInterrupted);
  EXPECT_EQ(cells[0].decode_samples.size(), 1u);
  EXPECT_EQ(
      *store_.database().QueryInt("SELECT count(*) FROM attempt WHERE status = 'interrupted'"), 1);
  EXPECT_EQ(*store_.database().QueryInt("SELECT count(*) FROM run WHERE ended_at IS NULL"), 1);
}

TEST_F(BenchTest, AStopWhileLoadingLeavesNoCell) {
  Add();
  instruments_.stop_after_ = 2;  // asked before each subject and while loading
  EXPECT_THAT(Run(), testing::IsEmpty());
  EXPECT_TRUE(outcome_.interrupted);
}

/// Tokens of the first repeat while it is running; nothing at other times.
std::optional<int64_t> TokensOfRunningRepeat(Store& store) {
  const int64_t n_running = *store.database().QueryInt(
      "SELECT count(*) FROM attempt WHERE repeat = 1 AND status = 'interrupted'");
  if (n_running == 0) return std::nullopt;
  return *store.database().QueryInt(
      "SELECT count(*) FROM token_time t JOIN request q ON q.id = t.request "
      "JOIN attempt a ON a.id = q.attempt WHERE a.repeat = 1");
}

TEST_F(BenchTest, ReadersSeeEveryRequestThatHasEnded) {
  const TempFolder folder;
  store_ = Store::Open(folder / "results.db").value();
  Store reader = Store::OpenReadOnly(folder / "results.db").value();
  Store writer = Store::Open(folder / "results.db").value();
  NullScript& script = Add().script_;
  options_ = {{1}, 8, 20, 5, 1, 1, {}};
  std::set<int64_t> seen;
  instruments_.when_asked_ = [&] {
    // Nobody holds the lock while the target works: another program can write.
    EXPECT_TRUE(writer.database().Run("BEGIN IMMEDIATE; COMMIT").ok());
    const auto n_tokens = TokensOfRunningRepeat(reader);
    if (!n_tokens) return;
    seen.insert(*n_tokens);
    // Less that of the warm-up, the one in flight, and the one that this event ended.
    const auto n_ended = static_cast<int64_t>(script.requests.size()) - 3;
    EXPECT_GE(*n_tokens, 20 * n_ended);
  };
  Run();
  EXPECT_THAT(seen, ElementsAre(0, 20, 40, 60, 80, 100));
}

/// What two processes see alike.
template <class T>
T* Shared() {
  void* memory = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : new (memory) T{};
}

TEST_F(BenchTest, AKilledBenchLosesTheRequestInFlightOnly) {
  const TempFolder folder;
  Add();
  options_ = {{1}, 8, 20, 50, 3, 1, {}};
  auto* n_ended = Shared<std::atomic<int64_t>>();
  const pid_t child = fork();
  if (child == 0) {
    store_ = Store::Open(folder / "results.db").value();
    NullScript& script = static_cast<NullSubject&>(*subjects_[0]).script_;
    instruments_.when_asked_ = [&] {
      *n_ended = static_cast<int64_t>(script.requests.size()) - 2;
      usleep(20);
    };
    Run();
    pause();
  }
  while (*n_ended < 77) usleep(100);
  ASSERT_EQ(kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  Store store = Store::Open(folder / "results.db").value();
  Database& database = store.database();
  EXPECT_EQ(*database.QueryInt("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
  EXPECT_GE(*database.QueryInt("SELECT count(*) FROM request"), *n_ended);
  EXPECT_LE(*database.QueryInt("SELECT count(*) FROM request"), *n_ended + 2);
  EXPECT_EQ(*database.QueryInt("SELECT count(*) FROM request JOIN attempt a ON a.id = attempt "
                               "WHERE repeat > 0 AND json_array_length(token_offsets_ns) <> 20"),
            0);
  EXPECT_EQ(store.Results(1)->at(0).status, CellStatus::kInterrupted);
  EXPECT_EQ(store.Results(1)->at(0).decode_samples.size(), 1u) << "the repeat that was whole";
  EXPECT_TRUE(store.BeginRun({"m", {}, {}, "{}", "weir", "plain", 1, 1}).ok());
}

TEST_F(BenchTest, AFullDiskEndsTheRunAndKeepsWhatWasMeasured) {
  Add();
  Add("second.gguf");
  options_.users = {1};
  options_.gen_tokens = 400;
  NullScript& second = static_cast<NullSubject&>(*subjects_[1]).script_;
  instruments_.when_asked_ = [&] {
    // How SQLite itself lets a disk be full; a limit below the size means the size.
    if (!second.requests.empty()) (void)store_.database().Run("PRAGMA max_page_count = 1");
  };
  const std::vector<CellResult> cells = Run();
  ASSERT_FALSE(outcome_.written.ok());
  EXPECT_THAT(outcome_.written.error().message, HasSubstr("no space left"));
  EXPECT_FALSE(outcome_.interrupted);
  ASSERT_EQ(cells.size(), 2u);
  EXPECT_EQ(cells[0].status, CellStatus::kOk);
  EXPECT_EQ(cells[0].decode_samples.size(), 3u);
  EXPECT_EQ(cells[1].status, CellStatus::kInterrupted);
  EXPECT_EQ(*store_.database().QueryInt("SELECT count(*) FROM run WHERE ended_at IS NULL"), 1);
}

TEST_F(BenchTest, ProgressNeverGoesBackwardsPastTheEnd) {
  Add();
  std::vector<std::pair<int64_t, int64_t>> told;
  const RunRow run{"m", {}, {}, "{}", "weir", "plain", 1, 1};
  ASSERT_TRUE(RunBench(options_, run, subjects_, store_, instruments_,
                       [&](const std::string& doing, int64_t done, int64_t total) {
                         EXPECT_THAT(doing, HasSubstr("null.gguf"));
                         told.emplace_back(done, total);
                       })
                  .ok());
  ASSERT_FALSE(told.empty());
  for (const auto& [done, total] : told) EXPECT_LE(done, total);
}

TEST_F(BenchTest, JsonKeysArePinned) {
  Add().row_.synthetic = true;
  Add("big.gguf").most_users_ = 0;
  options_.users = {1};
  const ordered_json cells = CellsJson(Run());
  std::vector<std::string> keys;
  for (const auto& [key, value] : cells[0].items()) keys.push_back(key);
  EXPECT_THAT(keys, ElementsAre("model", "quant", "users", "status", "reason", "decode_tok_s",
                                "aggregate_tok_s", "ttft_ms", "itl_ms", "tpot_ms", "prefill_tok_s",
                                "peak_memory_bytes", "planned_memory_bytes", "step_bytes",
                                "step_macs", "limit_tok_s", "roofline_share", "logits_hash",
                                "synthetic", "flags", "flag_details", "prompt_tokens", "gen_tokens",
                                "requests_per_user", "repeats"));
  const ordered_json& measured = cells[0];
  EXPECT_EQ(measured["decode_tok_s"],
            ordered_json({{"median", 100.0}, {"peak", 100.0}, {"ci95", {100.0, 100.0}}}));
  EXPECT_EQ(measured["ttft_ms"], ordered_json({{"median", 8.0}, {"p95", 8.0}}));
  EXPECT_EQ(measured["step_bytes"], 80'000'000);
  EXPECT_EQ(measured["step_macs"], 800'000'000);
  EXPECT_DOUBLE_EQ(measured["roofline_share"].get<double>(), 0.8);
  EXPECT_EQ(measured["peak_memory_bytes"], 4096);
  EXPECT_EQ(measured["reason"], nullptr);
  EXPECT_EQ(measured["synthetic"], true);
  EXPECT_EQ(measured["flags"], ordered_json::array());
  const ordered_json& refused = cells[1];
  EXPECT_EQ(refused["status"], "refused");
  EXPECT_EQ(refused["decode_tok_s"],
            ordered_json({{"median", nullptr}, {"peak", nullptr}, {"ci95", nullptr}}));
  for (const char* key : {"prefill_tok_s", "peak_memory_bytes", "step_bytes", "step_macs",
                          "limit_tok_s", "roofline_share", "logits_hash"}) {
    EXPECT_EQ(refused[key], nullptr) << key;
  }
}

TEST(CheckOptions, RefusesWhatCannotBeMeant) {
  const auto message = [](auto&& change) {
    BenchOptions options;
    change(options);
    const Status status = CheckOptions(options);
    EXPECT_EQ(status.error().code, ErrorCode::kBadInput);
    return status.ok() ? "" : status.error().message;
  };
  EXPECT_TRUE(CheckOptions(BenchOptions()).ok());
  EXPECT_THAT(message([](BenchOptions& o) { o.users = {0}; }),
              HasSubstr("--users 0: expected 1 to"));
  EXPECT_THAT(message([](BenchOptions& o) { o.users = {1, 1000}; }), HasSubstr("--users 1000"));
  EXPECT_THAT(message([](BenchOptions& o) { o.users = {-1}; }), HasSubstr("--users -1"));
  EXPECT_THAT(message([](BenchOptions& o) { o.users = {2, 1, 2}; }), HasSubstr("2 is named twice"));
  EXPECT_THAT(message([](BenchOptions& o) { o.users = {}; }), HasSubstr("at least one"));
  EXPECT_THAT(message([](BenchOptions& o) { o.prompt_tokens = 0; }),
              HasSubstr("--prompt-tokens 0"));
  EXPECT_THAT(message([](BenchOptions& o) { o.gen_tokens = -5; }), HasSubstr("--gen-tokens -5"));
  EXPECT_THAT(message([](BenchOptions& o) { o.repeats = 0; }), HasSubstr("--repeats 0"));
}

TEST(CheckContext, ComparesWithTheModels) {
  NullSubject subject;
  BenchOptions options;
  options.prompt_tokens = 990;
  options.gen_tokens = 10;
  EXPECT_TRUE(CheckContext(options, subject).ok());
  options.gen_tokens = 11;
  const Status status = CheckContext(options, subject);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kBadInput);
  EXPECT_THAT(status.error().message, HasSubstr("context of 1000 tokens"));
}

}  // namespace
}  // namespace weir
