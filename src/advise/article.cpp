#include "advise/article.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "advise/toml_reader.h"

namespace weir {
namespace {

constexpr double kMostTokS = 1e9, kMostGbS = 1e6, kMostWatts = 1e7, kMostMs = 1e9;

/// Reads each [[key]] with read(reader, &item).
template <class Item, class Read>
Status ReadItems(TomlReader& document, const char* key, const std::string& path, std::vector<Item>* items,
                 Read read) {
  for (const toml::table* table : document.Tables(key)) {
    TomlReader reader(*table, path);
    read(reader, &items->emplace_back());
    WEIR_RETURN_IF_ERROR(reader.Finish());
  }
  return {};
}

int WholeNumber(TomlReader& reader, const char* key, int max) {
  const double value = reader.Number(key, 1, max);
  if (value != std::floor(value)) reader.Fail(key, fmt::format("{}: expected a whole number", key));
  return static_cast<int>(value);
}

Comfort ReadComfort(TomlReader& reader) {
  const std::string name = reader.String("comfort");
  for (const Comfort comfort : {Comfort::kComfortable, Comfort::kTight}) {
    if (name == Name(comfort)) return comfort;
  }
  if (name != Name(Comfort::kNo)) reader.Fail("comfort", "comfort: expected comfortable, tight or no");
  return Comfort::kNo;
}

void CheckFigure(TomlReader& reader, const std::string& figure) {
  if (figure.empty() || figure == "peak" || figure == "median") return;
  reader.Fail("figure", "figure: expected \"peak\" or \"median\", or nothing where it was not said");
}

/// The cells of a line; quotes hold commas, two quotes are one.
std::vector<std::string> SplitCsv(std::string_view line) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      cells.back() += '"';
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      cells.emplace_back();
    } else if (c != '\r') {
      cells.back() += c;
    }
  }
  return cells;
}

/// A line of a CSV by the names of its columns. The first error sticks.
class CsvLine {
 public:
  CsvLine(const std::vector<std::string>& columns, const std::vector<std::string>& cells, std::string where)
      : where_(std::move(where)) {
    if (cells.size() > columns.size()) Fail("more cells than columns");
    for (size_t i = 0; i < std::min(cells.size(), columns.size()); ++i) cells_[columns[i]] = cells[i];
  }

  std::string Text(const char* column) {
    const std::string text = cells_[column];
    if (text.empty()) Fail(fmt::format("{} is missing", column));
    return text;
  }
  std::string OptionalText(const char* column) { return cells_[column]; }
  std::optional<double> OptionalNumber(const char* column, double min, double max) {
    const std::string& text = cells_[column];
    if (text.empty()) return std::nullopt;
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !(value >= min && value <= max)) {
      Fail(fmt::format("{}: expected a number from {} to {}, found '{}'", column, min, max, text));
    }
    return value;
  }
  double Number(const char* column, double min, double max) {
    const std::optional<double> value = OptionalNumber(column, min, max);
    if (!value) Fail(fmt::format("{} is missing", column));
    return value.value_or(min);
  }
  Status status() const { return error_ ? Status(*error_) : Status(); }

 private:
  void Fail(std::string message) {
    if (!error_) error_ = BadInput("{}: {}", where_, message);
  }

  std::string where_;
  std::map<std::string, std::string, std::less<>> cells_;
  std::optional<Error> error_;
};

Result<std::vector<std::string>> ReadHeader(std::string_view line, const std::string& path) {
  constexpr std::string_view kColumns[] = {"machine", "model", "quant", "users", "tok_s", "figure", "ttft_ms"};
  std::vector<std::string> columns = SplitCsv(line);
  for (const std::string& column : columns) {
    if (std::find(std::begin(kColumns), std::end(kColumns), column) != std::end(kColumns)) continue;
    return BadInput("{}:1: no such column '{}'; there are {}", path, column, fmt::join(kColumns, ", "));
  }
  return columns;
}

}  // namespace

