#include "model/synth/filler_vocabulary.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

namespace weir {
namespace {

enum TokenType : int64_t { kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5 };

// The order in which the Qwen models number their special tokens, from <|endoftext|> on. For
// Qwen3.5 the spec confirms some of the ids; the rest follow from the order that Qwen2.5 and Qwen3
// have.
constexpr std::string_view kQwenSpecials[] = {
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<tool_call>",
    "</tool_call>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
};
constexpr std::string_view kLlamaSpecials[] = {
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    "<|finetune_right_pad_id|>",
    "<|reserved_special_token_2|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
};

struct Layout {
  std::string_view pre;
  std::span<const std::string_view> specials;
  int64_t first_special;  // the id of specials[0]
  int64_t bos, eos, pad;  // offsets from it
  bool add_bos;
};
constexpr Layout kQwen35Layout{"qwen35", kQwenSpecials, 248044, 0, 2, 0, false};
constexpr Layout kQwen3Layout{"qwen2", kQwenSpecials, 151643, 0, 2, 0, false};
constexpr Layout kLlamaLayout{"llama-bpe", kLlamaSpecials, 128000, 0, 9, 4, true};

const Layout& LayoutOf(const SynthModel& model) {
  if (model.hybrid()) return kQwen35Layout;
  return model.arch == Arch::kLlama ? kLlamaLayout : kQwen3Layout;
}

struct Merge {
  std::string_view left, right;
};
constexpr Merge kMerges[] = {{"Ġ", "t"}, {"h", "e"}, {"i", "n"},   {"e", "r"},
                             {"a", "n"}, {"r", "e"}, {"Ġt", "he"}, {"in", "g"}};

bool IsPrintableByte(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

std::string Utf8(int code_point) {  // below U+0800
  if (code_point < 0x80) return std::string(1, static_cast<char>(code_point));
  return {static_cast<char>(0xc0 | code_point >> 6), static_cast<char>(0x80 | (code_point & 63))};
}

/// The 256 byte tokens in the order of real vocabularies: printable ones first (spec 9.2).
std::vector<std::string> ByteTokens() {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) {
    if (IsPrintableByte(byte)) tokens.push_back(Utf8(byte));
  }
  for (int n = 0; tokens.size() < 256; ++n) tokens.push_back(Utf8(0x100 + n));
  return tokens;
}

TokenType TypeOfSpecial(std::string_view token) {
  return token.starts_with("<|") ? kControl : kUserDefined;
}

}  // namespace

void AddFillerVocabulary(const SynthModel& model, Metadata& metadata) {
  const Layout& layout = LayoutOf(model);
  const size_t n_vocab = static_cast<size_t>(model.n_vocab);
  const size_t first_special = static_cast<size_t>(layout.first_special);

  std::vector<std::string> tokens = ByteTokens();
  tokens.reserve(n_vocab);
  std::vector<std::string> merges;
  for (const auto& [left, right] : kMerges) {
    tokens.push_back(fmt::format("{}{}", left, right));
    merges.push_back(fmt::format("{} {}", left, right));
  }
  while (tokens.size() < first_special) tokens.push_back(fmt::format("Ġw{}", tokens.size()));
  std::vector<int64_t> types(tokens.size(), kNormal);
  for (std::string_view special : layout.specials) {
    tokens.emplace_back(special);
    types.push_back(TypeOfSpecial(special));
  }
  while (tokens.size() < n_vocab) tokens.push_back(fmt::format("[PAD{}]", tokens.size()));
  types.resize(n_vocab, kUnused);

  const auto id = [&](int64_t offset) {
    return static_cast<uint32_t>(layout.first_special + offset);
  };
  metadata.AddString("tokenizer.ggml.model", "gpt2");
  metadata.AddString("tokenizer.ggml.pre", std::string(layout.pre));
  metadata.AddStrings("tokenizer.ggml.tokens", std::move(tokens));
  metadata.AddI32s("tokenizer.ggml.token_type", types);
  metadata.AddStrings("tokenizer.ggml.merges", std::move(merges));
  metadata.AddU32("tokenizer.ggml.bos_token_id", id(layout.bos));
  metadata.AddU32("tokenizer.ggml.eos_token_id", id(layout.eos));
  metadata.AddU32("tokenizer.ggml.padding_token_id", id(layout.pad));
  metadata.AddBool("tokenizer.ggml.add_bos_token", layout.add_bos);
}

}  // namespace weir
