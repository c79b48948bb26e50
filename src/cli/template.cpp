// weir template: what a chat request becomes before the model reads it.
#include <memory>
#include <optional>
#include <vector>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/hub.h"
#include "cli/load.h"
#include "model/chat/chat_template.h"
#include "util/civil_time.h"

namespace weir {
namespace {

struct Flags {
  std::string model, request, batch, date;
  bool segments = false, json = false;
};

// ---- Requests.

/// Deeper or wider than any request is; and what the JSON library searches a member among, one by one.
constexpr int kMaxDepth = 150;
constexpr size_t kMaxMembers = 10'000;

/// JSON, within these limits. kBadInput says where it is wrong.
Result<Json> ParseRequest(const std::string& name, const std::string& text) {
  bool too_deep = false, too_wide = false;
  std::vector<size_t> n_members(1);
  const auto check = [&](int depth, Json::parse_event_t event, Json&) {
    too_deep |= depth > kMaxDepth;
    if (event == Json::parse_event_t::object_start) {
      n_members.push_back(0);
    } else if (event == Json::parse_event_t::object_end) {
      n_members.pop_back();
    } else if (event == Json::parse_event_t::key) {
      too_wide |= ++n_members.back() > kMaxMembers;
    }
    return !too_deep && !too_wide;
  };
  Json request;
  std::string problem;
  try {
    request = Json::parse(text, check);
  } catch (const Json::exception& error) {
    problem = error.what();
  }
  if (too_deep) return BadInput("{}: nested more than {} deep", name, kMaxDepth);
  if (too_wide) return BadInput("{}: an object with more than {} members", name, kMaxMembers);
  if (!problem.empty()) return BadInput("{}: not JSON: {}", name, problem);
  return request;
}

// ---- Templates.

/// The template of a file, or those of a model.
class Templates {
 public:
  static Result<Templates> Open(const Flags& flags);

  Result<TypedText> Render(const Json& request) const;

 private:
  explicit Templates(ChatTemplate base) : base_(std::move(base)), with_tools_(base_) {}

  ChatTemplate base_, with_tools_;
  RenderOptions options_;
};

Result<ChatTemplate> ReadFile(const std::string& path) {
  WEIR_TRY(const std::string text, ReadInput(path));
  return ChatTemplate::Parse(text, path);
}

Result<Templates> Templates::Open(const Flags& flags) {
  const auto options = [&flags]() -> Result<RenderOptions> {
    if (flags.date.empty()) return RenderOptions{.now = LocalTime(), .tokens = {}};
    const std::optional<std::tm> date = ParseDate(flags.date);
    if (!date) return BadInput("--date: expected YYYY-MM-DD, found '{}'", flags.date);
    return RenderOptions{.now = *date, .tokens = {}};
  };
  if (flags.model.ends_with(".jinja") || flags.model.ends_with(".j2")) {
    WEIR_TRY(ChatTemplate file, ReadFile(flags.model));
    Templates templates(std::move(file));
    WEIR_TRY(templates.options_, options());
    return templates;
  }
  WEIR_TRY(const std::unique_ptr<ModelSource> source, OpenHeader(flags.model, false));
  WEIR_TRY(ChatTemplate base, ReadChatTemplate(*source, false));
  Templates templates(std::move(base));
  WEIR_TRY(templates.with_tools_, ReadChatTemplate(*source, true));
  WEIR_TRY(templates.options_, options());
  WEIR_TRY(templates.options_.tokens, ReadTemplateTokens(source->metadata()));
  return templates;
}

Result<TypedText> Templates::Render(const Json& request) const {
  const auto tools = request.is_object() ? request.find("tools") : request.end();
  const bool has_tools = tools != request.end() && tools->is_array() && !tools->empty();
  return (has_tools ? with_tools_ : base_).Render(request, options_);
}

// ---- Output.

std::string Joined(const TypedText& text) {
  std::string joined;
  for (const TextSegment& segment : text) joined += segment.text;
  return joined;
}

Json SegmentsJson(const TypedText& text) {
  Json segments = Json::array();
  for (const TextSegment& segment : text) {
    segments.push_back({{"text", segment.text},
                        {"origin", segment.origin == Origin::kTemplate ? "template" : "data"}});
  }
  return segments;
}

Result<int> RenderBatch(const Templates& templates, const Flags& flags) {
  WEIR_TRY(const std::string text, ReadInput(flags.batch));
  WEIR_TRY(const Json requests, ParseRequest(flags.batch, text));
  if (!requests.is_array()) return BadInput("{}: expected a JSON array of requests", flags.batch);
  Json results = Json::array();
  for (const Json& request : requests) {
    const Result<TypedText> rendered = templates.Render(request);
    if (rendered.ok()) {
      results.push_back({{"text", Joined(*rendered)}});
    } else {
      results.push_back({{"error", rendered.error().message}});
    }
  }
  PrintJson(results);
  return kExitOk;
}

Result<int> RunTemplate(const Flags& flags) {
  WEIR_TRY(const Templates templates, Templates::Open(flags));
  if (!flags.batch.empty()) return RenderBatch(templates, flags);
  WEIR_TRY(const std::string text, ReadInput(flags.request));
  WEIR_TRY(const Json request, ParseRequest(flags.request, text));
  WEIR_TRY(const TypedText rendered, templates.Render(request));
  if (flags.json || flags.segments) {
    Json document{{"text", Joined(rendered)}};
    if (flags.segments) document["segments"] = SegmentsJson(rendered);
    PrintJson(document);
    return kExitOk;
  }
  const std::string joined = Joined(rendered);
  std::fwrite(joined.data(), 1, joined.size(), stdout);
  return kExitOk;
}

}  // namespace

Command AddTemplate(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("MODEL", flags->model, "a .gguf file or hf:ORG/REPO with a chat template, or a .jinja file")
      ->required();
  CLI::Option* request = app.add_option(
      "--request", flags->request,
      "a JSON object (file, or - for standard input): messages, tools, add_generation_prompt, "
      "enable_thinking, any other variable");
  CLI::Option* batch = app.add_option(
      "--batch", flags->batch, "a JSON array of such objects; prints an array of {\"text\"} or {\"error\"}");
  batch->excludes(request);
  app.add_option("--date", flags->date, "the day that the template sees, instead of today")
      ->type_name("YYYY-MM-DD");
  app.add_flag("--segments", flags->segments,
               "print JSON with who wrote each part: only what the template wrote becomes control tokens");
  app.add_flag("--json", flags->json, "print {\"text\":..}");
  app.footer(
      "Examples:\n"
      "  weir template model.gguf --request chat.json\n"
      "  echo '{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}' | weir template my.jinja --request -");
  return [flags]() -> Result<int> {
    if (flags->request.empty() && flags->batch.empty()) {
      return BadInput("weir template needs --request or --batch");
    }
    return RunTemplate(*flags);
  };
}

}  // namespace weir
