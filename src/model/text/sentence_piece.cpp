#include "model/text/sentence_piece.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "model/text/utf8.h"

namespace weir {

namespace {

// SentencePiece writes a space as this character, and takes the character itself for a space.
constexpr uint32_t kSpaceMark = 0x2581;

/// The first character of `text`; bytes that are none count from kInvalidCodePoint on, one each.
Utf8Step Character(std::string_view text) {
  Utf8Step step = DecodeUtf8(text);
  if (step.code_point == kSpaceMark) step.code_point = ' ';
  if (step.code_point == kInvalidCodePoint) {
    step = {kInvalidCodePoint + static_cast<uint8_t>(text[0]), 1};
  }
  return step;
}

std::vector<uint32_t> RanksOf(const std::vector<double>& scores) {
  std::vector<uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return scores[a] > scores[b]; });
  std::vector<uint32_t> ranks(scores.size());
  for (size_t i = 0; i < order.size(); ++i) {
    const bool equal = i > 0 && scores[order[i]] == scores[order[i - 1]];
    ranks[order[i]] = equal ? ranks[order[i - 1]] : static_cast<uint32_t>(i);
  }
  return ranks;
}

}  // namespace

Result<std::unique_ptr<SentencePiece>> SentencePiece::Create(const Metadata& metadata,
                                                             const Vocabulary& vocabulary,
                                                             std::optional<int32_t> unknown) {
  WEIR_TRY(const std::vector<double> scores, metadata.Floats("tokenizer.ggml.scores"));
  if (scores.size() != static_cast<size_t>(vocabulary.size())) {
    return BadInput("tokenizer.ggml.scores: expected {} entries, one per token, found {}",
                    vocabulary.size(), scores.size());
  }
  const auto nan = std::ranges::find_if(scores, [](double score) { return std::isnan(score); });
  if (nan != scores.end()) {
    return BadInput("tokenizer.ggml.scores[{}]: expected a number, found NaN",
                    nan - scores.begin());
  }
  return std::unique_ptr<SentencePiece>(new SentencePiece(vocabulary, scores, unknown));
}

SentencePiece::SentencePiece(const Vocabulary& vocabulary, const std::vector<double>& scores,
                             std::optional<int32_t> unknown)
    : vocabulary_(vocabulary),
      unknown_(unknown && vocabulary.Type(*unknown) != TokenType::kControl ? *unknown : -1),
      ranks_(RanksOf(scores)),
      neighbours_(std::bit_ceil(scores.size()) / 4 + 1024) {
  byte_tokens_.fill(-1);
  for (int32_t id = vocabulary_.size() - 1; id >= 0; --id) {
    const std::string_view bytes = vocabulary_.Bytes(id);
    if (vocabulary_.Type(id) == TokenType::kByte && bytes.size() == 1) {
      byte_tokens_[static_cast<uint8_t>(bytes[0])] = id;
    }
    if (vocabulary_.Find(bytes) == id) {
      longest_ = std::max(longest_, bytes.size());
      AddNeighbours(bytes);
    }
  }
  for (int c = 0; c < 128; ++c) {
    const char byte = static_cast<char>(c);
    ascii_symbols_[c] = vocabulary_.Find({&byte, 1}).value_or(~c);
  }
}

size_t SentencePiece::NeighboursBit(uint32_t left, uint32_t right) const {
  const uint64_t key = (static_cast<uint64_t>(left) << 32 | right) * 0x9E3779B97F4A7C15u;
  return (key >> 32) % (neighbours_.size() * 64);
}

void SentencePiece::AddNeighbours(std::string_view token) {
  for (uint32_t left = 0, i = 0; !token.empty(); ++i) {
    const Utf8Step step = Character(token);
    if (i > 0) {
      const size_t bit = NeighboursBit(left, step.code_point);
      neighbours_[bit / 64] |= uint64_t{1} << bit % 64;
    }
    left = step.code_point;
    token.remove_prefix(step.length);
  }
}

size_t SentencePiece::PieceEnd(std::string_view text, size_t begin) const {
  Utf8Step left = Character(text.substr(begin));
  size_t end = begin + left.length;
  while (end < text.size()) {
    const Utf8Step right = Character(text.substr(end));
    if (!MayBeNeighbours(left.code_point, right.code_point)) break;
    end += right.length;
    left = right;
  }
  return end;
}

int32_t SentencePiece::SymbolOf(std::string_view text, uint32_t* length) const {
  const Utf8Step step = Character(text);
  *length = step.length;
  if (step.code_point < 128) return ascii_symbols_[step.code_point];
  const auto id = vocabulary_.Find(text.substr(0, step.length));
  return id ? *id : ~static_cast<int32_t>(step.code_point);
}

void SentencePiece::AppendSpelling(int32_t symbol, std::string* bytes) const {
  if (symbol >= 0) {
    bytes->append(vocabulary_.Bytes(symbol));
    return;
  }
  const uint32_t character = ~symbol;
  if (character >= kInvalidCodePoint) {
    bytes->push_back(static_cast<char>(character - kInvalidCodePoint));
  } else {
    AppendUtf8(character, bytes);
  }
}

Merge SentencePiece::FindMerge(int32_t left, int32_t right, std::string* scratch) const {
  scratch->clear();
  AppendSpelling(left, scratch);
  AppendSpelling(right, scratch);
  if (scratch->size() > longest_) return {};
  const auto id = vocabulary_.Find(*scratch);
  return id ? Merge{ranks_[static_cast<size_t>(*id)], *id} : Merge();
}

void SentencePiece::Encode(std::string_view piece, std::vector<int32_t>* ids) const {
  // As a token of its own, a whole piece need not be what the merges come to.
  std::vector<int32_t> symbols;
  for (uint32_t length = 0; !piece.empty(); piece.remove_prefix(length)) {
    symbols.push_back(SymbolOf(piece, &length));
  }
  std::string scratch;
  MergeSymbols([&](int32_t left, int32_t right) { return FindMerge(left, right, &scratch); },
               &symbols, 0);
  for (const int32_t symbol : symbols) {
    if (symbol >= 0) {
      ids->push_back(symbol);
    } else {
      AppendBytes(symbol, ids);
    }
  }
}

void SentencePiece::AppendBytes(int32_t symbol, std::vector<int32_t>* ids) const {
  std::string bytes;
  AppendSpelling(symbol, &bytes);
  const auto token_of = [&](char byte) { return byte_tokens_[static_cast<uint8_t>(byte)]; };
  if (std::ranges::all_of(bytes, [&](char byte) { return token_of(byte) >= 0; })) {
    for (const char byte : bytes) ids->push_back(token_of(byte));
  } else {
    ids->push_back(unknown_);
  }
}

}  // namespace weir
