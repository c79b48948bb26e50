#include "cli/chat/input.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "cli/chat/history_file.h"
#include "temp_folder.h"
#include "test_data.h"

namespace weir {
namespace {

TEST(MessageLines, ALineIsAMessage) {
  MessageLines lines;
  EXPECT_EQ(lines.Push("hello"), "hello");
  EXPECT_EQ(lines.Push(""), "");
  EXPECT_EQ(lines.Push("pasted\nlines"), "pasted\nlines");
  EXPECT_FALSE(lines.open());
}

TEST(MessageLines, ABackslashGoesOn) {
  MessageLines lines;
  EXPECT_EQ(lines.Push("one\\"), std::nullopt);
  EXPECT_TRUE(lines.open());
  EXPECT_EQ(lines.Push("\\"), std::nullopt);
  EXPECT_EQ(lines.Push("three"), "one\n\nthree");
  EXPECT_EQ(lines.Push("next"), "next");
}

TEST(MessageLines, QuotesHoldAnyLines) {
  MessageLines lines;
  EXPECT_EQ(lines.Push("\"\"\"def f():"), std::nullopt);
  EXPECT_EQ(lines.Push("  return '\\"), std::nullopt);
  EXPECT_EQ(lines.Push(""), std::nullopt);
  EXPECT_EQ(lines.Push("/exit\"\"\"  "), "def f():\n  return '\\\n\n/exit");
  EXPECT_EQ(lines.Push("\"\"\""), std::nullopt);
  EXPECT_EQ(lines.Push("text"), std::nullopt);
  EXPECT_EQ(lines.Push("\"\"\""), "text");
  EXPECT_EQ(lines.Push("\"\"\"one line\"\"\""), "one line");
  EXPECT_EQ(lines.Push("\"\"\"\"\"\""), "");
  EXPECT_FALSE(lines.open());
}

TEST(MessageLines, WhatIsNotCompleteCanBeGivenUp) {
  MessageLines lines;
  lines.Push("\"\"\"never closed");
  lines.Clear();
  EXPECT_EQ(lines.Push("new"), "new");
}

TEST(ChatCommand, WordsWithASlash) {
  EXPECT_EQ(ParseChatCommand("/help").verb, ChatVerb::kHelp);
  EXPECT_EQ(ParseChatCommand("/exit ").verb, ChatVerb::kExit);
  const ChatCommand save = ParseChatCommand("/save  my file.json ");
  EXPECT_EQ(save.verb, ChatVerb::kSave);
  EXPECT_EQ(save.argument, "my file.json");
  const ChatCommand system = ParseChatCommand("/system\nYou are\nbrief.");
  EXPECT_EQ(system.verb, ChatVerb::kSystem);
  EXPECT_EQ(system.argument, "You are\nbrief.");
}

TEST(ChatCommand, EverythingElseIsSaidOrUnknown) {
  EXPECT_EQ(ParseChatCommand("a /reset").verb, ChatVerb::kSay);
  const ChatCommand said = ParseChatCommand("//etc is what?");
  EXPECT_EQ(said.verb, ChatVerb::kSay);
  EXPECT_EQ(said.argument, "/etc is what?");
  for (const char* text : {"/", "/resett", "/SAVE x", "/ reset"}) {
    EXPECT_EQ(ParseChatCommand(text).verb, ChatVerb::kUnknown) << text;
  }
  EXPECT_EQ(ParseChatCommand("/resett now").argument, "resett");
}

TEST(HistoryFile, KeepsMessagesForTheirOwnerOnly) {
  const TempFolder folder;
  const std::string path = folder / "history";
  const HistoryFile file(path);
  EXPECT_TRUE(file.Read()->empty());
  const std::vector<std::string> messages = {"one", "two\nlines", "a \\ and \\n", "日本"};
  for (const std::string& message : messages) ASSERT_TRUE(file.Add(message).ok());
  EXPECT_EQ(*file.Read(), messages);
  struct stat status;
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  ASSERT_TRUE(file.Add("five").ok());
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(HistoryFile, StaysShort) {
  const TempFolder folder;
  const std::string path = folder / "history";
  std::string text;
  for (size_t i = 0; i <= 2 * HistoryFile::kMaxMessages; ++i) text += std::to_string(i) + "\n";
  std::ofstream(path) << text;
  const auto messages = HistoryFile(path).Read();
  ASSERT_TRUE(messages.ok());
  EXPECT_EQ(messages->size(), HistoryFile::kMaxMessages);
  EXPECT_EQ(messages->back(), std::to_string(2 * HistoryFile::kMaxMessages));
  EXPECT_TRUE(ReadText(path).starts_with(messages->front() + "\n"));
}

TEST(HistoryFile, APathThatCannotBeWrittenIsAnError) {
  EXPECT_NE(HistoryFile("/no/such/folder/history").Add("x").error().message.find("/no/such"),
            std::string::npos);
}

}  // namespace
}  // namespace weir
