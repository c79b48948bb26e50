// The line that is shown while a campaign runs.
#include "cli/bench_live.h"

#include <gmock/gmock.h>

#include "model/text/utf8.h"

namespace weir {
namespace {

using testing::HasSubstr;

TEST(LiveLine, ItsNumbersFitWhereALongNameDoesNot) {
  BenchProgress progress;
  progress.doing = "repeat 2 of 3 with 2 users, " + std::string(100, 'm') + ".gguf";
  progress.total_ms = 61'000;
  progress.n_cells = 4;
  progress.tok_s = 12.34;
  progress.ttft_ms = 56.7;
  progress.history = {1, 2, 3};
  const std::string line = LiveLine(progress, 79);
  EXPECT_THAT(line, testing::StartsWith("cell 1 of 4, 61 s left, 12.3 tok/s, TTFT 56.7 ms ▃▆█, repeat 2 of 3"));
  EXPECT_LE(CountCharacters(line), 79);
  EXPECT_THAT(line, testing::EndsWith("…"));
  progress.doing = "repeat 2 of 3 with 2 users, m.gguf";
  EXPECT_THAT(LiveLine(progress, 120), HasSubstr(", repeat 2 of 3 with 2 users, m.gguf"));
}

}  // namespace
}  // namespace weir
