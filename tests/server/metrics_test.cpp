#include "server/metrics.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(RetryAfter, IsTheTimeThatTheQueueTakes) {
  // 4 of 8 wait. Each stays for 10 s, so one leaves every 1.25 s.
  EXPECT_EQ(RetryAfterSeconds(8, 4, 10), 7);  // 5 * 1.25 = 6.25
  EXPECT_EQ(RetryAfterSeconds(8, 8, 10), 2);
  EXPECT_EQ(RetryAfterSeconds(68, 4, 20), 20);  // a long queue: nearly all of it
  EXPECT_EQ(RetryAfterSeconds(68, 4, 0.01), 1);
  EXPECT_EQ(RetryAfterSeconds(68, 4, 3600), 60);
  EXPECT_EQ(RetryAfterSeconds(2, 1, std::nullopt), 1) << "before anybody has been answered";
}

TEST(Metrics, KnowHowLongAnswersTake) {
  Metrics metrics;
  EXPECT_FALSE(metrics.MeanAnswerSeconds());
  metrics.AddAnswer(4);
  EXPECT_EQ(metrics.MeanAnswerSeconds(), 4);
  for (int i = 0; i < 200; ++i) metrics.AddAnswer(2);
  EXPECT_NEAR(*metrics.MeanAnswerSeconds(), 2, 0.01);
}

TEST(Metrics, WhatIsNotKnownIsNotSaid) {
  Metrics metrics;
  Metrics::Gauges gauges;
  EXPECT_EQ(metrics.Text(gauges).find("limit_share"), std::string::npos);
  EXPECT_EQ(metrics.Text(gauges).find("step_limit_seconds"), std::string::npos);
  gauges.engine.limit_ns = 5e8;
  gauges.engine.recent_share = 0.25;
  EXPECT_NE(metrics.Text(gauges).find("\nweir_limit_share 0.25\n"), std::string::npos);
  EXPECT_NE(metrics.Text(gauges).find("\nweir_step_limit_seconds_total 0.5\n"), std::string::npos);
}

}  // namespace
}  // namespace weir
