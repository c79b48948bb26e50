// The scheduler with checkpoints, against a memory of numbers: each position of a page and each slot says which
// tokens it comes from, so whoever is given a state that is not its own is found out.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>

#include "engine/scheduler.h"
#include "test_data.h"

namespace weir {
namespace {

class Simulation {
 public:
  explicit Simulation(uint64_t seed)
      : random_(seed),
        limits_{.max_sequences = 1 + Below(5),
                .n_pages = 6 + Below(30),
                .prefill_tokens = 1 + Below(150),
                .n_checkpoints = 1 + Below(8),
                .recurrent = Below(4) > 0,
                .checkpoint_interval = Below(2) * 50},
        scheduler_(limits_),
        pages_(limits_.n_pages),
        slots_(limits_.max_sequences + limits_.n_checkpoints) {
    talks_.push_back({1, 2, 3});
  }

  void Run() {
    for (int step = 0; step < 150; ++step) {
      for (int n = Below(6) - 3; n > 0; --n) Arrive();
      if (Below(15) == 0 && !users_.empty()) Leave(std::next(users_.begin(), Below(users_.size())));
      ASSERT_NO_FATAL_FAILURE(Step());
    }
    for (int bound = 20'000; !users_.empty(); --bound) {
      ASSERT_GT(bound, 0) << "somebody starves";
      ASSERT_NO_FATAL_FAILURE(Step());
    }
    // Nothing has leaked: one that needs every page gets them.
    const std::vector<int32_t> all(limits_.n_pages * kPageTokens - 1, 77);
    scheduler_.Add(next_id_, all, 1, {});
    ASSERT_EQ(scheduler_.Plan().size(), 1u);
    ASSERT_EQ(scheduler_.pages().n_free(), 0);
  }

 private:
  struct User {
    std::vector<int32_t> tokens;  // prompt, then answer
    int64_t n_prompt, n_answer;
    int64_t n_computed = -1;  // not seen yet
    std::span<const int32_t> prompt() const { return std::span(tokens).first(n_prompt); }
    std::span<const int32_t> answer() const { return std::span(tokens).subspan(n_prompt); }
  };
  using Users = std::map<SequenceId, User>;

  int Below(int64_t n) { return static_cast<int>(random_() % n); }

  /// What the state after the first n tokens is called.
  static uint64_t StateAfter(std::span<const int32_t> tokens, int64_t n) {
    uint64_t hash = 1469598103934665603u;
    for (int32_t token : tokens.first(n)) hash = (hash ^ static_cast<uint64_t>(token)) * 1099511628211u;
    return hash;
  }

  /// Goes on from some earlier conversation, or from within it.
  void Arrive() {
    User user;
    user.tokens = talks_[Below(talks_.size())];
    if (Below(3) == 0) user.tokens.resize(1 + Below(user.tokens.size()));
    for (int n = 1 + Below(Below(3) ? 20 : 200); n > 0; --n) user.tokens.push_back(Below(3));
    const int64_t room = limits_.n_pages * kPageTokens - 30;
    if (static_cast<int64_t>(user.tokens.size()) > room) user.tokens.resize(room);
    user.n_prompt = static_cast<int64_t>(user.tokens.size());
    user.n_answer = 1 + Below(30);
    user.tokens.reserve(user.n_prompt + user.n_answer);  // the scheduler keeps a span of the prompt
    std::vector<int64_t> checkpoints;
    for (int n = Below(3); n > 0; --n) checkpoints.push_back(Below(user.n_prompt + 5));
    User& kept = users_.emplace(next_id_, std::move(user)).first->second;
    scheduler_.Add(next_id_++, kept.prompt(), kept.n_answer, {}, checkpoints);
  }

  void Leave(Users::iterator at) {
    scheduler_.Finish(at->first, at->second.answer());
    talks_.push_back(std::move(at->second.tokens));
    if (talks_.size() > 12) talks_.erase(talks_.begin() + Below(6));
    users_.erase(at);
  }

  void Step() {
    const std::span<const PlannedSlice> plan = scheduler_.Plan();
    for (const auto [from, to] : scheduler_.page_copies()) pages_[to] = pages_[from];
    for (const auto [from, to] : scheduler_.slot_copies()) slots_[to] = slots_[from];
    ASSERT_TRUE(!plan.empty() || users_.empty());
    std::set<int32_t> slots_in_use;
    for (const PlannedSlice& slice : plan) {
      ASSERT_TRUE(slots_in_use.insert(slice.slot).second);
      for (const Snapshot& snapshot : slice.snapshots) {
        ASSERT_TRUE(slots_in_use.insert(snapshot.slot).second);
      }
    }
    for (const PlannedSlice& slice : plan) ASSERT_NO_FATAL_FAILURE(Compute(slice));
    std::vector<SequenceId> sampled;
    for (const PlannedSlice& slice : plan) {
      if (slice.samples) sampled.push_back(slice.id);
    }
    scheduler_.Commit();
    for (SequenceId id : sampled) {
      User& user = users_.at(id);
      user.tokens.push_back(Below(3));
      const int64_t n_answered = static_cast<int64_t>(user.answer().size());
      if (n_answered == user.n_answer || Below(40) == 0) Leave(users_.find(id));
    }
  }

  void Compute(const PlannedSlice& slice) {
    User& user = users_.at(slice.id);
    const std::span<const int32_t> tokens = user.tokens;
    if (user.n_computed < 0) user.n_computed = slice.n_cached;
    ASSERT_EQ(slice.position, user.n_computed);
    ASSERT_LT(slice.n_cached, user.n_prompt);
    uint64_t& state = slots_[slice.slot];
    if (slice.position == 0) state = StateAfter({}, 0);
    ASSERT_TRUE(!limits_.recurrent || state == StateAfter(tokens, slice.position));
    for (int64_t i = 0; i < slice.position; ++i) {
      ASSERT_EQ(pages_[slice.pages[i / kPageTokens]][i % kPageTokens], StateAfter(tokens, i + 1));
    }
    for (int64_t i = slice.position; i < slice.position + slice.n_tokens; ++i) {
      pages_[slice.pages[i / kPageTokens]][i % kPageTokens] = StateAfter(tokens, i + 1);
    }
    user.n_computed += slice.n_tokens;
    state = StateAfter(tokens, user.n_computed);
    for (const Snapshot& snapshot : slice.snapshots) {
      ASSERT_TRUE(snapshot.n_tokens >= 1 && snapshot.n_tokens <= slice.n_tokens);
      slots_[snapshot.slot] = StateAfter(tokens, slice.position + snapshot.n_tokens);
    }
  }

  std::mt19937_64 random_;
  const SchedulerLimits limits_;
  Scheduler scheduler_;
  std::vector<std::array<uint64_t, kPageTokens>> pages_;
  std::vector<uint64_t> slots_;
  std::vector<std::vector<int32_t>> talks_;
  Users users_;
  SequenceId next_id_ = 0;
};

TEST(SchedulerReuse, NobodyIsGivenAStateOfOtherTokens) {
  for (uint64_t i = 0; i < 100; ++i) {
    SCOPED_TRACE(fmt::format("WEIR_SEED={}, simulation {}", TestSeed(), i));
    Simulation(TestSeed() * 10'000 + i).Run();
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace weir
