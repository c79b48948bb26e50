#include "cli/report_serve.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <thread>
#include <utility>

#include "cli/command.h"
#include "cli/machines_folder.h"
#include "server/access.h"
#include "server/http_server.h"
#include "util/clock.h"
#include "util/interrupt.h"

namespace weir {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(100);

/// The page as it was last made, and whether somebody has looked since: nothing is computed for nobody, because the
/// machine is being measured.
class Page {
 public:
  void Set(std::string html) {
    const std::lock_guard lock(mutex_);
    html_ = std::move(html);
  }
  std::string Take() {
    looked_ = true;
    const std::lock_guard lock(mutex_);
    return html_;
  }
  bool TakeLooked() { return looked_.exchange(false); }

 private:
  std::mutex mutex_;
  std::string html_;
  std::atomic<bool> looked_ = true;
};

std::string TimeOfDay() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  return fmt::format("{:02}:{:02}:{:02} UTC", utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::string Banner(const ReportData& data, int refresh_s) {
  std::string running;
  for (const ReportRun& run : data.runs) {
    if (!run.ended_at.empty()) continue;
    const auto n_ended = std::count_if(data.cells.begin(), data.cells.end(), [&](const CellResult& cell) {
      return cell.run == run.id && cell.status != CellStatus::kInterrupted;
    });
    running = fmt::format(" Run {} has not ended; {} of its cells have.", run.id, n_ended);
  }
  return fmt::format("Rows as of {}.{} This page loads itself again every {} s{}.", TimeOfDay(), running, refresh_s,
                     data.advice ? "" : ", next time with a verdict");
}

/// The newest article, and if the database cannot be read at the moment, the one before it, saying so.
class LiveReport {
 public:
  LiveReport(const ServeReport& options, const MachineCatalogue& catalogue) : options_(options), catalogue_(catalogue) {}

  std::string Html() {
    HtmlOptions html{options_.refresh_s, ""};
    // A verdict reads all rows of the machine once: nobody waits for that with nothing to see.
    const MachineCatalogue* catalogue = std::exchange(shown_, true) ? &catalogue_ : nullptr;
    if (Result<ReportData> data = ReadReport(options_.rows, catalogue, reader_)) {
      article_ = MakeReport(*data);
      html.banner = Banner(*data, options_.refresh_s);
    } else {
      html.banner = fmt::format("At {} nothing could be read: {}.{} This page loads itself again every {} s.", TimeOfDay(), data.error().message,
                                article_.sections.empty() ? "" : " What stands below is older.", options_.refresh_s);
    }
    return HtmlOf(article_, html);
  }

 private:
  const ServeReport& options_;
  const MachineCatalogue& catalogue_;
  bool shown_ = false;  // a page, to whoever looked first
  ReportReader reader_{[](int64_t, int64_t) { return !Interrupted(); }};
  Report article_{"Language models, measured", "", {}, {}};
};

HttpAnswer AnswerTo(const HttpRequest& request, Page& page) {
  if (request.path != "/") return {404, "there is only /\n", "text/plain; charset=utf-8", {}};
  if (request.method != "GET" && request.method != "HEAD") return {405, "GET only\n", "text/plain; charset=utf-8", {{"Allow", "GET, HEAD"}}};
  return {200,
          page.Take(),
          "text/html; charset=utf-8",
          {{"Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
           {"Cache-Control", "no-store"}}};
}

/// No handler runs once the page is gone.
struct StopAtEnd {
  HttpServer& server;
  ~StopAtEnd() { server.Stop(); }
};

}  // namespace

Result<int> ServeReportPage(const ServeReport& options) {
  CatchInterrupts();
  WEIR_TRY(const MachineCatalogue catalogue, LoadMachines(DefaultMachinesFolder()));
  LiveReport report(options, catalogue);
  Page page;
  page.Set(report.Html());
  HttpOptions http;
  http.port = options.port;
  WEIR_TRY(const std::unique_ptr<HttpServer> server,
           HttpServer::Listen(
               http,
               [](const HttpRequest& head) -> std::optional<HttpAnswer> {
                 const std::optional<ApiError> error = CheckAccess(head, {});
                 if (!error) return std::nullopt;
                 return HttpAnswer{error->status, error->message + "\n", "text/plain; charset=utf-8", {}};
               },
               [&page](const HttpRequest& request, const std::shared_ptr<Responder>& responder) { responder->Send(AnswerTo(request, page)); }));
  const StopAtEnd stop{*server};
  fmt::print("http://127.0.0.1:{}/\n", server->port());
  std::fflush(stdout);
  // Made anew after somebody has looked, so that the next look, one refresh later, finds what came meanwhile.
  int64_t made_ns = NowNs();
  bool looked = false;
  while (!Interrupted()) {
    std::this_thread::sleep_for(kPoll);
    looked |= page.TakeLooked();
    if (!looked || NowNs() - made_ns < options.refresh_s * int64_t{900'000'000}) continue;
    page.Set(report.Html());
    made_ns = NowNs();
    looked = false;
  }
  return kExitOk;
}

}  // namespace weir
