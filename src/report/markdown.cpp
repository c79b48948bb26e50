// The article as Markdown, in which a chart is its description.
#include <fmt/format.h>

#include <algorithm>

#include "report/report.h"
#include "report/text.h"

namespace weir {
namespace {

std::string SentenceLine(const ReportSentence& sentence) {
  std::string text = MarkdownText(sentence.text);
  if (!sentence.cells.empty()) text += fmt::format(" (cells {})", IdRanges(sentence.cells));
  for (const std::string& detail : sentence.details) text += fmt::format("\\\n{}", MarkdownText(detail));
  return text;
}

/// SQL has no backquotes of its own, and what it quotes are names of figures; no command's line begins with one.
std::string EvidenceText(const Provenance& evidence) {
  if (evidence.sql.empty()) return "";
  std::string text = fmt::format("<details><summary>rows and SQL</summary>\n\nCells {}\n\n```sql\n{}\n```\n\n",
                                 IdRanges(evidence.cells), evidence.sql);
  if (!evidence.commands.empty()) {
    text += "Computed, as by\n\n```sh\n";
    for (const std::string& command : evidence.commands) text += CleanText(command) + "\n";
    text += "```\n\n";
  }
  return text + "</details>\n\n";
}

std::string TableText(const ReportTable& table) {
  std::string head = "|", rule = "|";
  for (const TableColumn& column : table.columns) {
    head += fmt::format(" {}{} |", MarkdownText(column.head), column.unit.empty() ? "" : ", " + MarkdownText(column.unit));
    rule += column.is_number ? "---:|" : "---|";
  }
  std::string text = fmt::format("{}\n\n{}\n{}\n", MarkdownText(table.caption), head, rule);
  for (const std::vector<ReportValue>& row : table.rows) {
    text += "|";
    for (const ReportValue& value : row) text += fmt::format(" {} |", MarkdownText(value.text));
    text += "\n";
  }
  return text + "\n" + EvidenceText(table.evidence);
}

}  // namespace

std::string MarkdownOf(const Report& article) {
  std::string text = fmt::format("# {}\n\n{}\n\n", MarkdownText(article.title), MarkdownText(article.subtitle));
  for (const ReportSentence& sentence : article.summary) text += fmt::format("- {}\n", SentenceLine(sentence));
  for (const Section& section : article.sections) {
    text += fmt::format("\n## {}\n\n", MarkdownText(section.title));
    for (const ReportSentence& sentence : section.sentences) text += SentenceLine(sentence) + "\n\n";
    for (const Picture& picture : section.pictures) {
      text += fmt::format("**{}.** {}\n\n{}", MarkdownText(TitleOf(picture.chart)), MarkdownText(DescriptionOf(picture.chart)), EvidenceText(picture.evidence));
    }
    for (const ReportTable& table : section.tables) text += TableText(table);
    for (const std::string& note : section.notes) text += MarkdownText(note) + "\n\n";
  }
  return text;
}

}  // namespace weir
