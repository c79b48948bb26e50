// What is kept of traffic when its text is forgotten.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "util/error.h"

namespace weir {

/// One answer: how long prompt and answer were, and which prompts began alike.
struct AnswerShape {
  int64_t n_prompt_tokens = 0, n_answer_tokens = 0;
  std::vector<int64_t> blocks;  // ShapeBlocks
};

inline constexpr int64_t kShapeBlockTokens = 16;

/// One number for each whole block of kShapeBlockTokens tokens, that stands for all tokens up to its end: prompts that
/// begin alike begin with the same numbers. Whoever does not know the key can neither find a text from them nor try
/// one out.
std::vector<int64_t> ShapeBlocks(std::span<const int32_t> tokens, const std::string& key);

/// Appends the shape of answers to a file, a JSON object a line (docs/targets.md). Its key is never written anywhere.
class TrafficRecorder {
 public:
  /// A new file; kBadInput if there is one.
  static Result<std::unique_ptr<TrafficRecorder>> Create(const std::string& path);
  ~TrafficRecorder();
  TrafficRecorder(const TrafficRecorder&) = delete;
  TrafficRecorder& operator=(const TrafficRecorder&) = delete;

  const std::string& key() const { return key_; }
  /// Answers to a request that came at `begin_ns`, after they have ended. Any thread may call. False if the file
  /// cannot be written; said once.
  bool Add(int64_t begin_ns, const std::vector<AnswerShape>& shapes);

 private:
  TrafficRecorder(std::FILE* file, std::string key, int64_t begin_ns)
      : file_(file), key_(std::move(key)), begin_ns_(begin_ns) {}

  std::mutex mutex_;
  std::FILE* const file_;
  const std::string key_;
  const int64_t begin_ns_;
  bool failed_ = false;
};

}  // namespace weir
