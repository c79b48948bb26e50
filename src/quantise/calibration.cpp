#include "quantise/calibration.h"

#include <algorithm>

#include "model/transformer.h"
#include "util/interrupt.h"

namespace weir {
namespace {

constexpr int64_t kStrip = 32;  // columns whose products a thread adds up at a time

// Little of the text enters some columns, and of what it says of them little is sure: every column counts at least this
// share of their mean.
constexpr float kRidge = 0.01f;
// A tied embedding is read as rows too, where all columns are alike: this share of the mean more.
constexpr float kEmbeddingRidge = 0.3f;

int64_t Windows(int64_t n_cols) { return (n_cols + kWindow - 1) / kWindow; }

}  // namespace

Result<std::unique_ptr<Calibration>> Calibration::Measure(const ModelSource& source,
                                                          const Model& model, Session& session,
                                                          std::span<const int32_t> tokens,
                                                          std::string text_name, int64_t max_bytes,
                                                          ThreadPool& threads, ReportProgress progress,
                                                          void* context) {
  if (tokens.empty()) return BadInput("{}: expected a text to calibrate with, found none", text_name);
  std::unique_ptr<Calibration> calibration(new Calibration(threads));
  calibration->text_name_ = std::move(text_name);
  calibration->max_bytes_ = max_bytes;
  for (const Model::MatrixOrigin& origin : model.MatrixOrigins()) {
    calibration->origins_.emplace(origin.tiles, origin);
  }
  bool tied = true;
  for (const TensorInfo& tensor : source.tensors()) {
    calibration->of_experts_.push_back(tensor.ne[2] > 1);
    tied = tied && tensor.name != "output.weight";
  }
  session.Watch(calibration.get());
  const Status status = calibration->Run(session, tokens, model.config().n_vocab, progress, context);
  session.Watch(nullptr);
  if (!status) return status.error();
  calibration->Finish(source, tied);
  return calibration;
}

Status Calibration::Run(Session& session, std::span<const int32_t> tokens, int64_t n_vocab,
                        ReportProgress progress, void* context) {
  const auto n_tokens = static_cast<int64_t>(tokens.size());
  while (n_tokens_ < n_tokens) {
    session.Reset();
    ++n_windows_;
    const int64_t end = std::min(n_tokens_ + session.max_tokens(), n_tokens);
    while (n_tokens_ < end) {
      if (Interrupted()) return Error{ErrorCode::kInterrupted, "stopped: nothing was written", {}};
      if (progress) progress(context, n_tokens_, n_tokens);
      const int64_t n = std::min(session.max_chunk(), end - n_tokens_);
      const float* logits = session.Feed(
          tokens.subspan(static_cast<size_t>(n_tokens_), static_cast<size_t>(n)), n);
      const std::span last(logits + (n - 1) * n_vocab, static_cast<size_t>(n_vocab));
      WEIR_RETURN_IF_ERROR(CheckFinite(last, n_tokens_ + n - 1));
      n_tokens_ += n;
      if (n_bytes_ > max_bytes_) {
        return WithHint(Refused("calibrating takes more than the {} MB of memory that are left",
                                max_bytes_ >> 20),
                        "quantise without --calibrate, or on a machine with more memory");
      }
    }
  }
  return {};
}

void Calibration::Seen(const ActivationRows& x, int64_t n_rows, const int32_t* pick,
                       std::initializer_list<Projection> projections) {
  Input& input = inputs_[InputOf(projections, x.n_cols)];
  if (n_bytes_ > max_bytes_) return;
  input.n_rows += n_rows;
  std::vector<const float*> rows;
  for (int64_t i = 0; i < n_rows; ++i) rows.push_back(x.row(pick ? pick[i] : i));
  if (!input.products.empty()) return AddProducts(input, rows);
  for (const float* row : rows) {
    for (int64_t i = 0; i < input.n_cols; ++i) input.squares[static_cast<size_t>(i)] += row[i] * row[i];
  }
}

/// The input that these matrices share, known from before or new.
size_t Calibration::InputOf(std::initializer_list<Projection> projections, int64_t n_cols) {
  const auto known = input_of_.find(projections.begin()->w.tiles);
  if (known != input_of_.end()) return known->second;
  Input& input = inputs_.emplace_back();
  input.n_cols = n_cols;
  bool of_experts = false;
  for (const Projection& p : projections) {
    input_of_.emplace(p.w.tiles, inputs_.size() - 1);
    of_experts = of_experts || of_experts_[origins_.at(p.w.tiles).tensor];
  }
  // Each of hundreds of experts sees a share of the text that is too small for so many numbers.
  const int64_t n_products = of_experts ? 0 : Windows(n_cols) * kWindow * kWindow;
  n_bytes_ += static_cast<int64_t>(sizeof(float)) * (n_cols + n_products);
  if (n_bytes_ > max_bytes_) return inputs_.size() - 1;
  input.squares.resize(static_cast<size_t>(n_cols));
  input.products.resize(static_cast<size_t>(n_products));
  return inputs_.size() - 1;
}

/// Adds the upper halves of the products of each window, rows in order, four at a time.
void Calibration::AddProducts(Input& input, const std::vector<const float*>& rows) {
  constexpr int64_t kStrips = kWindow / kStrip;
  threads_.ParallelFor(Windows(input.n_cols) * kStrips, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t window = item / kStrips * kWindow, first = item % kStrips * kStrip;
      const int64_t width = std::min<int64_t>(kWindow, input.n_cols - window);
      for (int64_t i = first; i < std::min(first + kStrip, width); ++i) {
        float* sums = input.products.data() + (window + i) * kWindow;
        size_t r = 0;
        for (; r + 4 <= rows.size(); r += 4) {
          const float *a = rows[r] + window, *b = rows[r + 1] + window, *c = rows[r + 2] + window,
                      *d = rows[r + 3] + window;
          const float ai = a[i], bi = b[i], ci = c[i], di = d[i];
          for (int64_t j = first; j < width; ++j) {
            sums[j] += (ai * a[j] + bi * b[j]) + (ci * c[j] + di * d[j]);
          }
        }
        for (; r < rows.size(); ++r) {
          const float* a = rows[r] + window;
          for (int64_t j = first; j < width; ++j) sums[j] += a[i] * a[j];
        }
      }
    }
  });
}

