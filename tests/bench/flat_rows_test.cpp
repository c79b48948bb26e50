#include "bench/flat_rows.h"

#include <gmock/gmock.h>

#include "bench/foreign_rows.h"
#include "bench/parquet_rows.h"

namespace weir {
namespace {

using nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;

CellResult SomeCell(int users) {
  CellResult cell;
  cell.id = 7;
  cell.run = 2;
  cell.started_at = "2026-11-23 06:00:00";
  cell.machine = "A CPU, \"fast\"";
  cell.build = "weir 0.1.0";
  cell.isa = "avx2";
  cell.model = {"synth:qwen3.5-2b:Q4_K_M", "qwen35", "Q4_K_M", true, 1000, 2000, 3000, "f"};
  cell.row = {users, 64, 32, 2, 3, {}};
  cell.row.config = R"({"kv":"q8_0","threads":4})";
  cell.status = CellStatus::kOk;
  cell.decode_samples = {9, 10, 11};
  cell.figures["decode_tok_s"] = {3, 10, 11, 9, 11};
  cell.figures["aggregate_tok_s"] = {3, 8, 9, 7, 9};
  cell.figures["prefill_tok_s"] = {3, 100, 100, 100, 100};
  cell.figures["ttft_ms"] = {500, 20, 30, 10, 40, 35};
  cell.flags = {{"noisy", "a, b"}, {"cliff", "c"}};
  return cell;
}

TEST(FlatRow, HasEveryFigureOnce) {
  const ordered_json row = FlatRow(SomeCell(2));
  EXPECT_EQ(row["cell"], 7);
  EXPECT_EQ(row["model"], "synth:qwen3.5-2b:Q4_K_M");
  EXPECT_EQ(row["decode_tok_s_median"], 10.0);
  EXPECT_EQ(row["decode_tok_s_ci95_low"], 9.0);
  EXPECT_EQ(row["aggregate_tok_s_ci95_low"], nullptr);
  EXPECT_EQ(row["ttft_ms_p99"], 35.0);
  EXPECT_EQ(row["flags"], "noisy cliff");
  EXPECT_FALSE(row.contains("flag_details"));
  for (const auto& [key, value] : row.items()) EXPECT_FALSE(value.is_structured()) << key;
}

TEST(Csv, HasTheColumnsOfAllRows) {
  EXPECT_EQ(CsvOf({{{"a", 1}}, {{"a", 2}, {"b", 3}}, {{"c", 4}}}), "a,b,c\r\n1,,\r\n2,3,\r\n,,4\r\n");
}

/// A cell in which nothing is absent.
CellResult FullCell() {
  CellResult cell = SomeCell(2);
  cell.reason = "because";
  cell.row.planned_bytes = 5;
  cell.logits_hash = "l";
  cell.answers_hash = "a";
  cell.foreign_tool = "t";
  cell.aggregate_samples = cell.decode_samples = {8, 9, 10, 11, 12, 13};
  for (const char* name : {"itl_ms", "tpot_ms", "peak_memory_bytes", "step_bytes", "step_macs", "limit_tok_s"}) {
    cell.figures[name] = {500, 20, 30, 10, 40, 35};
  }
  for (const char* name : {"package_j_per_token", "package_net_j_per_token"}) cell.figures[name] = {3, 2, 2, 2, 2};
  return cell;
}

/// Whoever gives FlatRow a new name adds it to the columns of src/bench/parquet_rows.cpp.
TEST(ParquetRows, HaveAColumnOfTheRightTypeForAllThatAFlatRowHas) {
  Store store = Store::Open(":memory:").value();
  ASSERT_TRUE(store.database().Run("PRAGMA foreign_keys = OFF; INSERT INTO energy VALUES (1, 'package', 's', 1, 1, NULL)").ok());
  std::map<std::string, ParquetType> types;
  const auto columns = FlatColumns(store);
  for (const ParquetColumn& column : *columns) types[column.name] = column.type;
  CellResult own = FullCell();
  own.foreign_tool = "";  // p95 of another tool's row is not known
  for (const ordered_json& row : {FlatRow(FullCell()), FlatRow(own)}) {
    for (const auto& [name, value] : row.items()) {
      ASSERT_TRUE(types.contains(name)) << name;
      if (value.is_null()) continue;
      const ParquetType expected = value.is_string()          ? ParquetType::kString
                                   : value.is_boolean()       ? ParquetType::kBoolean
                                   : value.is_number_float()  ? ParquetType::kDouble
                                                              : ParquetType::kInt64;
      EXPECT_EQ(types[name], expected) << name;
    }
    EXPECT_EQ(row.size(), types.size()) << "no column that no row has";
  }
}

TEST(ParquetRows, RepairTextThatIsNotUtf8) {
  Store store = Store::Open(":memory:").value();
  std::string file;
  ParquetWriter table(FlatColumns(store).value(), "w", [&](std::string_view bytes) {
    file += bytes;
    return Status();
  });
  CellResult cell = SomeCell(1);
  cell.reason = "cut \xe2\x82";
  ASSERT_TRUE(AppendCell(cell, table).ok());
  ASSERT_TRUE(table.Finish().ok());
  EXPECT_THAT(file, HasSubstr("cut \xef\xbf\xbd"));
}

TEST(Csv, WhatIsWrittenIsReadBack) {
  const std::vector<ordered_json> rows{{{"a", "x,\"y\"\nz"}, {"b", nullptr}, {"c", 1.5}}, {{"a", ""}, {"b", true}, {"c", -2}}};
  const std::string text = CsvOf(rows);
  EXPECT_EQ(text, "a,b,c\r\n\"x,\"\"y\"\"\nz\",,1.5\r\n,true,-2\r\n");
  const auto lines = ParseCsv(text, "f");
  ASSERT_TRUE(lines.ok());
  EXPECT_THAT(*lines, ElementsAre(ElementsAre("a", "b", "c"), ElementsAre("x,\"y\"\nz", "", "1.5"),
                                  ElementsAre("", "true", "-2")));
  EXPECT_THAT(ParseCsv("a\n\"b\nc", "f").error().message, HasSubstr("f:2: a quote"));
  EXPECT_TRUE(ParseCsv("", "f")->empty());
}

TEST(LlamaBench, HasTwoRowsForAUserAndNoneForMore) {
  int n_left_out = 0;
  const std::string sql = LlamaBenchSql({SomeCell(1), SomeCell(4)}, n_left_out);
  EXPECT_EQ(n_left_out, 1);
  Database database = Database::Open(":memory:", OpenMode::kCreate).value();
  ASSERT_TRUE(database.Run(sql).ok());
  EXPECT_EQ(*database.QueryInt("SELECT count(*) FROM pragma_table_info('llama_bench')"), 40);
  EXPECT_EQ(*database.QueryInt("SELECT count(*) FROM llama_bench WHERE n_prompt = 64 AND n_gen = 0 AND avg_ts = 100"), 1);
  EXPECT_EQ(*database.QueryInt("SELECT count(*) FROM llama_bench WHERE n_prompt = 0 AND n_gen = 32 AND n_depth = 64 AND "
                               "avg_ts = 10 AND stddev_ts = 1 AND type_k = 'q8_0' AND n_threads = 4 AND "
                               "test_time = '2026-11-23T06:00:00Z' AND avg_ns = 3200000000"),
            1);
}

CellResult CellOfAServer() {
  CellResult cell = SomeCell(1);
  cell.row.target = "http://10.0.0.1";
  cell.row.config = R"({"kv":3,"engine":"llama.cpp","engine_version":"b1234","engine_threads":6})";
  return cell;
}

CellResult CellOfNobody() {
  CellResult cell = SomeCell(1);
  cell.row.target = "null-http";
  return cell;
}

TEST(LlamaBench, CreditsTheEngineThatComputed) {
  int n_left_out = 0;
  Database database = Database::Open(":memory:", OpenMode::kCreate).value();
  ASSERT_TRUE(database.Run(LlamaBenchSql({CellOfAServer(), CellOfNobody()}, n_left_out)).ok());
  EXPECT_EQ(n_left_out, 1);
  EXPECT_EQ(*database.QueryInt("SELECT count(*) FROM llama_bench WHERE build_commit = 'b1234' AND backends = 'llama.cpp' AND "
                               "n_threads = 6"),
            2);
}

TEST(PoorPauls, CreditsTheEngineThatComputedAndLeavesOutWhatIsNoLoad) {
  CellResult probe = SomeCell(2);
  probe.row.search = "ttft_p95<1s";
  int n_left_out = 0;
  const auto lines = ParseCsv(PoorPaulsCsv({CellOfAServer(), CellOfNobody(), probe}, "", n_left_out), "f").value();
  EXPECT_EQ(n_left_out, 2);
  ASSERT_EQ(lines.size(), 2u);
  const auto value = [&](const char* column) {
    return lines[1][std::find(lines[0].begin(), lines[0].end(), column) - lines[0].begin()];
  };
  EXPECT_EQ(value("llm_engine_name"), "llama.cpp");
  EXPECT_EQ(value("llm_engine_version"), "b1234");
  EXPECT_EQ(value("runner_type"), "weir");
  EXPECT_EQ(value("backends"), "");
}

TEST(PoorPauls, HasThe88ColumnsAndComesBack) {
  EXPECT_EQ(PoorPaulsColumns().size(), 88u);
  int n_left_out = 0;
  CellResult failed = SomeCell(2);
  failed.figures.clear();
  const std::string csv = PoorPaulsCsv({SomeCell(4), failed}, "me", n_left_out);
  EXPECT_EQ(n_left_out, 1);
  const auto lines = ParseCsv(csv, "f").value();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].size(), 88u);
  EXPECT_EQ(lines[0].front(), "run_type");
  EXPECT_EQ(lines[0].back(), "tags");

