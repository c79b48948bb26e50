// How the messages of a chat become what a model reads.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "cli/chat/conversation.h"
#include "gguf/model_source.h"
#include "model/text/typed_text.h"

namespace weir {

/// A conversation up to where the next answer begins (add_generation_prompt), or as it stands.
using RenderChat =
    std::function<Result<TypedText>(const std::vector<ChatMessage>&, bool add_generation_prompt)>;

struct ChatFormat {
  RenderChat render;
  bool is_template = false;  // the model's; else the texts of all messages, one after the other
};

/// The chat template of a model. `think`: its variable enable_thinking, or thinking; nothing leaves
/// it to the template. Says on stderr if that makes no difference. kBadInput for a template that is
/// none.
Result<ChatFormat> TemplateFormat(const ModelSource& source, std::optional<bool> think);

/// Of a model without a template: one text that the user and the model write in turn.
ChatFormat PlainFormat();

}  // namespace weir