/// Sums to means, and both kinds of knowledge to what encoders need.
void Calibration::Finish(const ModelSource& source, bool tied) {
  of_tensor_.resize(source.tensors().size());
  for (const auto& [tiles, input] : input_of_) {
    const Model::MatrixOrigin& origin = origins_.at(tiles);
    of_tensor_[origin.tensor].push_back({origin.first_row, input});
  }
  std::vector<float> ridges(inputs_.size(), kRidge);
  for (size_t t = 0; t < of_tensor_.size(); ++t) {
    std::sort(of_tensor_[t].begin(), of_tensor_[t].end(),
              [](const Rows& a, const Rows& b) { return a.first_row < b.first_row; });
    if (tied && source.tensors()[t].name == "token_embd.weight") {
      for (const Rows& rows : of_tensor_[t]) ridges[rows.input] = kEmbeddingRidge;
    }
  }
  for (size_t k = 0; k < inputs_.size(); ++k) {
    Input& input = inputs_[k];
    const float scale = 1.0f / static_cast<float>(std::max<int64_t>(1, input.n_rows));
    const bool has_products = !input.products.empty();
    double total = 0;
    for (int64_t i = 0; i < input.n_cols; ++i) {
      const int64_t diagonal = i * kWindow + i % kWindow;
      float& square = input.squares[static_cast<size_t>(i)];
      square = scale * (has_products ? input.products[static_cast<size_t>(diagonal)] : square);
      total += static_cast<double>(square);
    }
    if (!(total > 0)) input.n_rows = 0;  // nothing but zeros says nothing
    const float ridge = ridges[k] * static_cast<float>(total / static_cast<double>(input.n_cols));
    for (float& square : input.squares) square += ridge;
    for (int64_t row = 0; has_products && row < Windows(input.n_cols) * kWindow; ++row) {
      float* window = input.products.data() + row / kWindow * kWindow * kWindow;
      const int64_t i = row % kWindow;
      for (int64_t j = i; j < kWindow; ++j) {
        const float mean = scale * window[i * kWindow + j] + (i == j ? ridge : 0.0f);
        window[i * kWindow + j] = window[j * kWindow + i] = mean;
      }
    }
  }
}

Importance Calibration::Of(size_t index, int64_t row) const {
  const std::vector<Rows>& all = of_tensor_[index];
  const auto after = std::upper_bound(all.begin(), all.end(), row,
                                      [](int64_t r, const Rows& rows) { return r < rows.first_row; });
  if (after == all.begin()) return {};
  const Input& input = inputs_[(after - 1)->input];
  if (input.n_rows == 0) return {};
  return {input.squares.data(), input.products.empty() ? nullptr : input.products.data()};
}

uint32_t Calibration::n_tensors() const {
  return static_cast<uint32_t>(std::count_if(of_tensor_.begin(), of_tensor_.end(),
                                             [](const auto& rows) { return !rows.empty(); }));
}

}  // namespace weir