Result<Article> ParseArticle(std::string_view text, const std::string& path) {
  WEIR_TRY(const toml::table table, ParseToml(text, path));
  TomlReader document(table, path);
  Article article;
  article.title = document.String("title");
  article.machine = document.String("machine");
  WEIR_RETURN_IF_ERROR(ReadItems(document, "bandwidth", path, &article.bandwidths,
                                 [](TomlReader& reader, ClaimedBandwidth* bandwidth) {
                                   bandwidth->name = reader.String("name");
                                   bandwidth->gb_s = reader.Number("gb_s", 0.1, kMostGbS);
                                 }));
  WEIR_RETURN_IF_ERROR(ReadItems(document, "row", path, &article.rows, [&](TomlReader& reader, PublishedRow* row) {
    row->machine = reader.OptionalString("machine").value_or(article.machine);
    row->model = reader.String("model");
    row->quant = reader.String("quant");
    row->users = WholeNumber(reader, "users", 1'000'000);
    row->tok_s = reader.Number("tok_s", 1e-6, kMostTokS);
    row->figure = reader.OptionalString("figure").value_or("");
    CheckFigure(reader, row->figure);
    row->ttft_ms = reader.OptionalNumber("ttft_ms", 0, kMostMs);
  }));
  WEIR_RETURN_IF_ERROR(ReadItems(document, "ratio", path, &article.ratios, [](TomlReader& reader, RatioClaim* claim) {
    claim->text = reader.String("text");
    claim->of = reader.String("of");
    claim->to = reader.String("to");
    claim->low = reader.Number("low", 1e-6, 1e6);
    claim->high = reader.Number("high", claim->low, 1e6);
  }));
  WEIR_RETURN_IF_ERROR(ReadItems(document, "fit", path, &article.fits, [](TomlReader& reader, FitClaim* claim) {
    claim->text = reader.String("text");
    claim->model = reader.String("model");
    claim->quant = reader.String("quant");
    claim->machine = reader.String("machine");
    claim->comfort = ReadComfort(reader);
  }));
  WEIR_RETURN_IF_ERROR(ReadItems(document, "power", path, &article.powers, [](TomlReader& reader, PowerClaim* claim) {
    claim->text = reader.String("text");
    claim->machine = reader.String("machine");
    claim->boundary = reader.String("boundary");
    claim->low_w = reader.Number("low_w", 0, kMostWatts);
    claim->high_w = reader.Number("high_w", claim->low_w, kMostWatts);
  }));
  WEIR_RETURN_IF_ERROR(document.Finish());
  return article;
}

Result<Article> ParseArticleCsv(std::string_view csv, const std::string& path) {
  Article article;
  article.title = path;
  std::vector<std::string> columns;
  for (int n = 1; !csv.empty(); ++n) {
    const size_t end = std::min(csv.find('\n'), csv.size());
    const std::string_view text = csv.substr(0, end);
    csv.remove_prefix(std::min(end + 1, csv.size()));
    if (n == 1) {
      WEIR_TRY(columns, ReadHeader(text, path));
      continue;
    }
    if (text.empty() || text == "\r") continue;
    CsvLine line(columns, SplitCsv(text), fmt::format("{}:{}", path, n));
    PublishedRow row{line.Text("machine"), line.Text("model"), line.Text("quant"),
                     static_cast<int>(line.Number("users", 1, 1'000'000)), line.Number("tok_s", 1e-6, kMostTokS),
                     line.OptionalText("figure"), line.OptionalNumber("ttft_ms", 0, kMostMs)};
    WEIR_RETURN_IF_ERROR(line.status());
    article.rows.push_back(std::move(row));
  }
  if (article.rows.empty()) return BadInput("{}: expected a line of column names and rows, found no row", path);
  article.machine = article.rows.front().machine;
  return article;
}

}  // namespace weir
