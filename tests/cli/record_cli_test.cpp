// Traffic of a server: its shape is kept, its text is not, and it can be replayed.
#include <gmock/gmock.h>

#include <fstream>

#include "bench/http_target.h"
#include "bench/load.h"
#include "bench/peer.h"
#include "bench/trace.h"
#include "store/store.h"
#include "weir_process.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::ordered_json;

class Ends : public LoadObserver {
 public:
  Status OnEnded(const RequestRecord& record) override {
    EXPECT_EQ(record.error, "");
    prompt_tokens.push_back(record.prompt_tokens.value_or(0));
    return {};
  }
  std::vector<int64_t> prompt_tokens;
};

PlannedQuery Ask(const std::string& text, int64_t after, int64_t max_tokens) {
  PlannedQuery planned;
  planned.query.text = text;
  planned.query.max_tokens = max_tokens;
  planned.after = after;
  return planned;
}

TEST(RecordCli, KeepsTheShapeAndNotTheTextAndIsReplayed) {
  const TempFolder folder;
  const std::string file = folder / "traffic.jsonl";
  std::string system;
  for (int i = 0; i < 12; ++i) system += "Everybody begins with the secret word marmalade. ";
  std::vector<int64_t> sent;
  {
    PeerOptions options;
    options.command = std::string(WEIR_BINARY) + " serve " + TestData("weir-tiny-q8_0.gguf") +
                      " --port {port} --max-users 2 --ctx 1000 --threads 1 --record " + file;
    options.log_path = folder / "log";
    const auto peer = OpenPeer(options).value();
    const Status loaded = peer->Load([](int64_t, int64_t) { return true; });
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    LoadPlan plan;
    plan.queries = {Ask(system + "A first question?", PlannedQuery::kStart, 7), Ask("Something else altogether, of which nobody has heard before, and which is long enough.", 0, 3),
                    Ask(system + "Another question, quite a bit longer than the first one was, of another person.", 1, 5)};
    Ends ends;
    const auto target = peer->Start(2, 900).value();
    ASSERT_TRUE(RunLoad(*target, plan, [] { return false; }, ends).ok());
    sent = ends.prompt_tokens;
  }
  // Without what the bench asks before it begins, one token each.
  std::string text;
  std::ifstream recorded(file);
  for (std::string line; std::getline(recorded, line);) {
    if (line.find("\"gen_tokens\":1,") == line.npos) text += line + "\n";
  }
  std::ofstream(file, std::ios::trunc) << text;
  EXPECT_THAT(text, Not(HasSubstr("marmalade")));
  EXPECT_THAT(text, Not(HasSubstr("question")));
  const auto trace = ParseTrace(text, file);
  ASSERT_TRUE(trace.ok()) << trace.error().message;
  ASSERT_EQ(trace->size(), 3u);
  std::vector<int64_t> prompts, answers;
  for (const TracedRequest& traced : *trace) {
    prompts.push_back(traced.prompt_tokens);
    answers.push_back(traced.gen_tokens);
  }
  EXPECT_EQ(prompts, sent);
  EXPECT_THAT(answers, ElementsAre(7, 3, 5));
  const std::vector<int64_t>&first = trace->at(0).blocks, &third = trace->at(2).blocks;
  ASSERT_GT(first.size(), 4u);
  EXPECT_TRUE(std::equal(first.begin(), first.end() - 2, third.begin())) << "they begin alike";
  ASSERT_FALSE(trace->at(1).blocks.empty());
  EXPECT_NE(trace->at(1).blocks[0], first[0]);

  const Outcome summary = Weir("record " + file + " --json");
  EXPECT_EQ(summary.exit_code, 0) << summary.err;
  const Json json = Json::parse(summary.out);
  EXPECT_EQ(json["requests"], 3);
  EXPECT_GT(json["shared_tokens"].get<int64_t>(), 50);

  const std::string db = folder / "r.db";
  const Outcome replay =
      Weir("bench " + TestData("weir-tiny-q8_0.gguf") + " --threads 1 --probe-mb 16 --trace " + file + " --repeats 1 --json --db " + db);
  EXPECT_EQ(replay.exit_code, 0) << replay.err;
  EXPECT_EQ(Json::parse(replay.out)["cells"].size(), 1u) << "there is one trace, however many users it had";
  Store store = Store::OpenReadOnly(db).value();
  Statement query = store.database()
                        .Prepare("SELECT q.prompt_tokens, q.answer_tokens FROM request q JOIN attempt a ON a.id = q.attempt "
                                 "WHERE a.repeat = 1 ORDER BY q.scheduled_ns")
                        .value();
  std::vector<int64_t> replayed_prompts, replayed_answers;
  ASSERT_TRUE(query.ForEach([&](const Statement& row) {
                     replayed_prompts.push_back(row.Int(0));
                     replayed_answers.push_back(row.Int(1));
                   }).ok());
  EXPECT_EQ(replayed_prompts, prompts);
  EXPECT_EQ(replayed_answers, answers);
}

TEST(RecordCli, DoesNotOverwriteAndSaysWhatIsNoTrace) {
  const TempFolder folder;
  std::ofstream(folder / "mine") << "something of mine";
  const Outcome serve = Weir("serve " + TestData("weir-tiny-q8_0.gguf") + " --port 0 --record " + (folder / "mine"));
  EXPECT_EQ(serve.exit_code, 2);
  EXPECT_THAT(serve.err, HasSubstr("cannot be created"));
  EXPECT_EQ(Weir("record " + (folder / "mine")).exit_code, 2);
  EXPECT_EQ(Weir("record " + (folder / "none")).exit_code, 2);
}

}  // namespace
}  // namespace weir
