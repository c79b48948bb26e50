// What the endpoints that need a model make of a body.
#pragma once

#include <optional>
#include <variant>

#include "server/api.h"
#include "server/answering.h"
#include "server/json_fields.h"

namespace weir {

std::variant<AnswerOrder, ApiError> ReadCompletion(const Json& body, const ServedModel& model);
std::variant<AnswerOrder, ApiError> ReadChat(const Json& body, const ServedModel& model);
std::variant<AnswerOrder, ApiError> ReadResponses(const Json& body, const ServedModel& model);
std::variant<AnswerOrder, ApiError> ReadAnthropic(const Json& body, const ServedModel& model);
std::variant<AnswerOrder, ApiError> ReadEmbeddings(const Json& body, const ServedModel& model);

/// /v1/messages/count_tokens: what the prompt of such a body comes to.
std::variant<Json, ApiError> CountTokens(const Json& body, const ServedModel& model);
std::variant<Json, ApiError> Tokenize(const Json& body, const ServedModel& model);
std::variant<Json, ApiError> Detokenize(const Json& body, const ServedModel& model);

}  // namespace weir
