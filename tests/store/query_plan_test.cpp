// A cell's figures must cost the same however many cells there are: no table is read from its first row to its last.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "store/store.h"
#include "store_fixture.h"

namespace weir {
namespace {

using QueryPlanTest = StoreTest;

/// The tables that `sql` reads from end to end. EXPLAIN QUERY PLAN names aliases only, which say nothing of what is
/// behind them; the byte code opens a cursor on a table's pages, and a scan begins where that cursor is rewound.
std::set<std::string> ScannedTables(Database& database, const std::string& sql) {
  std::map<int64_t, std::string> tables;  // by root page, their indexes too
  Statement pages = database.Prepare("SELECT rootpage, tbl_name FROM sqlite_schema WHERE rootpage > 0").value();
  EXPECT_TRUE(pages.ForEach([&](const Statement& row) { tables[row.Int(0)] = row.Text(1); }).ok());
  std::map<int64_t, std::string> cursors;
  std::set<int64_t> rewound;
  Statement code = database.Prepare("EXPLAIN " + sql).value();
  EXPECT_TRUE(code.ForEach([&](const Statement& row) {
                    const std::string opcode = row.Text(1);
                    if (opcode == "OpenRead") cursors[row.Int(2)] = tables[row.Int(3)];
                    if (opcode == "Rewind" || opcode == "Last") rewound.insert(row.Int(2));
                  }).ok());
  std::set<std::string> scanned;
  for (const int64_t cursor : rewound) {
    if (const auto found = cursors.find(cursor); found != cursors.end()) scanned.insert(found->second);
  }
  EXPECT_FALSE(cursors.empty()) << sql;
  return scanned;
}

TEST_F(QueryPlanTest, AScanIsSeen) {
  Store store = OpenOrDie(Path());
  EXPECT_EQ(ScannedTables(store.database(), "SELECT reason FROM attempt a WHERE reason = 'x'"), std::set<std::string>{"attempt"});
  EXPECT_TRUE(ScannedTables(store.database(), "SELECT reason FROM attempt a WHERE cell = 7").empty());
}

TEST_F(QueryPlanTest, FiguresOfACellAreFoundByIndex) {
  Store store = OpenOrDie(Path());
  for (const char* view : {"figure_value", "summary", "decode_window", "aggregate_window", "prefill_window", "request_latency", "token_gap",
                           "energy_per_token", "repeat_rates"}) {
    for (const char* condition : {"cell = 7", "cell IN (7, 9)", "cell BETWEEN 7 AND 9"}) {
      const std::string sql = fmt::format("SELECT * FROM {} WHERE {}", view, condition);
      EXPECT_EQ(ScannedTables(store.database(), sql), std::set<std::string>()) << sql;
    }
  }
}

}  // namespace
}  // namespace weir
