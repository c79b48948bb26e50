#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
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
                        slice.n_tokens, slice.samples ? "!" : "", slice.decoding ? ">" : "");
  }
  return text;
}

/// A prompt that differs from every other in its first token.
std::span<const int32_t> Prompt(int64_t n) {
  static std::deque<std::vector<int32_t>> prompts;
  prompts.emplace_back(n, 0)[0] = static_cast<int32_t>(prompts.size());
  return prompts.back();
}

std::string Step(Scheduler& scheduler) {
  std::string text = Describe(scheduler.Plan());
  scheduler.Commit();
  return text;
}

TEST(Scheduler, DecodingRowsComeFirstAndPromptsShareTheBudgetInOrder) {
  Scheduler scheduler({.max_sequences = 4, .n_pages = 100, .prefill_tokens = 10});
  scheduler.Add(1, Prompt(3), 9, {});
  scheduler.Add(2, Prompt(12), 9, {});
  scheduler.Add(3, Prompt(5), 9, {});
  EXPECT_EQ(Step(scheduler), "1:0+3! 2:0+7");
  EXPECT_EQ(Step(scheduler), "1:3+1!> 2:7+5! 3:0+5!");
  EXPECT_EQ(Step(scheduler), "1:4+1!> 2:12+1!> 3:5+1!>");
  scheduler.Finish(2);
  scheduler.Add(4, Prompt(30), 9, {});
  EXPECT_EQ(Step(scheduler), "1:5+1!> 3:6+1!> 4:0+10");
  scheduler.Finish(1);
  scheduler.Finish(3);
  scheduler.Finish(4);
  EXPECT_EQ(Step(scheduler), "");
  EXPECT_EQ(scheduler.pages().n_free(), 100);
}

TEST(Scheduler, NobodyOvertakesTheFirstInTheQueue) {
  Scheduler scheduler({.max_sequences = 2, .n_pages = 3, .prefill_tokens = 100});
  scheduler.Add(1, Prompt(60), 60, {});  // two pages
  scheduler.Add(2, Prompt(60), 60, {});
  scheduler.Add(3, Prompt(1), 1, {});
  EXPECT_EQ(Step(scheduler), "1:0+60!");
  EXPECT_EQ(Step(scheduler), "1:60+1!>");
  scheduler.Finish(1);
  EXPECT_EQ(Step(scheduler), "2:0+60! 3:0+1!");
}

TEST(Scheduler, AGateReleasesItsMembersTogether) {
  Scheduler scheduler({.max_sequences = 4, .n_pages = 100, .prefill_tokens = 4});
  const Gate gate{7, 3};
  for (int id : {1, 2, 3}) scheduler.Add(id, Prompt(4), 9, gate);
  scheduler.Add(4, Prompt(2), 9, {});
  EXPECT_EQ(Step(scheduler), "1:0+4!");
  EXPECT_EQ(Step(scheduler), "2:0+4!");
  EXPECT_EQ(Step(scheduler), "3:0+4!");
  EXPECT_EQ(Step(scheduler), "1:4+1!> 2:4+1!> 3:4+1!> 4:0+2!");
}

TEST(Scheduler, MembersThatEndedCountAtTheirGate) {
  Scheduler scheduler({.max_sequences = 4, .n_pages = 100, .prefill_tokens = 100});
  const Gate gate{7, 4};
  for (int id : {1, 2, 3, 4}) scheduler.Add(id, Prompt(4), 9, gate);
  scheduler.Finish(4);  // while in the queue
  EXPECT_EQ(Step(scheduler), "1:0+4! 2:0+4! 3:0+4!");
  // The gate has opened by now: 4 ended, 1 to 3 have their first token.
  scheduler.Finish(1);
  EXPECT_EQ(Step(scheduler), "2:4+1!> 3:4+1!>");

  scheduler.Finish(2);
  scheduler.Finish(3);
  for (int id : {5, 6}) scheduler.Add(id, Prompt(4), 9, Gate{8, 3});
  EXPECT_EQ(Step(scheduler), "5:0+4! 6:0+4!");
  EXPECT_EQ(Step(scheduler), "");  // waits for the third, who may yet come
  scheduler.Finish(6);
  EXPECT_EQ(Step(scheduler), "");
  scheduler.Add(9, Prompt(4), 9, Gate{8, 3});
  EXPECT_EQ(Step(scheduler), "9:0+4!");
  EXPECT_EQ(Step(scheduler), "5:4+1!> 9:4+1!>");
}

