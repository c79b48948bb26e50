#include "model/text/tokenizer.h"

#include <algorithm>

#include "model/text/byte_level_bpe.h"
#include "model/text/piece_cache.h"
#include "model/text/sentence_piece.h"

namespace weir {

namespace {

constexpr std::string_view kEndNames[] = {"<|endoftext|>", "<|im_end|>",  "<|end_of_text|>",
                                          "<|eot_id|>",    "<|eom_id|>",  "<|fim_pad|>",
                                          "<|repo_name|>", "<|file_sep|>"};
constexpr std::string_view kEndKeys[] = {
    "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id", "tokenizer.ggml.fim_pad_token_id",
    "tokenizer.ggml.fim_rep_token_id", "tokenizer.ggml.fim_sep_token_id"};

void SortUnique(std::vector<int32_t>* ids) {
  std::sort(ids->begin(), ids->end());
  ids->erase(std::unique(ids->begin(), ids->end()), ids->end());
}

}  // namespace

Tokenizer::Tokenizer(Vocabulary vocabulary, SpecialIds ids)
    : vocabulary_(std::move(vocabulary)), ids_(std::move(ids)), specials_(vocabulary_) {}

Result<std::unique_ptr<Tokenizer>> Tokenizer::Create(const Metadata& metadata) {
  WEIR_TRY(const std::string model, metadata.String("tokenizer.ggml.model"));
  const bool sentence_piece = model == "llama";
  if (!sentence_piece && model != "gpt2") {
    return BadInput("tokenizer.ggml.model: expected \"gpt2\" or \"llama\", found {:?}",
                    std::string_view(model).substr(0, 80));
  }
  PreTokenizer pre_tokenizer;
  if (!sentence_piece) {
    WEIR_TRY(const std::string pre, metadata.String("tokenizer.ggml.pre"));
    WEIR_TRY(pre_tokenizer, PreTokenizer::FromName(pre));
  }
  WEIR_TRY(SpecialIds ids,
           ReadIds(metadata, sentence_piece, sentence_piece || pre_tokenizer.add_bos));
  const Spelling spelling = sentence_piece ? Spelling::kSpaceMark : Spelling::kByteAlphabet;
  WEIR_TRY(Vocabulary vocabulary, Vocabulary::Create(metadata, spelling, ids.controls));

  std::unique_ptr<Tokenizer> tokenizer(new Tokenizer(std::move(vocabulary), std::move(ids)));
  if (sentence_piece) {
    WEIR_TRY(tokenizer->encoder_,
             SentencePiece::Create(metadata, tokenizer->vocabulary_, tokenizer->ids_.unknown));
    WEIR_TRY(tokenizer->space_prefix_, metadata.BoolOr("tokenizer.ggml.add_space_prefix", true));
  } else {
    WEIR_TRY(tokenizer->encoder_,
             ByteLevelBpe::Create(metadata, pre_tokenizer, tokenizer->vocabulary_));
  }
  return tokenizer;
}

Result<Tokenizer::SpecialIds> Tokenizer::ReadIds(const Metadata& metadata, bool sentence_piece,
                                                 bool add_bos) {
  WEIR_TRY(const std::vector<std::string>* tokens, metadata.Strings("tokenizer.ggml.tokens"));
  const int64_t n_tokens = static_cast<int64_t>(tokens->size());
  const auto read = [&](std::string_view key,
                        std::optional<int32_t> fallback) -> Result<std::optional<int32_t>> {
    if (!metadata.Has(key)) {
      return sentence_piece && fallback < n_tokens ? fallback : std::optional<int32_t>();
    }
    WEIR_TRY(const int64_t id, metadata.Int(key, 0, n_tokens - 1));
    return std::optional<int32_t>(static_cast<int32_t>(id));
  };
  SpecialIds ids;
  WEIR_TRY(ids.bos, read("tokenizer.ggml.bos_token_id", 1));
  WEIR_TRY(ids.eos, read("tokenizer.ggml.eos_token_id", 2));
  WEIR_TRY(ids.unknown, read("tokenizer.ggml.unknown_token_id", 0));
  WEIR_TRY(ids.add_bos, metadata.BoolOr("tokenizer.ggml.add_bos_token", add_bos));
  if (ids.eos) ids.end_of_generation.push_back(*ids.eos);
  for (const std::string_view key : kEndKeys) {
    WEIR_TRY(const std::optional<int32_t> id, read(key, std::nullopt));
    if (id) ids.end_of_generation.push_back(*id);
  }
  for (int64_t id = 0; id < n_tokens; ++id) {
    if (std::ranges::count(kEndNames, (*tokens)[id]) > 0) {
      ids.end_of_generation.push_back(static_cast<int32_t>(id));
    }
  }
  // A file that calls one of these a normal token has forgotten its type, as some converters do: no
  // text may become one. Too short to be a mark, a token stays text whatever a key says.
  ids.controls = ids.end_of_generation;
  if (ids.bos) ids.controls.push_back(*ids.bos);
  std::erase_if(ids.controls, [&](int32_t id) { return (*tokens)[id].size() < 3; });
  SortUnique(&ids.end_of_generation);
  SortUnique(&ids.controls);
  return ids;
}

bool Tokenizer::IsEndOfGeneration(int32_t id) const {
  return std::ranges::binary_search(ids_.end_of_generation, id);
}

std::vector<int32_t> Tokenizer::Encode(std::string_view text, bool parse_specials) const {
  return EncodeAround(
      text, parse_specials ? specials_.FindAll(text) : std::vector<SpecialTokens::Match>());
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

std::vector<int32_t> Tokenizer::EncodeAround(std::string_view text,
                                             std::span<const SpecialTokens::Match> specials) const {
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
  std::string prefixed;
  if (space_prefix_ && !text.empty()) {
    prefixed.reserve(text.size() + 1);
    prefixed.append(1, ' ').append(text);
    text = prefixed;
  }
  PieceCache cache(text.size());
  const auto encode = [this](std::string_view piece, std::vector<int32_t>* out) {
    encoder_->Encode(piece, out);
  };
  for (size_t begin = 0, end; begin < text.size(); begin = end) {
    end = std::min(encoder_->PieceEnd(text, begin), begin + kMaxPieceBytes);
    cache.Append(text.substr(begin, end - begin), encode, ids);
  }
}

}  // namespace weir
