#include <nlohmann/json.hpp>

#include "report/report.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

Json SentencesJson(const std::vector<ReportSentence>& sentences) {
  Json json = Json::array();
  for (const ReportSentence& sentence : sentences) json.push_back({{"text", sentence.text}, {"cells", sentence.cells}, {"details", sentence.details}});
  return json;
}

Json ValueJson(const ReportValue& value) {
  if (value.number) return *value.number;
  return value.is_absent() ? Json(nullptr) : Json(value.text);
}

Json WithEvidence(Json json, const Provenance& evidence) {
  json["sql"] = evidence.sql;
  json["cells"] = evidence.cells;
  json["commands"] = evidence.commands;
  return json;
}

Json TableJson(const ReportTable& table) {
  Json rows = Json::array(), columns = Json::array();
  for (const TableColumn& column : table.columns) columns.push_back({{"key", column.key}, {"head", column.head}, {"unit", column.unit}});
  for (const std::vector<ReportValue>& row : table.rows) {
    Json json = Json::object();
    for (size_t i = 0; i < row.size(); ++i) json[table.columns[i].key] = ValueJson(row[i]);
    rows.push_back(std::move(json));
  }
  return WithEvidence({{"caption", table.caption}, {"columns", columns}, {"rows", rows}}, table.evidence);
}

}  // namespace

std::string JsonOf(const Report& article) {
  Json sections = Json::array();
  for (const Section& section : article.sections) {
    Json charts = Json::array(), tables = Json::array();
    for (const Picture& picture : section.pictures) {
      charts.push_back(WithEvidence({{"title", TitleOf(picture.chart)}, {"description", DescriptionOf(picture.chart)}}, picture.evidence));
    }
    for (const ReportTable& table : section.tables) tables.push_back(TableJson(table));
    sections.push_back({{"id", section.id}, {"title", section.title}, {"sentences", SentencesJson(section.sentences)}, {"charts", charts},
                        {"tables", tables}, {"notes", section.notes}});
  }
  const Json document{{"title", article.title}, {"subtitle", article.subtitle}, {"summary", SentencesJson(article.summary)}, {"sections", sections}};
  return document.dump(1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace weir
