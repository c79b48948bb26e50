#include "bench/prompts.h"

#include <gmock/gmock.h>

#include <set>

#include "bench/in_process.h"
#include "bench/novel.h"
#include "null_target.h"
#include "temp_folder.h"
#include "test_data.h"

namespace weir {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

Workload Of(int64_t prompt_tokens, PromptKind kind = PromptKind::kAuto) {
  Workload load;
  load.prompt_tokens = prompt_tokens;
  load.gen_tokens = 7;
  load.prompts = kind;
  return load;
}

std::vector<Query> Make(const Workload& load, const Subject& subject, int n, uint64_t salt = 0) {
  const Result<Prompts> prompts = Prompts::Create(load, subject, salt);
  EXPECT_TRUE(prompts.ok()) << prompts.error().message;
  std::vector<Query> queries;
  for (int i = 0; i < n; ++i) queries.push_back(prompts->Make(i).value());
  return queries;
}

std::unique_ptr<Subject> Tiny() {
  return OpenSubject(TestData("weir-tiny-q8_0.gguf"), {SelectIsa(nullptr).value(), 1}).value();
}

TEST(RandomPrompts, AreUniqueReproducibleAndOfTheLength) {
  NullSubject subject;
  const auto queries = Make(Of(40), subject, 12);
  std::set<int32_t> first;
  for (const Query& query : queries) {
    EXPECT_EQ(query.ids.size(), 40u);
    EXPECT_EQ(query.prompt_tokens, 40);
    EXPECT_EQ(query.max_tokens, 7);
    first.insert(query.ids[0]);
    for (int32_t id : query.ids) EXPECT_THAT(subject.ids_, testing::Contains(id));
  }
  EXPECT_EQ(first.size(), 12u);
  EXPECT_EQ(Make(Of(40), subject, 3)[2].ids, queries[2].ids);
  EXPECT_NE(Make(Of(40), subject, 3, 5)[2].ids, queries[2].ids);
  subject.ids_ = {4};
  EXPECT_EQ(Make(Of(3), subject, 1)[0].ids, (std::vector<int32_t>{4, 4, 4}));
}

TEST(RandomPrompts, ShareWhatTheyShallShareAndNoMore) {
  NullSubject subject;
  Workload load = Of(10);
  load.shared_tokens = 6;
  load.depth_tokens = 5;
  const auto queries = Make(load, subject, 2);
  EXPECT_EQ(queries[0].ids.size(), 15u);
  EXPECT_TRUE(std::equal(queries[0].ids.begin(), queries[0].ids.begin() + 6, queries[1].ids.begin()));
  EXPECT_NE(queries[0].ids[6], queries[1].ids[6]);
}

TEST(TextPrompts, HaveTheLengthThatTheTokenizerCounts) {
  const auto subject = Tiny();
  if (!subject->tokenizer()) GTEST_SKIP() << "the model in tests/data has no tokenizer";
  EXPECT_EQ(ResolvePrompts(PromptKind::kAuto, *subject), PromptKind::kText);
  const auto queries = Make(Of(100), *subject, 3);
  for (const Query& query : queries) {
    EXPECT_EQ(query.ids.size(), 100u);
    EXPECT_GT(query.text.size(), 100u);
  }
  EXPECT_NE(queries[0].text.substr(0, 8), queries[1].text.substr(0, 8));
  EXPECT_EQ(Make(Of(100), *subject, 1)[0].text, queries[0].text);
  EXPECT_NE(Make(Of(100), *subject, 1, 1)[0].text.substr(0, 8), queries[0].text.substr(0, 8));
  EXPECT_EQ(Make(Of(1), *subject, 1)[0].ids.size(), 1u);
}

TEST(TextPrompts, AWarmPrefixIsTheSameForAll) {
  const auto subject = Tiny();
  if (!subject->tokenizer()) GTEST_SKIP() << "the model in tests/data has no tokenizer";
  Workload load = Of(80);
  load.shared_tokens = 50;
  const auto queries = Make(load, *subject, 2);
  EXPECT_TRUE(std::equal(queries[0].ids.begin(), queries[0].ids.begin() + 50, queries[1].ids.begin()));
  EXPECT_FALSE(std::equal(queries[0].ids.begin(), queries[0].ids.begin() + 60, queries[1].ids.begin()));
}

TEST(TextPrompts, AModelWithoutTokenizerCannotHaveThem) {
  NullSubject subject;
  EXPECT_THAT(Prompts::Create(Of(4, PromptKind::kText), subject, 0).error().message, HasSubstr("tokenizer"));
  subject.ids_.clear();
  EXPECT_THAT(Prompts::Create(Of(4, PromptKind::kRandomIds), subject, 0).error().message, HasSubstr("tokenizer"));
  // A server without tokenizer: text of about the length.
  const Query query = Make(Of(100), subject, 1)[0];
  EXPECT_TRUE(query.ids.empty());
  EXPECT_EQ(query.prompt_tokens, 0);
  EXPECT_EQ(query.text.size(), 400u);
  Workload chat = Of(100);
  chat.chat = true;
  EXPECT_EQ(Make(chat, subject, 1)[0].turns[0].role, "user");
}

TEST(Novel, IsRealTextAndLong) {
  EXPECT_GT(NovelText().size(), 200'000u);
  EXPECT_EQ(Recombined(1, 2, 5000), Recombined(1, 2, 5000));
  EXPECT_NE(Recombined(1, 2, 5000).substr(0, 6), Recombined(2, 2, 5000).substr(0, 6));
  EXPECT_GE(Recombined(1, 2, 5000).size(), 5000u);
}

TEST(PromptFile, ReadsWhatPeopleHave) {
  const auto share_gpt = ParsePromptFile(
      R"([{"conversations":[{"from":"gpt","value":"cut off"}]},{"id":"x","conversations":[
        {"from":"system","value":"Be short."},{"from":"human","value":"Why?"},{"from":"gpt","value":"Because."}]},
        {"conversations":[]}, 7])", "f");
  ASSERT_TRUE(share_gpt.ok()) << share_gpt.error().message;
  ASSERT_EQ(share_gpt->size(), 1u);
  EXPECT_EQ((*share_gpt)[0].turns.size(), 2u);
  EXPECT_EQ((*share_gpt)[0].turns[1].content, "Why?");
  EXPECT_EQ((*share_gpt)[0].answer, "Because.");
  const auto lines = ParsePromptFile(
      "{\"prompt\":\"a\"}\n\n{\"messages\":[{\"role\":\"user\",\"content\":\"b\"}]}\r\n{\"turns\":[\"c\",\"d\"]}\n"
      "{\"text\":\"e\"}", "f");
  ASSERT_TRUE(lines.ok()) << lines.error().message;
  ASSERT_EQ(lines->size(), 4u);
  EXPECT_EQ((*lines)[0].turns[0].role, "");
  EXPECT_EQ((*lines)[1].turns[0].role, "user");
  EXPECT_EQ((*lines)[2].turns[0].content, "c");
}

TEST(PromptFile, SaysWhatIsWrongAndWhere) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "at least one"},          {"[]", "at least one"},        {"[", "JSON array"},
      {"{\"prompt\":\"a\"}\n{", "f:2:"}, {"7", "f:1:"},             {"{\"prompt\":7}", "f:1:"},
      {"{\"messages\":[7]}", "f:1:"}, {"{\"turns\":[\"\"]}", "f:1:"}, {"\xff\xfe", "f:1:"},
      {std::string(100'000, '['), "JSON array"}, {"{\"messages\":{\"a\":1}}", "f:1:"}};
  for (const auto& [text, expected] : cases) {
    const auto parsed = ParsePromptFile(text, "f");
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kBadInput);
    EXPECT_THAT(parsed.error().message, HasSubstr(expected));
  }
}

}  // namespace
}  // namespace weir