  Store store = Store::Open(":memory:").value();
  const auto outcome = ImportForeignRows(csv, "some.csv", store);
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(outcome->tool, "poor-pauls-benchmark");
  EXPECT_EQ(outcome->n_rows, 1);
  const std::vector<CellResult> cells = *store.LastCells(10);
  ASSERT_EQ(cells.size(), 1u);
  EXPECT_EQ(cells[0].foreign_tool, "poor-pauls-benchmark");
  EXPECT_EQ(cells[0].model.quant, "Q4_K_M");
  EXPECT_EQ(cells[0].row.users, 4);
  EXPECT_EQ(cells[0].Find("aggregate_tok_s")->median, 8);
  EXPECT_EQ(cells[0].Find("decode_tok_s")->median, 10);
  EXPECT_EQ(cells[0].Find("ttft_ms")->median, 20);
  ASSERT_EQ(cells[0].flags.size(), 1u);
  EXPECT_EQ(cells[0].flags[0].name, "foreign");
  EXPECT_EQ(PoorPaulsCsv(cells, "", n_left_out), csv) << "goes out as it came in";
}

TEST(Import, LlamaBenchLines) {
  Store store = Store::Open(":memory:").value();
  const std::string text =
      R"({"build_commit":"abc","cpu_info":"A CPU","model_filename":"m.gguf","model_type":"llama 1B Q8_0","n_prompt":512,"n_gen":0,"n_depth":0,"avg_ts":123.5,"samples_ts":[123,124]})"
      "\n\n"
      R"({"build_commit":"abc","cpu_info":"A CPU","model_filename":"m.gguf","model_type":"llama 1B Q8_0","n_prompt":0,"n_gen":128,"n_depth":4096,"avg_ts":21.5})"
      "\n"
      R"({"build_commit":"abc","model_filename":"m.gguf","n_prompt":64,"n_gen":16,"avg_ts":50})";
  const auto outcome = ImportForeignRows(text, "some.jsonl", store);
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(outcome->n_rows, 3);
  EXPECT_EQ(outcome->n_without_figure, 1) << "prompt and generation in one rate";
  const std::vector<CellResult> cells = *store.LastCells(10);
  EXPECT_EQ(cells[0].Find("prefill_tok_s")->median, 123.5);
  EXPECT_EQ(cells[1].Find("decode_tok_s")->median, 21.5);
  EXPECT_EQ(cells[1].row.prompt_tokens, 4096);
  EXPECT_TRUE(cells[2].figures.empty());
  EXPECT_EQ(cells[0].machine, "A CPU");
}

