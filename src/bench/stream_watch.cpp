#include "bench/stream_watch.h"

#include <algorithm>
#include <cmath>

#include "bench/answer_reader.h"

namespace weir {
namespace {

constexpr int64_t kFewestGaps = 8;            // of an answer, to judge its pace
constexpr int64_t kLeastMeanGapNs = 100'000;  // faster than that, threads and sockets make the pace
constexpr int64_t kLeastGatheringNs = 1'000'000;  // a wait that long before a stream ...
constexpr int64_t kGathered = 10;                 // ... and so many times as long as it
constexpr double kShortGap = 0.1;             // of the mean
constexpr double kClumped = 0.6;              // of all gaps
constexpr double kTokensPerPiece = 1.2;
constexpr double kSeveralAtOnce = 0.15;  // of all tokens; who is 1.25 times as fast by them has a fifth
constexpr int64_t kLateNs = 5'000'000;

double Share(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

}  // namespace

void StreamWatch::Add(const RequestRecord& record) {
  if (record.warm_up || record.gated) return;  // a gate makes a pause that is not the server's
  late_ns_.push_back(record.submitted_ns - record.scheduled_ns);
  if (record.finish == FinishReason::kError || !record.ended_ns) return;
  ++n_requests_;
  AddGaps(record);
  if (record.counted_by == CountedBy::kEngine) return;
  n_by_chunks_ += record.counted_by == CountedBy::kChunks;
  n_other_length_ += record.fixed_length && record.generated_tokens != record.max_tokens;
  most_cached_ = std::max(most_cached_, record.cached_tokens.value_or(0));
  if (record.counted_by != CountedBy::kUsage) return;
  n_tokens_ += record.generated_tokens;
  n_pieces_ += static_cast<int64_t>(record.arrivals.size());
  if (!record.recounted_tokens) return;
  worst_count_ = std::max(worst_count_, CountsDiffer(record.generated_tokens, *record.recounted_tokens));
}

void StreamWatch::AddGaps(const RequestRecord& record) {
  const auto n = static_cast<int64_t>(record.arrivals.size());
  const auto n_tokens = record.generated_tokens;
  if (n <= 2 && n_tokens > kFewestGaps) {  // all of it at once
    n_gaps_ += n_tokens - 1;
    n_short_gaps_ += n_tokens - n;
    ++n_at_once_;
    return;
  }
  if (n - 1 < kFewestGaps) return;
  const int64_t span = record.arrivals.back().time_ns - record.arrivals.front().time_ns;
  if (span / (n - 1) < kLeastMeanGapNs) {
    const int64_t waited = record.arrivals.front().time_ns - record.submitted_ns;
    if (waited < kLeastGatheringNs || waited / kGathered < span) return;
    n_gaps_ += n - 1;  // made long before they were sent
    n_short_gaps_ += n - 1;
    ++n_at_once_;
    return;
  }
  const double shortest = kShortGap * static_cast<double>(span) / static_cast<double>(n - 1);
  for (int64_t i = 1; i < n; ++i) {
    const int64_t gap = record.arrivals[i].time_ns - record.arrivals[i - 1].time_ns;
    n_short_gaps_ += static_cast<double>(gap) < shortest;
  }
  n_gaps_ += n - 1;
}

bool StreamWatch::SeveralAtOnce() const {
  return Share(n_short_gaps_, n_gaps_) > kSeveralAtOnce || Share(n_tokens_ - n_pieces_, n_tokens_) > kSeveralAtOnce;
}

bool StreamWatch::AllAtOnce() const { return 2 * n_at_once_ > n_requests_; }

std::vector<Flag> StreamWatch::Flags() const {
  std::vector<Flag> flags;
  if (AllAtOnce()) {
    flags.push_back({"clumped_stream",
                     fmt::format("{} of {} answers came all at once: neither ITL nor decode is the pace", n_at_once_,
                                 n_requests_)});
  } else if (const double clumped = Share(n_short_gaps_, n_gaps_); clumped > kClumped) {
    flags.push_back({"clumped_stream",
                     fmt::format("{:.0f} % of tokens came in lumps, right behind another: ITL is not the pace",
                                 100 * clumped)});
  }
  if (const double tokens = Share(n_tokens_, n_pieces_); tokens > kTokensPerPiece) {
    flags.push_back({"tokens_per_chunk", fmt::format("{:.1f} tokens for each piece of text: their times are spread",
                                                     tokens)});
  }
  if (n_by_chunks_ > 0) {
    flags.push_back({"counted_by_chunks", "the server counts no tokens: pieces of text stand for them; name a --tokenizer"});
  }
  if (worst_count_ > kMostCountsDiffer) {
    flags.push_back({"counts_disagree", fmt::format("the server's count and the tokenizer's differ by {:.0f} %",
                                                    100 * worst_count_)});
  }
  if (n_other_length_ > 0) {
    flags.push_back({"length_not_kept", fmt::format("{} of {} answers had not the length that was asked for",
                                                    n_other_length_, n_requests_)});
  }
  if (most_cached_ > 0) {
    flags.push_back({"prompt_cached", fmt::format("up to {} tokens of a prompt were not computed", most_cached_)});
  }
  if (!late_ns_.empty()) {
    std::vector<int64_t> late = late_ns_;
    const auto p95 = late.begin() + static_cast<int64_t>((late.size() * 95 + 99) / 100) - 1;
    std::nth_element(late.begin(), p95, late.end());
    if (*p95 > kLateNs) {
      flags.push_back({"late_client", fmt::format("requests left {:.0f} ms after their time (p95)",
                                                  static_cast<double>(*p95) / 1e6)});
    }
  }
  return flags;
}

}  // namespace weir
