// What a report says, against the rows that it says it of.
#include "report/report.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <set>

#include "report/cell_series.h"
#include "report/sections.h"
#include "report/text.h"
#include "report_fixture.h"
#include "xml.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

Json JsonReport(const ReportData& data) { return Json::parse(JsonOf(MakeReport(data))); }

const Json& SectionOf(const Json& report, const std::string& id) {
  for (const Json& section : report["sections"]) {
    if (section["id"] == id) return section;
  }
  static const Json kNone;
  ADD_FAILURE() << "no section " << id;
  return kNone;
}

std::string SentencesOf(const Json& section) {
  std::string text;
  for (const Json& sentence : section["sentences"]) text += sentence["text"].get<std::string>() + "\n";
  return text;
}

/// Every question in the document, wherever it stands.
void CollectSql(const Json& json, std::vector<std::string>& all) {
  if (json.is_object() && json.contains("sql") && !json["sql"].get<std::string>().empty()) all.push_back(json["sql"]);
  if (json.is_structured()) {
    for (const Json& inner : json) CollectSql(inner, all);
  }
}

class FilledReport : public ReportTest {
 protected:
  FilledReport() {
    const int64_t run = AddRun();
    for (const int users : {1, 2, 4}) {
      first_.push_back(AddCell(run, SomeModel(), {users}));
      second_.push_back(AddCell(run, SomeModel("/models/other-Q4_K_M.gguf", "Q4_K_M", 1'100'000'000), {users, {6, 7, 8}}));
    }
  }
  std::vector<int64_t> first_, second_;
};

TEST_F(FilledReport, NumbersAreThoseOfTheDatabase) {
  const Json report = JsonReport(Data());
  const Json& rows = SectionOf(report, "throughput")["tables"][0]["rows"];
  ASSERT_EQ(rows.size(), 6u);
  for (const Json& row : rows) {
    for (const auto& [key, figure, column] : {std::tuple("decode_tok_s_median", "decode_tok_s", "median"), {"decode_tok_s_peak", "decode_tok_s", "greatest"},
                                              {"aggregate_tok_s_median", "aggregate_tok_s", "median"}, {"prefill_tok_s", "prefill_tok_s", "median"}}) {
      Statement query = store_.database().Prepare(fmt::format("SELECT {} FROM summary WHERE cell = ? AND figure = ?", column)).value();
      query.Bind(row["cell"].get<int64_t>(), figure);
      ASSERT_TRUE(query.Step().value());
      EXPECT_EQ(row[key].get<double>(), query.Real(0)) << key;
    }
  }
  // By hand: 100 tokens a second of each user with steps of 10 ms, 1000/11 in the slowest repeat.
  EXPECT_DOUBLE_EQ(rows[0]["decode_tok_s_median"], 100);
  EXPECT_DOUBLE_EQ(rows[2]["decode_tok_s_median"], 400);
  EXPECT_DOUBLE_EQ(rows[2]["decode_tok_s_per_user"], 100);
  EXPECT_EQ(rows[0]["decode_ci95"], "90.9 to 100");
  // T* of a step of one user: 201 MB / 40 GB/s, and 1 MB / 60 GB/s, and 1 MMAC / 200 GMAC/s.
  EXPECT_NEAR(rows[0]["roofline_share"], (201.0 / 40 + 1.0 / 60 + 1.0 / 200) / 10, 1e-9);
}

TEST_F(FilledReport, LoadsThatASearchTriedAreNamedAndNotJudged) {
  const int64_t run = AddRun();
  const int64_t probe = AddCell(run, SomeModel(), {1, {1}, CellStatus::kOk, "", {}, "probe 1", "ttft_p95<1s"});
  const int64_t memory = AddCell(run, SomeModel(), {64, {1}, CellStatus::kOk, "", {}, "probe 64", "memory"});
  CapacityRow answer;
  answer.model = *store_.AddModel(SomeModel());
  answer.key = "a search";
  answer.objective = "ttft_p95<1s";
  answer.unit = "users";
  answer.best = 1;
  answer.broken = 2;
  answer.why = "ttft_p95 is 1200 ms, not below 1000 ms";
  answer.cell = probe;
  ASSERT_TRUE(store_.AddCapacity(run, answer).ok());
  const Json report = JsonReport(Data());
  for (const Json& row : SectionOf(report, "throughput")["tables"][0]["rows"]) {
    EXPECT_NE(row["cell"], probe) << "a newer cell of the same load, but only a probe";
    EXPECT_NE(row["cell"], memory);
  }
  const std::string all = report.dump();
  EXPECT_THAT(all, HasSubstr("whether it holds ttft_p95<1s"));
  EXPECT_THAT(all, HasSubstr("1 user; "));
  EXPECT_THAT(all, HasSubstr("2 users: ttft_p95 is 1200 ms, not below 1000 ms"));
  EXPECT_THAT(all, Not(HasSubstr("measured again")));
  const Json& table = SectionOf(report, "cliff")["tables"].back();
  EXPECT_EQ(table["rows"][0]["model"], "qwen3.5-2b* Q8_0");
  EXPECT_EQ(table["rows"][0]["best"], 1);
  EXPECT_EQ(table["rows"][0]["broken"], 2);
  EXPECT_TRUE(table["rows"][0]["predicted"].is_null());
  EXPECT_EQ(table["cells"], Json{probe});
  EXPECT_TRUE(store_.database().Prepare(table["sql"].get<std::string>())->Step().value());
}

TEST_F(ReportTest, AgreementOfAnswersIsATable) {
  const int64_t run = AddRun();
  const ModelRow model = SomeModel("m.gguf");
  const int64_t id = *store_.AddModel(model);
  const std::string text = "of the river that ran below the town";
  for (const auto& [target, said] : {std::pair<std::string, std::string>{"peer:p", "!!!!"}, {"engine", text}}) {
    const int64_t cell = AddCell(run, model, {1, {10, 10, 11}, CellStatus::kOk, "", {}, target});
    const int64_t asked = *store_.AddAsked(run, {id, target, "m.gguf", "two", "", {{0, text, 8, false, ""}, {1, said, 8, false, ""}}});
    ASSERT_TRUE(store_.database().Execute("UPDATE cell SET asked = ? WHERE id = ?", asked, cell).ok());
  }
  const Json section = SectionOf(JsonReport(Data()), "excluded");
  const Json& table = section["tables"].back();
  ASSERT_EQ(table["rows"].size(), 1u);
  EXPECT_EQ(table["rows"][0]["base"], "engine");
  EXPECT_EQ(table["rows"][0]["other"], "peer:p");
  EXPECT_EQ(table["rows"][0]["same"], 1);
  EXPECT_EQ(table["rows"][0]["common_percent"], 50);
  EXPECT_TRUE(table["rows"][0]["kl_at_least_nats"].is_null());
  EXPECT_EQ(table["cells"].size(), 2u);
  EXPECT_TRUE(store_.database().Prepare(table["sql"].get<std::string>())->Step().value());
}

TEST_F(FilledReport, EveryFigureBringsSqlThatAnswersWithIt) {
  const Json report = JsonReport(Data());
  std::vector<std::string> all;
  CollectSql(report, all);
  EXPECT_GT(all.size(), 10u);
  for (const std::string& sql : all) {
    Result<Statement> query = store_.database().Prepare(sql);
    ASSERT_TRUE(query.ok()) << query.error().message << "\n" << sql;
    EXPECT_TRUE(query->read_only());
    EXPECT_TRUE(query->Step().value()) << sql;
  }
  for (const Json& section : report["sections"]) {
    for (const char* kind : {"tables", "charts"}) {
      for (const Json& of : section[kind]) EXPECT_FALSE(of["cells"].empty()) << of.dump(1);
    }
  }
  // The answer to the table's question holds each of its medians.
  const Json& table = SectionOf(report, "throughput")["tables"][0];
  std::set<std::pair<int64_t, double>> answers;
  Statement query = store_.database().Prepare(table["sql"].get<std::string>()).value();
  ASSERT_TRUE(query.ForEach([&](const Statement& row) { answers.emplace(row.Int(0), row.Real(3)); }).ok());
  for (const Json& row : table["rows"]) {
    EXPECT_TRUE(answers.contains({row["cell"].get<int64_t>(), row["decode_tok_s_median"].get<double>()}));
  }
}

TEST_F(FilledReport, AllFormsSayTheSame) {
  const Report article = MakeReport(Data());
  const std::string html = HtmlOf(article), markdown = MarkdownOf(article);
  const Xml xml(html);
  ASSERT_TRUE(xml.ok()) << xml.error();
  EXPECT_TRUE(xml.Texts("script").empty());
  EXPECT_EQ(xml.Texts("h2").size(), article.sections.size());
  EXPECT_THAT(html, Not(HasSubstr("src=")));
  EXPECT_THAT(html, Not(HasSubstr("@import")));
  for (const char* text : {"qwen3.5-2b", "other-Q4_K_M", "571", "100", "90.9 to 100", "not zero"}) {
    EXPECT_THAT(html, HasSubstr(text));
    EXPECT_THAT(MarkdownOf(article), HasSubstr(std::string(text) == "other-Q4_K_M" ? "other-Q4\\_K\\_M" : text));
  }
  EXPECT_THAT(markdown, HasSubstr("| model | users | decode, tok/s |"));
}

TEST_F(FilledReport, ASyntheticModelSaysSo) {
  const ReportData data = Data();
  EXPECT_THAT(JsonReport(data)["summary"].dump(), HasSubstr("3 cells are of synthetic models"));
  EXPECT_THAT(HtmlOf(MakeReport(data)), HasSubstr("qwen3.5-2b* Q8_0"));
}

TEST_F(FilledReport, APeakNeverStandsWithoutItsMedian) {
  const Json report = JsonReport(Data());
  for (const Json& section : report["sections"]) {
    for (const Json& table : section["tables"]) {
      std::set<std::string> keys;
      for (const Json& column : table["columns"]) keys.insert(column["key"]);
      EXPECT_EQ(keys.size(), table["columns"].size()) << "a key twice: " << table["caption"];
      for (const std::string& key : keys) {
        if (!key.ends_with("_peak")) continue;
        EXPECT_TRUE(keys.contains(key.substr(0, key.size() - 5) + "_median"));
        for (const Json& row : table["rows"]) EXPECT_EQ(row[key].is_null(), row[key.substr(0, key.size() - 5) + "_median"].is_null());
      }
    }
  }
}

TEST_F(FilledReport, WhatFitsStandsBesideWhatWasRun) {
  ReportData data = Data();
  EXPECT_EQ(SectionOf(JsonReport(data), "memory")["charts"].size(), 1u);
  const std::string command = "weir fit synth:large:Q8_0 --users 1 --ctx 8192";
  data.advice = Advice{1, 8192, int64_t{20} << 30, second_[2], {}, {}};
  data.advice->fits.push_back({"large Q8_0", command, int64_t{30} << 30, 1 << 30, 0, 12 << 20, "no", 0});
  const Json report = JsonReport(data);
  const Json& charts = SectionOf(report, "memory")["charts"];
  ASSERT_EQ(charts.size(), 2u);
  EXPECT_EQ(charts[1]["description"], "large Q8_0: no: 33.3 GB. ");
  // No row has it: the machine's row says what memory there was, and the command computes the rest.
  EXPECT_EQ(charts[1]["commands"], Json{command});
  EXPECT_EQ(charts[1]["cells"], Json{second_[2]});
  Statement memory = store_.database().Prepare(charts[1]["sql"].get<std::string>()).value();
  ASSERT_TRUE(memory.Step().value());
  EXPECT_EQ(memory.Int(0), second_[2]);
  EXPECT_EQ(memory.Text(1), "A CPU, 2 cores, 24 GiB");
  const Report article = MakeReport(data);
  EXPECT_THAT(HtmlOf(article), HasSubstr("<pre>" + command + "</pre>"));
  EXPECT_THAT(MarkdownOf(article), HasSubstr("```sh\n" + command + "\n```"));
  EXPECT_THAT(SentencesOf(SectionOf(report, "verdict")), HasSubstr("No verdict"));
}

TEST(ShellWord, IsOneWordToAShell) {
  EXPECT_EQ(ShellWord("synth:qwen3.5-2b:Q8_0"), "synth:qwen3.5-2b:Q8_0");
  EXPECT_EQ(ShellWord("/models/it's mine; ls"), "'/models/it'\\''s mine; ls'");
  EXPECT_EQ(ShellWord(""), "''");
}

TEST_F(FilledReport, ChoiceOfTheNewestRun) {
  const int64_t run = AddRun();
  const int64_t cell = AddCell(run, SomeModel(), {8});
  EXPECT_THAT(NewestCells(store_).value(), testing::ElementsAre(cell));
}

TEST_F(FilledReport, WhatWasMeasuredAgainIsReplacedAndNamed) {
  const int64_t again = AddCell(AddRun(), SomeModel(), {2, {20, 20, 20}});
  const Json report = JsonReport(Data());
  const Json& rows = SectionOf(report, "throughput")["tables"][0]["rows"];
  ASSERT_EQ(rows.size(), 6u);
  EXPECT_EQ(rows[1]["cell"], again);
  EXPECT_THAT(SectionOf(report, "excluded")["tables"][0].dump(), HasSubstr("measured again"));
}

TEST_F(ReportTest, ACliffIsNamedAndProvenByItsRepeats) {
  const int64_t run = AddRun();
  AddCell(run, SomeModel(), {1, {10, 10, 10, 10, 10}});
  AddCell(run, SomeModel(), {2, {25, 25, 26, 26, 27}});  // 74 to 80 tok/s after 100
  AddCell(run, SomeModel(), {4, {50, 51, 55, 60, 60}});  // 67 to 80: lower by what repeats differ
  AddCell(run, SomeModel(), {8, {150, 150, 150}});       // 53: too few for an interval
  const Json report = JsonReport(Data());
  const Json& cliff = SectionOf(report, "cliff");
  std::vector<Json> decode;
  for (const Json& row : cliff["tables"][0]["rows"]) {
    if (row["figure"] == "decode") decode.push_back(row);
  }
  ASSERT_EQ(decode.size(), 3u);
  EXPECT_EQ(decode[0]["proven"], "yes");
  EXPECT_NEAR(decode[0]["change"], 2 / 0.026 / 100 - 1, 1e-9);
  EXPECT_THAT(decode[1]["proven"].get<std::string>(), HasSubstr("noise"));
  EXPECT_THAT(decode[2]["proven"].get<std::string>(), HasSubstr("too few repeats")) << "as weir compare says";
}

TEST_F(ReportTest, NoCliffIsSaidToo) {
  const int64_t run = AddRun();
  AddCell(run, SomeModel(), {1});
  EXPECT_THAT(SentencesOf(SectionOf(JsonReport(Data()), "cliff")), HasSubstr("more than one number of users"));
  AddCell(run, SomeModel(), {2});
  EXPECT_THAT(SentencesOf(SectionOf(JsonReport(Data()), "cliff")), HasSubstr("No cliff"));
}

TEST_F(ReportTest, WhatFailedIsARowWithItsReason) {
  const int64_t run = AddRun();
  AddCell(run, SomeModel(), {1, {}, CellStatus::kFailed, "the <b>disk</b> is full"});
  AddCell(run, SomeModel(), {64, {}, CellStatus::kRefused, "needs 40 GB, there are 20"});
  AddCell(run, SomeModel(), {128, {}, CellStatus::kSkipped, "64 users did not fit"});
  const ReportData data = Data();
  const Json report = JsonReport(data);
  EXPECT_EQ(SectionOf(report, "excluded")["tables"][0]["rows"].size(), 3u);
  EXPECT_THAT(SentencesOf(SectionOf(report, "cliff")), HasSubstr("needs 40 GB"));
  EXPECT_THAT(SentencesOf(SectionOf(report, "throughput")), HasSubstr("No cell has a figure"));
  const std::string html = HtmlOf(MakeReport(data));
  EXPECT_TRUE(Xml(html).ok()) << Xml(html).error();
  EXPECT_THAT(html, HasSubstr("the &lt;b&gt;disk&lt;/b&gt; is full"));
}

TEST_F(ReportTest, ARejectedRepeatIsInNoFigureAndNamed) {
  const int64_t cell = AddCell(AddRun(), SomeModel(), {1, {10, 10, 5}});
  ASSERT_TRUE(store_.RejectAttempt(3, "impossibly fast").ok());
  const Json report = JsonReport(Data());
  EXPECT_DOUBLE_EQ(SectionOf(report, "throughput")["tables"][0]["rows"][0]["decode_tok_s_peak"], 100);
  const Json& row = SectionOf(report, "excluded")["tables"][0]["rows"][0];
  EXPECT_EQ(row["cell"], cell);
  EXPECT_EQ(row["what"], "repeat 3 rejected");
  EXPECT_EQ(row["reason"], "impossibly fast");
}

TEST_F(ReportTest, NoRowsAreAnAnswer) {
  const ReportData data = Data();
  const std::string html = HtmlOf(MakeReport(data));
  EXPECT_TRUE(Xml(html).ok());
  EXPECT_THAT(html, HasSubstr("no rows yet"));
  EXPECT_THAT(MarkdownOf(MakeReport(data)), HasSubstr("no rows yet"));
  EXPECT_TRUE(NewestCells(store_).value().empty());
}

TEST_F(ReportTest, OneCellIsEnough) {
  AddCell(AddRun(), SomeModel(), {1, {10}});
  const std::string html = HtmlOf(MakeReport(Data()));
  EXPECT_TRUE(Xml(html).ok()) << Xml(html).error();
  EXPECT_THAT(html, HasSubstr("100 tok/s (one repeat only)"));
}

TEST_F(ReportTest, HostileNamesStayText) {
  const std::string name = "</style><script>alert(1)</script>|`x`\x1b[31m\xff\xe2\x80\xae]]>";
  AddCell(AddRun(), SomeModel(name, "Q<i>8\"'&"), {1, {10, 10}, CellStatus::kOk, "", {{"no<i>sy", "a | <img src=x onerror=y>"}}, "<key>"});
  const Report article = MakeReport(Data());
  const std::string html = HtmlOf(article), markdown = MarkdownOf(article);
  const Xml xml(html);
  ASSERT_TRUE(xml.ok()) << xml.error();
  for (const char* element : {"script", "img", "i", "key"}) EXPECT_TRUE(xml.Texts(element).empty()) << element;
  for (const char* tag : {"<script", "<img", "<i>", "\x1b", "\xe2\x80\xae"}) EXPECT_THAT(markdown, Not(HasSubstr(tag)));
  EXPECT_THAT(markdown, HasSubstr("\\|\\`x\\`"));
  EXPECT_TRUE(Json::accept(JsonOf(article)));
}

TEST_F(ReportTest, ForeignRowsAreMarkedAndHaveMediansOnly) {
  const int64_t cell = AddCell(AddRun("llama-bench"), SomeModel("theirs.gguf"), {1, {}});
  ASSERT_TRUE(store_.AddForeignFigure(cell, "decode_tok_s", 42).ok());
  ASSERT_TRUE(store_.AddForeignFigure(cell, "ttft_ms", 7).ok());
  const Json report = JsonReport(Data());
  const Json& row = SectionOf(report, "throughput")["tables"][0]["rows"][0];
  EXPECT_THAT(row["model"].get<std::string>(), HasSubstr("foreign: llama-bench"));
  EXPECT_EQ(row["decode_tok_s_median"], 42);
  EXPECT_TRUE(row["decode_tok_s_peak"].is_null());
  EXPECT_TRUE(SectionOf(report, "latency")["tables"][0]["rows"][0]["ttft_ms_p95"].is_null());
  EXPECT_THAT(report["summary"].dump(), HasSubstr("a foreign median"));
  EXPECT_THAT(SentencesOf(SectionOf(report, "method")), HasSubstr("imported"));
}

TEST_F(ReportTest, ManySeriesLookDifferentInOneChart) {
  const int64_t run = AddRun();
  for (const char* model : {"synth:a:", "synth:b:", "synth:c:"}) {
    for (const char* quant : {"Q8_0", "Q4_K_M", "Q2_K"}) AddCell(run, SomeModel(std::string(model) + quant, quant), {1});
  }
  const ReportData data = Data();
  std::set<std::pair<int, int>> looks;
  for (const CellSeries& series : GroupCells(data.cells)) looks.emplace(series.style, series.shape);
  EXPECT_EQ(looks.size(), 9u);
  const std::vector<CellSeries> all = GroupCells(data.cells);
  EXPECT_EQ(all[0].style, all[3].style) << "a mixture has one colour";
  for (const auto& chart : ChartsOf(all)) {
    EXPECT_EQ(chart.size(), 3u);
    EXPECT_NE(chart[0]->style, chart[1]->style);
  }
}

TEST_F(ReportTest, MixturesOfOneFamilyAreComparedUnderOneLoad) {
  const int64_t run = AddRun();
  AddCell(run, SomeModel("/m/Tiny-9B.Q8_0.gguf"), {1});
  const int64_t other = AddCell(run, SomeModel("/m/Tiny-9B-q4_k_m.gguf", "Q4_K_M", 1'100'000'000), {1, {5, 5, 5}});
  ReportData data = Data();
  data.cells.push_back(data.cells[1]);
  data.cells.back().id = 99;
  data.cells.back().row.gen_tokens = 4000;  // another load
  const Json report = JsonReport(data);
  const Json& frontier = SectionOf(report, "frontier");
  EXPECT_THAT(SentencesOf(frontier), HasSubstr("Tiny-9B: Q4_K_M has 55 % of the bits of Q8_0 and 2.00 times its speed."));
  EXPECT_EQ(frontier["charts"][0]["cells"], (Json{1, other}));
  EXPECT_EQ(CellTitle(data.cells[1]), "Tiny-9B-q4_k_m") << "which names its mixture";
}

TEST_F(ReportTest, TargetsOfOneRunAreToldApart) {
  const int64_t run = AddRun();
  AddCell(run, SomeModel(), {.step_ms = {60, 60, 61}, .key = "a", .target = "an-other-engine", .planned_bytes = 0});
  const int64_t engine = AddCell(run, SomeModel(), {.key = "b", .planned_bytes = 100'000'000});
  AddCell(run, SomeModel(), {.step_ms = {20, 20, 21}, .key = "c", .target = "peer:third", .planned_bytes = 0});
  const Json report = JsonReport(Data());
  const std::string ranking = SectionOf(report, "throughput")["notes"].dump();
  for (const char* target : {"an-other-engine", "peer:third"}) EXPECT_THAT(ranking, HasSubstr(target));
  const Json& frontier = SectionOf(report, "frontier")["charts"][0];
  EXPECT_EQ(frontier["cells"], Json{engine}) << "weir's own engine speaks for the model";
  EXPECT_THAT(frontier.dump(), HasSubstr("1 user, engine"));
  const Json& memory = SectionOf(report, "memory");
  EXPECT_EQ(memory["charts"][0]["cells"], Json{engine}) << "who plans nothing has no bar";
  EXPECT_THAT(SentencesOf(memory), HasSubstr("under 1 % of this machine"));
}

TEST_F(ReportTest, QualityIsAnAxisOfTheFrontier) {
  const int64_t run = AddRun();
  const ModelRow model = SomeModel("/m/Tiny-9B.Q8_0.gguf");
  AddCell(run, model, {1});
  const auto quality = [&](const Json& report) { return SectionOf(report, "frontier")["charts"].size(); };
  EXPECT_EQ(quality(JsonReport(Data())), 1u);
  Predictions predictions{*store_.AddModel(model), "native", "f16", {2.0, 0.1}, {7.4, 0.2}};
  ASSERT_TRUE(store_.AddQuality(run, {"a text", "ab12", 64, 32, 4, 128}, predictions, std::nullopt).ok());
  const Json report = JsonReport(Data());
  EXPECT_EQ(quality(report), 2u);
  const Json& frontier = SectionOf(report, "frontier");
  EXPECT_THAT(frontier["charts"][1]["title"].get<std::string>(), HasSubstr("perplexity"));
  EXPECT_DOUBLE_EQ(frontier["tables"][0]["rows"][0]["ppl"], 7.4);
  EXPECT_THAT(SentencesOf(frontier), Not(HasSubstr("Quality was not measured")));
}

TEST_F(FilledReport, OfEndedCellsOnlyNewOnesAreReadAgain) {
  ReportReader reader;
  ASSERT_TRUE(reader.Read(store_, first_).ok());
  ASSERT_TRUE(store_.database().Run("DELETE FROM attempt WHERE cell <= 2").ok());
  const int64_t cell = AddCell(AddRun(), SomeModel(), {8});
  const ReportData data = reader.Read(store_, {first_[0], second_[0], cell}).value();
  ASSERT_EQ(data.cells.size(), 3u);
  EXPECT_EQ(MedianOf(data.cells[0], "decode_tok_s"), 100) << "read before";
  EXPECT_EQ(MedianOf(data.cells[1], "decode_tok_s"), std::nullopt) << "read now";
  EXPECT_EQ(data.ttft.count(first_[0]) + data.itl.count(cell), 2u);
  // Another cell of the same id is another cell.
  ASSERT_TRUE(store_.database().Run("UPDATE cell SET key = 'other' WHERE id = 1").ok());
  EXPECT_EQ(MedianOf(reader.Read(store_, {first_[0]})->cells[0], "decode_tok_s"), std::nullopt);
}

TEST_F(FilledReport, ReadingTellsHowFarItIsAndStopsWhenToldTo) {
  std::vector<int64_t> seen;
  ReportReader reader([&](int64_t done, int64_t total) {
    EXPECT_EQ(total, 3);
    seen.push_back(done);
    return done < 2;
  });
  const Result<ReportData> data = reader.Read(store_, first_);
  ASSERT_FALSE(data.ok());
  EXPECT_EQ(data.error().code, ErrorCode::kInterrupted);
  EXPECT_THAT(seen, testing::ElementsAre(0, 1, 2));
}

TEST_F(ReportTest, EnergyIsOfItsBoundary) {
  const int64_t run = AddRun();
  const int64_t first = AddCell(run, SomeModel(), {1}), second = AddCell(run, SomeModel(), {2});
  EXPECT_THAT(SentencesOf(SectionOf(JsonReport(Data()), "energy")), HasSubstr("not zero"));
  ASSERT_TRUE(store_.AddForeignFigure(first, "package_j_per_token", 3).ok());
  ASSERT_TRUE(store_.AddForeignFigure(first, "package_net_j_per_token", 2).ok());
  ASSERT_TRUE(store_.AddForeignFigure(second, "wall_j_per_token", 9).ok());
  const Json report = JsonReport(Data());
  const Json& energy = SectionOf(report, "energy");
  ASSERT_EQ(energy["tables"][0]["rows"].size(), 2u);
  EXPECT_EQ(energy["tables"][0]["rows"][0]["net_j_per_token"], 2);
  EXPECT_TRUE(energy["tables"][0]["rows"][1]["net_j_per_token"].is_null());
  ASSERT_EQ(energy["charts"].size(), 2u) << "boundaries are not compared";
  EXPECT_EQ(energy["charts"][0]["description"], "qwen3.5-2b* Q8_0, 1 user: 3.00 J/token, 2.00 of it above doing nothing. ");
  EXPECT_EQ(energy["charts"][1]["cells"], Json{second});
}

TEST_F(ReportTest, TwoThousandCells) {
  AddCell(AddRun(), SomeModel("m.gguf"), {1});
  ReportData data = Data();
  const CellResult one = data.cells.front();
  data.cells.clear();
  for (int64_t id = 1; id <= 2000; ++id) {
    data.cells.push_back(one);
    CellResult& cell = data.cells.back();
    cell.id = id;
    cell.model.name = fmt::format("m{}.gguf", id / 8);
    cell.row.users = static_cast<int>(id % 8) + 1;
    data.ttft[id] = data.ttft[1];
    data.itl[id] = data.itl[1];
  }
  const Report article = MakeReport(data);
  const std::string html = HtmlOf(article);
  const Xml xml(html);
  ASSERT_TRUE(xml.ok()) << xml.error();
  EXPECT_EQ(Json::parse(JsonOf(article))["sections"][0]["tables"][0]["rows"].size(), 2000u);
  EXPECT_LT(html.size(), 20u << 20);
}

}  // namespace
}  // namespace weir
