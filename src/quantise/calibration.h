// How much each column of each matrix matters, from running the model on a text: mean products of the inputs.
//
// An error e in a row of weights changes its output by e . x for an input x, so its mean square over a text is e' P e,
// where P are the mean products of the columns of x. The diagonal of P, the mean squares, is what is commonly kept. The
// rest says which columns move together, so that their errors can cancel; blocks of 256 x 256 along the diagonal are as
// much as the encoders, which see a window at a time, can use: 1 KB per column.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/input_observer.h"
#include "model/session.h"
#include "quantise/encode.h"
#include "util/thread_pool.h"

namespace weir {

class Calibration : private InputObserver {
 public:
  using ReportProgress = void (*)(void* context, int64_t tokens_done, int64_t tokens_total);
  /// Runs `session` of `model`, which was loaded from `source`, over the tokens in windows of
  /// session.max_tokens(), each from an empty context. kRefused if the products take more than max_bytes,
  /// kInterrupted when the user asks to stop. `progress` may be null.
  static Result<std::unique_ptr<Calibration>> Measure(const ModelSource& source, const Model& model,
                                                      Session& session,
                                                      std::span<const int32_t> tokens,
                                                      std::string text_name, int64_t max_bytes,
                                                      ThreadPool& threads, ReportProgress progress,
                                                      void* context);

  /// Of a row of tensor `index` of the source; nothing where the text said nothing (experts that it never chose, an
  /// embedding that is not the LM head). Thread-safe.
  Importance Of(size_t index, int64_t row) const;

  const std::string& text_name() const { return text_name_; }
  int64_t n_tokens() const { return n_tokens_; }
  uint32_t n_windows() const { return n_windows_; }
  /// Tensors of which something is known.
  uint32_t n_tensors() const;

 private:
  /// What enters one or several matrices.
  struct Input {
    int64_t n_cols = 0;
    int64_t n_rows = 0;           // seen
    std::vector<float> squares;   // [n_cols], sums and then means, as the products
    std::vector<float> products;  // [ceil(n_cols / 256)][256][256], or empty
  };
  struct Rows {
    int64_t first_row;
    size_t input;
  };

  explicit Calibration(ThreadPool& threads) : threads_(threads) {}
  void Seen(const ActivationRows& x, int64_t n_rows, const int32_t* pick,
            std::initializer_list<Projection> projections) override;
  size_t InputOf(std::initializer_list<Projection> projections, int64_t n_cols);
  void AddProducts(Input& input, const std::vector<const float*>& rows);
  Status Run(Session& session, std::span<const int32_t> tokens, int64_t n_vocab,
             ReportProgress progress, void* context);
  void Finish(const ModelSource& source, bool tied);

  ThreadPool& threads_;
  std::string text_name_;
  int64_t n_tokens_ = 0, n_bytes_ = 0, max_bytes_ = 0;
  uint32_t n_windows_ = 0;
  std::vector<Input> inputs_;
  std::unordered_map<const uint8_t*, Model::MatrixOrigin> origins_;  // by PackedMatrix::tiles
  std::unordered_map<const uint8_t*, size_t> input_of_;              // the same
  std::vector<bool> of_experts_;                                     // of tensors: one matrix of many
  std::vector<std::vector<Rows>> of_tensor_;                         // ascending
};

}  // namespace weir
