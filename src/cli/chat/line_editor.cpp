#include "cli/chat/line_editor.h"

#include <histedit.h>

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <optional>
#include <utility>

#include "model/text/utf8.h"
#include "util/interrupt.h"
#include "util/terminal.h"
#include "util/terminal_input.h"

namespace weir {
namespace {

constexpr int kHistorySize = 1000;
// How often the width of a terminal on which nobody types is looked at.
constexpr int kResizePollMs = 200;
constexpr wchar_t kPasteBegins[] = L"\x1b[200~";
constexpr char kCtrlD = '\x04';
constexpr std::wstring_view kPasteEnds = L"\x1b[201~";
// A terminal that frames what is pasted lets us tell its line feeds from the return key.
constexpr char kFramePastes[] = "\x1b[?2004h", kNoFrames[] = "\x1b[?2004l";

// wchar_t is a code point with every C library that libedit's wide interface is used with here.
static_assert(sizeof(wchar_t) == 4);

std::wstring Wide(std::string_view text) {
  std::wstring wide;
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Step step = DecodeUtf8(rest);
    const uint32_t c = step.code_point == kInvalidCodePoint ? 0xFFFD : step.code_point;
    if (c != 0) wide += static_cast<wchar_t>(c);  // libedit's texts end there
    rest.remove_prefix(step.length);
  }
  return wide;
}

std::string Utf8(std::wstring_view wide) {
  std::string text;
  for (const wchar_t c : wide) AppendUtf8(static_cast<uint32_t>(c), &text);
  return text;
}

}  // namespace

struct LineEditor::Impl {
  ~Impl() {
    if (editor) el_end(editor);
    if (history) history_wend(history);
  }

  static Impl& Of(EditLine* editor) {
    void* self = nullptr;
    el_wget(editor, EL_CLIENTDATA, &self);
    return *static_cast<Impl*>(self);
  }
  static wchar_t* Prompt(EditLine* editor) { return Of(editor).prompt.data(); }
  static int NextKey(EditLine* editor, wchar_t* key);
  static unsigned char OnInterrupt(EditLine* editor, int);
  static unsigned char OnSuspend(EditLine* editor, int);
  static unsigned char OnPaste(EditLine* editor, int);
  bool Set();
  void FollowWidth();

  std::FILE* screen = nullptr;
  EditLine* editor = nullptr;
  HistoryW* history = nullptr;
  std::wstring prompt;
  int width = 0;
  Ending ending = Ending::kLine;
  bool typed_ahead = false;  // what comes was typed before the terminal gave us single keys
  std::string typed;         // before Ctrl-C
};

/// libedit's source of characters: 1, 0 at the end of the input, -1 to give up the line.
int LineEditor::Impl::NextKey(EditLine* editor, wchar_t* key) {
  Impl& self = Of(editor);
  if (self.ending != Ending::kLine) return -1;
  if (WaitForInput(0) != InputState::kReady) self.typed_ahead = false;
  std::string bytes;
  for (;;) {
    switch (WaitForInput(kResizePollMs)) {
      case InputState::kInterrupted: self.ending = Ending::kTerminated; return -1;
      case InputState::kNothing: self.FollowWidth(); continue;
      case InputState::kReady: break;
    }
    std::optional<unsigned char> byte = ReadInputByte();
    if (!byte) {
      self.ending = Ending::kEnd;
      return 0;
    }
    // Linux keeps a Ctrl-D that was typed while the terminal collected lines as a zero.
    if (*byte == 0 && self.typed_ahead) byte = kCtrlD;
    bytes += static_cast<char>(*byte);
    const Utf8Step step = DecodeUtf8(bytes);
    if (step.cut) continue;
    const bool valid = step.code_point != kInvalidCodePoint;
    *key = static_cast<wchar_t>(valid ? step.code_point : 0xFFFD);
    return 1;
  }
}

void LineEditor::Impl::FollowWidth() {
  if (width == TerminalWidth()) return;
  width = TerminalWidth();
  el_resize(editor);
}

unsigned char LineEditor::Impl::OnInterrupt(EditLine* editor, int) {
  Impl& self = Of(editor);
  self.ending = Ending::kInterrupted;
  const LineInfoW* line = el_wline(editor);
  self.typed = Utf8({line->buffer, line->lastchar});
  // What comes next must not be written over the rows below the cursor: NextKey gives up the line
  // when the cursor is at its end.
  el_cursor(editor, static_cast<int>(line->lastchar - line->cursor));
  return CC_REFRESH;
}

unsigned char LineEditor::Impl::OnSuspend(EditLine* editor, int) {
  Impl& self = Of(editor);
  std::fputs(kNoFrames, self.screen);
  std::fflush(self.screen);
  el_wset(editor, EL_PREP_TERM, 0);
  Suspend();
  el_wset(editor, EL_PREP_TERM, 1);
  std::fputs(kFramePastes, self.screen);
  return CC_REDISPLAY;
}

