// The scheduler by example, and by simulation.
#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <random>
#include <set>

#include "test_data.h"

namespace weir {
namespace {

/// "id:position+n_tokens", with ! where a token is sampled and > where decoding.
std::string Describe(std::span<const PlannedSlice> plan) {
  std::string text;
  for (const PlannedSlice& slice : plan) {
    text += fmt::format("{}{}:{}+{}{}{}", text.empty() ? "" : " ", slice.id, slice.position,
                        slice.tokens.size(), slice.samples ? "!" : "", slice.decoding ? ">" : "");
  }
  return text;
}

/// n tokens that differ from every other prompt in the first.
std::span<const int32_t> Prompt(int64_t n) {
  static std::deque<std::vector<int32_t>> prompts;
  prompts.emplace_back(n, 0)[0] = static_cast<int32_t>(prompts.size());
  return prompts.back();
}

std::string Step(Scheduler& scheduler, int64_t prefill_tokens = 100) {
  const std::span<const PlannedSlice> plan = scheduler.Plan(prefill_tokens);
  std::string text = Describe(plan);
  const auto samples = [](const PlannedSlice& slice) { return slice.samples; };
  scheduler.Commit(std::vector<int32_t>(std::count_if(plan.begin(), plan.end(), samples), 9));
  return text;
}

TEST(Scheduler, DecodingRowsComeFirst) {
  Scheduler scheduler({.max_sequences = 4, .n_pages = 100});
  scheduler.Add(1, {Prompt(3), 9});
  EXPECT_EQ(Step(scheduler, 10), "1:0+3!");
  scheduler.Add(2, {Prompt(12), 9});
  EXPECT_EQ(Step(scheduler, 10), "1:3+1!> 2:0+10");
  EXPECT_EQ(Step(scheduler, 10), "1:4+1!> 2:10+2!");
  EXPECT_EQ(Step(scheduler, 10), "1:5+1!> 2:12+1!>");
  scheduler.Finish(1);
  scheduler.Finish(2);
  EXPECT_EQ(Step(scheduler, 10), "");
  EXPECT_EQ(scheduler.pages().n_free(), 100);
}

TEST(Scheduler, AShortPromptDoesNotWaitForALongOneNorTheLongOneForEver) {
  Scheduler scheduler({.max_sequences = 4, .n_pages = 100});
  scheduler.Add(1, {Prompt(100), 9});
  scheduler.Add(2, {Prompt(20), 9});
  scheduler.Add(3, {Prompt(10), 9});
  EXPECT_EQ(Step(scheduler, 20), "3:0+10! 2:0+5 1:0+5");
  EXPECT_EQ(Step(scheduler, 20), "3:10+1!> 2:5+15! 1:5+5");
  EXPECT_EQ(Step(scheduler, 20), "2:20+1!> 3:11+1!> 1:10+20");
}

TEST(Scheduler, EqualPromptsAreServedInTheirOrder) {
  Scheduler scheduler({.max_sequences = 4, .n_pages = 100});
  for (int id : {1, 2}) scheduler.Add(id, {Prompt(30), 9});
  EXPECT_EQ(Step(scheduler, 20), "1:0+20");
  EXPECT_EQ(Step(scheduler, 20), "1:20+10! 2:0+10");
}

TEST(Scheduler, PriorityComesBeforeTheOrderOfArrival) {
  Scheduler scheduler({.max_sequences = 1, .n_pages = 100});
  scheduler.Add(1, {.prompt = Prompt(3), .max_tokens = 9});
  scheduler.Add(2, {.prompt = Prompt(3), .max_tokens = 9, .priority = 1});
  scheduler.Add(3, {.prompt = Prompt(3), .max_tokens = 9, .priority = 1});
  for (const char* expected : {"2:0+3!", "3:0+3!", "1:0+3!"}) {
    EXPECT_EQ(Step(scheduler), expected);
    scheduler.Finish(scheduler.AdmittedIds()[0]);
  }
}

/// Those who are admitted next, one after the other.
std::string TurnsOf(Scheduler& scheduler) {
  std::string order;
  for (; scheduler.n_queued() + scheduler.n_admitted() > 0; scheduler.Finish(scheduler.AdmittedIds()[0])) {
    scheduler.Plan(100);
    order += fmt::format("{}{}", order.empty() ? "" : " ", scheduler.AdmittedIds()[0]);
  }
  return order;
}

TEST(Scheduler, WhoAsksForMuchDoesNotKeepOutWhoAsksForLittle) {
  Scheduler scheduler({.max_sequences = 1, .n_pages = 100});
  for (int id : {1, 2, 3, 4, 5}) scheduler.Add(id, {.prompt = Prompt(3), .user = 7});
  scheduler.Add(6, {.prompt = Prompt(3), .user = 8});
  EXPECT_EQ(Step(scheduler), "1:0+3!");
  scheduler.Finish(1);
  EXPECT_EQ(Step(scheduler), "6:0+3!");
  scheduler.Finish(6);
  EXPECT_EQ(Step(scheduler), "2:0+3!");
  scheduler.Add(7, {.prompt = Prompt(3), .user = 8});
  scheduler.Add(8, {.prompt = Prompt(3), .user = 9});
  scheduler.Add(9, {.prompt = Prompt(3), .user = 9});
  scheduler.Add(10, {.prompt = Prompt(3), .priority = 1, .user = 7});
  EXPECT_EQ(TurnsOf(scheduler), "2 10 8 7 3 9 4 5");
  for (int id : {11, 12}) scheduler.Add(id, {.prompt = Prompt(3), .user = 7});
  for (int id : {13, 14}) scheduler.Add(id, {.prompt = Prompt(3)});
  EXPECT_EQ(TurnsOf(scheduler), "13 14 11 12") << "nobody's are all different users'";
}

TEST(Scheduler, WhoAsksForMuchIsServedWhateverOthersDo) {
  Scheduler scheduler({.max_sequences = 1, .n_pages = 100});
  for (int id : {1, 2}) scheduler.Add(id, {.prompt = Prompt(3), .user = 0});
  for (int id = 3; id < 1000; ++id) {  // the queue is never without somebody new
    scheduler.Add(id, {.prompt = Prompt(3), .user = id});
    scheduler.Plan(100);
    const SequenceId served = scheduler.AdmittedIds()[0];
    if (served == 2) return;
    scheduler.Finish(served);
  }
  FAIL() << "the second of the first user starves";
}

TEST(Scheduler, NobodyOvertakesTheFirstInTheQueue) {
  Scheduler scheduler({.max_sequences = 3, .n_pages = 3});
  scheduler.Add(1, {Prompt(128), 60});  // two pages, and soon a third
  scheduler.Add(2, {Prompt(65), 60});
  scheduler.Add(3, {Prompt(1), 1});
  EXPECT_EQ(Step(scheduler, 200), "1:0+128!");
  EXPECT_EQ(Step(scheduler, 200), "1:128+1!>");
  scheduler.Finish(1);
  EXPECT_EQ(Step(scheduler, 200), "3:0+1! 2:0+65!");
}

TEST(Scheduler, WhereMemoryRunsOutTheLastIsPreemptedAndComesBack) {
  Scheduler scheduler({.max_sequences = 2, .n_pages = 3});
  scheduler.Add(1, {Prompt(62), 120});
  scheduler.Add(2, {Prompt(63), 120});
  EXPECT_EQ(Step(scheduler, 200), "1:0+62! 2:0+63!");
  EXPECT_EQ(Step(scheduler), "1:62+1!> 2:63+1!>");
  EXPECT_EQ(Step(scheduler), "1:63+1!> 2:64+1!>");  // 2 takes the third page,
  EXPECT_EQ(Step(scheduler), "1:64+1!>");           // and 1 needs it
  EXPECT_EQ(scheduler.n_preempted(), 1);
  EXPECT_EQ(scheduler.n_queued(), 1);
  EXPECT_EQ(Step(scheduler), "1:65+1!>");
  scheduler.Finish(1);
  EXPECT_EQ(Step(scheduler, 40), "2:0+40");  // its prompt and what it had answered
  EXPECT_EQ(Step(scheduler, 40), "2:40+26!");
  EXPECT_EQ(Step(scheduler), "2:66+1!>");
}

TEST(Scheduler, AGateReleasesItsMembersTogether) {
  Scheduler scheduler({.max_sequences = 4, .n_pages = 100});
  const Gate gate{7, 3};
  for (int id : {1, 2, 3}) scheduler.Add(id, {Prompt(4), 9, gate});
  scheduler.Add(4, {Prompt(9), 9});
  EXPECT_EQ(Step(scheduler, 4), "1:0+4!");
  EXPECT_EQ(Step(scheduler, 4), "2:0+4!");
  EXPECT_EQ(Step(scheduler, 4), "3:0+4!");
  EXPECT_EQ(Step(scheduler, 4), "1:4+1!> 2:4+1!> 3:4+1!> 4:0+4");
}

TEST(Scheduler, MembersThatEndedCountAtTheirGate) {
  Scheduler scheduler({.max_sequences = 4, .n_pages = 100});
  const Gate gate{7, 4};
  for (int id : {1, 2, 3, 4}) scheduler.Add(id, {Prompt(4), 9, gate});
  scheduler.Finish(4);  // while in the queue
  EXPECT_EQ(Step(scheduler), "1:0+4! 2:0+4! 3:0+4!");
  // The gate has opened by now: 4 ended, 1 to 3 have their first token.
  scheduler.Finish(1);
  EXPECT_EQ(Step(scheduler), "2:4+1!> 3:4+1!>");

  scheduler.Finish(2);
  scheduler.Finish(3);
  for (int id : {5, 6}) scheduler.Add(id, {Prompt(4), 9, Gate{8, 3}});
  EXPECT_EQ(Step(scheduler), "5:0+4! 6:0+4!");
  EXPECT_EQ(Step(scheduler), "");  // waits for the third, who may yet come
  scheduler.Finish(6);
  EXPECT_EQ(Step(scheduler), "");
  scheduler.Add(9, {Prompt(4), 9, Gate{8, 3}});
  EXPECT_EQ(Step(scheduler), "9:0+4!");
  EXPECT_EQ(Step(scheduler), "5:4+1!> 9:4+1!>");
}

TEST(Scheduler, GatesThatKeepEachOtherOutOpenEarly) {
  Scheduler scheduler({.max_sequences = 2, .n_pages = 100});
  scheduler.Add(1, {Prompt(4), 9, Gate{1, 2}});
  scheduler.Add(2, {Prompt(4), 9, Gate{2, 2}});
  scheduler.Add(3, {Prompt(4), 9, Gate{1, 2}});
  scheduler.Add(4, {Prompt(4), 9, Gate{2, 2}});
  EXPECT_EQ(Step(scheduler), "1:0+4! 2:0+4!");
  EXPECT_EQ(Step(scheduler), "1:4+1!>");
  scheduler.Finish(1);
  EXPECT_EQ(Step(scheduler), "3:0+4!");
  EXPECT_EQ(Step(scheduler), "3:4+1!>");
  scheduler.Finish(3);
  EXPECT_EQ(Step(scheduler), "4:0+4!");
  EXPECT_EQ(Step(scheduler), "2:4+1!> 4:4+1!>");
}

/// Random users: they go on from each other's conversations, meet at gates, leave when they like, and have too
/// little memory. The memory is one of numbers: each position of a page and each slot says which tokens it comes
/// from, so whoever is given a state that is not its own is found out.
class Simulation {
 public:
  explicit Simulation(uint64_t seed)
      : random_(seed),
        limits_{.max_sequences = 1 + Below(6),
                .n_pages = 4 + Below(30),
                .n_checkpoints = Below(2) * (1 + Below(8)),
                .recurrent = Below(4) > 0,
                .checkpoint_interval = Below(2) * 50,
                .cache_bytes = Below(3) ? 10 * Below(200) : INT64_MAX,
                .slot_bytes = 100,
                .page_bytes = 10},
        scheduler_(limits_),
        pages_(limits_.n_pages),
        slots_(limits_.max_sequences + limits_.n_checkpoints) {}

