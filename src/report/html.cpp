// The article as one HTML file: no network, no script, light and dark, paper too.
#include <fmt/format.h>

#include "report/report.h"
#include "report/text.h"

namespace weir {
namespace {

constexpr size_t kMostIdText = 48;
constexpr size_t kMostBesideAChart = 9;  // columns of a table
constexpr size_t kMostRows = 40;         // of a table that is not scrolled

constexpr std::string_view kPageStyle = R"css(
:root{color-scheme:light dark;--ink:#1a2027;--soft:#56606b;--line:#d9dee3;--paper:#fff;--panel:#f5f7f9;--link:#0b57a4}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaee;--soft:#a4aeb9;--line:#2c333b;--paper:#14181d;--panel:#1b2026;--link:#6fb3ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif;overflow-wrap:anywhere}
main{max-width:1340px;margin:0 auto;padding:28px 24px 64px}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .3rem;text-wrap:balance}
h2{font-size:1.3rem;margin:3rem 0 .6rem;padding-top:.7rem;border-top:1px solid var(--line)}
p,li{max-width:46rem}
p{margin:.5rem 0}
a{color:var(--link)}
.sub,.note,.ids,figcaption,.live{color:var(--soft)}
.sub,.note{font-size:.92rem}
.live{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.4rem .7rem;font-size:.9rem;max-width:none}
.detail{font-size:.85rem;color:var(--soft);display:inline-block;padding-left:1.2rem}
.ids{font-size:.78rem;white-space:nowrap}
.key{background:var(--panel);border-radius:8px;padding:.9rem 1.2rem .9rem 2.2rem;margin:1.2rem 0}
.key li{margin:.35rem 0}
nav{font-size:.92rem;margin:1rem 0}
nav a{margin-right:1.1rem;white-space:nowrap}
.pics{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,34rem),1fr));gap:1.6rem 2rem;margin:1.2rem 0}
.pics.small{grid-template-columns:repeat(auto-fill,minmax(min(100%,19rem),1fr))}
figure{margin:0;min-width:0}
.pic figcaption{font-weight:600;color:var(--ink);font-size:.95rem;margin-bottom:.3rem}
.pic svg{display:block}
.narrow,.small .wide{display:none!important}
.small .narrow{display:block!important}
.tbl{margin:1.4rem 0}
.tbl figcaption{font-size:.9rem;max-width:46rem;margin-bottom:.4rem}
.scroll{overflow-x:auto}
.long{max-height:38rem;overflow-y:auto;border-bottom:1px solid var(--line)}
.long th{position:sticky;top:0;background:var(--paper)}
@media (min-width:1150px){.duo{display:grid;grid-template-columns:34rem minmax(0,1fr);gap:2.5rem}}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:.28rem .7rem;text-align:right;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;vertical-align:bottom;color:var(--soft);line-height:1.25;overflow-wrap:normal}
th small{display:block;font-weight:400}
td{white-space:nowrap}
.tx{text-align:left}
td.tx{white-space:normal;min-width:8rem}
td.nm{min-width:13rem}
@media (min-width:1000px){td.nm{min-width:19rem}}
.duo td.nm{min-width:8rem}.duo th,.duo td{padding:.28rem .4rem}
.rep,.no{color:var(--soft)}
tbody tr:hover{background:var(--panel)}
details{font-size:.82rem;margin:.4rem 0;color:var(--soft)}
summary{cursor:pointer}
pre{overflow-x:auto;background:var(--panel);border-radius:6px;padding:.6rem .8rem;margin:.4rem 0;font:12px/1.45 ui-monospace,"DejaVu Sans Mono",monospace;color:var(--ink)}
@media (max-width:640px){main{padding:18px 14px 48px}.wide{display:none!important}.narrow{display:block!important}h1{font-size:1.5rem}.ids{white-space:normal}}
@media print{:root{--ink:#000;--soft:#333;--line:#bbb;--paper:#fff;--panel:#f4f4f4;--link:#000}
@page{size:A4;margin:13mm}
body{font-size:9.5pt}main{max-width:none;padding:0}nav,details{display:none}
h2{break-after:avoid;margin-top:1.4rem}figure.pic,tr,li{break-inside:avoid}
.pics{grid-template-columns:1fr 1fr;gap:5mm}.pics.small{grid-template-columns:1fr 1fr 1fr}
.wide{display:block!important}.narrow,.small .wide{display:none!important}.small .narrow{display:block!important}
.scroll{overflow:visible;max-height:none}table{font-size:7.2pt}th,td{padding:.12rem .3rem}td.tx{min-width:0}td.nm{min-width:5rem!important}}
)css";

std::string CellsText(const std::vector<int64_t>& cells) {
  const std::string ranges = IdRanges(cells);
  if (ranges.size() > kMostIdText) return Count(static_cast<int64_t>(cells.size()), "cell");
  return fmt::format("{} {}", cells.size() == 1 ? "cell" : "cells", ranges);
}

std::string SentenceHtml(const ReportSentence& sentence) {
  std::string html = XmlText(sentence.text);
  if (!sentence.cells.empty()) html += fmt::format(" <span class=\"ids\">[{}]</span>", CellsText(sentence.cells));
  for (const std::string& detail : sentence.details) html += fmt::format("<br/><span class=\"detail\">{}</span>", XmlText(detail));
  return html;
}

