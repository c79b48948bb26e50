#include <algorithm>

#include "bench/document.h"
#include "bench/statistics.h"
#include "model/text/utf8.h"

namespace weir {
namespace {

constexpr int kNarrowest = 48;
constexpr int kStacked = 100;  // in Column::drop: these become a line above the rows
constexpr const char* kAbsent = "-";

/// Columns of UTF-8 text: one per code point, which is right for names of models.
int Columns(std::string_view text) { return static_cast<int>(CountCharacters(text)); }

/// The first `columns` columns of the text, the last of them a dot if something is left out.
std::string Cut(std::string_view text, int columns) {
  if (Columns(text) <= columns) return std::string(text);
  return std::string(text.substr(0, ByteOfCharacter(text, columns - 1))) + ".";
}

struct Column {
  std::vector<std::string> heads;  // one line each
  bool left = false;               // else right-aligned
  int drop = 0;                    // in which order it is left out when space is short; 0 never
  std::vector<std::string> cells;

  int width() const {
    int width = 0;
    for (const std::string& head : heads) width = std::max(width, Columns(head));
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

/// " at http://..": one model may stand there at several targets.
std::string Where(const CellResult& cell) {
  constexpr int kMostColumns = 40;
  return cell.row.target == "engine" ? "" : Cut(" at " + cell.row.target, kMostColumns);
}

std::string ModelAndQuant(const CellResult& cell) {
  return ModelTitle(cell.model) + (cell.model.quant.empty() ? "" : " " + cell.model.quant) + Where(cell);
}

std::string StatusAndFlags(const CellResult& cell) {
  std::string text(Name(cell.status));
  for (const Flag& flag : cell.flags) text += ", " + flag.name;
  return text;
}

/// For narrow tables; the flags are told below them anyway.
std::string StatusAndCount(const CellResult& cell) {
  std::string text(Name(cell.status));
  if (!cell.flags.empty()) text += fmt::format(" ({})", cell.flags.size());
  return text;
}

std::vector<Column> MakeColumns(const std::vector<CellResult>& cells) {
  std::vector<Column> columns{{{"Model", ""}, true, kStacked, {}},
                              {{"Quant", ""}, true, kStacked, {}},
                              {{"Users", ""}, false, 0, {}},
                              {{"decode", "tok/s (peak)"}, false, 0, {}},
                              {{"aggregate", "tok/s (peak)"}, false, 5, {}},
                              {{"TTFT", "ms med/p95"}, false, 4, {}},
                              {{"ITL", "ms med/p95"}, false, 3, {}},
                              {{"prefill", "tok/s"}, false, 2, {}},
                              {{"share", "of limit"}, false, 0, {}},
                              {{"memory", "GB"}, false, 1, {}},
                              {{"status", ""}, true, 0, {}}};
  for (const CellResult& cell : cells) {
    const std::string texts[] = {ModelTitle(cell.model) + Where(cell),
                                 cell.model.quant,
                                 fmt::to_string(cell.row.users),
                                 MedianPeak(cell, "decode_tok_s"),
                                 MedianPeak(cell, "aggregate_tok_s"),
                                 MedianP95(cell, "ttft_ms"),
                                 MedianP95(cell, "itl_ms"),
                                 Median(cell, "prefill_tok_s"),
                                 Share(cell),
                                 Memory(cell),
                                 StatusAndFlags(cell)};
    for (size_t i = 0; i < columns.size(); ++i) columns[i].cells.push_back(texts[i]);
  }
  return columns;
}

int TableWidth(const std::vector<Column>& columns, int gap) {
  int width = -gap;
  for (const Column& column : columns) width += column.width() + gap;
  return width;
}

/// Splits the second line of the heads, counts flags instead of naming them, and takes out spaces.
void Compact(std::vector<Column>& columns, const std::vector<CellResult>& cells) {
  columns.back().heads[1] = " (flags)";
  for (size_t i = 0; i < cells.size(); ++i) columns.back().cells[i] = StatusAndCount(cells[i]);
  for (Column& column : columns) {
    const std::string unit = column.heads[1];
    const size_t space = std::min(unit.find(' '), unit.size());
    column.heads = {column.heads[0], unit.substr(0, space),
                    unit.substr(std::min(space + 1, unit.size()))};
    for (std::string& cell : column.cells) {
      std::erase_if(
          cell, [&, slash = cell.find(" / ") != cell.npos](char c) { return slash && c == ' '; });
    }
  }
}

/// How a table was made to fit.
struct Fitting {
  bool stacked = false;  // model and quantisation stand on a line of their own
  int gap = 2;           // between columns
  int n_dropped = 0;     // columns
};

Fitting Fit(std::vector<Column>& columns, const std::vector<CellResult>& cells, int width) {
  Fitting fitting;
  const auto fits = [&] { return TableWidth(columns, fitting.gap) <= width; };
  const auto drop = [&](int order) {
    return static_cast<int>(
        std::erase_if(columns, [&](const Column& column) { return column.drop == order; }));
  };
  if (fits()) return fitting;
  Compact(columns, cells);
  if (fits()) return fitting;
  fitting.stacked = drop(kStacked) > 0;
  if (!fits()) fitting.gap = 1;
  for (int order = 1; !fits() && order < kStacked; ++order) fitting.n_dropped += drop(order);
  return fitting;
}

std::string Line(const std::vector<Column>& columns, int gap, auto&& text_of) {
  std::string line;
  for (const Column& column : columns) {
    const std::string text = text_of(column);
    const std::string pad(std::max(0, column.width() - Columns(text)), ' ');
    line += column.left ? text + pad : pad + text;
    line.append(gap, ' ');
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

/// Reasons in full, and a line for each flag, under the name of their model.
std::string CellNotes(const std::vector<CellResult>& cells, int width) {
  std::string text, model_above;
  for (const CellResult& cell : cells) {
    if (cell.reason.empty() && cell.flags.empty()) continue;
    const std::string model = Cut(ModelAndQuant(cell), width);
    if (model != model_above) text += (model_above = model) + "\n";
    const std::string users =
        fmt::format("  {} user{}, ", cell.row.users, cell.row.users == 1 ? "" : "s");
    if (!cell.reason.empty()) {
      text += Wrap(fmt::format("{}{}: {}", users, Name(cell.status), cell.reason), width, 4) + "\n";
    }
    for (const Flag& flag : cell.flags) {
      text += Cut(fmt::format("{}{}: {}", users, flag.name, flag.detail), width) + "\n";
    }
  }
  return text.empty() ? text : "\n" + text;
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
      const size_t fits = ByteOfCharacter(word, width - column);
      lines += word.substr(0, fits);
      word.remove_prefix(fits);
    }
    lines += word;
    column += Columns(word);
    begun = true;
  }
  return lines;
}

std::string ModelTitle(const ModelRow& model) {
  std::string name = model.name;
  if (model.synthetic) {
    name.erase(0, name.find(':') + 1);
    return name.substr(0, name.rfind(':')) + "*";
  }
  name.erase(0, name.rfind('/') + 1);
  if (name.ends_with(".gguf")) name.resize(name.size() - 5);
  return name;
}

std::string RenderTable(const std::vector<CellResult>& cells, int width, const TableStyle& style) {
  if (cells.empty()) return "nothing was measured\n";
  width = std::max(width, kNarrowest);
  std::vector<Column> columns = MakeColumns(cells);
  const Fitting fitting = Fit(columns, cells, width);
  std::string text, model_above;
  const auto line = [&](std::string_view escape, const std::string& content) {
    text += fmt::format("{}{}{}\n", escape, content, escape.empty() ? "" : style.reset);
  };
  for (size_t i = 0; i < columns.front().heads.size(); ++i) {
    line(i == 0 ? style.head : style.dim,
         Line(columns, fitting.gap, [&](const Column& column) { return column.heads[i]; }));
  }
  for (size_t i = 0; i < cells.size(); ++i) {
    const std::string model = Cut(ModelAndQuant(cells[i]), width);
    if (fitting.stacked && model != model_above) line(style.head, model_above = model);
    const bool plain = cells[i].status == CellStatus::kOk && cells[i].flags.empty();
    line(plain ? "" : style.warn,
         Line(columns, fitting.gap, [&](const Column& column) { return column.cells[i]; }));
  }
  if (std::any_of(cells.begin(), cells.end(),
                  [](const CellResult& c) { return c.model.synthetic; })) {
    text +=
        Wrap("* synthetic: the shapes and formats of that model, random weights", width, 2) + "\n";
  }
  if (fitting.n_dropped > 0) {
    const std::string left_out =
        fmt::format("{} column{} left out to fit {} characters; --json has all", fitting.n_dropped,
                    fitting.n_dropped == 1 ? "" : "s", width);
    text += Wrap(left_out, width, 2) + "\n";
  }
  return text + CellNotes(cells, width);
}

}  // namespace weir