  void Run() {
    for (int step = 0; step < 120; ++step) {
      for (int n = Below(8) - 4; n > 0; --n) Arrive();
      if (Below(15) == 0 && !users_.empty()) Leave(std::next(users_.begin(), Below(users_.size())));
      ASSERT_NO_FATAL_FAILURE(TakeStep());
    }
    ASSERT_NO_FATAL_FAILURE(Drain());
    // Nothing has leaked: one that needs every page gets them.
    const std::vector<int32_t> all(limits_.n_pages * kPageTokens - 1, 77);
    scheduler_.Add(next_id_, {all, 1});
    ASSERT_EQ(scheduler_.Plan(1).size(), 1u);
    ASSERT_EQ(scheduler_.pages().n_free(), 0);
  }

  const Scheduler& scheduler() const { return scheduler_; }

 private:
  struct User {
    std::vector<int32_t> tokens;  // prompt, then answer
    int64_t n_prompt, max_tokens;
    std::optional<Gate> gate;
    int priority = 0;
    int64_t n_computed = 0;  // as far as the last slice says
    int64_t n_cached = -1;
    int64_t n_answered() const { return static_cast<int64_t>(tokens.size()) - n_prompt; }
    bool decodes() const {
      return n_answered() > 0 && n_computed == static_cast<int64_t>(tokens.size()) - 1;
    }
  };
  struct GateMirror {
    int size, n_there = 0, n_joined = 0;
    bool open = false;
  };
  using Users = std::map<SequenceId, User>;  // in the order of arrival