/// Takes what is pasted as it is, without what else a terminal could do with control characters.
unsigned char LineEditor::Impl::OnPaste(EditLine* editor, int) {
  std::wstring text;
  wchar_t key = 0;
  while (!text.ends_with(kPasteEnds)) {
    if (el_wgetc(editor, &key) != 1) return CC_EOF;
    text += key == L'\r' ? L'\n' : key;
  }
  text.resize(text.size() - kPasteEnds.size());
  while (text.ends_with(L'\n')) text.pop_back();
  std::erase_if(text, [](wchar_t c) { return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7F; });
  if (!text.empty() && el_winsertstr(editor, text.c_str()) != 0) return CC_ERROR;
  return CC_REFRESH;
}

bool LineEditor::Impl::Set() {
  history = history_winit();
  editor = el_init("weir", stdin, screen, stderr);
  if (!history || !editor) return false;
  HistEventW event;
  history_w(history, &event, H_SETSIZE, kHistorySize);
  history_w(history, &event, H_SETUNIQUE, 1);
  el_wset(editor, EL_CLIENTDATA, this);
  el_wset(editor, EL_PROMPT, &Impl::Prompt);
  el_wset(editor, EL_HIST, history_w, history);
  el_wset(editor, EL_EDITOR, L"emacs");
  el_wset(editor, EL_SIGNAL, 0);
  el_wset(editor, EL_GETCFN, &Impl::NextKey);
  el_wset(editor, EL_ADDFN, L"weir-interrupt", L"give up the line", &Impl::OnInterrupt);
  el_wset(editor, EL_ADDFN, L"weir-suspend", L"stop the program", &Impl::OnSuspend);
  el_wset(editor, EL_ADDFN, L"weir-paste", L"insert what is pasted", &Impl::OnPaste);
  // As keys, not as signals: a signal would leave the program with the terminal in this mode.
  el_wset(editor, EL_SETTY, L"-d", L"-isig", nullptr);
  el_wset(editor, EL_BIND, L"^C", L"weir-interrupt", nullptr);
  el_wset(editor, EL_BIND, L"^Z", L"weir-suspend", nullptr);
  el_wset(editor, EL_BIND, kPasteBegins, L"weir-paste", nullptr);
  el_wset(editor, EL_BIND, L"^R", L"em-inc-search-prev", nullptr);
  el_wset(editor, EL_BIND, L"\\e[3~", L"ed-delete-next-char", nullptr);
  el_wset(editor, EL_BIND, L"\\e[1;5C", L"em-next-word", nullptr);
  el_wset(editor, EL_BIND, L"\\e[1;5D", L"ed-prev-word", nullptr);
  return true;
}

LineEditor::LineEditor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LineEditor::~LineEditor() = default;

std::unique_ptr<LineEditor> LineEditor::Create(std::FILE* screen,
                                               const std::vector<std::string>& history) {
  // libedit asks the C library how wide characters are, which knows it in a UTF-8 locale only.
  if (!std::setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
  auto impl = std::make_unique<Impl>();
  impl->screen = screen;
  if (!impl->Set()) return nullptr;
  std::unique_ptr<LineEditor> editor(new LineEditor(std::move(impl)));
  for (const std::string& text : history) editor->Remember(text);
  return editor;
}

LineEditor::Line LineEditor::Read(const std::string& prompt) {
  impl_->prompt = Wide(prompt);
  impl_->ending = Ending::kLine;
  impl_->typed_ahead = true;
  impl_->width = TerminalWidth();
  el_resize(impl_->editor);
  // libedit shows the prompt first, and the terminal would echo what is typed in between.
  el_wset(impl_->editor, EL_PREP_TERM, 1);
  std::fputs(kFramePastes, impl_->screen);
  std::fflush(impl_->screen);
  int n = 0;
  const wchar_t* text = el_wgets(impl_->editor, &n);
  std::fputs(kNoFrames, impl_->screen);
  if (impl_->ending == Ending::kLine && (!text || n <= 0)) impl_->ending = Ending::kEnd;
  if (impl_->ending != Ending::kLine) std::fputc('\n', impl_->screen);
  std::fflush(impl_->screen);
  Line line{impl_->ending, {}};
  if (line.ending == Ending::kInterrupted) line.text = std::move(impl_->typed);
  if (line.ending == Ending::kLine) {
    line.text = Utf8({text, static_cast<size_t>(n)});
    if (line.text.ends_with('\n')) line.text.pop_back();
  }
  return line;
}

void LineEditor::Remember(const std::string& text) {
  HistEventW event;
  history_w(impl_->history, &event, H_ENTER, Wide(text).c_str());
}

}  // namespace weir
