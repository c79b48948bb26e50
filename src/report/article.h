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
struct Evidence {
  std::string sql;
  std::vector<int64_t> cells;
};

struct Sentence {
  std::string text;
  std::vector<int64_t> cells;  // that it rests on
};

/// A value as people read it; JSON has the number where there is one, with all its digits.
struct Value {
  std::string text = "-";
  std::optional<double> number = {};
  bool is_absent() const { return text == "-"; }
};

struct TableColumn {
  std::string head, unit;
  std::string key;        // in JSON
  bool is_number = true;  // else text, to the left
};

struct Table {
  std::string caption;
  std::vector<TableColumn> columns;
  std::vector<std::vector<Value>> rows;
  Evidence evidence;
};

struct Picture {
  Chart chart;
  Evidence evidence;
};

struct Section {
  std::string id, title;
  std::vector<Sentence> sentences;
  std::vector<Picture> pictures;
  bool small_pictures = false;  // many of a kind, side by side
  std::vector<Table> tables;
  std::vector<std::string> notes;
};

struct Article {
  std::string title, subtitle;
  std::vector<Sentence> summary;
  std::vector<Section> sections;
};

}  // namespace weir