  int Below(int64_t n) { return static_cast<int>(random_() % n); }

  /// What the state after the first n tokens is called.
  static uint64_t StateAfter(std::span<const int32_t> tokens, int64_t n) {
    uint64_t hash = 1469598103934665603u;
    for (int32_t token : tokens.first(n)) hash = (hash ^ static_cast<uint64_t>(token)) * 1099511628211u;
    return hash;
  }

  void Arrive() {
    User user;
    user.tokens = talks_[Below(talks_.size())];
    if (Below(3) == 0) user.tokens.resize(1 + Below(user.tokens.size()));
    for (int n = 1 + Below(Below(3) ? 20 : 200); n > 0; --n) user.tokens.push_back(Below(3));
    const int64_t room = limits_.n_pages * kPageTokens - 1;
    if (static_cast<int64_t>(user.tokens.size()) > room) user.tokens.resize(room);
    user.n_prompt = static_cast<int64_t>(user.tokens.size());
    user.max_tokens = 1 + Below(std::min<int64_t>(room + 1 - user.n_prompt, Below(3) ? 20 : 250));
    if (Below(4) == 0) user.gate = JoinGate();
    user.priority = Below(10) == 0;
    std::vector<int64_t> checkpoints;
    for (int n = Below(3); n > 0; --n) checkpoints.push_back(Below(user.n_prompt + 5));
    scheduler_.Add(next_id_, {user.tokens, user.max_tokens, user.gate, checkpoints, user.priority, Below(5) - 1});
    users_.emplace(next_id_++, std::move(user));
  }

