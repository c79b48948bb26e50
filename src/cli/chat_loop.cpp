#include "cli/chat_loop.h"

#include "cli/chat/history_file.h"
#include "cli/chat/input.h"
#include "cli/chat/line_editor.h"
#include "cli/format.h"
#include "util/interrupt.h"
#include "util/paths.h"
#include "util/terminal.h"

namespace weir {
namespace {

class ChatLoop {
 public:
  ChatLoop(Engine& engine, const ChatTurns& turns, Conversation conversation,
           const ChatLoopOptions& options)
      : engine_(engine), turns_(turns), options_(options) {
    record_.conversation = std::move(conversation);
  }

  Result<ChatRecord> Run();

 private:
  enum class After { kGoOn, kLeave };

  Status OpenEditor();
  /// Says something that is not the model's.
  void Say(const std::string& text) const;
  void SayError(const Error& error) const;
  void SayHowToGoOn() const;
  After OnInterrupt(bool typed);
  Result<After> Obey(const ChatCommand& command);
  void Load(const std::string& path);
  Status Ask(std::string text);
  void EndTurn(Turn turn);

  Engine& engine_;
  const ChatTurns& turns_;
  const ChatLoopOptions& options_;
  ChatRecord record_;
  std::optional<HistoryFile> history_;
  std::unique_ptr<LineEditor> editor_;
  bool interrupted_ = false;  // the last thing the user did was Ctrl-C
};

Status ChatLoop::OpenEditor() {
  std::vector<std::string> messages;
  if (options_.keep_history) {
    // A chat without it is better than none.
    Result<std::string> folder = DataDirectory();
    if (folder) {
      history_.emplace(*folder + "/chat-history");
      Result<std::vector<std::string>> read = history_->Read();
      if (read) messages = *std::move(read);
    }
  }
  editor_ = LineEditor::Create(options_.screen, messages);
  if (!editor_) return Failed("the terminal cannot be read line by line");
  return {};
}

void ChatLoop::Say(const std::string& text) const {
  const auto style = options_.screen == stdout ? StdoutStyle : StderrStyle;
  const std::string wrapped = WordWrapped(text, TerminalWidth());
  const std::string line = fmt::format("{}{}{}\n", style("\x1b[2m"), wrapped, style("\x1b[0m"));
  std::fputs(line.c_str(), options_.screen);
  std::fflush(options_.screen);
}

void ChatLoop::SayError(const Error& error) const {
  Say(EscapedControls(error.message));
  if (!error.hint.empty()) Say("  " + EscapedControls(error.hint));
}

ChatLoop::After ChatLoop::OnInterrupt(bool typed) {
  if (interrupted_ && !typed) {
    record_.exit_code = kExitInterrupted;
    return After::kLeave;
  }
  interrupted_ = true;
  if (!typed) Say("Ctrl-C again leaves, and so does Ctrl-D");
  return After::kGoOn;
}

Result<ChatRecord> ChatLoop::Run() {
  WEIR_RETURN_IF_ERROR(OpenEditor());
  Say(options_.greeting + "; /help lists commands, Ctrl-D leaves");
  MessageLines lines;
  for (After after = After::kGoOn; after == After::kGoOn;) {
    const LineEditor::Line line = editor_->Read(lines.open() ? "... " : "> ");
    if (line.ending == LineEditor::Ending::kTerminated) {
      record_.exit_code = kExitInterrupted;
      break;
    }
    if (line.ending == LineEditor::Ending::kEnd) break;
    if (line.ending == LineEditor::Ending::kInterrupted) {
      after = OnInterrupt(!line.text.empty() || lines.open());
      lines.Clear();
      continue;
    }
    interrupted_ = false;
    const std::optional<std::string> message = lines.Push(line.text);
    if (!message || message->find_first_not_of(" \t\n") == std::string::npos) continue;
    editor_->Remember(*message);
    if (history_) static_cast<void>(history_->Add(*message));
    WEIR_TRY(after, Obey(ParseChatCommand(*message)));
  }
  return std::move(record_);
}

Result<ChatLoop::After> ChatLoop::Obey(const ChatCommand& command) {
  Conversation& conversation = record_.conversation;
  switch (command.verb) {
    case ChatVerb::kSay: WEIR_RETURN_IF_ERROR(Ask(command.argument)); break;
    case ChatVerb::kHelp: Say(kChatHelp); break;
    case ChatVerb::kSystem:
      conversation.SetSystem(command.argument);
      Say(command.argument.empty() ? "no system message from here on" : "system message set");
      break;
    case ChatVerb::kReset:
      conversation.Reset();
      Say("a new conversation");
      break;
    case ChatVerb::kSave:
      if (command.argument.empty()) {
        Say("/save: expected the name of a file");
      } else if (const Status saved = conversation.Save(command.argument); !saved.ok()) {
        SayError(saved.error());
      } else {
        Say("saved " + EscapedControls(command.argument));
      }
      break;
    case ChatVerb::kLoad: Load(command.argument); break;
    case ChatVerb::kExit: return After::kLeave;
    case ChatVerb::kUnknown:
      Say(fmt::format("/{} is no command: /help lists them, and // says a text that begins with /",
                      EscapedControls(command.argument)));
      break;
  }
  return record_.exit_code == kExitOk ? After::kGoOn : After::kLeave;
}

void ChatLoop::Load(const std::string& path) {
  if (path.empty()) return Say("/load: expected the name of a file");
  Result<Conversation> loaded = Conversation::Load(path);
  if (!loaded) return SayError(loaded.error());
  if (!loaded->empty()) {
    if (Result<Question> question = turns_.Prepare(loaded->messages()); !question) {
      Say("this conversation cannot go on here; the present one stays");
      return SayError(question.error());
    }
  }
  record_.conversation = *std::move(loaded);
  Say(fmt::format("{} messages loaded", record_.conversation.messages().size()));
}

Status ChatLoop::Ask(std::string text) {
  Conversation& conversation = record_.conversation;
  conversation.Add({"user", std::move(text), {}});
  Result<Question> question = turns_.Prepare(conversation.messages());
  if (!question) {
    conversation.RemoveLast();
    SayError(question.error());
    SayHowToGoOn();
    return {};
  }
  AnswerView view(options_.screen, options_.raw);
  Result<Turn> turn = turns_.Ask(engine_, *std::move(question), view);
  if (!turn) return std::move(turn).error();
  EndTurn(*std::move(turn));
  return {};
}

void ChatLoop::EndTurn(Turn turn) {
  Conversation& conversation = record_.conversation;
  const Generation& generation = turn.generation;
  const bool stopped = generation.finished == FinishReason::kCancelled;
  const bool silent = turn.answer.content.empty() && turn.answer.reasoning.empty();
  const int64_t n_used = std::ssize(generation.prompt) + std::ssize(generation.tokens);
  Say(fmt::format("[{}; context {} of {}]\n", Summary(generation), Grouped(n_used),
                  Grouped(turns_.context_tokens())));
  if (stopped && silent) {
    // Many templates want questions and answers to take turns.
    conversation.RemoveLast();
    Say("stopped before the first word: the question is not kept");
  } else {
    conversation.Add(turn.answer);
    if (stopped) Say("stopped; what was said stays in the conversation");
  }
  if (n_used >= turns_.context_tokens()) {
    Say("the context is full");
    SayHowToGoOn();
  }
  record_.turns.push_back(std::move(turn));
  if (!Interrupted()) return;
  interrupted_ = true;
  if (Terminated()) {
    record_.exit_code = kExitInterrupted;
  } else {
    ClearInterrupt();
  }
}

void ChatLoop::SayHowToGoOn() const {
  std::string line = "/reset begins a new conversation, /save keeps this one";
  if (turns_.context_tokens() < options_.longest_context) {
    line += fmt::format("; weir run --context N makes room for up to {} tokens",
                        Grouped(options_.longest_context));
  }
  Say(line);
}

}  // namespace

Result<ChatRecord> RunChatLoop(Engine& engine, const ChatTurns& turns, Conversation conversation,
                               const ChatLoopOptions& options) {
  return ChatLoop(engine, turns, std::move(conversation), options).Run();
}

}  // namespace weir
