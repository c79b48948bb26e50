#include <gmock/gmock.h>

#include <sstream>

#include "bench/document.h"

namespace weir {
namespace {

using testing::HasSubstr;
using testing::Not;

int Columns(const std::string& line) {
  return static_cast<int>(
      std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::vector<CellResult> SomeCells() {
  CellResult measured;
  measured.model.name = "synth:qwen3.5-2b:UD-IQ2_XXS";
  measured.model.quant = "UD-IQ2_XXS";
  measured.model.synthetic = true;
  measured.row.users = 32;
  measured.status = CellStatus::kOk;
  measured.figures = {{"decode_tok_s", {3, 309.04, 320, 300, 320}},
                      {"aggregate_tok_s", {3, 280.4, 290, 270, 290}},
                      {"ttft_ms", {96, 597.2, 1780.4, 500, 1800}},
                      {"itl_ms", {3000, 103.1, 140.2, 90, 200}},
                      {"prefill_tok_s", {3, 1234.5, 1300, 1200, 1300}},
                      {"limit_tok_s", {3, 500, 500, 500, 500}},
                      {"peak_memory_bytes", {3, 1.5e9, 1.5e9, 1.4e9, 1.62e9}}};
  measured.flags = {{"noisy", "repeats of decode spread over 12 % of the median, and more words"}};
  CellResult refused;
  refused.model.name =
      "/models/with/a/long/path/Ein-Modell-mit-Größe-und-langem-Namen-27B-Q8_0.gguf";
  refused.model.quant = "Q8_0";
  refused.row.users = 1;
  refused.status = CellStatus::kRefused;
  refused.reason =
      "1 users with 96 tokens each need 29.10 GB: "
      "/a/path/that/is/much/longer/than/any/line/of/a/narrow/"
      "terminal/could/ever/be";
  return {measured, refused};
}

TEST(Table, NeverOverflows) {
  for (int width : {48, 60, 80, 100, 120, 140, 200}) {
    std::istringstream lines(RenderTable(SomeCells(), width, {}));
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(Columns(line), width) << line;
    }
  }
}

TEST(Table, OneModelAtTwoTargetsIsToldApart) {
  std::vector<CellResult> cells(2);
  for (CellResult& cell : cells) cell.model.name = "model.gguf";
  cells[1].row.target = "http://127.0.0.1:8080";
  for (const int width : {80, 200}) {
    const std::string table = RenderTable(cells, width, {});
    EXPECT_THAT(table, HasSubstr("model at http://127.0.0.1:8080"));
    EXPECT_THAT(table, Not(HasSubstr("at engine")));
  }
}

TEST(Table, WideShowsEverything) {
  const std::string table = RenderTable(SomeCells(), 200, {});
  for (const char* text :
       {"qwen3.5-2b*", "UD-IQ2_XXS", "309 (320)", "280 (290)", "597 / 1780", "103 / 140", "1234",
        "62 %", "1.62", "ok, noisy", "refused", "* synthetic", "Größe"}) {
    EXPECT_THAT(table, HasSubstr(text));
  }
  EXPECT_THAT(table, Not(HasSubstr("left out")));
}

TEST(Table, EightyColumnsHoldEverything) {
  const std::string table = RenderTable(SomeCells(), 80, {});
  for (const char* text :
       {"\nqwen3.5-2b* UD-IQ2_XXS\n", "   32  309 (320)  280 (290)  597/1780  103/140", "(peak)",
        "med/p95", "  1234   62 %    1.62  ok (1)", " (flags)"}) {
    EXPECT_THAT(table, HasSubstr(text));
  }
  EXPECT_THAT(table, Not(HasSubstr("left out")));
}

TEST(Table, NarrowKeepsWhatTellsMostAndSaysWhatItLeftOut) {
  const std::string table = RenderTable(SomeCells(), 52, {});
  for (const char* text : {"\nqwen3.5-2b* UD-IQ2_XXS\n", "309 (320)", "597/1780", "62 %", "32",
                           "ok (1)", "3 columns left out"}) {
    EXPECT_THAT(table, HasSubstr(text));
  }
  EXPECT_THAT(table, Not(HasSubstr("ITL")));
}

TEST(Table, AFlagIsOneLine) {
  for (int width : {60, 80}) {
    const std::string table = RenderTable(SomeCells(), width, {});
    const size_t at = table.find("noisy: repeats of decode");
    ASSERT_NE(at, table.npos);
    EXPECT_THAT(table.substr(at, table.find('\n', at) - at), testing::EndsWith("."));
  }
}

TEST(Table, StylesOnlyWhatIsGiven) {
  EXPECT_THAT(RenderTable(SomeCells(), 120, {}), Not(HasSubstr("\x1b")));
  EXPECT_THAT(RenderTable(SomeCells(), 200, {"\x1b[1m", "", "", "\x1b[0m"}),
              testing::StartsWith("\x1b[1mModel"));
}

TEST(Table, WithoutCellsIsASentence) {
  EXPECT_EQ(RenderTable({}, 80, {}), "nothing was measured\n");
}

TEST(Wrap, BreaksBetweenWordsAndLongWords) {
  EXPECT_EQ(Wrap("a bb ccc", 80, 2), "a bb ccc");
  EXPECT_EQ(Wrap("aaaa bbbb cccc", 9, 2), "aaaa bbbb\n  cccc");
  EXPECT_EQ(Wrap("abcdefghij", 4, 1), "abcd\n efg\n hij");
  EXPECT_EQ(Wrap("", 10, 2), "");
}

}  // namespace
}  // namespace weir
