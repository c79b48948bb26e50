// Full attention: grouped queries, optional q/k norms and output gate, rotary positions, paged keys and
// values (spec 5.2, 5.3, 8).
//
// A sequence's pages are added up in spans of kSpanPages, and the spans one after the other: a structure of
// absolute positions alone, so a row's bits do not depend on which rows share a tile or on which thread a
// span runs. Rows of a prompt go through the pages in tiles, one row of a long context goes in spans that
// threads share.
#include <algorithm>
#include <cmath>
#include <limits>

#include "model/transformer.h"

namespace weir {

void Transformer::Attention(const LayerWeights& layer) {
  const AttentionWeights& w = layer.attention;
  Project(s_.h, {{w.q, s_.q}, {w.k, s_.k}, {w.v, s_.v}});
  AddBias(w.q_bias, w.q.n_rows, s_.q);
  AddBias(w.k_bias, w.k.n_rows, s_.k);
  AddBias(w.v_bias, w.v.n_rows, s_.v);
  Enter(StepPart::kHeads);
  ForRows(n_rows_, [&](int64_t row) {
    PrepareHeads(w, row);
    StoreKeyValue(layer, row);
  });
  s_.o.n_cols = c_.n_heads * c_.head_dim;
  Enter(StepPart::kAttention);
  ForRows(s_.n_attention_items * c_.n_kv_heads, [&](int64_t i) {
    Attend(layer, s_.attention_items[i / c_.n_kv_heads], i % c_.n_kv_heads);
  });
  ForRows(n_rows_, [&](int64_t row) { FinishAttention(row); });
  Project(s_.o, {{w.out, s_.y}});
  AddBias(w.out_bias, c_.n_embd, s_.y);
  AddToResidual(s_.y);
}

/// Norms and rotates the query and key heads of a row, in place. A gated head's query is followed by its gate.
void Transformer::PrepareHeads(const AttentionWeights& w, int64_t row) {
  const int64_t q_stride = c_.head_dim * (c_.gated_attention ? 2 : 1);
  for (int64_t p = 0; p < c_.n_heads; ++p) {
    float* head = s_.q + (row * c_.n_heads + p) * q_stride;
    if (w.q_norm) k_.rms_norm(head, w.q_norm, c_.head_dim, c_.rms_eps, head);
    Rotate(head, row);
  }
  for (int64_t p = 0; p < c_.n_kv_heads; ++p) {
    float* head = s_.k + (row * c_.n_kv_heads + p) * c_.head_dim;
    if (w.k_norm) k_.rms_norm(head, w.k_norm, c_.head_dim, c_.rms_eps, head);
    Rotate(head, row);
  }
}

/// Rotates pairs (j, j + n_rot/2), or adjacent ones; the other dimensions pass through.
void Transformer::Rotate(float* head, int64_t row) const {
  const int64_t n_pairs = c_.n_rot / 2;
  const float* cosines = s_.rope_cos + row * n_pairs;
  const float* sines = s_.rope_sin + row * n_pairs;
  const int64_t step = c_.rope_adjacent ? 2 : 1;
  const int64_t distance = c_.rope_adjacent ? 1 : n_pairs;
  for (int64_t j = 0; j < n_pairs; ++j) {
    const float a = head[j * step], b = head[j * step + distance];
    head[j * step] = a * cosines[j] - b * sines[j];
    head[j * step + distance] = a * sines[j] + b * cosines[j];
  }
}

void Transformer::StoreKeyValue(const LayerWeights& layer, int64_t row) {
  const RowRef& ref = s_.rows[row];
  const Slice& slice = slices_[static_cast<size_t>(ref.slice)];
  const int32_t page = slice.pages[static_cast<size_t>(ref.position / kPageTokens)];
  const int offset = static_cast<int>(ref.position % kPageTokens);
  for (int64_t p = 0; p < c_.n_kv_heads; ++p) {
    const int64_t head = (row * c_.n_kv_heads + p) * c_.head_dim;
    k_.store_position(s_.k + head, c_.head_dim, cache_.kv_type(), offset,
                      cache_.Keys(layer.kind_index, page, p));
    k_.store_position(s_.v + head, c_.head_dim, cache_.kv_type(), offset,
                      cache_.Values(layer.kind_index, page, p));
  }
}

/// Cuts the step's attention into items, the largest first: whoever is done with small ones takes over large ones
/// that nobody has begun.
void Transformer::PlanAttention() {
  const int64_t n_threads = threads_.n_threads();
  const int64_t group = c_.n_heads / c_.n_kv_heads;
  // At least four items per thread, if there are as many rows.
  const int64_t tile = std::clamp<int64_t>(n_rows_ * c_.n_kv_heads / (4 * n_threads), 1,
                                           std::max<int64_t>(kTileQueries / group, 1));
  int64_t work = 0;  // rows times pages
  s_.n_attention_items = 0;
  for (size_t i = 0; i < slices_.size(); ++i) {
    const int64_t begin = s_.slice_rows[i];
    const int64_t end = begin + static_cast<int64_t>(slices_[i].tokens.size());
    for (int64_t row = begin; row < end; row += tile) {
      const int64_t n = std::min(tile, end - row);
      const int64_t n_pages = s_.rows[row + n - 1].position / kPageTokens + 1;
      s_.attention_items[s_.n_attention_items++] = {row, n, 0, n_pages, row};
      work += n * n_pages;
    }
  }
  SplitLongRows(work / (4 * n_threads));
  std::sort(s_.attention_items, s_.attention_items + s_.n_attention_items,
            [](const AttentionItem& a, const AttentionItem& b) { return a.work() > b.work(); });
}

/// Makes an item of every span of single rows with more than `fair_share` pages, while there is room for the
/// spans' results.
void Transformer::SplitLongRows(int64_t fair_share) {
  int64_t state = s_.max_rows;
  const int64_t n_items = s_.n_attention_items;
  for (int64_t i = 0; i < n_items; ++i) {
    AttentionItem& item = s_.attention_items[i];
    const int64_t n_pages = item.page_end, n_parts = (n_pages - 1) / kSpanPages;
    const bool fits = state + n_parts <= s_.max_rows + kMaxParts;
    if (item.n_rows > 1 || n_pages <= fair_share || n_parts == 0 || !fits) continue;
    s_.rows[item.row].first_part = static_cast<int32_t>(state);
    s_.rows[item.row].n_parts = static_cast<int32_t>(n_parts);
    item.page_end = kSpanPages;
    for (int64_t page = kSpanPages; page < n_pages; page += kSpanPages) {
      const int64_t page_end = std::min<int64_t>(page + kSpanPages, n_pages);
      s_.attention_items[s_.n_attention_items++] = {item.row, 1, page, page_end, state++};
    }
  }
}

/// The query heads of one KV head of an item's rows, over its pages in order.
void Transformer::Attend(const LayerWeights& layer, const AttentionItem& item, int64_t kv_head) {
  const int64_t n_queries = item.n_rows * (c_.n_heads / c_.n_kv_heads);
  for (int64_t first = 0; first < n_queries; first += kTileQueries) {
    const int n = static_cast<int>(std::min<int64_t>(kTileQueries, n_queries - first));
    AttendQueries(layer, item, kv_head, first, n);
  }
}

/// Queries [first, first + n) of an item: row by row, and the heads of the group within.
void Transformer::AttendQueries(const LayerWeights& layer, const AttentionItem& item,
                                int64_t kv_head, int64_t first, int n) {
  const int64_t group = c_.n_heads / c_.n_kv_heads;
  const int64_t q_stride = c_.head_dim * (c_.gated_attention ? 2 : 1);
  AttentionQuery whole[kTileQueries], part[kTileQueries];
  int64_t positions[kTileQueries], states[kTileQueries];
  for (int i = 0; i < n; ++i) {
    const int64_t row_in_item = (first + i) / group, head = kv_head * group + (first + i) % group;
    const int64_t row = item.row + row_in_item;
    states[i] = (item.state + row_in_item) * c_.n_heads + head;
    positions[i] = s_.rows[row].position;
    const float* q = s_.q + (row * c_.n_heads + head) * q_stride;
    whole[i] = {q, AttentionOut(item.state + row_in_item, head), 0, 0, 0};
    part[i] = {q, s_.span_out + (row * c_.n_heads + head) * c_.head_dim, 0, 0, 0};
  }
  const Slice& slice = slices_[static_cast<size_t>(s_.rows[item.row].slice)];
  for (int64_t page = item.page_begin; page < item.page_end; page += kSpanPages) {
    AttentionQuery* span = page == item.page_begin ? whole : part;
    const int64_t end = std::min<int64_t>(page + kSpanPages, item.page_end);
    AttendSpan(layer, slice, kv_head, positions, page, end, span, n);
    for (int i = 0; span == part && i < n; ++i) {
      if (part[i].n_positions > 0) k_.merge_attention(part[i], c_.head_dim, whole[i]);
    }
  }
  for (int i = 0; i < n; ++i) {
    s_.head_max[states[i]] = whole[i].max;
    s_.head_sum[states[i]] = whole[i].sum;
  }
}

/// Queries that see positions [0, positions[i]], ascending, over pages [page, page_end) from an empty softmax. A
/// query for which all of it lies in the future keeps n_positions = 0.
void Transformer::AttendSpan(const LayerWeights& layer, const Slice& slice, int64_t kv_head,
                             const int64_t* positions, int64_t page, int64_t page_end,
                             AttentionQuery* queries, int n) {
  for (int i = 0; i < n; ++i) {
    queries[i].max = -std::numeric_limits<float>::infinity();
    queries[i].sum = 0;
    queries[i].n_positions = 0;
    std::fill_n(queries[i].out, c_.head_dim, 0.0f);
  }
  const auto seen = [](int64_t position, int64_t of_page) {
    return static_cast<int>(
        std::clamp<int64_t>(position + 1 - of_page * kPageTokens, 0, kPageTokens));
  };
  const float scale = 1.0f / std::sqrt(static_cast<float>(c_.head_dim));
  for (int first = 0; page < page_end; ++page) {
    while (first < n && seen(positions[first], page) == 0) ++first;
    for (int i = first; i < n; ++i) queries[i].n_positions = seen(positions[i], page);
    const auto keys = [&](int64_t p) {
      return cache_.Keys(layer.kind_index, slice.pages[static_cast<size_t>(p)], kv_head);
    };
    const bool is_last = page + 1 == page_end;
    const KvPage kv{keys(page),
                    cache_.Values(layer.kind_index, slice.pages[static_cast<size_t>(page)], kv_head),
                    cache_.kv_type(), is_last ? nullptr : keys(page + 1),
                    is_last ? 0 : seen(positions[n - 1], page + 1)};
    k_.attend_page(queries + first, n - first, c_.head_dim, kv, scale);
  }
}

/// Where the sums of a head go: of a row to the input of the output projection, of a part of a split row aside.
float* Transformer::AttentionOut(int64_t state, int64_t head) {
  return (state < s_.max_rows ? s_.o.row(state) : s_.span_out + state * c_.n_heads * c_.head_dim) +
         head * c_.head_dim;
}

/// Merges the parts of a split row, divides by the sum of the weights and applies the gate.
void Transformer::FinishAttention(int64_t row) {
  const RowRef& ref = s_.rows[row];
  const int64_t q_stride = c_.head_dim * (c_.gated_attention ? 2 : 1);
  for (int64_t head = 0; head < c_.n_heads; ++head) {
    const auto query = [&](int64_t state) {
      const int64_t at = state * c_.n_heads + head;
      return AttentionQuery{nullptr, AttentionOut(state, head), s_.head_max[at], s_.head_sum[at], 0};
    };
    AttentionQuery whole = query(row);
    for (int32_t part = 0; part < ref.n_parts; ++part) {
      k_.merge_attention(query(ref.first_part + part), c_.head_dim, whole);
    }
    for (int64_t i = 0; i < c_.head_dim; ++i) whole.out[i] /= whole.sum;
    if (c_.gated_attention) {
      const float* gate = s_.q + (row * c_.n_heads + head) * q_stride + c_.head_dim;
      k_.sigmoid_mul(gate, c_.head_dim, whole.out);
    }
  }
  Quantize(s_.o, row, 0, c_.n_heads * c_.head_dim);
}

}  // namespace weir
