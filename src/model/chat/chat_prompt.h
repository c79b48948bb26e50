// A rendered conversation as what a model computes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/text/tokenizer.h"
#include "model/text/typed_text.h"

namespace weir {

struct ChatPrompt {
  std::vector<int32_t> tokens;
  /// Numbers of tokens, rising, after which a later prompt may go another way: what is computed up
  /// to there is worth keeping.
  std::vector<int64_t> checkpoints;
};

/// `conversation`: rendered up to where the answer begins. `later`: renderings like those that may
/// follow, such as the conversation without what announces the answer, or with some answer and a
/// further message (templates drop earlier thinking). BOS comes first if the model expects it and
/// the template did not write it.
ChatPrompt MakeChatPrompt(const Tokenizer& tokenizer, const TypedText& conversation,
                          std::span<const TypedText> later);

std::string PlainText(const TypedText& text);

}  // namespace weir
