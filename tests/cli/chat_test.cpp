// weir run with a chat template: on a terminal, and through pipes.
#include <sys/stat.h>

#include <algorithm>
#include <regex>
#include <sstream>

#include "pseudo_terminal.h"
#include "weir_process.h"

namespace weir {
namespace {

const std::string kTiny = TestData("weir-tiny-q8_0.gguf");
constexpr char kCtrlC[] = "\x03", kCtrlD[] = "\x04";

std::string RunTiny(const std::string& flags) {
  return "run " + kTiny + " --no-limit --threads 2 " + flags;
}

/// weir-tiny with a template that announces the answer with an opening tag, which the model never closes.
std::string Thinking(const TempFolder& folder) {
  const std::string from = "<|im_start|>assistant\\n", to = "<|im_start|>\\n<think>\\n";
  std::string bytes = ReadText(kTiny);
  const size_t at = bytes.find(from);
  EXPECT_NE(at, std::string::npos);
  EXPECT_EQ(from.size(), to.size());
  bytes.replace(at, from.size(), to);
  std::ofstream(folder / "thinks.gguf", std::ios::binary) << bytes;
  return folder / "thinks.gguf";
}

/// The number before `word` in a line of statistics.
int NumberBefore(const std::string& text, const std::string& word) {
  std::smatch match;
  return std::regex_search(text, match, std::regex("(\\d+) " + word)) ? std::stoi(match[1]) : -1;
}

TEST(ChatOnATerminal, TheSecondTurnComputesOnlyWhatIsNew) {
  PseudoTerminal terminal(RunTiny("--max-tokens 30"));
  terminal.WaitFor("> ");
  terminal.Type("Who is the old man?\r");
  const std::string first = terminal.WaitFor("new tokens");
  EXPECT_EQ(first.find("cached"), std::string::npos) << first;
  terminal.WaitFor("> ");
  terminal.Type("And the sea?\r");
  const std::string second = terminal.WaitFor("new tokens");
  const int n_first = NumberBefore(first, "prompt"), n_second = NumberBefore(second, "prompt");
  ASSERT_GT(n_first, 0) << first;
  ASSERT_GT(n_second, n_first) << second;
  EXPECT_GE(NumberBefore(second, "cached"), n_first) << second;

  terminal.WaitFor("> ");
  terminal.Type("/reset\r");
  terminal.WaitFor("a new conversation");
  terminal.WaitFor("> ");
  terminal.Type("Who is the old man?\r");
  EXPECT_EQ(NumberBefore(terminal.WaitFor("new tokens"), "prompt"), n_first);
  terminal.WaitFor("> ");
  terminal.Type(kCtrlD);
  EXPECT_EQ(terminal.Exit(), 0);
  EXPECT_NE(terminal.rest().find("3 turns"), std::string::npos) << terminal.rest();
  EXPECT_NE(terminal.rest().find("logits"), std::string::npos) << terminal.rest();
}

TEST(ChatOnATerminal, CtrlCStopsTheAnswerAndASecondOneLeaves) {
  PseudoTerminal terminal(RunTiny("--ignore-eos --dtype f32"));  // long and slow
  terminal.WaitFor("> ");
  terminal.Type("Tell me a story.\r");
  terminal.WaitFor("story.");
  terminal.WaitFor("\n");
  terminal.WaitFor(" ");  // the answer's first word is complete
  terminal.Type(kCtrlC);
  EXPECT_EQ(terminal.WaitFor("stopped").find("TIMEOUT"), std::string::npos);
  terminal.WaitFor("> ");
  const std::string saved = terminal.folder("chat.json");
  terminal.Type("/save " + saved + "\r");
  terminal.WaitFor("saved");
  terminal.WaitFor("> ");
  const auto messages = nlohmann::json::parse(ReadText(saved))["messages"];
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0]["content"], "Tell me a story.");
  EXPECT_NE(messages[1]["content"].get<std::string>().find(" "), std::string::npos);

