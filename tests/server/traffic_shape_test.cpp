#include "server/traffic_shape.h"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "temp_folder.h"
#include "util/clock.h"

namespace weir {
namespace {

std::vector<int32_t> Tokens(int n, int from = 0) {
  std::vector<int32_t> tokens(static_cast<size_t>(n));
  std::iota(tokens.begin(), tokens.end(), from);
  return tokens;
}

TEST(ShapeBlocks, StandForAllTokensBeforeThem) {
  std::vector<int32_t> tokens = Tokens(3 * kShapeBlockTokens + 5), other = tokens;
  const auto blocks = ShapeBlocks(tokens, "key");
  ASSERT_EQ(blocks.size(), 3u) << "whole ones only";
  other[kShapeBlockTokens] = 7000;  // the first of the second block
  const auto changed = ShapeBlocks(other, "key");
  EXPECT_EQ(changed[0], blocks[0]);
  EXPECT_NE(changed[1], blocks[1]);
  EXPECT_NE(changed[2], blocks[2]) << "what follows is another place, though its tokens are the same";
  EXPECT_NE(ShapeBlocks(tokens, "another key")[0], blocks[0]);
  for (const int64_t block : blocks) EXPECT_TRUE(block >= 0 && block < int64_t{1} << 48);
  EXPECT_TRUE(ShapeBlocks(Tokens(kShapeBlockTokens - 1), "key").empty());
  EXPECT_TRUE(ShapeBlocks({}, "key").empty());
}

TEST(TrafficRecorder, WritesALineForEachAnswerAndNoKey) {
  const TempFolder folder;
  const std::string path = folder / "traffic";
  std::string key;
  {
    const auto recorder = TrafficRecorder::Create(path).value();
    key = recorder->key();
    EXPECT_EQ(key.size(), 32u);
    EXPECT_TRUE(recorder->Add(NowNs(), {{40, 3, {5, 6}}, {41, 0, {}}}));
    EXPECT_FALSE(TrafficRecorder::Create(path).ok()) << "what is there stays";
  }
  std::ifstream file(path);
  std::string line;
  ASSERT_TRUE(std::getline(file, line));
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["prompt_tokens"], 40);
  EXPECT_EQ(json["gen_tokens"], 3);
  EXPECT_EQ(json["blocks"], nlohmann::json({5, 6}));
  EXPECT_GE(json["at_s"].get<double>(), 0);
  EXPECT_FALSE(std::getline(file, line)) << "an answer without a token is none";
  EXPECT_NE(TrafficRecorder::Create(folder / "other").value()->key(), key);
}

}  // namespace
}  // namespace weir
