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
#include "machine/machine.h"
#include "null_target.h"
#include "temp_folder.h"

namespace weir {
namespace {

using nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class BenchTest : public testing::Test {
 protected:
  /// What the cells of a test are.
  struct Options : BenchOptions {
    std::vector<int> users{1, 2};
    int64_t prompt_tokens = 8, gen_tokens = 32;
    int requests_per_user = 2;
  };

  BenchTest() : store_(Store::Open(":memory:").value()) {}

  NullSubject& Add(std::string name = "null.gguf") {
    subjects_.push_back(std::make_unique<NullSubject>(std::move(name)));
    return static_cast<NullSubject&>(*subjects_.back());
  }

  std::vector<CellResult> Run() {
    const RunRow run{"m", {}, {}, "{}", "weir", "plain", 1, 1};
    const auto outcome = RunBench(options_, run, Cells(), store_, instruments_, nullptr);
    EXPECT_TRUE(outcome.ok()) << outcome.error().message;
    outcome_ = *outcome;
    std::vector<CellResult> cells = *store_.Results(outcome_.run);
    // They are begun in random order.
    std::stable_sort(cells.begin(), cells.end(), [](const CellResult& a, const CellResult& b) {
      return std::pair(a.model.name, a.row.users) < std::pair(b.model.name, b.row.users);
    });
    return cells;
  }

  std::vector<PlannedCell> Cells() const {
    std::vector<PlannedCell> cells;
    for (const auto& subject : subjects_) {
      for (int users : options_.users) {
        CellSpec spec;
        spec.model = subject->row().name;
        spec.target = target_;
        spec.load = {users, options_.requests_per_user, options_.prompt_tokens, options_.gen_tokens, 1};
        if (rate_ > 0) spec.load.arrivals = Arrivals::kConstant;
        spec.load.rate = rate_;
        cells.push_back({subject.get(), spec});
      }
    }
    return cells;
  }

  Store store_;
  Options options_;
  std::string target_ = "engine";
  double rate_ = 0;  // of an open loop
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
  EXPECT_EQ(instruments_.n_measured_, 1 + 2 * 3);
  EXPECT_EQ(*store_.database().QueryInt(
                "SELECT count(*) FROM attempt WHERE repeat > 0 AND status = 'ok' AND "
                "rates_before IS NOT NULL AND rates_after IS NOT NULL"),
            6);
  EXPECT_EQ(*store_.database().QueryInt("SELECT count(*) FROM attempt WHERE repeat = 0"), 2);
  EXPECT_EQ(*store_.database().QueryInt("SELECT max(block) FROM attempt"), 3);
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
  for (int i : {1, 2}) {
    EXPECT_EQ(cells[i].status, CellStatus::kRefused);
    EXPECT_THAT(cells[i].reason, HasSubstr("need too much"));
    EXPECT_TRUE(cells[i].figures.empty());
  }
  EXPECT_EQ(cells[3].status, CellStatus::kSkipped);
  EXPECT_EQ(cells[3].reason, "already 1 user with 40 tokens each did not fit");
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

TEST_F(BenchTest, RequestsThatWaitForNobodyNeedNoWindowOfAllUsers) {
  Add();
  options_.users = {2};
  options_.requests_per_user = 3;
  rate_ = 5;
  options_.precision = 0.05;
  options_.repeats = options_.most_repeats = 5;
  const CellResult cell = Run()[0];
  EXPECT_EQ(cell.status, CellStatus::kOk) << cell.reason;
  ASSERT_NE(cell.Find("aggregate_tok_s"), nullptr);
  EXPECT_NEAR(cell.Find("aggregate_tok_s")->median, 5 * 32, 16) << "what was asked for, while it was asked for";
  ASSERT_NE(cell.Find("ttft_ms"), nullptr);
  EXPECT_EQ(cell.Find("ttft_ms")->n, 5 * 6);
  for (const Flag& flag : cell.flags) EXPECT_NE(flag.name, "imprecise") << flag.detail;
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
  options_.users = {1};
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

/// Says what a kill would leave behind while it is loaded and while it is started.
class WatchedSubject : public NullSubject {
 public:
  Status Load(const OnProgress& on_progress) override {
    when_(true);
    return NullSubject::Load(on_progress);
  }
  Result<std::unique_ptr<Target>> Start(int users, int64_t tokens) override {
    when_(false);
    return NullSubject::Start(users, tokens);
  }
  std::function<void(bool loading)> when_;
};

TEST_F(BenchTest, WhereItDiesThereIsARow) {
  auto subject = std::make_unique<WatchedSubject>();
  std::vector<int64_t> loading, starting;
  subject->when_ = [&](bool is_loading) {
    (is_loading ? loading : starting).push_back(*store_.database().QueryInt(
        "SELECT count(*) FROM cell c WHERE reason IS NULL AND NOT EXISTS (SELECT 1 FROM attempt WHERE cell = c.id)"));
  };
  subjects_.push_back(std::move(subject));
  options_.repeats = 1;
  EXPECT_EQ(Run().size(), 2u) << "those that waited for the model are gone";
  EXPECT_THAT(loading, ElementsAre(2)) << "both need the model";
  EXPECT_THAT(starting, ElementsAre(1, 1)) << "one after the other";
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
  options_.users = {1};
  options_.gen_tokens = 20;
  options_.requests_per_user = 5;
  options_.repeats = 1;
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
  options_.users = {1};
  options_.gen_tokens = 20;
  options_.requests_per_user = 50;
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

TEST_F(BenchTest, BlocksHaveEveryCellOnceInAnOrderOfTheSeed) {
  Add();
  options_.users = {1, 2, 3, 4, 5, 6};
  const auto order = [&](uint64_t seed) {
    options_.order_seed = seed;
    Run();
    std::vector<int64_t> users;
    Statement query = store_.database()
                          .Prepare("SELECT c.users, a.block FROM attempt a JOIN cell c ON c.id = a.cell "
                                   "WHERE c.run = ? AND a.repeat > 0 ORDER BY a.id")
                          .value();
    query.Bind(outcome_.run);
    EXPECT_TRUE(query.ForEach([&](const Statement& row) {
                       EXPECT_EQ(row.Int(1), static_cast<int64_t>(users.size()) / 6 + 1);
                       users.push_back(row.Int(0));
                     }).ok());
    for (int block = 0; block < 3; ++block) {
      const std::vector<int64_t> of_block(users.begin() + 6 * block, users.begin() + 6 * block + 6);
      EXPECT_THAT(of_block, testing::UnorderedElementsAre(1, 2, 3, 4, 5, 6));
    }
    return users;
  };
  const std::vector<int64_t> first = order(1);
  EXPECT_EQ(order(1), first);
  EXPECT_NE(order(2), first);
}

TEST_F(BenchTest, TargetsOfOneModelTakeTurns) {
  Add();
  Add();
  Add("other.gguf");
  options_.users = {1, 2};
  options_.interleave = true;
  Run();
  Statement query = store_.database()
                        .Prepare("SELECT m.name, a.block FROM attempt a JOIN cell c ON c.id = a.cell "
                                 "JOIN model m ON m.id = c.model WHERE a.repeat > 0 ORDER BY a.id")
                        .value();
  std::vector<std::string> models;
  std::vector<int64_t> blocks;
  ASSERT_TRUE(query.ForEach([&](const Statement& row) {
                     models.push_back(row.Text(0));
                     blocks.push_back(row.Int(1));
                   }).ok());
  ASSERT_EQ(models.size(), 18u);
  // Two subjects of two cells each make a block of four; the other model comes before or after them.
  EXPECT_THAT(std::vector<std::string>(models.begin(), models.begin() + 12), testing::Each("null.gguf"));
  for (int i = 0; i < 12; ++i) EXPECT_EQ(blocks[i], i / 4 + 1);
  for (int i = 12; i < 18; ++i) EXPECT_EQ(blocks[i], (i - 12) / 2 + 1);
}

TEST_F(BenchTest, RepeatsUntilTheMedianIsKnownOrThereAreEnough) {
  Add();
  options_.users = {1};
  options_.precision = 0.03;
  EXPECT_EQ(Run()[0].decode_samples.size(), 5u) << "all alike: the fewest that can tell";
  static_cast<NullSubject&>(*subjects_[0]).script_.speed_of_repeat = {1, 1.5, 1, 1.5, 1, 1.5, 1, 1.5, 1, 1.5, 1, 1.5};
  options_.most_repeats = 8;
  const CellResult spread = Run()[0];
  EXPECT_EQ(spread.decode_samples.size(), 8u);
  EXPECT_TRUE(std::any_of(spread.flags.begin(), spread.flags.end(),
                          [](const Flag& flag) { return flag.name == "imprecise"; }));
}

TEST_F(BenchTest, ARepeatThatTakesTooLongFailsAndLargerCellsAreNotTried) {
  Add();
  options_.users = {1, 2, 3};
  options_.timeout_ns = 1;
  const std::vector<CellResult> cells = Run();
  ASSERT_EQ(cells.size(), 3u);
  EXPECT_EQ(cells[0].status, CellStatus::kFailed);
  EXPECT_THAT(cells[0].reason, HasSubstr("timeout"));
  int n_skipped = 0;  // those that the order of the block had after a smaller one
  for (const CellResult& cell : cells) {
    if (cell.status != CellStatus::kSkipped) continue;
    ++n_skipped;
    EXPECT_THAT(cell.reason, HasSubstr("with 40 tokens each took too long"));
  }
  EXPECT_GE(n_skipped, 1);
}

TEST_F(BenchTest, WhatIsFasterThanTheMachineIsRejected) {
  Add().script_.decode_cost.weight_bytes = 800'000'000;  // 80 ms at 10 GB/s, done in 10
  options_.users = {1};
  const CellResult cell = Run()[0];
  EXPECT_EQ(cell.status, CellStatus::kFailed);
  EXPECT_THAT(cell.reason, HasSubstr("impossible: 100 tok/s, where the rates measured around it allow 12.5"));
  EXPECT_TRUE(cell.decode_samples.empty());
  instruments_.cache_bytes_ = 500'000'000;
  const CellResult cached = Run()[0];
  EXPECT_EQ(cached.status, CellStatus::kOk) << "the caches may hold the weights";
  EXPECT_EQ(cached.flags[0].name, "share_above_one");
}

TEST_F(BenchTest, AServerOfAKnownModelHasALimitToo) {
  NullSubject& subject = Add();
  subject.script_.shows_steps = false;
  subject.least_weight_bytes_ = 80'000'000;  // 8 ms at 10 GB/s, done in 10
  options_.users = {2};
  const CellResult cell = Run()[0];
  EXPECT_EQ(cell.status, CellStatus::kOk) << cell.reason;
  EXPECT_THAT(cell.flags, testing::IsEmpty());
  EXPECT_DOUBLE_EQ(cell.Find("decode_tok_s")->median, 2 / 0.010);
  EXPECT_DOUBLE_EQ(cell.Find("limit_tok_s")->median, 2 / 0.008);
  EXPECT_DOUBLE_EQ(cell.Find("step_bytes")->median, 80e6);
}

TEST_F(BenchTest, AServerThatCannotHaveReadItsWeightsIsRejected) {
  NullSubject& subject = Add();
  subject.script_.shows_steps = false;
  subject.least_weight_bytes_ = 800'000'000;  // 80 ms at 10 GB/s, done in 10
  options_.users = {1};
  target_ = "http://somewhere";
  const CellResult cell = Run()[0];
  EXPECT_EQ(cell.status, CellStatus::kFailed);
  EXPECT_THAT(cell.reason, HasSubstr("impossible: 100 tok/s, where the rates measured around it allow 12.5"));
  EXPECT_THAT(cell.reason, HasSubstr("does the server compute this file"));
  // Of requests that wait for nobody more than N may be served at once; threads that were not measured have more
  // bandwidth.
  rate_ = 1000;
  EXPECT_EQ(Run()[0].Find("limit_tok_s"), nullptr);
  rate_ = 0;
  subject.n_threads_ = 1 << 20;
  EXPECT_EQ(Run()[0].Find("limit_tok_s") == nullptr, DefaultThreads() > instruments_.threads());
}

TEST_F(BenchTest, AnswersThatCameAllAtOnceHaveNoDecodeRate) {
  NullSubject& subject = Add();
  subject.script_.shows_steps = false;
  subject.script_.gathers = true;
  subject.gates_ = false;
  subject.least_weight_bytes_ = 80'000'000;
  instruments_.cache_bytes_ = 500'000'000;  // which explains nothing here
  options_.users = {1};
  target_ = "http://somewhere";
  const CellResult cell = Run()[0];
  EXPECT_EQ(cell.status, CellStatus::kFailed);
  EXPECT_THAT(cell.reason, HasSubstr("answers came at once or in lumps (clumped_stream)"));
  EXPECT_TRUE(cell.decode_samples.empty());
  subject.script_.gathers = false;
  subject.script_.tokens_per_step = 6;
  subject.least_weight_bytes_ = 80'000'000;  // 8 ms at 10 GB/s, six tokens in 10
  options_.gen_tokens = 64;
  EXPECT_THAT(Run()[0].reason, HasSubstr("(clumped_stream)")) << "4.8 times the limit";
}

TEST_F(BenchTest, AServerThatSpeculatesIsFlaggedOnly) {
  NullSubject& subject = Add();
  subject.script_.shows_steps = false;
  subject.script_.tokens_per_step = 2;
  subject.gates_ = false;
  subject.least_weight_bytes_ = 150'000'000;  // 15 ms at 10 GB/s, two tokens in 10
  options_.users = {1};
  options_.gen_tokens = 64;
  target_ = "http://somewhere";
  const CellResult cell = Run()[0];
  EXPECT_EQ(cell.status, CellStatus::kOk) << cell.reason;
  ASSERT_FALSE(cell.flags.empty());
  EXPECT_EQ(cell.flags[0].name, "share_above_one");
  EXPECT_THAT(cell.flags[0].detail, HasSubstr("speculation"));
}

TEST_F(BenchTest, StrictMakesDisturbedRepeatsAgain) {
  Add();
  options_.users = {1};
  instruments_.disturbed_ = {2, 3};  // of all attempts: the first two repeats
  std::vector<CellResult> cells = Run();
  EXPECT_EQ(cells[0].decode_samples.size(), 3u) << "a flag only";
  ASSERT_EQ(cells[0].flags.size(), 1u);
  EXPECT_EQ(cells[0].flags[0].name, "swapped");
  options_.strict = true;
  instruments_.n_watched_ = 0;
  cells = Run();
  EXPECT_EQ(cells[0].status, CellStatus::kOk);
  EXPECT_EQ(cells[0].decode_samples.size(), 3u);
  EXPECT_EQ(*store_.database().QueryInt("SELECT count(*) FROM attempt WHERE rejected LIKE 'disturbed: 99 pages%'"), 2);
  instruments_.n_watched_ = 0;
  for (int i = 0; i < 100; ++i) instruments_.disturbed_.insert(i);
  cells = Run();
  EXPECT_EQ(cells[0].status, CellStatus::kFailed);
  EXPECT_THAT(cells[0].reason, HasSubstr("disturbed"));
  EXPECT_TRUE(cells[0].decode_samples.empty());
}

TEST_F(BenchTest, OtherBitsFromTheSameBuildAreAWrongAnswer) {
  NullScript& script = Add().script_;
  options_.users = {1};
  EXPECT_THAT(Run()[0].flags, testing::IsEmpty());
  EXPECT_THAT(Run()[0].flags, testing::IsEmpty());
  script.hash = "fedcba9876543210";
  const CellResult changed = Run()[0];
  EXPECT_EQ(changed.status, CellStatus::kOk);
  ASSERT_EQ(changed.flags.size(), 1u);
  EXPECT_EQ(changed.flags[0].name, "answer_changed");
  script.hash = "0000000000000000";
  options_.strict = true;
  const CellResult wrong = Run()[0];
  EXPECT_EQ(wrong.status, CellStatus::kFailed);
  EXPECT_THAT(wrong.reason, HasSubstr("wrong answer"));
}

TEST_F(BenchTest, ProgressNeverGoesBackwardsPastTheEnd) {
  Add("/a/folder/null.gguf");
  std::vector<std::pair<int64_t, int64_t>> told;
  const RunRow run{"m", {}, {}, "{}", "weir", "plain", 1, 1};
  ASSERT_TRUE(RunBench(options_, run, Cells(), store_, instruments_,
                       [&](const BenchProgress& progress) {
                         EXPECT_THAT(progress.doing, testing::AllOf(HasSubstr("null.gguf"), Not(HasSubstr("folder"))));
                         EXPECT_LE(progress.n_ended, progress.n_cells);
                         told.emplace_back(progress.done_ms, progress.total_ms);
                       })
                  .ok());
  ASSERT_FALSE(told.empty());
  for (const auto& [done, total] : told) EXPECT_LE(done, total);
}

TEST_F(BenchTest, JsonKeysArePinned) {
  Add().row_.synthetic = true;
  Add("too-big.gguf").most_users_ = 0;
  options_.users = {1};
  const ordered_json cells = CellsJson(Run());
  std::vector<std::string> keys;
  for (const auto& [key, value] : cells[0].items()) keys.push_back(key);
  EXPECT_THAT(keys, ElementsAre("model", "quant", "users", "status", "reason", "decode_tok_s",
                                "aggregate_tok_s", "ttft_ms", "itl_ms", "tpot_ms", "prefill_tok_s",
                                "peak_memory_bytes", "planned_memory_bytes", "step_bytes",
                                "step_macs", "limit_tok_s", "roofline_share", "logits_hash",
                                "synthetic", "flags", "flag_details", "prompt_tokens", "gen_tokens",
                                "requests_per_user", "repeats", "id", "target", "foreign_tool",
                                "answers_hash", "energy_j_per_token"));
  const ordered_json& measured = cells[0];
  EXPECT_EQ(measured["decode_tok_s"],
            ordered_json({{"median", 100.0}, {"peak", 100.0}, {"ci95", {100.0, 100.0}}}));
  EXPECT_EQ(measured["ttft_ms"], ordered_json({{"median", 8.0}, {"p95", 8.0}, {"p99", nullptr}}));
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
  EXPECT_THAT(message([](BenchOptions& o) { o.repeats = 0; }), HasSubstr("--repeats 0"));
  EXPECT_THAT(message([](BenchOptions& o) { o.most_repeats = 0; }), HasSubstr("--max-repeats 0"));
  EXPECT_THAT(message([](BenchOptions& o) { o.precision = 0; }), HasSubstr("--precision 0%"));
  EXPECT_THAT(message([](BenchOptions& o) { o.precision = 0.6; }), HasSubstr("--precision 60%"));
  EXPECT_THAT(message([](BenchOptions& o) {
                o.precision = 0.03;
                o.repeats = 30;
              }),
              HasSubstr("--max-repeats 20: expected at least --repeats, 30"));
}

TEST(CheckWorkload, RefusesWhatCannotBeMeant) {
  EXPECT_TRUE(CheckWorkload({1, 1, 1, 1, 0}).ok());
  EXPECT_THAT(CheckWorkload({0, 1, 1, 1, 0}).error().message, HasSubstr("--users 0: expected 1 to"));
  EXPECT_THAT(CheckWorkload({1000, 1, 1, 1, 0}).error().message, HasSubstr("--users 1000"));
  EXPECT_THAT(CheckWorkload({1, 1, 0, 1, 0}).error().message, HasSubstr("--prompt-tokens 0"));
  EXPECT_THAT(CheckWorkload({1, 1, 1, -5, 0}).error().message, HasSubstr("--gen-tokens -5"));
  EXPECT_THAT(CheckWorkload({1, 0, 1, 1, 0}).error().message, HasSubstr("--requests 0"));
}

TEST(CheckContext, ComparesWithTheModels) {
  NullSubject subject;
  Workload load{1, 1, 990, 10, 0};
  EXPECT_TRUE(CheckContext(load, subject).ok());
  load.gen_tokens = 11;
  const Status status = CheckContext(load, subject);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kBadInput);
  EXPECT_THAT(status.error().message, HasSubstr("context of 1000 tokens"));
}

}  // namespace
}  // namespace weir
