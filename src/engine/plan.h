// What an engine's options come to, for Engine::Plan and Engine::Start alike.
#pragma once

#include "engine/engine.h"

namespace weir {

/// Fills in what is 0 (context: the model's) and checks the rest: kBadInput.
Result<EngineOptions> ResolveOptions(const ModelConfig& config, EngineOptions options);

/// Of options that are resolved.
int64_t KvPages(const EngineOptions& options);
int64_t Slots(const EngineOptions& options);      // of recurrent state
int64_t MaxRows(const EngineOptions& options);    // tokens in a step
int64_t MaxLogits(const EngineOptions& options);  // rows with logits in a step

}  // namespace weir
