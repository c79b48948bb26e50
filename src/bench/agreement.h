// How far two targets' greedy answers to the same questions agree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/target.h"
#include "store/store.h"

namespace weir {

/// Over the questions that both have answered. Answers that were cut count as far as they go.
struct Agreement {
  int n_questions = 0;
  int n_same = 0;               // answers that are equal to the end
  double common_share = 0;      // mean of: characters until the answers part / characters of the longer one
  double common_characters = 0;  // median
  int64_t n_positions = 0;       // with probabilities of both, after the same text
  std::optional<double> kl_nats = {};  // mean over them of KlAtLeast(base, other)
};

/// Nothing if there is no question that both have answered.
std::optional<Agreement> AgreementOf(const AskedRow& base, const AskedRow& other);

/// A lower bound of KL(p || q), in nats, of two distributions of which the likeliest tokens are known.
double KlAtLeast(const RankedToken& p, const RankedToken& q);

/// Two targets that were asked the same, and how far they agree.
struct ComparedAnswers {
  std::string model, base, other;
  Agreement agreement;
};
/// Of all ComparablePairs.
std::vector<ComparedAnswers> CompareAnswers(const std::vector<AskedRow>& rows);
/// Of the rows with these ids, each pair once; those that are not there or have no answers are left out.
std::vector<ComparedAnswers> CompareAnswers(const std::vector<AskedRow>& bases, const std::vector<AskedRow>& others,
                                            const std::vector<std::pair<int64_t, int64_t>>& ids);

/// Indices of those whose answers should agree: the same questions to the same model at two targets, or in two
/// configurations of one. The engine comes first.
std::vector<std::pair<size_t, size_t>> ComparablePairs(const std::vector<AskedRow>& rows);

/// Answers whose common beginning is a smaller share are those of something else: see docs/metrics.md.
inline constexpr double kLeastCommonShare = 0.15;

/// answers_differ, by the index of each row that agrees with none of those that it should agree with. Where it can be
/// compared with other targets, other configurations of its own are no witness.
std::map<size_t, Flag> JudgeAnswers(const std::vector<AskedRow>& rows);

/// Flags the cells of a run whose answers are not those of the other targets of its campaign.
Status FlagAnswers(int64_t run, Store& store);

}  // namespace weir