TEST(Scheduler, GatesThatKeepEachOtherOutOpenEarly) {
  Scheduler scheduler({.max_sequences = 2, .n_pages = 100, .prefill_tokens = 100});
  scheduler.Add(1, Prompt(4), 9, Gate{1, 2});
  scheduler.Add(2, Prompt(4), 9, Gate{2, 2});
  scheduler.Add(3, Prompt(4), 9, Gate{1, 2});
  scheduler.Add(4, Prompt(4), 9, Gate{2, 2});
  EXPECT_EQ(Step(scheduler), "1:0+4! 2:0+4!");
  EXPECT_EQ(Step(scheduler), "1:4+1!>");
  scheduler.Finish(1);
  EXPECT_EQ(Step(scheduler), "3:0+4!");
  EXPECT_EQ(Step(scheduler), "3:4+1!>");
  scheduler.Finish(3);
  EXPECT_EQ(Step(scheduler), "4:0+4!");
  EXPECT_EQ(Step(scheduler), "2:4+1!> 4:4+1!>");
}

/// Users with random requests, who end or leave at random, and what must hold in every step.
class Simulation {
 public:
  explicit Simulation(uint64_t seed)
      : random_(seed),
        limits_{.max_sequences = 1 + Below(9),
                .n_pages = 1 + Below(40),
                .prefill_tokens = Below(3) == 0 ? 1 : 1 + Below(200)},
        scheduler_(limits_) {}

  void Run() {
    for (int step = 0; step < 120; ++step) {
      for (int n = Below(8) - 4; n > 0; --n) Arrive();
      while (Below(20) == 0 && !users_.empty())
        Leave(std::next(users_.begin(), Below(users_.size())));
      PlanAndCheck();
      if (testing::Test::HasFatalFailure()) return;
    }
    DrainAndCheck();
  }

 private:
  struct User {
    int64_t n_prompt, n_tokens, n_pages;
    std::optional<Gate> gate;
    int64_t n_computed = 0;
    int32_t slot = -1;  // once seen in a plan
    bool has_token() const { return n_computed >= n_prompt; }
  };
  struct GateMirror {
    int size, n_there = 0, n_joined = 0;
    bool open = false;
  };
  using Users = std::map<SequenceId, User>;  // in the order of arrival

  int Below(int64_t n) { return static_cast<int>(random_() % n); }

  void Arrive() {
    const int64_t room = limits_.n_pages * 64;
    const int64_t n_prompt = 1 + Below(std::min<int64_t>(room - 1, Below(4) == 0 ? 1000 : 30));
    const int64_t n_tokens = 1 + Below(std::min<int64_t>(room - n_prompt, 40));
    User user{n_prompt, n_tokens, Scheduler::PagesFor(n_prompt + n_tokens), {}};
    if (Below(3) == 0) user.gate = JoinGate();
    scheduler_.Add(next_id_, Prompt(n_prompt), n_tokens, user.gate);
    users_[next_id_++] = user;
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
    if (!at->second.has_token()) Count(at->second);
    scheduler_.Finish(at->first);
    users_.erase(at);
  }

  bool Decodes(const User& user) {
    return user.has_token() && (!user.gate || gates_[user.gate->id].open);
  }

  void PlanAndCheck() {
    const std::span<const PlannedSlice> plan = scheduler_.Plan();
    ForgiveAnEarlyGate(plan);
    int64_t n_prefill = 0;
    std::set<SequenceId> planned;
    pages_in_use_.clear();
    for (const PlannedSlice& slice : plan) {
      ASSERT_TRUE(users_.count(slice.id));
      ASSERT_TRUE(planned.insert(slice.id).second);
      User& user = users_[slice.id];
      CheckSlice(slice, user);
      if (!slice.decoding) n_prefill += slice.n_tokens;
      user.slot = slice.slot;
    }
    CheckEveryoneIsServed(planned, n_prefill);
    CheckPages();
    ASSERT_TRUE(!plan.empty() || scheduler_.n_queued() == 0);
    std::vector<PlannedSlice> done(plan.begin(), plan.end());
    scheduler_.Commit();
    for (const PlannedSlice& slice : done) Advance(slice);
  }

  /// The one exception: somebody decodes before the gate is full, alone with the gate's other
  /// members.
  void ForgiveAnEarlyGate(std::span<const PlannedSlice> plan) {
    if (plan.empty() || !plan[0].decoding) return;
    const std::optional<Gate> gate = users_[plan[0].id].gate;
    if (!gate || gates_[gate->id].open) return;
    gates_[gate->id].open = true;
    ASSERT_GT(scheduler_.n_queued(), 0);
    for (const PlannedSlice& slice : plan) {
      ASSERT_TRUE(slice.decoding && users_[slice.id].gate->id == gate->id);
    }
  }