TEST(Import, WhatCannotBeReadIsSaidAndLeavesNothing) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "is empty"},
      {"  \n", "is empty"},
      {"a,b\n1,2\n", "neither"},
      {"runner_type,throughput_tok_s\n1\n", "row 1 has 1 fields, the heading 2"},
      {"runner_type,throughput_tok_s\n\"1\n", "a quote"},
      {"{\"n_gen\":1,\"avg_ts\":2}\n{]\n", ":2: expected a line of llama-bench"},
      {"{\"a\":1}\n", ":1: expected"},
      {std::string(100000, '['), "neither"},
      {"{\"n_gen\":1,\"avg_ts\":" + std::string(100000, '['), ":1: expected"},
  };
  for (const auto& [text, message] : cases) {
    Store store = Store::Open(":memory:").value();
    const auto outcome = ImportForeignRows(text, "f", store);
    ASSERT_FALSE(outcome.ok()) << text.substr(0, 40);
    EXPECT_EQ(outcome.error().code, ErrorCode::kBadInput);
    EXPECT_THAT(outcome.error().message, HasSubstr(message)) << text.substr(0, 40);
    EXPECT_TRUE(store.LastCells(10)->empty());
  }
}

TEST(Import, StrangeNumbersAreNoFigures) {
  Store store = Store::Open(":memory:").value();
  const std::string text =
      "runner_type,throughput_tok_s,concurrent_users,p50_ttft_ms,model\n"
      "llama-server,nan,-3,1e999,m\nllama-server,0,1e30,abc,m\nllama-bench,50,1,,m\n";
  const auto outcome = ImportForeignRows(text, "f", store);
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(outcome->n_without_figure, 3);
  const std::vector<CellResult> cells = *store.LastCells(10);
  ASSERT_EQ(cells.size(), 3u);
  for (const CellResult& cell : cells) EXPECT_EQ(cell.row.users, 1);
}

}  // namespace
}  // namespace weir
