// Rows of the table `quality`.
#include "store/store.h"

namespace weir {

Result<int64_t> Store::AddQuality(int64_t run, const ScoredText& text,
                                  const Predictions& predictions,
                                  const std::optional<DistanceFromReference>& distance) {
  WEIR_TRY(Transaction transaction, Transaction::Begin(database_));
  WEIR_TRY(const int64_t id,
           database_.Insert(
               "INSERT INTO quality (run, model, dtype, kv, text_name, text_sha256, window, "
               "score_from, windows, scored_tokens, nll, nll_se, ppl, ppl_se) "
               "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
               run, predictions.model, predictions.dtype, predictions.kv, text.name, text.sha256,
               text.window, text.score_from, text.n_windows, text.n_tokens, predictions.nll.value,
               predictions.nll.error, predictions.ppl.value, predictions.ppl.error));
  if (distance) {
    const Predictions& reference = distance->reference;
    WEIR_RETURN_IF_ERROR(database_.Execute(
        "UPDATE quality SET reference = ?, reference_dtype = ?, reference_kv = ?, "
        "reference_nll = ?, reference_nll_se = ?, reference_ppl = ?, reference_ppl_se = ?, "
        "ppl_ratio = ?, ppl_ratio_se = ?, kl_mean = ?, kl_mean_se = ?, kl_median = ?, kl_p99 = ?, "
        "kl_max = ?, same_top = ?, same_top_se = ? WHERE id = ?",
        reference.model, reference.dtype, reference.kv, reference.nll.value, reference.nll.error,
        reference.ppl.value, reference.ppl.error, distance->ppl_ratio.value,
        distance->ppl_ratio.error, distance->kl_mean.value, distance->kl_mean.error,
        distance->kl_median, distance->kl_p99, distance->kl_max, distance->same_top.value,
        distance->same_top.error, id));
  }
  WEIR_RETURN_IF_ERROR(transaction.Commit());
  return id;
}

}  // namespace weir