  Gate JoinGate() {
    if (gates_.empty() || gates_.rbegin()->second.n_joined == gates_.rbegin()->second.size) {
      gates_[static_cast<int64_t>(gates_.size())] = {1 + Below(limits_.max_sequences)};
    }
    auto& [id, gate] = *gates_.rbegin();
    ++gate.n_joined;
    return {id, gate.size};
  }

  void Count(const User& user) {
    if (!user.gate) return;
    GateMirror& gate = gates_[user.gate->id];
    gate.open |= ++gate.n_there >= gate.size;
  }

  void Leave(Users::iterator at) {
    if (at->second.n_answered() == 0) Count(at->second);
    scheduler_.Finish(at->first);
    EXPECT_LE(scheduler_.CacheBytes(), limits_.cache_bytes);
    talks_.push_back(std::move(at->second.tokens));
    if (talks_.size() > 12) talks_.erase(talks_.begin() + Below(6));
    users_.erase(at);
  }

  static int64_t CountSnapshots(std::span<const PlannedSlice> plan) {
    int64_t n = 0;
    for (const PlannedSlice& slice : plan) n += std::ssize(slice.snapshots);
    return n;
  }

  void TakeStep() {
    const int64_t budget = Below(3) == 0 ? 1 : 1 + Below(150), preempted = scheduler_.n_preempted();
    const std::span<const PlannedSlice> plan = scheduler_.Plan(budget);
    ASSERT_LE(scheduler_.CacheBytes() + CountSnapshots(plan) * limits_.slot_bytes, limits_.cache_bytes);
    for (const auto [from, to] : scheduler_.page_copies()) pages_[to] = pages_[from];
    for (const auto [from, to] : scheduler_.slot_copies()) slots_[to] = slots_[from];
    ASSERT_TRUE(!plan.empty() || scheduler_.n_queued() == 0);
    ForgiveAnEarlyGate(plan);
    ASSERT_NO_FATAL_FAILURE(CheckSlots(plan));
    for (const PlannedSlice& slice : plan) ASSERT_NO_FATAL_FAILURE(Compute(slice));
    ASSERT_NO_FATAL_FAILURE(
        CheckEveryoneIsServed(plan, budget, scheduler_.n_preempted() - preempted));
    const std::vector<PlannedSlice> done(plan.begin(), plan.end());
    std::vector<int32_t> sampled;
    for (const PlannedSlice& slice : done) {
      if (slice.samples) sampled.push_back(Below(3));
    }
    scheduler_.Commit(sampled);
    ASSERT_LE(scheduler_.CacheBytes(), limits_.cache_bytes);
    auto token = sampled.begin();
    for (const PlannedSlice& slice : done) {
      if (slice.samples) Answer(users_.find(slice.id), *token++);
    }
  }

