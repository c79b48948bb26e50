#include "model/chat/reasoning_splitter.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

AnswerPiece Split(std::string_view prompt, std::string_view text, size_t piece_size) {
  ReasoningSplitter splitter(prompt);
  AnswerPiece all;
  const auto add = [&](const AnswerPiece& piece) {
    all.reasoning += piece.reasoning;
    all.content += piece.content;
  };
  for (size_t at = 0; at < text.size(); at += piece_size) {
    add(splitter.Push(text.substr(at, piece_size)));
  }
  add(splitter.Flush());
  return all;
}

void ExpectSplit(std::string_view prompt, std::string_view text, std::string_view reasoning,
                 std::string_view content) {
  for (const size_t piece_size : {1, 2, 3, 7, 1000}) {
    const AnswerPiece piece = Split(prompt, text, piece_size);
    EXPECT_EQ(piece.reasoning, reasoning) << text << " by " << piece_size;
    EXPECT_EQ(piece.content, content) << text << " by " << piece_size;
  }
}

TEST(ReasoningSplitter, AnAnswerWithoutThinkingStaysAsItIs) {
  ExpectSplit("<|im_start|>assistant\n", "\n\nIt is <b> 5.\n", "", "\n\nIt is <b> 5.\n");
  ExpectSplit("", "", "", "");
  ExpectSplit("", "  ", "", "  ");
}

TEST(ReasoningSplitter, TheModelOpensTheThinking) {
  ExpectSplit("assistant\n", "<think>\nHm,\n\nwell.\n</think>\n\nYes.", "Hm,\n\nwell.", "Yes.");
  ExpectSplit("assistant\n", "\n <think></think>Yes.", "", "Yes.");
  ExpectSplit("assistant\n", "[THINK]a[/THINK]b", "a", "b");
}

TEST(ReasoningSplitter, ThePromptOpensTheThinking) {
  ExpectSplit("assistant\n<think>\n", "Hm.\n</think>\n\nYes.", "Hm.", "Yes.");
  ExpectSplit("assistant\n<think>\n\n</think>\n\n", "Yes.", "", "Yes.");
  ExpectSplit("model\n<|channel>thought\n", "Hm.<channel|>Yes.", "Hm.", "Yes.");
}

TEST(ReasoningSplitter, AnAnswerMayEndAnywhere) {
  ExpectSplit("<think>", "Hm. ", "Hm.", "");
  ExpectSplit("<think>", "Hm.\n</thi", "Hm.\n</thi", "");
  ExpectSplit("", "<thi", "", "<thi");
  ExpectSplit("", "<think>Hm.</think>\n", "Hm.", "");
}

TEST(ReasoningSplitter, TagsElsewhereAreText) {
  const char* kText = "The tag <think> opens, </think> closes.";
  ExpectSplit("", kText, "", kText);
  ExpectSplit("<think>", "a <think> b</think>c</think>", "a <think> b", "c</think>");
  ExpectSplit("", "<thinking> no", "", "<thinking> no");
}

TEST(ReasoningSplitter, NothingThatIsCertainIsHeldBack) {
  ReasoningSplitter splitter("<think>");
  EXPECT_EQ(splitter.Push("Let me").reasoning, "Let me");
  EXPECT_TRUE(splitter.thinking());
  EXPECT_EQ(splitter.Push(" see.\n").reasoning, " see.");
  const AnswerPiece piece = splitter.Push("</think>\nYes");
  EXPECT_EQ(piece.reasoning, "");
  EXPECT_EQ(piece.content, "Yes");
  EXPECT_FALSE(splitter.thinking());
}

TEST(ReasoningSplitter, KnowsTheTextsOfTags) {
  for (const char* text : {"<think>", "</think>", "<|channel>", "<channel|>", "[THINK]"}) {
    EXPECT_TRUE(ReasoningSplitter::IsTagText(text)) << text;
  }
  for (const char* text : {"", "<|im_end|>", "think>", "</s>"}) {
    EXPECT_FALSE(ReasoningSplitter::IsTagText(text)) << text;
  }
}

}  // namespace
}  // namespace weir