  terminal.Type(std::string("half a line") + kCtrlC);
  terminal.WaitFor("> ");
  terminal.Type(kCtrlC);
  EXPECT_EQ(terminal.Exit(), 130);
}

TEST(ChatOnATerminal, LinesAreEditedAndKeptForTheNextChat) {
  PseudoTerminal terminal(RunTiny("--max-tokens 2"));
  terminal.WaitFor("> ");
  terminal.Type("日本X\x7f語 \\\r");  // X is deleted, the line goes on
  terminal.WaitFor("... ");
  terminal.Type("\x1b[200~pasted\rlines\x1b[201~\r");
  terminal.WaitFor("new tokens");
  terminal.WaitFor("> ");
  terminal.Type("\x1b[A!\r");  // the same again, with an exclamation mark
  terminal.WaitFor("new tokens");
  terminal.WaitFor("> ");
  const std::string saved = terminal.folder("chat.json");
  terminal.Type("/save " + saved + "\r");
  terminal.WaitFor("saved");
  terminal.Type("/exit\r");
  EXPECT_EQ(terminal.Exit(), 0);
  const auto messages = nlohmann::json::parse(ReadText(saved))["messages"];
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[0]["content"], "日本語 \npasted\nlines");
  EXPECT_EQ(messages[2]["content"], "日本語 \npasted\nlines!");

  const std::string history = terminal.folder("data/weir/chat-history");
  EXPECT_TRUE(ReadText(history).starts_with("日本語 \\npasted\\nlines\n")) << ReadText(history);
  struct stat status;
  ASSERT_EQ(stat(history.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(ChatOnATerminal, CommandsThatFailLeaveTheConversationAsItIs) {
  PseudoTerminal terminal(RunTiny("--max-tokens 2 --no-history"));
  const std::string hostile = terminal.folder("hostile.json");
  std::ofstream(hostile) << R"({"messages":[{"role":"\u001b[31m","content":"x"}]})";
  terminal.WaitFor("> ");
  terminal.Type("Hello.\r");
  terminal.WaitFor("new tokens");
  for (const auto& [command, word] : std::initializer_list<std::pair<std::string, std::string>>{
           {"/load " + hostile, "messages[0].role"},
           {"/load /no/such/file", "/no/such/file"},
           {"/load", "expected"},
           {"/save /no/such/folder/x", "/no/such/folder"},
           {"/save", "expected"},
           {"/frobnicate", "is no command"}}) {
    terminal.WaitFor("> ");
    terminal.Type(command + "\r");
    terminal.WaitFor("\n");  // the echo
    EXPECT_EQ(terminal.WaitFor(word).find("TIMEOUT"), std::string::npos) << command;
  }
  terminal.WaitFor("> ");
  const std::string saved = terminal.folder("chat.json");
  terminal.Type("/save " + saved + "\r/reset\r/load " + saved + "\r");
  EXPECT_EQ(terminal.WaitFor("2 messages loaded").find("TIMEOUT"), std::string::npos);
  terminal.Type(kCtrlD);
  EXPECT_EQ(terminal.Exit(), 0);
  EXPECT_FALSE(std::filesystem::exists(terminal.folder("data/weir/chat-history")));
}

TEST(ChatOnATerminal, AFullContextIsSaid) {
  PseudoTerminal terminal(RunTiny("--context 64 --ignore-eos"));
  terminal.WaitFor("> ");
  terminal.Type("Tell me a story.\r");
  terminal.WaitFor("the context is full");
  terminal.WaitFor("/reset");
  terminal.WaitFor("--context");
  terminal.WaitFor("> ");
  terminal.Type("Go on.\r");
  EXPECT_EQ(terminal.WaitFor("the context has 64").find("TIMEOUT"), std::string::npos);
  terminal.Type("/reset\rShort?\r");
  EXPECT_EQ(terminal.WaitFor("new tokens").find("TIMEOUT"), std::string::npos);
  terminal.WaitFor("> ");
  terminal.Type(kCtrlD);
  EXPECT_EQ(terminal.Exit(), 0);
}

TEST(ChatOnATerminal, CtrlDIsHeardBeforeThePromptToo) {
  PseudoTerminal at_once(RunTiny(""));
  at_once.Type(kCtrlD);
  EXPECT_EQ(at_once.Exit(), 0);
  PseudoTerminal after_lines(RunTiny(""));
  after_lines.Type(std::string("/reset\r/frobnicate\r") + kCtrlD);
  EXPECT_EQ(after_lines.Exit(), 0);
  EXPECT_NE(after_lines.rest().find("is no command"), std::string::npos) << after_lines.rest();
}

TEST(ChatOnATerminal, ATerminationSignalEndsIt) {
  PseudoTerminal terminal(RunTiny(""));
  terminal.WaitFor("> ");
  terminal.Kill(SIGTERM);
  EXPECT_EQ(terminal.Exit(), 130);
}

// The thinking is not part of the next prompt, so that it parts from this one where the answer is announced.
TEST(ChatOnATerminal, ThinkingIsDimmedAndTheNextTurnGoesOnFromBeforeIt) {
  const TempFolder folder;
  PseudoTerminal terminal("run " + Thinking(folder) + " --no-limit --threads 2 --max-tokens 9");
  terminal.WaitFor("> ");
  terminal.Type("Who is the old man?\r");
  terminal.WaitFor("man?");
  terminal.WaitFor("\n");
  EXPECT_LT(terminal.WaitFor("\x1b[2m").size(), 20u);  // the mode of the line editor, no text
  const std::string first = terminal.WaitFor("new tokens");
  terminal.WaitFor("> ");
  terminal.Type("And the sea?\r");
  const std::string second = terminal.WaitFor("new tokens");
  const int n_first = NumberBefore(first, "prompt"), n_cached = NumberBefore(second, "cached");
  EXPECT_GT(n_cached, n_first - 12) << second;
  EXPECT_LT(n_cached, n_first) << second;
}

TEST(ChatOnATerminal, JsonIsOneDocumentOnStdoutAtTheEnd) {
  PseudoTerminal terminal(RunTiny("--max-tokens 3 --json >\"$XDG_DATA_HOME.json\""));
  for (const char* text : {"One.\r", "Two.\r"}) {
    terminal.WaitFor("> ");
    terminal.Type(text);
    terminal.WaitFor("new tokens");
  }
  terminal.WaitFor("> ");
  terminal.Type(kCtrlD);
  EXPECT_EQ(terminal.Exit(), 0);
  const auto json = ReadJson(terminal.folder("data.json"));
  EXPECT_EQ(json["messages"].size(), 4u);
  ASSERT_EQ(json["turns"].size(), 2u);
  EXPECT_EQ(json["turns"][0]["cached_tokens"], 0);
  EXPECT_GE(json["turns"][1]["cached_tokens"], json["turns"][0]["prompt"].size());
  EXPECT_EQ(json["logits_hash"], json["turns"][1]["logits_hash"]);
}

TEST(ChatOnATerminal, WithoutATemplateTheTextGoesOn) {
  PseudoTerminal terminal(RunTiny("--no-template --max-tokens 4"));
  terminal.WaitFor("> ");
  terminal.Type("The old man\r");
  const int n_first = NumberBefore(terminal.WaitFor("new tokens"), "prompt");
  terminal.WaitFor("> ");
  terminal.Type(" and\r");
  const std::string second = terminal.WaitFor("new tokens");
  EXPECT_EQ(NumberBefore(second, "prompt"), n_first + 4 + 1) << second;
  terminal.WaitFor("> ");
  terminal.Type(kCtrlD);
  EXPECT_EQ(terminal.Exit(), 0);
}

TEST(ChatOnATerminal, AnswersFitTheTerminal) {
  constexpr int kColumns = 20;
  PseudoTerminal terminal(RunTiny("--max-tokens 200 --ignore-eos"), kColumns);
  terminal.WaitFor("> ");
  terminal.Type("A story.\r");
  terminal.WaitFor("story.");
  std::istringstream answer(terminal.WaitFor("["));
  for (std::string line; std::getline(answer, line);) {
    std::erase(line, '\r');
    if (line.find('\x1b') != std::string::npos) continue;  // statistics
    EXPECT_LE(std::ranges::count_if(line, [](char c) { return (c & 0xC0) != 0x80; }), kColumns);
  }
  terminal.Type(kCtrlC);
}

TEST(ChatThroughPipes, APromptIsOneTurn) {
  const std::string run = "run " + kTiny + " --no-limit --max-tokens 12 ";
  const Outcome plain = Weir(run + "--prompt 'Who is it?'");
  EXPECT_EQ(plain.exit_code, 0) << plain.err;
  EXPECT_EQ(plain.out.find("Who is it?"), std::string::npos) << plain.out;  // the answer only
  const Outcome outcome = Weir(run + "--json --system 'Be brief.' --prompt 'Who is it?'");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_GT(json["prompt"].size(), 12u);
  EXPECT_EQ(json["cached_tokens"], 0);
  EXPECT_TRUE(json["reasoning"].is_null());
  EXPECT_FALSE(json["text"].get<std::string>().empty());
  EXPECT_EQ(json["logits_hash"].get<std::string>().size(), 16);
}

TEST(ChatThroughPipes, StandardInputIsThePromptOrAddsToIt) {
  const TempFolder folder;
  const std::string run = "' | " WEIR_BINARY " run " + kTiny + " --no-limit --max-tokens 4 --json ";
  const auto prompt = [&](const std::string& input, const std::string& arguments) {
    std::ofstream(folder / "script") << "printf '" + input + run + arguments;
    const Outcome outcome = Weir("--version >/dev/null; sh " + (folder / "script"));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return nlohmann::json::parse(outcome.out)["prompt"];
  };
  const auto both = prompt("", "--prompt \"$(printf 'Sum up:\\n\\nOne sea.')\"");
  EXPECT_EQ(prompt("One sea.\\n", "--prompt Sum\\ up:"), both);
  EXPECT_EQ(prompt("Sum up:\\n\\nOne sea.\\n", ""), both);
}

// What a user writes stays text: only the template begins and ends turns.
TEST(ChatThroughPipes, MarkersInAMessageAreNoControlTokens) {
  const std::string run = "run " + kTiny + " --no-limit --max-tokens 1 --json --prompt ";
  const auto count = [&](const std::string& prompt) {
    const auto ids = nlohmann::json::parse(Weir(run + prompt).out)["prompt"];
    const auto end = nlohmann::json::parse(
        Weir("tokenize " + kTiny + " --json --specials '<|im_end|>'").out)["ids"][0];
    return std::count(ids.begin(), ids.end(), end);
  };
  EXPECT_EQ(count("'hi'"), count("'hi<|im_end|>'"));
}

TEST(ChatThroughPipes, ThinkingIsNoAnswer) {
  const TempFolder folder;
  const std::string run = "run " + Thinking(folder) + " --no-limit --max-tokens 5 --prompt Hi";
  EXPECT_EQ(Weir(run).out, "");
  const auto json = nlohmann::json::parse(Weir(run + " --json").out);
  EXPECT_EQ(json["text"], "");
  EXPECT_FALSE(json["reasoning"].get<std::string>().empty());
  EXPECT_NE(Weir(run + " --no-think").err.find("no choice"), std::string::npos);
}

TEST(ChatThroughPipes, NothingToAnswerIsAnError) {
  for (const std::string arguments : {"", "--prompt ''", "--context 10 --prompt 'a long question'",
                                      "--context 1000000 --prompt hi", "--temp -1 --prompt hi"}) {
    const Outcome outcome = Weir("run " + kTiny + " --no-limit " + arguments);
    EXPECT_EQ(outcome.exit_code, 2) << arguments << outcome.err;
    EXPECT_EQ(outcome.out, "") << arguments;
    EXPECT_NE(outcome.err.find("error:"), std::string::npos) << outcome.err;
  }
}

}  // namespace
}  // namespace weir
