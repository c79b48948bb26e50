#include "model/text/byte_level_bpe.h"

#include <limits>

namespace weir {

namespace {

// For messages: long enough for any real merge, and one line whatever the file says.
std::string Quoted(std::string_view text) { return fmt::format("{:?}", text.substr(0, 80)); }

Result<MergeTable> ReadMerges(const Metadata& metadata, const Vocabulary& vocabulary) {
  WEIR_TRY(const std::vector<std::string>* merges, metadata.Strings("tokenizer.ggml.merges"));
  if (merges->size() > std::numeric_limits<int32_t>::max()) {
    return BadInput("tokenizer.ggml.merges: expected fewer than 2^31, found {}", merges->size());
  }
  MergeTable table(merges->size());
  std::string bytes;
  for (size_t i = 0; i < merges->size(); ++i) {
    const std::string_view merge = (*merges)[i];
    const size_t space = merge.find(' ');
    if (space == std::string_view::npos || merge.find(' ', space + 1) != std::string_view::npos) {
      return BadInput("tokenizer.ggml.merges[{}]: expected two tokens and one space, found {}", i,
                      Quoted(merge));
    }
    bytes.clear();
    AppendUnmapped(merge.substr(0, space), &bytes);
    const size_t n_left = bytes.size();
    AppendUnmapped(merge.substr(space + 1), &bytes);
    const std::string_view both = bytes;
    const auto left = vocabulary.Find(both.substr(0, n_left));
    const auto right = vocabulary.Find(both.substr(n_left));
    const auto result = vocabulary.Find(both);
    if (!left || !right || !result) {
      return BadInput("tokenizer.ggml.merges[{}]: {} of {} is no token, or a control token", i,
                      !left    ? "the left part"
                      : !right ? "the right part"
                               : "the result",
                      Quoted(merge));
    }
    table.Add(*left, *right, *result);
  }
  return table;
}

}  // namespace

Result<std::unique_ptr<ByteLevelBpe>> ByteLevelBpe::Create(const Metadata& metadata,
                                                           const PreTokenizer& pre_tokenizer,
                                                           const Vocabulary& vocabulary) {
  WEIR_TRY(MergeTable merges, ReadMerges(metadata, vocabulary));
  return std::unique_ptr<ByteLevelBpe>(
      new ByteLevelBpe(pre_tokenizer, vocabulary, std::move(merges)));
}

ByteLevelBpe::ByteLevelBpe(const PreTokenizer& pre_tokenizer, const Vocabulary& vocabulary,
                           MergeTable merges)
    : pre_tokenizer_(pre_tokenizer), vocabulary_(vocabulary), merges_(std::move(merges)) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    byte_tokens_[byte] = vocabulary_.Find({&c, 1}).value_or(-1);
  }
}

void ByteLevelBpe::Encode(std::string_view piece, std::vector<int32_t>* ids) const {
  if (pre_tokenizer_.ignore_merges) {
    if (const auto id = vocabulary_.Find(piece)) {
      ids->push_back(*id);
      return;
    }
  }
  const size_t first = ids->size();
  for (const char c : piece) ids->push_back(byte_tokens_[static_cast<uint8_t>(c)]);
  MergeSymbols([this](int32_t left, int32_t right) { return merges_.Find(left, right); }, ids,
               first);
}

}  // namespace weir
