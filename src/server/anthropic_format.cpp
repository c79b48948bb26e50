// The shape of Anthropic's /v1/messages: a message of blocks, whole or as events.
#include <nlohmann/json.hpp>
#include <utility>

#include "server/answer_format.h"

namespace weir {
namespace {

std::string EventText(const char* type, Json json) {
  Json event{{"type", type}};
  event.update(json);
  return fmt::format("event: {}\ndata: {}\n\n", type, event.dump(-1, ' ', false, Json::error_handler_t::replace));
}

Json UsageJson(const AnswerUsage& usage) {
  return Json{{"input_tokens", usage.n_prompt_tokens - usage.n_cached_tokens},
              {"cache_creation_input_tokens", 0},
              {"cache_read_input_tokens", usage.n_cached_tokens},
              {"output_tokens", usage.n_answer_tokens}};
}

const char* StopReason(const AnswerPart& part) {
  if (*part.finished == FinishReason::kLength) return "max_tokens";
  if (part.n_calls_before > 0 || !part.calls.empty()) return "tool_use";
  return part.stopped_by_text ? "stop_sequence" : "end_turn";
}

Json Text(const std::string& text) { return Json{{"type", "text"}, {"text", text}}; }

Json Thinking(const std::string& text) {
  return Json{{"type", "thinking"}, {"thinking", text}, {"signature", ""}};
}

Json ToolUse(const AnswerCall& call, Json input) {
  return Json{{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", std::move(input)}};
}

class AnthropicFormat final : public AnswerFormat {
 public:
  explicit AnthropicFormat(AnswerHead head) : head_(std::move(head)) {}

  Json Whole(std::span<const AnswerPart* const> parts, const AnswerUsage& usage) const override {
    const AnswerPart& part = *parts[0];
    Json content = Json::array();
    if (!part.reasoning.empty()) content.push_back(Thinking(part.reasoning));
    if (!part.content.empty()) content.push_back(Text(part.content));
    for (const AnswerCall& call : part.calls) content.push_back(ToolUse(call, Json::parse(call.arguments)));
    return Message(std::move(content), StopReason(part), usage);
  }

  std::string Begin(size_t, const AnswerUsage& usage) override {
    return EventText("message_start", Json{{"message", Message(Json::array(), nullptr, usage)}});
  }

  std::string Part(const AnswerPart& part) override {
    if (!part.reasoning.empty()) {
      Open("thinking", Thinking(""));
      Delta(Json{{"type", "thinking_delta"}, {"thinking", part.reasoning}});
    }
    if (!part.content.empty()) {
      Open("text", Text(""));
      Delta(Json{{"type", "text_delta"}, {"text", part.content}});
    }
    for (const AnswerCall& call : part.calls) {
      Close();
      Open("tool_use", ToolUse(call, Json::object()));
      Delta(Json{{"type", "input_json_delta"}, {"partial_json", call.arguments}});
    }
    if (part.finished) {
      Close();
      stop_reason_ = StopReason(part);
    }
    return std::exchange(out_, {});
  }

  std::string End(const AnswerUsage& usage) override {
    return EventText("message_delta", Json{{"delta", {{"stop_reason", stop_reason_}, {"stop_sequence", nullptr}}},
                                           {"usage", UsageJson(usage)}}) +
           EventText("message_stop", Json::object());
  }

  std::string Failure(const ApiError& error) override {
    return fmt::format("event: error\ndata: {}\n\n", ErrorText(error, ErrorShape::kAnthropic));
  }
  ErrorShape error_shape() const override { return ErrorShape::kAnthropic; }

 private:
  Json Message(Json content, Json stop_reason, const AnswerUsage& usage) const {
    return Json{{"id", head_.id},       {"type", "message"},
                {"role", "assistant"},  {"model", head_.model},
                {"content", content},   {"stop_reason", stop_reason},
                {"stop_sequence", nullptr}, {"usage", UsageJson(usage)}};
  }

  /// Begins a block unless one of that type is open.
  void Open(std::string_view type, Json block) {
    if (open_ == type) return;
    Close();
    open_ = type;
    out_ += EventText("content_block_start", Json{{"index", index_}, {"content_block", std::move(block)}});
  }
  void Delta(Json delta) {
    out_ += EventText("content_block_delta", Json{{"index", index_}, {"delta", std::move(delta)}});
  }
  void Close() {
    if (open_.empty()) return;
    open_ = {};
    out_ += EventText("content_block_stop", Json{{"index", index_++}});
  }

  const AnswerHead head_;
  std::string_view open_;  // type of the block that is being sent; empty: none
  int index_ = 0;
  const char* stop_reason_ = nullptr;
  std::string out_;  // events that are not yet handed over
};

}  // namespace

std::unique_ptr<AnswerFormat> MakeAnthropicFormat(AnswerHead head) {
  return std::make_unique<AnthropicFormat>(std::move(head));
}

}  // namespace weir
