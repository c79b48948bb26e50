// JSON, and what a JSON Schema allows of it, as a grammar.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "model/constrain/grammar.h"
#include "util/error.h"

namespace weir {

/// Any JSON object (`response_format` json_object).
Grammar JsonObjectGrammar();

/// JSON that is valid under `schema`, though not all of it: properties come in the order of the schema, and
/// none that it does not name (but in objects without named ones); between tokens there is nothing, a space, or a
/// line break with indentation; numbers have at most 16 digits before and behind the point.
///
/// Known are type, properties, required, additionalProperties, items, prefixItems, minItems, maxItems, minLength,
/// maxLength (of 100 characters in all), enum, const, anyOf, $ref within the document, and annotations. kBadInput, with the place, for any
/// other keyword (JSON Schema 2020-12): what cannot be guaranteed is not promised.
Result<Grammar> JsonSchemaGrammar(const nlohmann::ordered_json& schema);

}  // namespace weir
