// The shape of /v1/responses: a list of output items, whole or as events.
#include <nlohmann/json.hpp>
#include <utility>

#include "server/answer_format.h"

namespace weir {
namespace {

Json UsageJson(const AnswerUsage& usage) {
  return Json{{"input_tokens", usage.n_prompt_tokens},
              {"input_tokens_details", {{"cached_tokens", usage.n_cached_tokens}}},
              {"output_tokens", usage.n_answer_tokens},
              {"output_tokens_details", {{"reasoning_tokens", usage.n_reasoning_tokens}}},
              {"total_tokens", usage.n_prompt_tokens + usage.n_answer_tokens}};
}

Json TextPart(const std::string& text) {
  return Json{{"type", "output_text"}, {"text", text}, {"annotations", Json::array()}, {"logprobs", Json::array()}};
}

Json ReasoningPart(const std::string& text) { return Json{{"type", "reasoning_text"}, {"text", text}}; }

class ResponsesFormat final : public AnswerFormat {
 public:
  explicit ResponsesFormat(AnswerHead head) : head_(std::move(head)) {}

  Json Whole(std::span<const AnswerPart* const> parts, const AnswerUsage& usage) const override {
    const AnswerPart& part = *parts[0];
    Json output = Json::array();
    if (!part.reasoning.empty()) output.push_back(Reasoning(part.reasoning, 0));
    if (!part.content.empty()) output.push_back(Message(part.content, "completed", output.size()));
    for (size_t i = 0; i < part.calls.size(); ++i) output.push_back(Call(part.calls[i], part.calls[i].arguments));
    return Response(std::move(output), part.finished == FinishReason::kLength ? "incomplete" : "completed", &usage);
  }

  std::string Begin(size_t, const AnswerUsage&) override {
    const Json response = Response(Json::array(), "in_progress", nullptr);
    Emit("response.created", Json{{"response", response}});
    Emit("response.in_progress", Json{{"response", response}});
    return std::exchange(out_, {});
  }

  std::string Part(const AnswerPart& part) override {
    if (!part.reasoning.empty()) {
      Open(Kind::kReasoning);
      Delta("response.reasoning_text.delta", part.reasoning);
    }
    if (!part.content.empty()) {
      Open(Kind::kText);
      Delta("response.output_text.delta", part.content);
    }
    for (const AnswerCall& call : part.calls) {
      Close();
      WholeCall(call);
    }
    if (part.finished) {
      Close();
      status_ = part.finished == FinishReason::kLength ? "incomplete" : "completed";
    }
    return std::exchange(out_, {});
  }

  std::string End(const AnswerUsage& usage) override {
    const Json response = Response(output_, status_, &usage);
    Emit(std::string("response.") + status_, Json{{"response", response}});
    return std::exchange(out_, {});
  }

  std::string Failure(const ApiError& error) override {
    Emit("error", Json{{"code", error.code}, {"message", error.message}, {"param", nullptr}});
    return std::exchange(out_, {});
  }

 private:
  enum class Kind { kNone, kReasoning, kText };

  void Emit(const std::string& type, const Json& more) {
    Json event{{"type", type}, {"sequence_number", n_events_++}};
    event.update(more);
    out_ += fmt::format("event: {}\ndata: {}\n\n", type, event.dump(-1, ' ', false, Json::error_handler_t::replace));
  }

  Json Response(Json output, const char* status, const AnswerUsage* usage) const {
    const bool cut = std::string_view(status) == "incomplete";
    Json json{{"id", head_.id},        {"object", "response"}, {"created_at", head_.created_s},
              {"status", status},      {"error", nullptr},     {"incomplete_details", nullptr},
              {"model", head_.model}};
    if (cut) json["incomplete_details"] = Json{{"reason", "max_output_tokens"}};
    json["output"] = std::move(output);
    json["usage"] = usage ? UsageJson(*usage) : Json();
    return json;
  }

  /// `number`: where in the output it is.
  Json Item(const char* prefix, size_t number) const { return fmt::format("{}_{}_{}", prefix, head_.id, number); }

