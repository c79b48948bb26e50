// The prompts of a workload.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/target.h"
#include "bench/workload.h"

namespace weir {

/// A prompt of a file, and how long its answer was.
struct FilePrompt {
  std::vector<ChatTurn> turns;  // the last is the user's; one without a role is plain text
  std::string answer;           // empty: the file has none
};

/// JSON as ShareGPT has it ([{"conversations": [{"from", "value"}, ..]}, ..]), or JSON lines with one of
/// "conversations", "messages" (OpenAI's), "turns" (texts of the user), "prompt" or "text" each. From a
/// conversation the first turn of its user is taken, with a system turn before it. `name` is for errors.
Result<std::vector<FilePrompt>> ParsePromptFile(std::string_view text, const std::string& name);

/// What `prompts` becomes where the subject decides (PromptKind::kAuto).
PromptKind ResolvePrompts(PromptKind prompts, const Subject& subject);

/// Of a load with prompts of a file, the tokens of the longest one that it sends, warm-ups too. Where new ones are sent
/// in each repeat it is the longest of the file, and without a tokenizer a guess.
Result<int64_t> LongestPrompt(const Workload& load, const Subject& subject);

class Prompts {
 public:
  /// kBadInput for a file that is none, and for prompts that the subject cannot be sent. `salt` changes all
  /// prompts, for a target that must not have seen them before. The subject must outlive the prompts.
  static Result<Prompts> Create(const Workload& load, const Subject& subject, uint64_t salt);

  /// The prompt of request `index` of the load: the same for the same index. Its length is that of the
  /// workload where there is a tokenizer; without one it is a guess, and Query::prompt_tokens is 0. One that
  /// `continues` a conversation has no depth of its own: what was said before is its context.
  Result<Query> Make(int64_t index, bool continues = false) const;

  /// The prompts of the file, if they are of one.
  const std::vector<FilePrompt>& file() const { return file_; }

  /// The same, but it begins with blocks of `block_tokens` tokens that depend on nothing but their number. With text
  /// for a target without a tokenizer here, tokens may merge where blocks meet.
  Result<Query> FromBlocks(int64_t index, const std::vector<int64_t>& blocks, int64_t block_tokens) const;

 private:
  Prompts(const Workload& load, const Subject& subject, uint64_t salt);

  struct Piece {
    std::vector<int32_t> ids;
    std::string text;
  };
  Piece CutText(uint64_t seed, int64_t index, int64_t n_tokens) const;
  Result<Query> MakeText(int64_t index, int64_t n_tokens) const;
  Result<Query> MakeChat(int64_t index, int64_t n_tokens) const;
  Query MakeRandom(int64_t index, int64_t n_tokens) const;
  Result<Query> FromFile(int64_t index) const;
  Status FillIds(Query& query) const;

  Workload load_;
  const Subject* subject_;
  uint64_t seed_;
  std::vector<FilePrompt> file_;
  std::vector<int32_t> first_ids_;  // that random prompts begin with, each another one
};

}  // namespace weir
