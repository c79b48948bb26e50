#include "server/traffic_shape.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "hub/digest.h"
#include "server/answer_order.h"
#include "util/clock.h"

namespace weir {

std::vector<int64_t> ShapeBlocks(std::span<const int32_t> tokens, const std::string& key) {
  constexpr size_t kBlock = kShapeBlockTokens;
  constexpr size_t kDigits = 12;  // 48 bits: JSON's readers keep 53
  std::vector<int64_t> blocks;
  std::string digest;
  for (size_t at = 0; at + kBlock <= tokens.size(); at += kBlock) {
    std::string bytes = key + digest;
    bytes.append(reinterpret_cast<const char*>(tokens.data() + at), kBlock * sizeof(int32_t));
    digest = Sha256(bytes);
    blocks.push_back(std::stoll(digest.substr(0, kDigits), nullptr, 16));
  }
  return blocks;
}

Result<std::unique_ptr<TrafficRecorder>> TrafficRecorder::Create(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "axe");
  if (!file) return BadInput("{}: cannot be created: {}", path, std::strerror(errno));
  std::string key;
  for (int i = 0; i < 4; ++i) {
    const uint64_t number = RandomNumber();
    key.append(reinterpret_cast<const char*>(&number), sizeof(number));
  }
  return std::unique_ptr<TrafficRecorder>(new TrafficRecorder(file, std::move(key), NowNs()));
}

TrafficRecorder::~TrafficRecorder() { std::fclose(file_); }

bool TrafficRecorder::Add(int64_t begin_ns, const std::vector<AnswerShape>& shapes) {
  std::string lines;
  for (const AnswerShape& shape : shapes) {
    if (shape.n_answer_tokens == 0) continue;  // refused, or gone before the first token
    const nlohmann::ordered_json line{{"at_s", static_cast<double>(begin_ns - begin_ns_) * 1e-9},
                                      {"prompt_tokens", shape.n_prompt_tokens},
                                      {"gen_tokens", shape.n_answer_tokens},
                                      {"block_tokens", kShapeBlockTokens},
                                      {"blocks", shape.blocks}};
    lines += line.dump() + "\n";
  }
  const std::lock_guard lock(mutex_);
  const bool written = std::fwrite(lines.data(), 1, lines.size(), file_) == lines.size() && std::fflush(file_) == 0;
  return written || std::exchange(failed_, true);
}

}  // namespace weir
