#include "bench/stream_watch.h"

#include <gmock/gmock.h>

#include "bench/cache_probe.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int64_t kMs = 1'000'000;

/// Tokens at these milliseconds.
RequestRecord At(const std::vector<int64_t>& ms, CountedBy counted_by = CountedBy::kUsage) {
  RequestRecord record;
  for (int64_t time : ms) record.arrivals.push_back({time * kMs});
  record.ended_ns = ms.back() * kMs;
  record.finish = FinishReason::kLength;
  record.generated_tokens = record.max_tokens = static_cast<int64_t>(ms.size());
  record.counted_by = counted_by;
  return record;
}

std::vector<int64_t> Lumps(int n, int size) {
  std::vector<int64_t> ms;
  for (int i = 0; i < n; ++i) ms.push_back(i / size * size * 10);
  return ms;
}

std::vector<std::string> Names(const std::vector<RequestRecord>& records) {
  StreamWatch watch;
  for (const RequestRecord& record : records) watch.Add(record);
  std::vector<std::string> names;
  for (const Flag& flag : watch.Flags()) names.push_back(flag.name);
  return names;
}

TEST(StreamWatch, EvenAndRaggedStreamsAreNotClumped) {
  EXPECT_THAT(Names({At(Lumps(40, 1))}), IsEmpty());
  EXPECT_THAT(Names({At({0, 10, 15, 40, 50, 53, 60, 90, 95, 100, 120})}), IsEmpty());
  EXPECT_THAT(Names({}), IsEmpty());
}

TEST(StreamWatch, LumpsAre) {
  EXPECT_THAT(Names({At(Lumps(40, 4))}), ElementsAre("clumped_stream"));
  // Two at a time may be speculation that succeeds half of the time.
  EXPECT_THAT(Names({At(Lumps(40, 2))}), IsEmpty());
  RequestRecord whole = At({100});
  whole.generated_tokens = whole.max_tokens = 30;
  whole.arrivals[0].n_tokens = 30;
  EXPECT_THAT(Names({whole}), ElementsAre("clumped_stream", "tokens_per_chunk"));
}

TEST(StreamWatch, AnAnswerThatIsSentWhenItIsCompleteIsALump) {
  const auto gathered = [](int64_t first_ns) {
    RequestRecord record = At(Lumps(40, 1));
    for (size_t i = 0; i < 40; ++i) record.arrivals[i].time_ns = first_ns + static_cast<int64_t>(i) * 2000;
    return record;
  };
  EXPECT_THAT(Names({gathered(400 * kMs)}), ElementsAre("clumped_stream"));
  EXPECT_THAT(Names({gathered(kMs / 2)}), IsEmpty()) << "a target that is that fast";
  StreamWatch watch;
  watch.Add(gathered(400 * kMs));
  EXPECT_TRUE(watch.AllAtOnce());
  watch.Add(At(Lumps(40, 1)));
  EXPECT_FALSE(watch.AllAtOnce());
}

TEST(StreamWatch, SpeculationThatSucceedsNowAndThenIsSeen) {
  const auto several = [](const RequestRecord& record) {
    StreamWatch watch;
    watch.Add(record);
    return watch.SeveralAtOnce();
  };
  EXPECT_FALSE(several(At(Lumps(40, 1))));
  EXPECT_TRUE(several(At(Lumps(40, 2))));
  RequestRecord pairs = At(Lumps(20, 1));
  pairs.generated_tokens = 40;
  EXPECT_TRUE(several(pairs));
}

TEST(StreamWatch, WhoCountedAndWhetherTheyAgree) {
  EXPECT_THAT(Names({At(Lumps(20, 1), CountedBy::kChunks)}), ElementsAre("counted_by_chunks"));
  RequestRecord off = At(Lumps(20, 1));
  off.recounted_tokens = 22;
  EXPECT_THAT(Names({off}), IsEmpty());
  off.recounted_tokens = 24;
  EXPECT_THAT(Names({off}), ElementsAre("counts_disagree"));
  RequestRecord more = At(Lumps(20, 1));
  more.generated_tokens = more.max_tokens = 40;
  EXPECT_THAT(Names({more}), ElementsAre("tokens_per_chunk"));
}

TEST(StreamWatch, AnswersThatWereNotAsOrdered) {
  RequestRecord early = At(Lumps(20, 1));
  early.max_tokens = 30;
  EXPECT_THAT(Names({early}), ElementsAre("length_not_kept"));
  early.fixed_length = false;
  EXPECT_THAT(Names({early}), IsEmpty());
  RequestRecord cached = At(Lumps(20, 1));
  cached.cached_tokens = 3;
  EXPECT_THAT(Names({cached}), ElementsAre("prompt_cached"));
  cached.warm_up = true;
  EXPECT_THAT(Names({cached}), IsEmpty());
}

TEST(StreamWatch, ALateClientIsSeenAlsoWhereAnswersFail) {
  std::vector<RequestRecord> records(100, At(Lumps(20, 1)));
  for (int i = 0; i < 5; ++i) records[i].submitted_ns = 100 * kMs;
  EXPECT_THAT(Names(records), IsEmpty());
  records[5].submitted_ns = 6 * kMs;
  records[5].finish = FinishReason::kError;
  EXPECT_THAT(Names(records), ElementsAre("late_client"));
}

TEST(CacheProbe, IsJudgedByTimesThatDoNotOverlap) {
  EXPECT_FALSE(JudgeCache({}).has_value());
  EXPECT_FALSE(JudgeCache({{100, 110, 90}, {95, 105, 100}}).has_value());
  EXPECT_FALSE(JudgeCache({{100, 110, 90}, {20, 20, 91}}).has_value()) << "one overlaps";
  EXPECT_FALSE(JudgeCache({{100, 110, 90}, {85, 86, 87}}).has_value()) << "faster, but not by far";
  EXPECT_EQ(JudgeCache({{100, 110, 90}, {20, 25, 30}})->name, "hidden_prompt_cache");
  EXPECT_TRUE(JudgeCache({{}, {}, 40}).has_value()) << "the server says so";
}

}  // namespace
}  // namespace weir
