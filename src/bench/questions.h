// Fixed questions whose greedy answers tell targets that compute the same model from one that is fast because it computes
// something else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/cell_spec.h"
#include "bench/load.h"
#include "bench/target.h"
#include "store/store.h"

namespace weir {

inline constexpr int kQuestions = 8;
inline constexpr int kQuestionWords = 32;
inline constexpr int64_t kAnswerTokens = 32;
inline constexpr int kTopLogprobs = 20;
inline constexpr int64_t kMostAskingNs = 30'000'000'000;  // of a bench, for all questions at a target

/// Passages of the novel, each the begin of one; the same in all builds that give the set the same name.
std::vector<std::string> QuestionTexts();

/// Asks them at a target that is loaded, and not measured meanwhile: an engine in this process all at once, since its
/// answers do not depend on company, a server one after the other. What is not answered after most_ns is cut or missing,
/// and the note says why; of targets that cannot be asked there is only the note. `model` and what else is the store's
/// business is left empty.
AskedRow AskQuestions(Subject& subject, const CellSpec& spec, int64_t most_ns, const ShouldStop& stop);

/// How long that takes in a bench, on a machine of ordinary speed; at most kMostAskingNs.
double RoughAskingSeconds(const Subject& subject, const CellSpec& spec);

/// Of AnswerRow::logprobs and back; a text that is none gives nothing.
std::string RankedJson(const std::vector<RankedToken>& tokens);
std::vector<RankedToken> ParseRanked(std::string_view json);

}  // namespace weir
