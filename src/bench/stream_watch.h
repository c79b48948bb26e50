// What the streams of a cell tell about their server, beside how fast it is.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bench/load.h"

namespace weir {

/// Collects the requests of a cell. Flags:
/// clumped_stream: most tokens came right behind another one, in lumps, so that gaps between them are not the
/// server's pace (a proxy that gathers, a server that streams by the line, speculation);
/// tokens_per_chunk: the server counts more tokens than it sent pieces of text;
/// counted_by_chunks: nobody counted tokens, so that pieces of text stand for them;
/// counts_disagree: the server's count and weir's tokenizer's differ by more than 5 %;
/// length_not_kept: answers of a fixed length had another one;
/// prompt_cached: the server had computed part of a prompt before, though it was a new one;
/// late_client: requests left this program more than 5 ms after their time.
class StreamWatch {
 public:
  void Add(const RequestRecord& record);
  /// Whether so many tokens came together with another that steps may have given a user more than one of them.
  bool SeveralAtOnce() const;
  /// Whether most answers came whole, long after they were asked for: somebody between gathers them, and what follows
  /// the first token tells nothing of the server.
  bool AllAtOnce() const;
  /// Of all requests but the warm-up's. Details are short, with the worst number only.
  std::vector<Flag> Flags() const;

 private:
  void AddGaps(const RequestRecord& record);

  int64_t n_requests_ = 0;
  int64_t n_gaps_ = 0, n_short_gaps_ = 0;
  int64_t n_at_once_ = 0;                // requests
  int64_t n_tokens_ = 0, n_pieces_ = 0;  // of requests that the server counted
  int64_t n_by_chunks_ = 0, n_other_length_ = 0;
  int64_t most_cached_ = 0;
  double worst_count_ = 0;  // relative difference
  std::vector<int64_t> late_ns_;
};

}  // namespace weir
