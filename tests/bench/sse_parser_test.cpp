#include "bench/sse_parser.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

std::vector<SseEvent> Parse(const std::vector<std::string>& parts) {
  SseParser parser;
  std::vector<SseEvent> events;
  int64_t time_ns = 0;
  for (const std::string& part : parts) parser.Feed(part, ++time_ns, &events);
  parser.Finish(&events);
  return events;
}

std::vector<std::string> Data(const std::vector<std::string>& parts) {
  std::vector<std::string> data;
  for (const SseEvent& event : Parse(parts)) data.push_back(event.data);
  return data;
}

using Texts = std::vector<std::string>;

TEST(SseParser, ReadsWhatTheStandardDescribes) {
  EXPECT_EQ(Data({"data: a\n\ndata: b\n\n"}), (Texts{"a", "b"}));
  EXPECT_EQ(Data({"data:a\r\n\r\ndata:  b\r\rdata\n\n"}), (Texts{"a", " b", ""}));
  EXPECT_EQ(Data({"data: a\ndata: b\n\n"}), (Texts{"a\nb"}));
  EXPECT_EQ(Data({": comment\n\nid: 7\nretry: 10\nother: x\n\n"}), Texts{});
  EXPECT_EQ(Data({"\xef\xbb\xbf" "data: a\n\n"}), Texts{"a"});
  EXPECT_EQ(Data({"data: the empty line is missing"}), Texts{"the empty line is missing"});
  EXPECT_EQ(Data({"", "\n\n\n", "data"}), Texts{""});
  const auto events = Parse({"event: error\ndata: x\n\ndata: y\n\n"});
  EXPECT_EQ(events[0].type, "error");
  EXPECT_EQ(events[1].type, "");
}

TEST(SseParser, SurvivesEveryCut) {
  const std::string stream = "event: e\r\ndata: {\"a\":1}\r\n\r\n: ping\n\ndata: b\rdata: c\r\rdata: [DONE]\n\n";
  const Texts whole = Data({stream});
  ASSERT_EQ(whole, (Texts{"{\"a\":1}", "b\nc", "[DONE]"}));
  for (size_t i = 0; i <= stream.size(); ++i) {
    for (size_t j = i; j <= stream.size(); ++j) {
      ASSERT_EQ(Data({stream.substr(0, i), stream.substr(i, j - i), stream.substr(j)}), whole)
          << i << " " << j;
    }
  }
  Texts bytes;
  for (char c : stream) bytes.emplace_back(1, c);
  EXPECT_EQ(Data(bytes), whole);
}

TEST(SseParser, AnEventIsThereWhenItsDataIsNotWhenItsEmptyLineIs) {
  const auto events = Parse({"da", "ta: a", "\n", "\nda", "ta: b\n", "\n"});
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].time_ns, 3);
  EXPECT_EQ(events[1].time_ns, 5);
}

TEST(SseParser, AnEndlessLineIsCutOff) {
  SseParser parser;
  std::vector<SseEvent> events;
  const std::string part(SseParser::kMostBytes / 4, 'x');
  for (int i = 0; i < 6; ++i) parser.Feed(part, 1, &events);
  EXPECT_TRUE(parser.TooLong());
}

}  // namespace
}  // namespace weir
