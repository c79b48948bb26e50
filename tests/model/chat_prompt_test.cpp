#include "model/chat/chat_prompt.h"

#include <gmock/gmock.h>

#include "gguf/gguf_file.h"
#include "test_data.h"

namespace weir {
namespace {

using testing::ElementsAre;

constexpr int32_t kBos = 2042;  // <|im_start|>

/// The tokenizer of weir-tiny, which expects no BOS, or one that does.
std::unique_ptr<Tokenizer> MakeTokenizer(bool with_bos) {
  auto file = GgufFile::Open(TestData("weir-tiny-q8_0.gguf"));
  Metadata metadata;
  for (const MetadataEntry& entry : (*file)->metadata().entries()) {
    if (entry.key != "tokenizer.ggml.add_bos_token") metadata.Add(entry);
  }
  metadata.AddBool("tokenizer.ggml.add_bos_token", with_bos);
  metadata.AddU32("tokenizer.ggml.bos_token_id", kBos);
  auto tokenizer = Tokenizer::Create(metadata);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  return std::move(tokenizer).value();
}

TypedText Turn(const std::string& role, const std::string& content) {
  return {{"<|im_start|>" + role + "\n", Origin::kTemplate},
          {content, Origin::kData},
          {"<|im_end|>\n", Origin::kTemplate}};
}

TypedText operator+(TypedText a, const TypedText& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

const TypedText kOpening = {{"<|im_start|>assistant\n", Origin::kTemplate}};
const TypedText kThinking = {{"<|im_start|>assistant\n<think>\n", Origin::kTemplate}};

TEST(ChatPrompt, CheckpointsAreWhereLaterPromptsPart) {
  const auto tokenizer = MakeTokenizer(false);
  const TypedText asked = Turn("user", "Who is it?");
  const TypedText later[] = {asked, asked + Turn("assistant", ".") + Turn("user", "."),
                             asked + kThinking, asked};
  const ChatPrompt prompt = MakeChatPrompt(*tokenizer, asked + kThinking, later);
  const int64_t n_asked = std::ssize(tokenizer->Encode(asked));
  const int64_t n_opened = std::ssize(tokenizer->Encode(asked + kOpening));
  EXPECT_EQ(prompt.tokens, tokenizer->Encode(asked + kThinking));
  EXPECT_THAT(prompt.checkpoints, ElementsAre(n_asked, n_opened, std::ssize(prompt.tokens)));
  EXPECT_TRUE(MakeChatPrompt(*tokenizer, asked, {}).checkpoints.empty());
  const TypedText other[] = {{{"something else", Origin::kData}}, {}};
  EXPECT_TRUE(MakeChatPrompt(*tokenizer, asked, other).checkpoints.empty());
}

TEST(ChatPrompt, BosComesFirstOnceIfTheModelExpectsIt) {
  const TypedText plain = {{"Hello", Origin::kData}}, turn = Turn("user", "Hello");
  const auto without = MakeTokenizer(false), with = MakeTokenizer(true);
  std::vector<int32_t> expected = without->Encode(plain);
  EXPECT_EQ(MakeChatPrompt(*without, plain, {}).tokens, expected);
  expected.insert(expected.begin(), kBos);
  EXPECT_EQ(MakeChatPrompt(*with, plain, {}).tokens, expected);
  EXPECT_EQ(MakeChatPrompt(*with, turn, {}).tokens, without->Encode(turn));
  EXPECT_EQ(MakeChatPrompt(*with, turn, {}).tokens[0], kBos);
}

}  // namespace
}  // namespace weir
