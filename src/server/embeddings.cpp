// /v1/embeddings: the model's hidden state behind the last token of a text, of length 1.
#include <algorithm>
#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>

#include "server/endpoints.h"
#include "server/prompts.h"

namespace weir {
namespace {

constexpr size_t kMaxInputs = 2048;  // OpenAI's
constexpr int kPriority = -1;        // behind those who wait for answers, of which there are never so many

static_assert(std::endian::native == std::endian::little, "base64 holds the floats as they lie in memory");

std::vector<float> Normalized(std::vector<float> v) {
  double sum = 0;
  for (const float x : v) sum += static_cast<double>(x) * static_cast<double>(x);
  const double scale = sum > 0 ? 1 / std::sqrt(sum) : 0;
  for (float& x : v) x = static_cast<float>(static_cast<double>(x) * scale);
  return v;
}

std::string Base64(std::string_view bytes) {
  constexpr std::string_view kSigns = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t bits = 0;
    for (size_t j = 0; j < 3; ++j) bits = bits << 8 | (j < n ? static_cast<uint8_t>(bytes[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j) text += j <= n ? kSigns[bits >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

class EmbeddingFormat final : public AnswerFormat {
 public:
  explicit EmbeddingFormat(AnswerHead head) : head_(std::move(head)) {}

  Json Whole(std::span<const AnswerPart* const> parts, const AnswerUsage& usage) const override {
    Json data = Json::array();
    for (const AnswerPart* part : parts) {
      const std::vector<float> v = Normalized(part->embedding);
      const std::string_view bytes(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(float));
      data.push_back(Json{{"object", "embedding"},
                          {"index", part->index},
                          {"embedding", head_.base64 ? Json(Base64(bytes)) : Json(v)}});
    }
    Json json{{"object", "list"}, {"data", std::move(data)}, {"model", head_.model}};
    json["usage"] = Json{{"prompt_tokens", usage.n_prompt_tokens}, {"total_tokens", usage.n_prompt_tokens}};
    return json;
  }

 private:
  const AnswerHead head_;
};

}  // namespace

std::unique_ptr<AnswerFormat> MakeEmbeddingFormat(AnswerHead head) {
  return std::make_unique<EmbeddingFormat>(std::move(head));
}

std::variant<AnswerOrder, ApiError> ReadEmbeddings(const Json& body, const ServedModel& model) {
  Fields fields(body);
  fields.Ignore("model");
  fields.Ignore("user");
  std::string encoding = "float";
  fields.String("encoding_format", &encoding);
  if (encoding != "float" && encoding != "base64") fields.Fail("encoding_format", "expected float or base64");
  fields.Only("dimensions", nullptr);
  // What is embedded is data: it cannot name control tokens.
  std::vector<Prompt> inputs = ReadPrompts(fields, "input", kMaxInputs, *model.tokenizer, /*parse_specials=*/false);
  if (const auto error = fields.End()) return *error;

  AnswerParams params;
  params.max_tokens = 1;
  AnswerOrder order = MakeOrder(AnswerKind::kEmbedding, params);
  order.base64 = encoding == "base64";
  for (Prompt& input : inputs) {
    if (!AddPrompt(fields, params, std::move(input.ids), {}, 0, model.engine->options().context_tokens, &order)) {
      return *fields.End();
    }
    order.requests.back().embed = true;
    order.requests.back().priority = kPriority;
  }
  return order;
}

}  // namespace weir
