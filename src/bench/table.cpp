#include <algorithm>

#include "bench/document.h"
#include "bench/statistics.h"

namespace weir {
namespace {

constexpr int kNarrowest = 48;
constexpr const char* kAbsent = "-";
constexpr std::string_view kGap = "  ";

/// Columns of UTF-8 text: one per code point, which is right for names of models.
int Columns(std::string_view text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

/// The bytes of the first `columns` columns of the text.
size_t BytesOf(std::string_view text, int columns) {
  size_t end = 0;
  for (int seen = 0; end < text.size(); ++end) {
    if ((text[end] & 0xc0) != 0x80 && ++seen > columns) break;
  }
  return end;
}

/// The first `columns` columns of the text, the last of them a dot if something is left out.
std::string Cut(std::string_view text, int columns) {
  if (Columns(text) <= columns) return std::string(text);
  return std::string(text.substr(0, BytesOf(text, columns - 1))) + ".";
}

struct Column {
  const char* head;
  const char* subhead;
  bool left = false;  // else right-aligned
  int drop = 0;       // in which order it is left out when space is short; 0 never
  std::vector<std::string> cells;

  int width() const {
    int width = std::max(Columns(head), Columns(subhead));
    for (const std::string& cell : cells) width = std::max(width, Columns(cell));
    return width;
  }
};

/// Three digits or so.
std::string Number(double value) {
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f}", value, decimals);
}

std::string MedianPeak(const CellResult& cell, std::string_view figure) {
  const Figure* found = cell.Find(figure);
  return found ? fmt::format("{} ({})", Number(found->median), Number(found->greatest)) : kAbsent;
}

std::string MedianP95(const CellResult& cell, std::string_view figure) {
  const Figure* found = cell.Find(figure);
  return found ? fmt::format("{} / {}", Number(found->median), Number(found->p95)) : kAbsent;
}

std::string Median(const CellResult& cell, std::string_view figure) {
  const Figure* found = cell.Find(figure);
  return found ? Number(found->median) : kAbsent;
}

std::string Share(const CellResult& cell) {
  const std::optional<double> share = RooflineShare(cell);
  return share ? fmt::format("{:.0f} %", *share * 100) : kAbsent;
}

std::string Memory(const CellResult& cell) {
  const Figure* found = cell.Find("peak_memory_bytes");
  return found ? Number(found->greatest * 1e-9) : kAbsent;
}

/// "synth:qwen3.5-2b:Q8_0" is "qwen3.5-2b*", a path is its file's name without ".gguf".
std::string ShortName(const ModelRow& model) {
  std::string name = model.name;
  if (model.synthetic) {
    name.erase(0, name.find(':') + 1);
    return name.substr(0, name.rfind(':')) + "*";
  }
  name.erase(0, name.rfind('/') + 1);
  if (name.ends_with(".gguf")) name.resize(name.size() - 5);
  return name;
}

std::string StatusAndFlags(const CellResult& cell) {
  std::string text(Name(cell.status));
  for (const Flag& flag : cell.flags) text += ", " + flag.name;
  return text;
}

std::vector<Column> MakeColumns(const std::vector<CellResult>& cells) {
  std::vector<Column> columns{{"Model", "", true, 0, {}},
                              {"Quant", "", true, 6, {}},
                              {"Users", "", false, 0, {}},
                              {"decode tok/s", "median (peak)", false, 0, {}},
                              {"aggregate tok/s", "median (peak)", false, 5, {}},
                              {"TTFT ms", "median / p95", false, 4, {}},
                              {"ITL ms", "median / p95", false, 3, {}},
                              {"prefill", "tok/s", false, 2, {}},
                              {"share", "of limit", false, 0, {}},
                              {"memory", "GB", false, 1, {}},
                              {"status", "", true, 0, {}}};
  for (const CellResult& cell : cells) {
    const std::string texts[] = {ShortName(cell.model), cell.model.quant, fmt::to_string(cell.row.users),
                                 MedianPeak(cell, "decode_tok_s"), MedianPeak(cell, "aggregate_tok_s"),
                                 MedianP95(cell, "ttft_ms"), MedianP95(cell, "itl_ms"),
                                 Median(cell, "prefill_tok_s"), Share(cell), Memory(cell),
                                 StatusAndFlags(cell)};
    for (size_t i = 0; i < columns.size(); ++i) columns[i].cells.push_back(texts[i]);
  }
  return columns;
}

int TableWidth(const std::vector<Column>& columns) {
  int width = -static_cast<int>(kGap.size());
  for (const Column& column : columns) width += column.width() + static_cast<int>(kGap.size());
  return width;
}

/// Shortens the column by up to `excess` columns but not below `least`.
int Shrink(Column& column, int excess, int least) {
  const int width = column.width(), target = std::max({least, Columns(column.head), width - excess});
  if (excess <= 0 || target >= width) return 0;
  for (std::string& cell : column.cells) cell = Cut(cell, target);
  return width - target;
}

/// Makes the table fit: status texts lose their flags (which are listed below the table), then columns go,
/// then names are cut. Returns how many columns went.
int Fit(std::vector<Column>& columns, int width) {
  constexpr int kStatus = 12, kName = 8;
  Shrink(columns.back(), TableWidth(columns) - width, kStatus);
  int dropped = 0;
  for (int drop = 1; TableWidth(columns) > width && drop <= 6; ++drop) {
    dropped += static_cast<int>(std::erase_if(columns, [&](const Column& c) { return c.drop == drop; }));
  }
  Shrink(columns.front(), TableWidth(columns) - width, kName);
  Shrink(columns.back(), TableWidth(columns) - width, 1);
  return dropped;
}

std::string Line(const std::vector<Column>& columns, auto&& text_of) {
  std::string line;
  for (const Column& column : columns) {
    const std::string text = text_of(column);
    const std::string pad(std::max(0, column.width() - Columns(text)), ' ');
    line += column.left ? text + pad : pad + text;
    line += kGap;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

std::string Wrap(std::string_view text, int width, int indent) {
  std::string lines;
  int column = 0;
  bool begun = false;  // the line has a word
  const auto new_line = [&] {
    lines.append(1, '\n').append(indent, ' ');
    column = indent;
    begun = false;
  };
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (begun && column + 1 + Columns(word) > width) new_line();
    if (begun) {
      lines += ' ';
      ++column;
    }
    // A word longer than a line, a path say, is broken: nothing else would keep the promise.
    for (; column + Columns(word) > width; new_line()) {
      const size_t fits = BytesOf(word, width - column);
      lines += word.substr(0, fits);
      word.remove_prefix(fits);
    }
    lines += word;
    column += Columns(word);
    begun = true;
  }
  return lines;
}

std::string RenderTable(const std::vector<CellResult>& cells, int width, const TableStyle& style) {
  width = std::max(width, kNarrowest);
  std::vector<Column> columns = MakeColumns(cells);
  const int dropped = Fit(columns, width);
  std::string text;
  const auto line = [&](std::string_view escape, auto&& text_of) {
    text += fmt::format("{}{}{}\n", escape, Line(columns, text_of), escape.empty() ? "" : style.reset);
  };
  line(style.head, [](const Column& column) { return column.head; });
  line(style.dim, [](const Column& column) { return column.subhead; });
  for (size_t i = 0; i < cells.size(); ++i) {
    const bool plain = cells[i].status == CellStatus::kOk && cells[i].flags.empty();
    line(plain ? "" : style.warn, [&](const Column& column) { return column.cells[i]; });
  }
  const auto note = [&](const std::string& sentence) { text += Wrap(sentence, width, 2) + "\n"; };
  if (std::any_of(cells.begin(), cells.end(), [](const CellResult& c) { return c.model.synthetic; })) {
    note("* synthetic: the shapes and formats of that model, random weights");
  }
  if (dropped > 0) note(fmt::format("{} columns do not fit {} characters; --json has all", dropped, width));
  for (const CellResult& cell : cells) {
    const std::string where = fmt::format("{} {}, {} user{}: ", ShortName(cell.model), cell.model.quant,
                                          cell.row.users, cell.row.users == 1 ? "" : "s");
    if (!cell.reason.empty()) note(fmt::format("{}{}: {}", where, Name(cell.status), cell.reason));
    for (const Flag& flag : cell.flags) note(fmt::format("{}{}: {}", where, flag.name, flag.detail));
  }
  return text;
}

}  // namespace weir
