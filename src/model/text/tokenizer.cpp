#include "model/text/tokenizer.h"

#include <algorithm>
#include <limits>

namespace weir {

namespace {

constexpr std::string_view kEndNames[] = {"<|endoftext|>", "<|im_end|>",  "<|end_of_text|>",
                                          "<|eot_id|>",    "<|eom_id|>",  "<|fim_pad|>",
                                          "<|repo_name|>", "<|file_sep|>"};
constexpr std::string_view kEndKeys[] = {
    "tokenizer.ggml.eos_token_id",     "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.eom_token_id",     "tokenizer.ggml.fim_pad_token_id",
    "tokenizer.ggml.fim_rep_token_id", "tokenizer.ggml.fim_sep_token_id"};

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

Tokenizer::Tokenizer(Vocabulary vocabulary, PreTokenizer pre_tokenizer, MergeTable merges)
    : vocabulary_(std::move(vocabulary)),
      pre_tokenizer_(pre_tokenizer),
      merges_(std::move(merges)),
      specials_(vocabulary_) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    byte_tokens_[byte] = vocabulary_.Find({&c, 1}).value_or(-1);
  }
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::Create(const Metadata& metadata) {
  WEIR_TRY(const std::string model, metadata.String("tokenizer.ggml.model"));
  if (model != "gpt2") {
    return BadInput(
        "tokenizer.ggml.model: expected \"gpt2\", the only kind that weir knows yet, found {}",
        Quoted(model));
  }
  WEIR_TRY(const std::string pre, metadata.String("tokenizer.ggml.pre"));
  WEIR_TRY(const PreTokenizer pre_tokenizer, PreTokenizer::FromName(pre));
  WEIR_TRY(Vocabulary vocabulary, Vocabulary::Create(metadata));
  WEIR_TRY(MergeTable merges, ReadMerges(metadata, vocabulary));
  std::unique_ptr<Tokenizer> tokenizer(
      new Tokenizer(std::move(vocabulary), pre_tokenizer, std::move(merges)));
  WEIR_RETURN_IF_ERROR(tokenizer->ReadIds(metadata));
  return tokenizer;
}

Status Tokenizer::ReadIds(const Metadata& metadata) {
  const auto read = [&](std::string_view key) -> Result<std::optional<int32_t>> {
    if (!metadata.Has(key)) return std::optional<int32_t>();
    WEIR_TRY(const int64_t id, metadata.Int(key, 0, n_tokens() - 1));
    return std::optional<int32_t>(static_cast<int32_t>(id));
  };
  WEIR_TRY(bos_, read("tokenizer.ggml.bos_token_id"));
  WEIR_TRY(eos_, read("tokenizer.ggml.eos_token_id"));
  WEIR_TRY(add_bos_, metadata.BoolOr("tokenizer.ggml.add_bos_token", pre_tokenizer_.add_bos));
  for (const std::string_view key : kEndKeys) {
    WEIR_TRY(const std::optional<int32_t> id, read(key));
    if (id) end_of_generation_.push_back(*id);
  }
  for (int32_t id = 0; id < n_tokens(); ++id) {
    if (std::ranges::count(kEndNames, Piece(id)) > 0) end_of_generation_.push_back(id);
  }
  std::sort(end_of_generation_.begin(), end_of_generation_.end());
  return {};
}

bool Tokenizer::IsEndOfGeneration(int32_t id) const {
  return std::binary_search(end_of_generation_.begin(), end_of_generation_.end(), id);
}

std::vector<int32_t> Tokenizer::Encode(std::string_view text, bool parse_specials) const {
  return EncodeAround(text, parse_specials ? specials_.FindAll(text)
                                           : std::vector<SpecialTokens::Match>());
}

std::vector<int32_t> Tokenizer::Encode(const TypedText& text) const {
  std::string whole;
  std::vector<SpecialTokens::Match> specials;
  for (size_t i = 0; i < text.size();) {
    // A special token may be written in several parts, as long as all of them are the template's.
    const size_t begin = whole.size();
    const Origin origin = text[i].origin;
    for (; i < text.size() && text[i].origin == origin; ++i) whole += text[i].text;
    if (origin == Origin::kData) continue;
    for (SpecialTokens::Match match : specials_.FindAll(std::string_view(whole).substr(begin))) {
      match.begin += begin;
      specials.push_back(match);
    }
  }
  return EncodeAround(whole, specials);
}

std::vector<int32_t> Tokenizer::EncodeAround(
    std::string_view text, std::span<const SpecialTokens::Match> specials) const {
  std::vector<int32_t> ids;
  size_t done = 0;
  for (const SpecialTokens::Match& match : specials) {
    EncodePlain(text.substr(done, match.begin - done), &ids);
    ids.push_back(match.id);
    done = match.begin + match.length;
  }
  EncodePlain(text.substr(done), &ids);
  std::erase(ids, -1);
  return ids;
}

void Tokenizer::EncodePlain(std::string_view text, std::vector<int32_t>* ids) const {
  // Longer pieces are cut there: the merges count their symbols in 31 bits.
  constexpr size_t kMaxPieceBytes = size_t{1} << 30;
  for (size_t begin = 0, end; begin < text.size(); begin = end) {
    end = std::min(pre_tokenizer_.PieceEnd(text, begin), begin + kMaxPieceBytes);
    const std::string_view piece = text.substr(begin, end - begin);
    if (pre_tokenizer_.ignore_merges) {
      if (const auto id = vocabulary_.Find(piece)) {
        ids->push_back(*id);
        continue;
      }
    }
    const size_t first = ids->size();
    for (const char c : piece) ids->push_back(byte_tokens_[static_cast<uint8_t>(c)]);
    merges_.Apply(ids, first);
  }
}

}  // namespace weir
