#include "engine/stop_scanner.h"

#include <gtest/gtest.h>

#include <random>

#include "test_data.h"

namespace weir {
namespace {

TEST(StopScanner, ShowsTheTextBeforeTheFirstStop) {
  StopScanner scanner({"END", "."});
  EXPECT_EQ(scanner.Push("one two EN"), "one two ");
  EXPECT_FALSE(scanner.stopped());
  EXPECT_EQ(scanner.Push("TER EN"), "ENTER ");
  EXPECT_EQ(scanner.Push("D and more."), "");
  EXPECT_TRUE(scanner.stopped());
  EXPECT_EQ(scanner.Flush(), "");
}

TEST(StopScanner, FlushGivesBackWhatWasNoStop) {
  StopScanner scanner({"\n\nUser:"});
  EXPECT_EQ(scanner.Push("text\n\nUse"), "text");
  EXPECT_EQ(scanner.Flush(), "\n\nUse");
  EXPECT_FALSE(scanner.stopped());
}

TEST(StopScanner, TheStopThatIsCompleteFirstCounts) {
  for (size_t piece : {1, 3, 7}) {
    StopScanner scanner({"cdefg", "de", "bcde"});
    std::string shown;
    const std::string_view text = "abcdefg";
    for (size_t at = 0; at < text.size() && !scanner.stopped(); at += piece) {
      shown += scanner.Push(text.substr(at, piece));
    }
    EXPECT_EQ(shown, "a");
  }
}

TEST(StopScanner, WithoutStopsPassesEverythingOn) {
  StopScanner scanner({});
  EXPECT_EQ(scanner.Push("abc"), "abc");
  EXPECT_EQ(scanner.Push(""), "");
  EXPECT_EQ(scanner.Flush(), "");
}

TEST(StopScanner, AgreesWithASearchInTheWholeText) {
  std::mt19937_64 random(TestSeed());
  const auto word = [&](size_t max, size_t min) {
    std::string text(min + random() % (max - min + 1), 'a');
    for (char& c : text) c += static_cast<char>(random() % 2);
    return text;
  };
  for (int round = 0; round < 5000; ++round) {
    const std::string text = word(30, 0);
    std::vector<std::string> stops;
    for (uint64_t n = random() % 3; n > 0; --n) stops.push_back(word(6, 1));
    size_t end = text.size();  // of what is shown
    bool stops_somewhere = false;
    for (size_t n = 1; n <= text.size() && !stops_somewhere; ++n) {
      for (const std::string& stop : stops) {
        if (!std::string_view(text).substr(0, n).ends_with(stop)) continue;
        stops_somewhere = true;
        end = std::min(end, n - stop.size());
      }
    }
    StopScanner scanner(stops);
    std::string shown;
    for (size_t at = 0; at < text.size() && !scanner.stopped();) {
      const size_t n = 1 + random() % 4;
      shown += scanner.Push(std::string_view(text).substr(at, n));
      at += n;
      ASSERT_TRUE(text.substr(0, end).starts_with(shown)) << "seed " << TestSeed();
    }
    shown += scanner.Flush();
    ASSERT_EQ(scanner.stopped(), stops_somewhere) << "seed " << TestSeed();
    ASSERT_EQ(shown, text.substr(0, end)) << "seed " << TestSeed();
  }
}

}  // namespace
}  // namespace weir
