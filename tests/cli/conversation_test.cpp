#include "cli/chat/conversation.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "temp_folder.h"
#include "test_data.h"

namespace weir {
namespace {

Conversation Sample() {
  Conversation conversation;
  conversation.Add({"user", "Why \"so\"?\n日本", ""});
  conversation.Add({"assistant", "Because.", "Hm, let me see."});
  return conversation;
}

TEST(Conversation, TheSystemMessageComesFirstAndSurvivesAReset) {
  Conversation conversation = Sample();
  conversation.SetSystem("Be brief.");
  ASSERT_EQ(conversation.messages().size(), 3u);
  EXPECT_EQ(conversation.messages()[0].role, "system");
  conversation.SetSystem("Be long.");
  ASSERT_EQ(conversation.messages().size(), 3u);
  EXPECT_EQ(conversation.messages()[0].content, "Be long.");
  EXPECT_FALSE(conversation.empty());
  conversation.Reset();
  EXPECT_EQ(conversation.messages().size(), 1u);
  EXPECT_TRUE(conversation.empty());
  conversation.SetSystem("");
  EXPECT_TRUE(conversation.messages().empty());
}

TEST(Conversation, IsReadAsItWasSaved) {
  const TempFolder folder;
  const std::string path = folder / "chat.json";
  ASSERT_TRUE(Sample().Save(path).ok());
  const auto loaded = Conversation::Load(path);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_EQ(loaded->messages(), Sample().messages());
  struct stat status;
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(Conversation, SavingWhereNothingCanBeWrittenIsAnError) {
  EXPECT_NE(Sample().Save("/no/such/folder/chat.json").error().message.find("/no/such"),
            std::string::npos);
}

TEST(Conversation, AnArrayOfMessagesWillDo) {
  const auto read = Conversation::FromJson(
      R"([{"role":"system","content":"S"},{"role":"user","content":"U","name":"x"}])");
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->messages().size(), 2u);
}

TEST(Conversation, HostileFilesAreOneClearError) {
  const std::string deep(100'000, '[');
  const std::pair<std::string, std::string> cases[] = {
      {"", "JSON"},
      {"not json", "JSON"},
      {"{\"messages\":[", "JSON"},
      {std::string("[{\"role\":\"user\",\"content\":\"\xff\"}]"), "JSON"},
      {"3", "array"},
      {"{}", "messages"},
      {"{\"messages\":{}}", "array"},
      {"[1]", "messages[0]"},
      {"[{}]", "messages[0].role"},
      {"[{\"role\":1}]", "messages[0].role"},
      {"[{\"role\":\"tool\",\"content\":\"\"}]", "messages[0].role"},
      {"[{\"role\":\"user\"},{\"role\":\"system\"}]", "messages[1].role"},
      {"[{\"role\":\"user\",\"content\":[{\"type\":\"image\"}]}]", "messages[0].content"},
      {"[{\"role\":\"assistant\",\"tool_calls\":[]}]", "tool_calls"},
      {deep, "JSON"},
      {deep + std::string(deep.size(), ']'), "nesting"},
  };
  for (const auto& [text, word] : cases) {
    const auto read = Conversation::FromJson(text);
    ASSERT_FALSE(read.ok()) << text.substr(0, 60);
    EXPECT_NE(read.error().message.find(word), std::string::npos) << read.error().message;
    EXPECT_LT(read.error().message.size(), 200u);
  }
}

TEST(Conversation, FilesThatAreNoneAreErrors) {
  const TempFolder folder;
  EXPECT_NE(Conversation::Load(folder / "missing").error().message.find("missing"),
            std::string::npos);
  for (const std::string& path : {folder / "", std::string("/dev/zero")}) {
    EXPECT_FALSE(Conversation::Load(path).ok()) << path;
  }
}

}  // namespace
}  // namespace weir
