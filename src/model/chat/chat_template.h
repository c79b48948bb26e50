// A model's chat template: from a request's messages to the text that the model reads.
//
// The template is a program of the file's, in Jinja, so it runs with limits on time and memory; and it decides
// what a control token is, so that each part of what it renders says who wrote it: kTemplate for what stands in
// the template itself and for the vocabulary's own tokens (bos_token, ..), kData for all that came with the
// request and for all that was computed of it. Only the former may become control tokens (Tokenizer::Encode).
// One exception: the role of a message, where it is one of the words that the protocol knows (user, tool, ..),
// counts as the template's, because templates write control tokens around it: '<|' + message.role + '|>'.
#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gguf/model_source.h"
#include "model/text/typed_text.h"
#include "util/error.h"

namespace weir {

struct RenderOptions {
  /// What strftime_now sees: local time, or all zero for 1900-01-01.
  std::tm now{};
  /// Variables of the model's vocabulary, like {"bos_token", "<s>"}: of template origin. Those of a request
  /// hide them.
  std::vector<std::pair<std::string, std::string>> tokens;
  int64_t max_steps = 20'000'000;            // about two seconds
  int64_t max_bytes = int64_t{64} << 20;     // of the text, and of any string on the way to it
  int64_t max_memory = int64_t{256} << 20;   // of all values at one time
};

/// Immutable; any number of threads may render with one.
class ChatTemplate {
 public:
  /// `name` is for errors: "NAME:LINE:COLUMN: ..". kBadInput for a template that is none.
  static Result<ChatTemplate> Parse(std::string_view source, std::string name);

  /// Renders `request`, an object whose members are the template's variables: messages, tools,
  /// add_generation_prompt, .. (tools and documents are none, add_generation_prompt is false, where left out).
  /// Adjacent segments differ in origin. kBadInput, with line and column, for an
  /// error in the template, one that it raises (roles that must alternate, ..), and for what costs too much.
  Result<TypedText> Render(const nlohmann::ordered_json& request, const RenderOptions& options) const;

  /// Whether the template has a variable of that name.
  bool HasVariable(std::string_view variable) const;

  const std::string& name() const;
  const std::string& source() const;

 private:
  struct Compiled;
  explicit ChatTemplate(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}

  std::shared_ptr<const Compiled> compiled_;
};

/// The template of a model: `tokenizer.chat_template`, or with tools `tokenizer.chat_template.tool_use` where
/// there is one. kBadInput if the file has none.
Result<ChatTemplate> ReadChatTemplate(const ModelSource& source, bool with_tools);

/// bos_token, eos_token, unk_token, pad_token, as far as the vocabulary names them: for RenderOptions::tokens.
Result<std::vector<std::pair<std::string, std::string>>> ReadTemplateTokens(const Metadata& metadata);

}  // namespace weir