  /// The one exception: somebody decodes before the gate is full, with the gate's other members alone.
  void ForgiveAnEarlyGate(std::span<const PlannedSlice> plan) {
    if (plan.empty() || !plan[0].decoding) return;
    const std::optional<Gate> gate = users_.at(plan[0].id).gate;
    if (!gate || gates_[gate->id].open) return;
    gates_[gate->id].open = true;
    ASSERT_GT(scheduler_.n_queued(), 0);
    for (const PlannedSlice& slice : plan) {
      ASSERT_TRUE(slice.decoding && users_.at(slice.id).gate->id == gate->id);
    }
  }

  void CheckSlots(std::span<const PlannedSlice> plan) {
    std::set<int32_t> in_use;
    for (const PlannedSlice& slice : plan) {
      ASSERT_TRUE(in_use.insert(slice.slot).second);
      for (const Snapshot& snapshot : slice.snapshots) {
        ASSERT_TRUE(in_use.insert(snapshot.slot).second);
      }
    }
  }

  void Compute(const PlannedSlice& slice) {
    User& user = users_.at(slice.id);
    const std::span<const int32_t> tokens = user.tokens;
    const int64_t n_tokens = static_cast<int64_t>(slice.tokens.size());
    const int64_t end = slice.position + n_tokens;
    if (user.n_cached < 0) {
      user.n_cached = slice.n_cached;
      ASSERT_TRUE(slice.n_cached == slice.position && slice.n_cached < user.n_prompt);
    }
    user.n_computed = slice.position;
    ASSERT_EQ(slice.n_cached, user.n_cached);
    ASSERT_EQ(slice.decoding, user.decodes());
    ASSERT_EQ(slice.samples, end == static_cast<int64_t>(tokens.size()));
    ASSERT_TRUE(n_tokens >= 1 && end <= static_cast<int64_t>(tokens.size()));
    ASSERT_TRUE(std::ranges::equal(slice.tokens, tokens.subspan(slice.position, n_tokens)));
    ASSERT_GE(static_cast<int64_t>(slice.pages.size()), Scheduler::PagesFor(end));

    uint64_t& state = slots_[slice.slot];
    if (slice.position == 0) state = StateAfter({}, 0);
    ASSERT_TRUE(!limits_.recurrent || state == StateAfter(tokens, slice.position));
    for (int64_t i = 0; i < end; ++i) {
      uint64_t& kv = pages_[slice.pages[i / kPageTokens]][i % kPageTokens];
      if (i >= slice.position) kv = StateAfter(tokens, i + 1);
      ASSERT_EQ(kv, StateAfter(tokens, i + 1));
    }
    user.n_computed = end;
    state = StateAfter(tokens, end);
    for (const Snapshot& snapshot : slice.snapshots) {
      ASSERT_TRUE(snapshot.n_tokens >= 1 && snapshot.n_tokens <= n_tokens);
      slots_[snapshot.slot] = StateAfter(tokens, slice.position + snapshot.n_tokens);
    }
  }