  Json Reasoning(const std::string& text, size_t index) const {
    Json content = text.empty() ? Json::array() : Json::array({ReasoningPart(text)});
    return Json{{"type", "reasoning"}, {"id", Item("rs", index)}, {"summary", Json::array()}, {"content", content}};
  }
  Json Message(const std::string& text, const char* status, size_t index) const {
    Json content = text.empty() ? Json::array() : Json::array({TextPart(text)});
    return Json{{"type", "message"},   {"id", Item("msg", index)}, {"status", status},
                {"role", "assistant"}, {"content", content}};
  }
  Json Call(const AnswerCall& call, const std::string& arguments) const {
    return Json{{"type", "function_call"}, {"id", "fc_" + call.id}, {"call_id", call.id},
                {"name", call.name},       {"arguments", arguments}, {"status", "completed"}};
  }

  Json ItemJson(const std::string& text, const char* status) const {
    return kind_ == Kind::kText ? Message(text, status, output_.size()) : Reasoning(text, output_.size());
  }
  Json Place() const {
    const char* const prefix = kind_ == Kind::kText ? "msg" : "rs";
    return Json{{"item_id", Item(prefix, output_.size())}, {"output_index", output_.size()}, {"content_index", 0}};
  }
  Json AtPlace(Json more) const {
    Json json = Place();
    json.update(more);
    return json;
  }

  /// Begins an item unless one of that kind is open.
  void Open(Kind kind) {
    if (kind_ == kind) return;
    Close();
    kind_ = kind;
    Emit("response.output_item.added",
         Json{{"output_index", output_.size()}, {"item", ItemJson("", "in_progress")}});
    const Json part = kind == Kind::kText ? TextPart("") : ReasoningPart("");
    Emit("response.content_part.added", AtPlace(Json{{"part", part}}));
  }
  void Delta(const char* type, const std::string& text) {
    text_ += text;
    Json more{{"delta", text}};
    if (kind_ == Kind::kText) more["logprobs"] = Json::array();
    Emit(type, AtPlace(std::move(more)));
  }
  void Close() {
    if (kind_ == Kind::kNone) return;
    const bool is_text = kind_ == Kind::kText;
    Json done{{"text", text_}};
    if (is_text) done["logprobs"] = Json::array();
    Emit(is_text ? "response.output_text.done" : "response.reasoning_text.done", AtPlace(std::move(done)));
    Emit("response.content_part.done",
         AtPlace(Json{{"part", is_text ? TextPart(text_) : ReasoningPart(text_)}}));
    Json item = ItemJson(text_, "completed");
    Emit("response.output_item.done", Json{{"output_index", output_.size()}, {"item", item}});
    output_.push_back(std::move(item));
    text_.clear();
    kind_ = Kind::kNone;
  }
  void WholeCall(const AnswerCall& call) {
    const Json place{{"item_id", "fc_" + call.id}, {"output_index", output_.size()}};
    const auto at = [&place](Json more) {
      Json json = place;
      json.update(more);
      return json;
    };
    Json begun = Call(call, "");
    begun["status"] = "in_progress";
    Emit("response.output_item.added", Json{{"output_index", output_.size()}, {"item", begun}});
    Emit("response.function_call_arguments.delta", at(Json{{"delta", call.arguments}}));
    Emit("response.function_call_arguments.done", at(Json{{"name", call.name}, {"arguments", call.arguments}}));
    Emit("response.output_item.done",
         Json{{"output_index", output_.size()}, {"item", Call(call, call.arguments)}});
    output_.push_back(Call(call, call.arguments));
  }

  const AnswerHead head_;
  Kind kind_ = Kind::kNone;
  std::string text_;  // of the item that is being sent
  Json output_ = Json::array();
  const char* status_ = "completed";
  int64_t n_events_ = 0;
  std::string out_;  // events that are not yet handed over
};

}  // namespace

std::unique_ptr<AnswerFormat> MakeResponsesFormat(AnswerHead head) {
  return std::make_unique<ResponsesFormat>(std::move(head));
}

}  // namespace weir
