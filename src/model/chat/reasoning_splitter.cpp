#include "model/chat/reasoning_splitter.h"

#include <algorithm>
#include <array>
#include <utility>

namespace weir {
namespace {

// Qwen, DeepSeek, GLM, SmolLM and most others; Mistral's reasoning models; Gemma 4; Seed.
constexpr std::array<ReasoningTags, 4> kTags = {{
    {"<think>", "</think>"},
    {"[THINK]", "[/THINK]"},
    {"<|channel>thought\n", "<channel|>"},
    {"<seed:think>", "</seed:think>"},
}};

constexpr std::string_view kBlanks = " \t\r\n";

/// The length of the longest end of `text` that `tag` begins with, short of the whole tag.
size_t TagBegun(std::string_view text, std::string_view tag) {
  for (size_t n = std::min(text.size(), tag.size() - 1); n > 0; --n) {
    if (text.ends_with(tag.substr(0, n))) return n;
  }
  return 0;
}

size_t WithoutBlanksAtEnd(std::string_view text) { return text.find_last_not_of(kBlanks) + 1; }

void DropBlanksAtBegin(std::string& text) {
  text.erase(0, std::min(text.find_first_not_of(kBlanks), text.size()));
}

}  // namespace

ReasoningSplitter::ReasoningSplitter(std::string_view prompt) {
  prompt = prompt.substr(0, WithoutBlanksAtEnd(prompt));
  for (const ReasoningTags& tags : kTags) {
    const std::string_view open = tags.open.substr(0, WithoutBlanksAtEnd(tags.open));
    if (!prompt.ends_with(open)) continue;
    state_ = State::kThinking;
    tags_ = &tags;
  }
}

AnswerPiece ReasoningSplitter::Push(std::string_view text) {
  AnswerPiece piece;
  held_ += text;
  while (!held_.empty() && Advance(piece)) {
  }
  return piece;
}

bool ReasoningSplitter::Advance(AnswerPiece& piece) {
  switch (state_) {
    case State::kBegin: {
      const size_t begin = std::min(held_.find_first_not_of(kBlanks), held_.size());
      const std::string_view text = std::string_view(held_).substr(begin);
      for (const ReasoningTags& tags : kTags) {
        if (text.starts_with(tags.open)) {
          tags_ = &tags;
          state_ = State::kThinking;
          held_.erase(0, begin + tags.open.size());
          return true;
        }
        if (tags.open.starts_with(text)) return false;
      }
      state_ = State::kAnswering;
      return true;
    }
    case State::kThinking: {
      if (!started_) DropBlanksAtBegin(held_);
      const size_t close = held_.find(tags_->close);
      if (close != std::string::npos) {
        piece.reasoning += held_.substr(0, WithoutBlanksAtEnd(held_.substr(0, close)));
        held_.erase(0, close + tags_->close.size());
        state_ = State::kAfterThinking;
        return true;
      }
      const size_t certain = held_.size() - TagBegun(held_, tags_->close);
      const size_t n = WithoutBlanksAtEnd(std::string_view(held_).substr(0, certain));
      piece.reasoning += held_.substr(0, n);
      started_ = started_ || n > 0;
      held_.erase(0, n);
      return false;
    }
    case State::kAfterThinking:
      DropBlanksAtBegin(held_);
      if (held_.empty()) return false;
      state_ = State::kAnswering;
      return true;
    case State::kAnswering: piece.content += std::exchange(held_, {}); return false;
  }
  return false;
}

AnswerPiece ReasoningSplitter::Flush() {
  std::string rest = std::exchange(held_, {});
  if (state_ == State::kThinking) return {rest.substr(0, WithoutBlanksAtEnd(rest)), {}};
  if (state_ == State::kAfterThinking) return {};
  return {{}, std::move(rest)};
}

bool ReasoningSplitter::IsTagText(std::string_view token) {
  return !token.empty() && std::ranges::any_of(kTags, [&](const ReasoningTags& tags) {
    return tags.open.starts_with(token) || tags.close.starts_with(token);
  });
}

}  // namespace weir