  void CheckEveryoneIsServed(std::span<const PlannedSlice> plan, int64_t budget,
                             int64_t n_preempted) {
    std::set<SequenceId> planned;
    int64_t n_prefill = 0, pending = 0;
    for (const PlannedSlice& slice : plan) {
      ASSERT_TRUE(planned.insert(slice.id).second);
      if (!slice.decoding) n_prefill += static_cast<int64_t>(slice.tokens.size());
    }
    const std::vector<SequenceId> admitted = scheduler_.AdmittedIds();
    ASSERT_LE(static_cast<int64_t>(admitted.size()), limits_.max_sequences);
    for (auto& [id, user] : users_) {
      if (std::ranges::count(admitted, id) == 0) user.n_computed = 0;  // if it was preempted
    }
    for (SequenceId id : admitted) {
      const User& user = users_.at(id);
      const bool served = planned.count(id) > 0;
      if (served) {
        pending += user.n_computed < static_cast<int64_t>(user.tokens.size());
      } else if (user.decodes()) {
        ASSERT_TRUE(user.gate && !gates_[user.gate->id].open) << "somebody who decodes was left out";
      } else {
        ++pending;  // prompt tokens that had to wait
      }
    }
    ASSERT_LE(n_prefill, budget);
    ASSERT_TRUE(pending == 0 || n_prefill == budget) << "prompts wait beside an idle machine";
    // The first by rank advances, whoever else is there; unless people who measure hold the memory.
    const bool gated = std::ranges::any_of(users_, [](const auto& u) { return u.second.gate.has_value(); });
    ASSERT_TRUE(admitted.empty() || gated || planned.count(admitted[0]));
    ASSERT_TRUE(n_preempted == 0 || scheduler_.n_queued() > 0);
  }

  void Answer(Users::iterator at, int32_t token) {
    User& user = at->second;
    if (user.n_answered() == 0) Count(user);
    user.tokens.push_back(token);
    if (user.n_answered() == user.max_tokens || Below(200) == 0) Leave(at);
  }

  /// With no further arrivals everybody is served.
  void Drain() {
    for (int bound = 40'000; scheduler_.n_admitted() + scheduler_.n_queued() > 0; --bound) {
      ASSERT_GT(bound, 0) << "somebody starves";
      const size_t n_users = users_.size();
      ASSERT_NO_FATAL_FAILURE(TakeStep());
      if (users_.size() < n_users || scheduler_.n_decoding() > 0) continue;
      LeaveIfAllWait();
    }
  }

  /// Those whose gate's last members never came.
  void LeaveIfAllWait() {
    for (const auto& [id, user] : users_) {
      if (!user.gate || gates_[user.gate->id].open || user.n_answered() == 0) return;
    }
    while (!users_.empty()) Leave(users_.begin());
  }

  std::mt19937_64 random_;
  const SchedulerLimits limits_;
  Scheduler scheduler_;
  std::vector<std::array<uint64_t, kPageTokens>> pages_;
  std::vector<uint64_t> slots_;
  std::vector<std::vector<int32_t>> talks_{{1, 2, 3}};
  SequenceId next_id_ = 0;
  Users users_;
  std::map<int64_t, GateMirror> gates_;
};

TEST(Scheduler, KeepsItsPromisesToRandomUsers) {
  int64_t n_preempted = 0, n_cached_tokens = 0;
  for (uint64_t i = 0; i < 150; ++i) {
    SCOPED_TRACE(fmt::format("WEIR_SEED={}, simulation {}", TestSeed(), i));
    Simulation simulation(TestSeed() * 10'000 + i);
    simulation.Run();
    if (HasFatalFailure()) return;
    n_preempted += simulation.scheduler().n_preempted();
    n_cached_tokens += simulation.scheduler().n_cached_tokens();
  }
  EXPECT_GT(n_preempted, 100);  // else the simulations are too kind
  EXPECT_GT(n_cached_tokens, 10'000);
}

}  // namespace
}  // namespace weir
