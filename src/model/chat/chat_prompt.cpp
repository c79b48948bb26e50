#include "model/chat/chat_prompt.h"

#include <algorithm>

namespace weir {
namespace {

std::vector<int32_t> Tokens(const Tokenizer& tokenizer, const TypedText& text) {
  std::vector<int32_t> tokens = tokenizer.Encode(text);
  const std::optional<int32_t> bos = tokenizer.bos();
  if (tokenizer.add_bos() && bos && (tokens.empty() || tokens[0] != *bos)) {
    tokens.insert(tokens.begin(), *bos);
  }
  return tokens;
}

}  // namespace

ChatPrompt MakeChatPrompt(const Tokenizer& tokenizer, const TypedText& conversation,
                          std::span<const TypedText> later) {
  ChatPrompt prompt{Tokens(tokenizer, conversation), {}};
  for (const TypedText& text : later) {
    const std::vector<int32_t> other = Tokens(tokenizer, text);
    const auto [parted, unused] = std::ranges::mismatch(prompt.tokens, other);
    const int64_t n_common = parted - prompt.tokens.begin();
    if (n_common > 0) prompt.checkpoints.push_back(n_common);
  }
  std::ranges::sort(prompt.checkpoints);
  const auto doubled = std::ranges::unique(prompt.checkpoints);
  prompt.checkpoints.erase(doubled.begin(), doubled.end());
  return prompt;
}

std::string PlainText(const TypedText& text) {
  std::string plain;
  for (const TextSegment& segment : text) plain += segment.text;
  return plain;
}

}  // namespace weir
