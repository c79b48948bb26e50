#include "report/cell_series.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "bench/document.h"

namespace weir {
namespace {

constexpr size_t kMostInAChart = 6;

std::set<std::string> Words(const std::string& text) {
  std::set<std::string> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    if (end > begin) words.insert(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

/// What a cell did besides its model and its number of users, in words.
std::set<std::string> Conditions(const CellResult& cell) {
  const auto config = nlohmann::json::parse(cell.row.config.empty() ? "{}" : cell.row.config, nullptr, /*allow_exceptions=*/false);
  const auto text = [&](const char* key) {
    const bool is_text = config.is_object() && config.contains(key) && config[key].is_string();
    return is_text ? config[key].get<std::string>() : std::string();
  };
  std::string load = text("load");
  if (load.empty()) {
    load = fmt::format("closed requests={} prompt={} gen={}", cell.row.requests_per_user, cell.row.prompt_tokens, cell.row.gen_tokens);
  }
  std::set<std::string> words = Words(load);
  std::erase_if(words, [](const std::string& word) { return word.starts_with("users="); });
  if (cell.row.target != "engine") words.insert("at " + cell.row.target);
  if (!text("kv").empty()) words.insert("kv=" + text("kv"));
  if (config.is_object() && config.contains("threads")) words.insert("threads=" + config["threads"].dump());
  words.insert("isa=" + cell.isa);
  words.insert("on " + cell.machine);
  if (!cell.foreign_tool.empty()) words.insert("foreign: " + cell.foreign_tool);
  return words;
}

using Key = std::pair<std::array<std::string, 3>, std::set<std::string>>;
Key KeyOfSeries(const CellResult& cell) {
  return {{cell.model.name, cell.model.quant, cell.model.fingerprint}, Conditions(cell)};
}

/// Words that all series have tell nothing.
std::set<std::string> CommonWords(const std::vector<Key>& keys) {
  std::set<std::string> common;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i == 0) common = keys[i].second;
    else std::erase_if(common, [&](const std::string& word) { return !keys[i].second.contains(word); });
  }
  return common;
}

void AddCell(const CellResult& cell, CellSeries& series, std::vector<const CellResult*>* superseded) {
  for (const CellResult*& other : series.cells) {
    if (other->row.users != cell.row.users) continue;
    const bool newer = cell.id > other->id;
    if (superseded) superseded->push_back(newer ? other : &cell);
    if (newer) other = &cell;
    return;
  }
  series.cells.push_back(&cell);
}

int IndexIn(std::vector<std::string>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<int>(found - names.begin());
  names.push_back(name);
  return static_cast<int>(names.size()) - 1;
}

}  // namespace

std::string ModelFamily(const ModelRow& model) {
  std::string title = ModelTitle(model);
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b)); };
  const auto found = std::search(title.begin(), title.end(), model.quant.begin(), model.quant.end(), same);
  if (model.quant.empty() || found == title.begin() || found == title.end()) return title;
  const bool is_part = std::string_view("-._ ").find(found[-1]) != std::string_view::npos;
  const bool is_end = found + std::ssize(model.quant) == title.end();
  if (is_part && is_end) title.erase(found - 1, title.end());
  return title;
}

std::string CellTitle(const CellResult& cell) {
  std::string title = ModelTitle(cell.model);
  const bool names_mixture = ModelFamily(cell.model) != title || title.find(cell.model.quant) != title.npos;
  if (!cell.model.quant.empty() && !names_mixture) title += " " + cell.model.quant;
  if (!cell.foreign_tool.empty()) title += fmt::format(" (foreign: {})", cell.foreign_tool);
  return title;
}

std::vector<CellSeries> GroupCells(std::span<const CellResult> cells, std::vector<const CellResult*>* superseded) {
  std::vector<Key> keys;
  std::vector<CellSeries> all;
  std::map<Key, size_t> places;
  for (const CellResult& cell : cells) {
    if (!cell.row.search.empty()) continue;
    const Key key = KeyOfSeries(cell);
    const auto [place, is_new] = places.emplace(key, all.size());
    if (is_new) {
      all.push_back({CellTitle(cell), ModelFamily(cell.model), fmt::format("{}", fmt::join(key.second, " ")), {}});
      keys.push_back(key);
    }
    AddCell(cell, all[place->second], superseded);
  }
  const std::set<std::string> common = CommonWords(keys);
  std::vector<std::string> mixtures, models;
  for (size_t i = 0; i < all.size(); ++i) {
    std::string rest;
    for (const std::string& word : keys[i].second) {
      if (!common.contains(word) && !word.starts_with("foreign")) rest += ", " + word;
    }
    all[i].name += rest;
    std::sort(all[i].cells.begin(), all[i].cells.end(),
              [](const CellResult* a, const CellResult* b) { return a->row.users < b->row.users; });
    // In charts of one model each, a mixture looks the same in all of them.
    const int mixture = IndexIn(mixtures, keys[i].first[1] + rest);
    const int model = IndexIn(models, all[i].model);
    const bool many = all.size() > kMostInAChart;
    all[i].style = many ? mixture : static_cast<int>(i);
    all[i].shape = many ? model : static_cast<int>(i);
  }
  return all;
}

std::vector<std::vector<const CellSeries*>> ChartsOf(const std::vector<CellSeries>& series) {
  std::vector<std::vector<const CellSeries*>> charts;
  std::map<std::string, size_t> places;
  for (const CellSeries& of : series) {
    const std::string group = series.size() > kMostInAChart ? of.model : "";
    const auto [place, is_new] = places.emplace(group, charts.size());
    if (is_new) charts.emplace_back();
    charts[place->second].push_back(&of);
  }
  return charts;
}

}  // namespace weir
