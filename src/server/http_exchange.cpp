#include "server/http_exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace weir {
namespace {

constexpr std::array<std::pair<int, std::string_view>, 20> kReasons = {{
    {200, "OK"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
}};

}  // namespace

std::string_view ReasonPhrase(int status) {
  for (const auto& [code, reason] : kReasons) {
    if (code == status) return reason;
  }
  return "Status";
}

std::string_view HttpRequest::Header(std::string_view name) const {
  for (const HttpHeader& header : headers) {
    if (header.name == name) return header.value;
  }
  return {};
}

int HttpRequest::CountHeader(std::string_view name) const {
  return static_cast<int>(std::count_if(headers.begin(), headers.end(),
                                        [&](const HttpHeader& h) { return h.name == name; }));
}

Exchange::Exchange(Terms terms, std::function<void()> wake)
    : terms_(terms), wake_(std::move(wake)) {}

std::string Exchange::Head(const HttpAnswer& answer, bool stream) const {
  std::string head =
      fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\n", answer.status,
                  ReasonPhrase(answer.status), answer.content_type);
  for (const HttpHeader& header : answer.headers) {
    head += fmt::format("{}: {}\r\n", header.name, header.value);
  }
  // The length in a 304 would be that of what is not sent.
  if (!stream && answer.status != 304) {
    head += fmt::format("Content-Length: {}\r\n", answer.body.size());
  } else if (stream && terms_.chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  }
  // Answers are for the one who asked: no store keeps them unless they say otherwise, no browser guesses
  // what they are.
  if (std::ranges::find(answer.headers, "Cache-Control", &HttpHeader::name) == answer.headers.end()) {
    head += "Cache-Control: no-store\r\n";
  }
  head += "X-Content-Type-Options: nosniff\r\n";
  head += terms_.keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return head;
}

void Exchange::Append(std::string_view part) {
  if (part.empty() || terms_.head_only) return;
  if (terms_.chunked) {
    pending_ += fmt::format("{:x}\r\n{}\r\n", part.size(), part);
  } else {
    pending_ += part;
  }
}

/// Once for all that is pending, since the connection takes everything; a cut does not wait its turn.
void Exchange::Wake(std::unique_lock<std::mutex> lock) {
  const bool wake = !gone_ && (!std::exchange(woken_, true) || cut_);
  lock.unlock();
  if (wake) wake_();
}

void Exchange::Send(const HttpAnswer& answer) {
  std::unique_lock lock(mutex_);
  if (begun_) return;
  begun_ = ended_ = true;
  pending_ += Head(answer, false);
  if (!terms_.head_only) pending_ += answer.body;
  Wake(std::move(lock));
}

void Exchange::Begin(const HttpAnswer& answer) {
  std::unique_lock lock(mutex_);
  if (begun_) return;
  begun_ = true;
  if (!terms_.chunked) terms_.keep_alive = false;
  pending_ += Head(answer, true);
  Append(answer.body);
  Wake(std::move(lock));
}

bool Exchange::Write(std::string_view part) {
  std::unique_lock lock(mutex_);
  if (gone_ || cut_ || !begun_ || ended_) return false;
  Append(part);
  if (pending_.size() + n_writing_ > terms_.max_unsent_bytes) cut_ = true;
  const bool cut = cut_;
  Wake(std::move(lock));
  return !cut;
}

void Exchange::End() {
  std::unique_lock lock(mutex_);
  if (!begun_ || ended_) return;
  ended_ = true;
  if (terms_.chunked && !terms_.head_only) pending_ += "0\r\n\r\n";
  Wake(std::move(lock));
}

void Exchange::Abandon() {
  {
    std::unique_lock lock(mutex_);
    if (ended_) return;
    if (begun_) {
      cut_ = true;
      Wake(std::move(lock));
      return;
    }
  }
  Send({500,
        R"({"error":{"message":"the server failed to answer","type":"server_error","param":null,)"
        R"("code":null}})"});
}

bool Exchange::gone() const {
  std::lock_guard lock(mutex_);
  return gone_ || cut_;
}

void Exchange::OnGone(std::function<void()> call) {
  {
    std::lock_guard lock(mutex_);
    if (!gone_) {
      on_gone_ = std::move(call);
      return;
    }
  }
  if (call) call();
}

Exchange::State Exchange::Take(std::string* bytes) {
  std::lock_guard lock(mutex_);
  woken_ = false;
  bytes->clear();
  if (cut_) return State::kCut;
  bytes->swap(pending_);
  n_writing_ = bytes->size();
  return ended_ ? State::kEnded : State::kOpen;
}

void Exchange::SetGone() {
  std::function<void()> call;
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(gone_, true)) return;
    if (!ended_) call = std::move(on_gone_);
    on_gone_ = nullptr;
    pending_.clear();
  }
  if (call) call();
}

void Exchange::ForbidKeepAlive() {
  std::lock_guard lock(mutex_);
  terms_.keep_alive = false;
}

bool Exchange::keep_alive() const {
  std::lock_guard lock(mutex_);
  return terms_.keep_alive;
}

Responder::Responder(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
Responder::~Responder() { exchange_->Abandon(); }
void Responder::Send(const HttpAnswer& answer) { exchange_->Send(answer); }
void Responder::Begin(const HttpAnswer& answer) { exchange_->Begin(answer); }
bool Responder::Write(std::string_view part) { return exchange_->Write(part); }
void Responder::End() { exchange_->End(); }
bool Responder::gone() const { return exchange_->gone(); }
void Responder::OnGone(std::function<void()> call) { exchange_->OnGone(std::move(call)); }

}  // namespace weir
