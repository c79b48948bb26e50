// /tokenize and /detokenize, with the fields of llama.cpp's server.
#include <nlohmann/json.hpp>

#include "model/text/stream_decoder.h"
#include "model/text/tokenizer.h"
#include "model/text/utf8.h"
#include "server/endpoints.h"

namespace weir {
namespace {

/// A piece as text, or as its bytes where it is no text by itself.
Json PieceJson(std::string_view piece) {
  if (IsValidUtf8(piece)) return piece;
  Json bytes = Json::array();
  for (const char c : piece) bytes.push_back(static_cast<uint8_t>(c));
  return bytes;
}

}  // namespace

std::variant<Json, ApiError> Tokenize(const Json& body, const ServedModel& model) {
  const Tokenizer& tokenizer = *model.tokenizer;
  Fields fields(body);
  std::string content;
  bool add_special = false, parse_special = true, with_pieces = false;
  fields.Ignore("model");
  if (!fields.Any("content")) fields.Fail("content", "missing: expected the text");
  fields.String("content", &content);
  fields.Bool("add_special", &add_special);
  fields.Bool("parse_special", &parse_special);
  fields.Bool("with_pieces", &with_pieces);
  if (const auto error = fields.End()) return *error;

  std::vector<int32_t> ids = tokenizer.Encode(content, parse_special);
  if (add_special && tokenizer.add_bos() && tokenizer.bos()) ids.insert(ids.begin(), *tokenizer.bos());
  Json tokens = Json::array();
  for (const int32_t id : ids) {
    tokens.push_back(with_pieces ? Json{{"id", id}, {"piece", PieceJson(tokenizer.Piece(id))}} : Json(id));
  }
  return Json{{"tokens", std::move(tokens)}, {"count", ids.size()}};
}

std::variant<Json, ApiError> Detokenize(const Json& body, const ServedModel& model) {
  const int32_t n_tokens = model.tokenizer->n_tokens();
  Fields fields(body);
  fields.Ignore("model");
  const Json* const tokens = fields.Any("tokens");
  if (!tokens || !tokens->is_array()) fields.Fail("tokens", "expected an array of token ids");
  if (const auto error = fields.End()) return *error;

  StreamDecoder decoder(*model.tokenizer, /*show_control=*/true);
  std::string content;
  for (const Json& id : *tokens) {
    if (!id.is_number_integer() || id < 0 || id >= n_tokens) {
      fields.Fail("tokens", fmt::format("expected ids from 0 to {}", n_tokens - 1));
      return *fields.End();
    }
    content += decoder.Push(id.get<int32_t>());
  }
  return Json{{"content", content + decoder.Flush()}};
}

}  // namespace weir
