// weir report as readers and scripts meet it.
#include <gmock/gmock.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <regex>
#include <thread>

#include "cli/background_weir.h"
#include "cli/weir_process.h"
#include "server/http_client.h"

namespace weir {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;
using testing::Not;

void Bench(const std::string& db, const std::string& users) {
  const Outcome outcome = Weir("bench " + TestData("weir-tiny-q8_0.gguf") + " --users " + users + " --prompt-tokens 16 --gen-tokens 20 --probe-mb 16 --db " + db);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
}

void WriteText(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

std::vector<std::string> FilesIn(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

/// A database of two runs: of 1 and 2 users, and then of 4.
class ReportCli : public testing::Test {
 protected:
  void SetUp() override {
    if (shared_) return;
    shared_ = new TempFolder;
    Bench(Rows(), "1,2");
    Bench(Rows(), "4");
  }
  static void TearDownTestSuite() { delete std::exchange(shared_, nullptr); }
  static std::string Rows() { return *shared_ / "rows.db"; }

 private:
  static inline TempFolder* shared_ = nullptr;
};

TEST_F(ReportCli, FourFormsOfARealRun) {
  const TempFolder folder;
  const std::string db = Rows(), out = folder / "out";
  std::filesystem::create_directory(out);
  const Outcome outcome = Weir("report --run 1 --db " + db + " --html " + out + "/r.html --md " + out + "/r.md --svg " + out + "/charts --json");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = ordered_json::parse(outcome.out);
  const std::string html = ReadText(out + "/r.html"), markdown = ReadText(out + "/r.md");
  EXPECT_THAT(outcome.err, HasSubstr("2 cells of " + db));
  EXPECT_EQ(FilesIn(out), (std::vector<std::string>{"charts", "r.html", "r.md"}));
  size_t n_charts = 0;
  for (const auto& section : json["sections"]) {
    EXPECT_THAT(html, HasSubstr("<section id=\"" + section["id"].get<std::string>() + "\">"));
    EXPECT_THAT(markdown, HasSubstr("\n## " + section["title"].get<std::string>()));
    n_charts += section["charts"].size();
  }
  EXPECT_GT(n_charts, 3u);
  EXPECT_EQ(FilesIn(out + "/charts").size(), n_charts);
  EXPECT_EQ(json["sections"].back()["id"], "verdict");
  // The database has the same numbers.
  for (const auto& row : json["sections"][0]["tables"][0]["rows"]) {
    const auto rows = ordered_json::parse(
        Weir("sql --json --db " + db + " 'SELECT median FROM summary WHERE figure = '\\''decode_tok_s'\\'' AND cell = " + row["cell"].dump() + "'").out);
    EXPECT_EQ(rows["rows"][0][0], row["decode_tok_s_median"]);
  }
}

TEST_F(ReportCli, AChoiceOfRows) {
  const std::string db = Rows();
  const auto users = [&](const std::string& choice) {
    const auto json = ordered_json::parse(Weir("report --json --db " + db + choice).out);
    std::vector<int> of;
    if (json["sections"].empty()) return of;
    for (const auto& row : json["sections"][0]["tables"][0]["rows"]) of.push_back(row["users"].get<int>());
    return of;
  };
  using Users = std::vector<int>;
  EXPECT_EQ(users(""), Users{4}) << "the newest run";
  EXPECT_EQ(users(" --run 1"), (Users{1, 2}));
  EXPECT_EQ(users(" --last 1"), Users{4});
  EXPECT_EQ(users(" --last 5"), (Users{1, 2, 4}));
  EXPECT_EQ(users(" --model Q8 --status ok"), (Users{1, 2, 4}));
  EXPECT_EQ(users(" --model Q8 --last 1"), Users{4});
  EXPECT_EQ(users(" --model nothing"), Users{});
  EXPECT_EQ(users(" --run 3"), Users{});
  EXPECT_EQ(Weir("report --campaign none --db " + db).exit_code, 2);
}

TEST_F(ReportCli, WhatCannotBeReadOrWritten) {
  const TempFolder folder;
  const std::string db = Rows(), out = folder / "r.html";
  WriteText(folder / "empty.db", "");
  WriteText(folder / "junk.db", std::string(9000, 'x'));
  WriteText(folder / "torn.db", ReadText(db).substr(0, 40000));
  std::filesystem::create_directory(folder / "full");
  const struct {
    std::string arguments;
    int exit_code;
    const char* message;
  } kCases[] = {
      {"--db " + (folder / "none.db"), 2, "there is none yet"},
      {"--db " + (folder / "empty.db"), 2, "belongs to another program"},
      {"--db " + (folder / "junk.db"), 2, "not an SQLite database"},
      {"--db " + (folder / "torn.db"), 1, "damaged"},
      {"--db " + db + " --html " + (folder / "no/r.html"), 1, "cannot create"},
      {"--db " + db + " --html " + (folder / "full"), 2, "not a regular file"},
      {"--db " + db + " --svg " + db, 2, "cannot make that folder"},
      {"--db " + db + " --md - >/dev/full", 1, "standard output cannot be written"},
      {"--db " + db + " --port 8000", 2, "--serve"},
      {"--db " + db + " --serve --json", 2, "--json"},
  };
  for (const auto& of : kCases) {
    const Outcome outcome = Weir("report " + (of.arguments.find("--html") == std::string::npos ? "--html " + out + " " : "") + of.arguments);
    EXPECT_EQ(outcome.exit_code, of.exit_code) << of.arguments << "\n" << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(of.message)) << of.arguments;
    EXPECT_THAT(outcome.err, Not(HasSubstr("terminate")));
  }
  for (const std::string& name : FilesIn(folder / "")) EXPECT_THAT(name, Not(HasSubstr(".tmp")));
}

TEST_F(ReportCli, CtrlCLeavesAWholePageOrNone) {
  const TempFolder folder;
  const std::string db = Rows(), out = folder / "out";
  for (const int delay_ms : {0, 20, 50, 100, 200, 400}) {
    std::filesystem::remove_all(out);
    std::filesystem::create_directory(out);
    BackgroundWeir report({"report", "--db", db, "--html", out + "/r.html"});
    std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
    const int exit_code = report.End(SIGINT);
    EXPECT_TRUE(exit_code == 0 || exit_code == 130 || exit_code == -SIGINT) << exit_code;
    for (const std::string& name : FilesIn(out)) {
      EXPECT_EQ(name, "r.html");
      EXPECT_TRUE(ReadText(out + "/" + name).ends_with("</html>\n"));
    }
  }
}

TEST_F(ReportCli, ThePageFollowsTheRows) {
  const TempFolder folder;
  const std::string db = folder / "rows.db";
  BackgroundWeir serve({"report", "--serve", "--port", "0", "--refresh", "1", "--db", db}, "\n");
  std::smatch parts;
  ASSERT_TRUE(std::regex_match(serve.out(), parts, std::regex("http://127\\.0\\.0\\.1:(\\d+)/\n"))) << serve.out();
  const int port = std::stoi(parts[1]);
  const auto page = [&] { return Ask(port, Get("/")).body; };
  EXPECT_THAT(page(), HasSubstr("there is none yet"));
  std::filesystem::copy_file(Rows(), folder / "new");
  std::filesystem::rename(folder / "new", db);
  EXPECT_TRUE(Eventually([&] { return page().find("[cell 3]") != std::string::npos; }));
  EXPECT_THAT(page(), Not(HasSubstr("with 8 users")));
  EXPECT_TRUE(Eventually([&] { return page().find("it gives") != std::string::npos; })) << "a verdict on three cells";
  EXPECT_THAT(page(), HasSubstr("(row 3)"));
  EXPECT_THAT(page(), Not(HasSubstr("next time with a verdict")));
  Bench(db, "1,2,8");
  EXPECT_TRUE(Eventually([&] { return page().find("with 8 users") != std::string::npos; }));
  EXPECT_TRUE(Eventually([&] { return page().find("(row 6)") != std::string::npos; })) << "the verdict is that of the newest rows";
  EXPECT_THAT(page(), HasSubstr("http-equiv=\"refresh\" content=\"1\""));

  const ClientAnswer answer = Ask(port, Get("/"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.Has("default-src 'none'"));
  EXPECT_EQ(Ask(port, Get("/rows.db")).status, 404);
  EXPECT_EQ(Ask(port, Post("/", "{}")).status, 405);
  EXPECT_EQ(Ask(port, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n").status, 403);
  EXPECT_EQ(Ask(port, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\n\r\n").status, 403);

  // Rows that can no longer be read leave the page that there was.
  std::filesystem::resize_file(db, 5000);
  std::filesystem::remove(db + "-wal");
  EXPECT_TRUE(Eventually([&] { return page().find("nothing could be read") != std::string::npos; }));
  EXPECT_THAT(page(), HasSubstr("with 8 users"));
  EXPECT_EQ(serve.End(SIGTERM), 0);
}

TEST_F(ReportCli, APortThatIsTakenIsNamed) {
  const TempFolder folder;
  const std::string db = folder / "rows.db";
  BackgroundWeir first({"report", "--serve", "--port", "0", "--db", db}, "\n");
  const std::string port = std::regex_replace(first.out(), std::regex(".*:(\\d+)/\n"), "$1");
  const Outcome outcome = Weir("report --serve --port " + port + " --db " + db);
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, HasSubstr(port));
  EXPECT_EQ(first.End(SIGINT), 0);
}

}  // namespace
}  // namespace weir
