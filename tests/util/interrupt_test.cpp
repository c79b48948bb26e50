#include "util/interrupt.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace weir {
namespace {

TEST(Interrupt, TheFirstSignalRaisesTheFlagAndClearingLowersIt) {
  CatchInterrupts();
  EXPECT_FALSE(Interrupted());
  raise(SIGINT);
  EXPECT_TRUE(Interrupted());
  ClearInterrupt();
  EXPECT_FALSE(Interrupted());
  EXPECT_FALSE(Terminated());
  raise(SIGTERM);
  EXPECT_TRUE(Interrupted());
  ClearInterrupt();
  EXPECT_TRUE(Terminated());
}

TEST(InterruptDeathTest, TheSecondSignalLeavesAtOnce) {
  EXPECT_EXIT(
      {
        CatchInterrupts();
        raise(SIGINT);
        raise(SIGINT);
      },
      testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace weir