  void CheckSlice(const PlannedSlice& slice, const User& user) {
    ASSERT_EQ(slice.position, user.n_computed);
    ASSERT_GE(slice.n_tokens, 1);
    ASSERT_EQ(slice.decoding, user.has_token());
    const int64_t end = slice.position + slice.n_tokens;
    ASSERT_EQ(slice.samples, end >= user.n_prompt);
    if (slice.decoding) {
      ASSERT_EQ(slice.n_tokens, 1);
    } else {
      ASSERT_LE(end, user.n_prompt);
    }
    ASSERT_EQ(static_cast<int64_t>(slice.pages.size()), user.n_pages);
    ASSERT_TRUE(slice.slot >= 0 && slice.slot < limits_.max_sequences);
    ASSERT_TRUE(user.slot == -1 || user.slot == slice.slot);
    for (int32_t page : slice.pages) {
      ASSERT_TRUE(page >= 0 && page < limits_.n_pages);
      ASSERT_TRUE(pages_in_use_.insert(page).second);
    }
  }

  void CheckEveryoneIsServed(const std::set<SequenceId>& planned, int64_t n_prefill) {
    ASSERT_LE(n_prefill, limits_.prefill_tokens);
    // The admitted are the first to have come, as many as there are.
    int64_t n_left = scheduler_.n_admitted(), pending = 0;
    ASSERT_LE(n_left, limits_.max_sequences);
    std::set<int32_t> slots;
    for (const auto& [id, user] : users_) {
      const bool admitted = n_left-- > 0;
      if (!admitted) {
        ASSERT_FALSE(planned.count(id) || user.slot != -1);
        continue;
      }
      ASSERT_TRUE(user.slot == -1 || slots.insert(user.slot).second);
      if (user.has_token()) {
        ASSERT_EQ(planned.count(id), Decodes(user) ? 1u : 0u);
      } else {
        pending += user.n_prompt - user.n_computed;
      }
    }
    ASSERT_EQ(n_prefill, std::min(pending, limits_.prefill_tokens));
  }

  void CheckPages() {
    int64_t n_left = scheduler_.n_admitted(), n_held = 0;
    const User* next = nullptr;
    for (const auto& [id, user] : users_) {
      if (n_left-- > 0) {
        n_held += user.n_pages;
      } else if (!next) {
        next = &user;
      }
    }
    ASSERT_EQ(n_held + scheduler_.pages().n_free(), limits_.n_pages);
    if (next && scheduler_.n_admitted() < limits_.max_sequences) {
      ASSERT_GT(next->n_pages, scheduler_.pages().n_free());  // else it would have been admitted
    }
  }

  void Advance(const PlannedSlice& slice) {
    const auto at = users_.find(slice.id);
    User& user = at->second;
    user.n_computed += slice.n_tokens;
    if (!slice.samples) return;
    if (!slice.decoding) Count(user);
    const int64_t n_generated = user.n_computed - user.n_prompt + 1;
    if (n_generated == user.n_tokens || Below(50) == 0) Leave(at);
  }

  /// With no further arrivals everybody is served in a bounded number of steps.
  void DrainAndCheck() {
    int64_t bound = 1;
    for (const auto& [id, user] : users_) {
      bound += user.n_tokens + 1 + user.n_prompt / limits_.prefill_tokens;
    }
    for (; bound > 0 && !scheduler_.Plan().empty(); --bound) {
      PlanAndCheck();
      if (testing::Test::HasFatalFailure()) return;
    }
    ASSERT_GT(bound, 0);
    while (!users_.empty()) {  // those whose gate's last members never came
      ASSERT_TRUE(users_.begin()->second.gate);
      Leave(users_.begin());
    }
    ASSERT_TRUE(scheduler_.Plan().empty());
    ASSERT_EQ(scheduler_.pages().n_free(), limits_.n_pages);
    ASSERT_EQ(scheduler_.n_admitted() + scheduler_.n_queued(), 0);
  }

  std::mt19937_64 random_;
  SchedulerLimits limits_;
  Scheduler scheduler_;
  SequenceId next_id_ = 0;
  Users users_;
  std::map<int64_t, GateMirror> gates_;
  std::set<int32_t> pages_in_use_;
};

TEST(Scheduler, KeepsItsPromisesToRandomUsers) {
  for (uint64_t i = 0; i < 400; ++i) {
    SCOPED_TRACE(fmt::format("WEIR_SEED={}, simulation {}", TestSeed(), i));
    Simulation(TestSeed() * 10'000 + i).Run();
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace weir
