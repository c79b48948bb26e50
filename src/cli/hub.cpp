#include "cli/hub.h"

#include <deque>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/progress.h"
#include "model/model.h"
#include "util/clock.h"
#include "util/interrupt.h"

namespace weir {
namespace {

constexpr double kSpeedSeconds = 5;  // what a shown speed is the average of
constexpr size_t kMaxOthers = 8;

class Speed {
 public:
  /// Bytes per second of the last seconds.
  double Update(int64_t done) {
    const int64_t now = NowNs();
    samples_.emplace_back(now, done);
    const auto old = static_cast<int64_t>(now - kSpeedSeconds * 1e9);
    while (samples_.size() > 2 && samples_[1].first < old) samples_.pop_front();
    const double seconds = static_cast<double>(now - samples_.front().first) * 1e-9;
    return seconds > 0 ? static_cast<double>(done - samples_.front().second) / seconds : 0;
  }

 private:
  std::deque<std::pair<int64_t, int64_t>> samples_;  // time, bytes
};

void Say(const std::string& text) { PrintMessage(EscapedControls(text) + "\n"); }

Error Resumable(Error error) {
  constexpr const char* kKept = "what has arrived is kept; the same command goes on from there";
  if (error.hint.empty() && error.code != ErrorCode::kBadInput) error.hint = kKept;
  return error;
}

std::string NameOf(const HubModel& model) {
  return model.quant.empty() ? model.files.front().path : model.quant;
}

OnWait SayWaiting() {
  return [](const std::string& why, int64_t wait_ms) {
    Say(fmt::format("{}; trying again in {:.1f} s", why, static_cast<double>(wait_ms) * 1e-3));
  };
}

Error NeedsNetwork(const HubReference& reference, const HubSettings& settings) {
  return WithHint(BadInput("{}: not on this machine (looked in {}), and HF_HUB_OFFLINE is set",
                           reference.name(), settings.cache),
                  fmt::format("without it: weir pull {}", reference.name()));
}

}  // namespace

std::string ChoiceText(const HubModel& model, const std::vector<HubModel>& others) {
  std::string text = NameOf(model);
  for (size_t i = 0; i < std::min(others.size(), kMaxOthers); ++i) {
    text += (i == 0 ? "; there are also " : ", ") + NameOf(others[i]);
  }
  if (others.size() > kMaxOthers) text += fmt::format(" and {} more", others.size() - kMaxOthers);
  return text;
}

Result<PulledModel> PullWithProgress(const HubSettings& settings, const NetworkOptions& options,
                                     const HubReference& reference) {
  CatchInterrupts();
  Progress progress("asking the hub");
  Speed speed;
  PullEvents events;
  events.chosen = [&](const HubModel& model, const std::vector<HubModel>& others, int64_t missing) {
    if (missing == 0) return;
    const int64_t total = model.n_bytes();
    const std::string kept =
        missing < total ? fmt::format(", {} of it here already", ByteSize(total - missing)) : "";
    const std::string what = reference.selector.empty() ? ": " + ChoiceText(model, others) : "";
    Say(fmt::format("downloading {} from {}: {}{}{}", reference.name(), settings.endpoint,
                    ByteSize(total), kept, what));
    progress.StartAt(total - missing);
  };
  events.progress = [&](int64_t done, int64_t total) {
    progress.SetLabel(fmt::format("{}: {} of {}, {}/s", reference.NameWith(""), ByteSize(done),
                                  ByteSize(total),
                                  ByteSize(static_cast<int64_t>(speed.Update(done)))));
    progress.Update(done, total);
  };
  events.verifying = [&](const std::string&) { speed = {}; };
  events.locked = [&](const std::string& file) {
    Say(fmt::format("{}: another program is downloading it; waiting", file));
  };
  events.on_wait = SayWaiting();
  Result<PulledModel> pulled = Pull(settings, options, reference, events);
  if (!pulled) return Resumable(std::move(pulled).error());
  return pulled;
}

Status EnsureLocal(const std::string& model) {
  if (!IsHubName(model)) return {};
  WEIR_TRY(const HubReference reference, ParseHubReference(model));
  WEIR_TRY(const HubSettings settings, ReadHubSettings());
  if (const auto found = FindInCache(settings, reference)) {
    if (reference.selector.empty())
      Say(fmt::format("{}: {}", reference.name(), ChoiceText(found->model, found->others)));
    return {};
  }
  if (settings.offline) return NeedsNetwork(reference, settings);
  const Result<PulledModel> pulled = PullWithProgress(settings, {}, reference);
  return pulled ? Status() : pulled.error();
}

Result<std::unique_ptr<ModelSource>> OpenOrPull(const std::string& model) {
  WEIR_RETURN_IF_ERROR(EnsureLocal(model));
  return OpenModel(model);
}

Result<std::unique_ptr<ModelSource>> OpenHeader(const std::string& model, bool remote) {
  if (!IsHubName(model)) {
    if (remote)
      return BadInput("'{}': expected a model of the hub, hf:ORG/REPO:QUANT, with --header-only",
                      model);
    return OpenModel(model);
  }
  WEIR_TRY(const HubReference reference, ParseHubReference(model));
  WEIR_TRY(const HubSettings settings, ReadHubSettings());
  if (!remote && FindInCache(settings, reference)) return OpenModel(model);
  if (settings.offline) return NeedsNetwork(reference, settings);
  WEIR_TRY(RemoteModel found, OpenRemoteHeader(settings, {}, reference, SayWaiting()));
  Say(fmt::format("{}: {} at {}, read from {} of it in {} requests{}", found.source->name(),
                  ByteSize(found.model.n_bytes()), settings.endpoint, ByteSize(found.bytes_fetched),
                  found.n_requests,
                  reference.selector.empty() ? ": " + ChoiceText(found.model, found.others) : ""));
  return std::unique_ptr<ModelSource>(std::move(found.source));
}

}  // namespace weir