std::string EvidenceHtml(const Provenance& evidence) {
  if (evidence.sql.empty()) return "";
  std::string html = fmt::format("<details><summary>rows and SQL</summary><p>Cells {}</p><pre>{}</pre>", IdRanges(evidence.cells),
                                 XmlLines(evidence.sql));
  if (!evidence.commands.empty()) {
    html += fmt::format("<p>Computed, as by</p><pre>{}</pre>", XmlLines(fmt::to_string(fmt::join(evidence.commands, "\n"))));
  }
  return html + "</details>\n";
}

std::string WithClass(std::string svg, std::string_view name) {
  const std::string_view kClass = "class=\"wc";
  return svg.insert(svg.find(kClass) + kClass.size(), fmt::format(" {}", name));
}

std::string PictureHtml(const Picture& picture, const std::string& id, bool is_small) {
  std::string html = fmt::format("<figure class=\"pic\"><figcaption>{}</figcaption>\n", XmlText(TitleOf(picture.chart)));
  if (!is_small) html += WithClass(RenderSvg(picture.chart, ChartSize::kWide, id + "w"), "wide");
  html += WithClass(RenderSvg(picture.chart, ChartSize::kNarrow, id + "n"), "narrow");
  return html + EvidenceHtml(picture.evidence) + "</figure>\n";
}

std::string CellHtml(const TableColumn& column, const ReportValue& value, bool is_first, bool repeated) {
  std::string classes = column.is_number ? "" : is_first ? "tx nm" : "tx";
  if (value.is_absent()) classes += " no";
  if (repeated) classes += " rep";
  return fmt::format("<td{}>{}</td>", classes.empty() ? "" : fmt::format(" class=\"{}\"", classes),
                     value.is_absent() ? "\u2013" : XmlText(value.text));
}

std::string TableHtml(const ReportTable& table) {
  std::string html = fmt::format("<figure class=\"tbl\"><figcaption>{}</figcaption>\n<div class=\"scroll{}\" tabindex=\"0\" role=\"region\" aria-label=\"table\">"
                                 "<table><thead><tr>", XmlText(table.caption), table.rows.size() > kMostRows ? " long" : "");
  for (const TableColumn& column : table.columns) {
    html += fmt::format("<th scope=\"col\"{}>{}{}</th>", column.is_number ? "" : " class=\"tx\"", XmlText(column.head),
                        column.unit.empty() ? "" : fmt::format("<small>{}</small>", XmlText(column.unit)));
  }
  html += "</tr></thead>\n<tbody>\n";
  const std::vector<ReportValue>* before = nullptr;
  for (const std::vector<ReportValue>& row : table.rows) {
    html += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) {
      html += CellHtml(table.columns[i], row[i], i == 0, i == 0 && before && (*before)[0].text == row[0].text);
    }
    html += "</tr>\n";
    before = &row;
  }
  return html + "</tbody></table></div>\n" + EvidenceHtml(table.evidence) + "</figure>\n";
}

std::string PicturesHtml(const Section& section) {
  std::string html;
  for (size_t i = 0; i < section.pictures.size(); ++i) {
    const Picture& picture = section.pictures[i];
    if (i > 0 && picture.begins_group) html += "</div>\n";
    if (i == 0 || picture.begins_group) html += fmt::format("<div class=\"pics{}\">\n", section.small_pictures ? " small" : "");
    html += PictureHtml(picture, fmt::format("{}-{}", section.id, i + 1), section.small_pictures);
  }
  return html.empty() ? html : html + "</div>\n";
}

std::string SectionHtml(const Section& section) {
  std::string html = fmt::format("<section id=\"{}\"><h2>{}</h2>\n", section.id, XmlText(section.title));
  for (const ReportSentence& sentence : section.sentences) html += fmt::format("<p>{}</p>\n", SentenceHtml(sentence));
  const bool side_by_side = section.pictures.size() == 1 && !section.tables.empty() && section.tables[0].columns.size() <= kMostBesideAChart;
  if (side_by_side) html += "<div class=\"duo\">\n";
  html += PicturesHtml(section);
  for (size_t i = 0; i < section.tables.size(); ++i) {
    html += TableHtml(section.tables[i]);
    if (i == 0 && side_by_side) html += "</div>\n";
  }
  for (const std::string& note : section.notes) html += fmt::format("<p class=\"note\">{}</p>\n", XmlText(note));
  return html + "</section>\n";
}

}  // namespace

std::string HtmlOf(const Report& article, const HtmlOptions& options) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n{}<title>{}</title>\n<style>{}{}</style>\n</head>\n<body>\n<main>\n",
      options.refresh_s > 0 ? fmt::format("<meta http-equiv=\"refresh\" content=\"{}\"/>\n", options.refresh_s) : "", XmlText(article.title),
      kPageStyle, ChartStyle());
  if (!options.banner.empty()) html += fmt::format("<p class=\"live\">{}</p>\n", XmlText(options.banner));
  html += fmt::format("<header><h1>{}</h1>\n<p class=\"sub\">{}</p></header>\n<ul class=\"key\">\n", XmlText(article.title), XmlText(article.subtitle));
  for (const ReportSentence& sentence : article.summary) html += fmt::format("<li>{}</li>\n", SentenceHtml(sentence));
  if (article.summary.empty()) html += "<li>Nothing can be said yet.</li>\n";
  html += "</ul>\n";
  if (!article.sections.empty()) {
    html += "<nav aria-label=\"Sections\">";
    for (const Section& section : article.sections) html += fmt::format("<a href=\"#{}\">{}</a> ", section.id, XmlText(section.title));
    html += "</nav>\n";
  }
  for (const Section& section : article.sections) html += SectionHtml(section);
  return html + "</main>\n</body>\n</html>\n";
}

}  // namespace weir
