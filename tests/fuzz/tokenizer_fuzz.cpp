// What a vocabulary and a text, both from strangers, can do to the tokenizer: any metadata either
// makes a tokenizer or is an error, and text stays text.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "model/text/stream_decoder.h"
#include "model/text/tokenizer.h"
#include "model/text/utf8.h"

namespace {

using weir::Metadata;
using weir::MetadataType;
using weir::Origin;
using weir::StreamDecoder;
using weir::Tokenizer;
using weir::TypedText;

void Require(bool condition) {
  if (!condition) std::abort();
}

std::vector<std::string> Strings(FuzzedDataProvider& data, size_t max) {
  std::vector<std::string> strings;
  for (size_t n = data.ConsumeIntegralInRange<size_t>(0, max); n > 0; --n) {
    strings.push_back(data.ConsumeRandomLengthString(12));
  }
  return strings;
}

Metadata MakeMetadata(FuzzedDataProvider& data) {
  Metadata metadata;
  metadata.AddString("tokenizer.ggml.model", data.ConsumeBool() ? "llama" : "gpt2");
  metadata.AddString("tokenizer.ggml.pre",
                     data.PickValueInArray({"qwen35", "qwen2", "llama-bpe", "gpt-2", "smollm"}));
  std::vector<std::string> tokens = Strings(data, 40);
  // Bytes, as the vocabularies write them; those that do not print in GPT-2's alphabet are missing.
  if (data.ConsumeBool()) {
    for (char c = '!'; c <= '~'; ++c) tokens.emplace_back(1, c);
  }
  std::vector<int64_t> types;
  std::vector<double> scores;
  for (size_t i = 0; i < tokens.size(); ++i) {
    types.push_back(data.ConsumeIntegralInRange(0, i % 16 == 15 ? 7 : 6));
    scores.push_back(data.ConsumeBool() ? data.ConsumeIntegralInRange(-3, 3)
                                        : data.ConsumeFloatingPoint<double>());
  }
  metadata.AddStrings("tokenizer.ggml.tokens", tokens);
  metadata.AddI32s("tokenizer.ggml.token_type", types);
  metadata.Add({"tokenizer.ggml.scores", MetadataType::kF32, true, scores});
  metadata.AddStrings("tokenizer.ggml.merges", Strings(data, 20));
  for (const char* key : {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"}) {
    if (data.ConsumeBool()) metadata.AddU32(key, data.ConsumeIntegralInRange<uint32_t>(0, 50));
  }
  metadata.AddBool("tokenizer.ggml.add_space_prefix", data.ConsumeBool());
  return metadata;
}

void CheckIds(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool controls) {
  StreamDecoder decoder(tokenizer);
  std::string text;
  for (const int32_t id : ids) {
    Require(id >= 0 && id < tokenizer.n_tokens());
    Require(controls || !tokenizer.IsControl(id));
    text += decoder.Push(id);
  }
  Require(weir::IsValidUtf8(text + decoder.Flush()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FuzzedDataProvider data(bytes, size);
  const auto tokenizer = Tokenizer::Create(MakeMetadata(data));
  if (!tokenizer.ok()) return 0;
  const std::string before = data.ConsumeRandomLengthString(64);
  const std::string text = data.ConsumeRemainingBytesAsString();
  CheckIds(**tokenizer, (*tokenizer)->Encode(text, true), true);
  CheckIds(**tokenizer, (*tokenizer)->Encode(text, false), false);
  const auto controls = [&](const std::vector<int32_t>& ids) {
    int n = 0;
    for (const int32_t id : ids) n += (*tokenizer)->IsControl(id);
    return n;
  };
  // What data adds to the end of a template's text can neither make a control token nor break one.
  const TypedText typed = {{before, Origin::kTemplate}, {text, Origin::kData}};
  Require(controls((*tokenizer)->Encode(typed)) == controls((*tokenizer)->Encode(before, true)));
  return 0;
}
