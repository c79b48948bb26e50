// An article as data: sentences, tables and charts, each with the rows that it rests on. HTML, Markdown and JSON are
// written from this, so they say the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/chart.h"

namespace weir {

/// Where figures come from: a question that `weir sql` answers with them, and the cells that it is about.
struct Provenance {
  std::string sql;
  std::vector<int64_t> cells;
  std::vector<std::string> commands = {};  // that compute anew what is in no row
};

struct ReportSentence {
  std::string text;
  std::vector<int64_t> cells;  // that it rests on
  std::vector<std::string> details = {};  // what belongs to it, in smaller print
};

/// A value as people read it; JSON has the number where there is one, with all its digits.
struct ReportValue {
  std::string text = "-";
  std::optional<double> number = {};
  bool is_absent() const { return text == "-"; }
};

struct TableColumn {
  std::string head, unit;
  std::string key;        // in JSON
  bool is_number = true;  // else text, to the left
};

struct ReportTable {
  std::string caption;
  std::vector<TableColumn> columns;
  std::vector<std::vector<ReportValue>> rows;
  Provenance evidence;
};

struct Picture {
  Chart chart;
  Provenance evidence;
  bool begins_group = false;  // on a new line
};

struct Section {
  std::string id, title;
  std::vector<ReportSentence> sentences;
  std::vector<Picture> pictures;
  bool small_pictures = false;  // many of a kind, side by side
  std::vector<ReportTable> tables;
  std::vector<std::string> notes;
};

struct Report {
  std::string title, subtitle;
  std::vector<ReportSentence> summary;
  std::vector<Section> sections;
};

}  // namespace weir
