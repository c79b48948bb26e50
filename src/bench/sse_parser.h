// Server-sent events out of a stream of bytes, however it is cut.
// Format: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

struct SseEvent {
  std::string type;  // empty: "message"
  std::string data;  // lines joined with '\n'
  int64_t time_ns = 0;  // of the bytes that completed its last data line: it was there by then
};

class SseParser {
 public:
  /// An event longer than this is cut off, and TooLong() says so.
  static constexpr size_t kMostBytes = size_t{16} << 20;

  /// Takes the next bytes, which arrived at time_ns; appends the events that they complete.
  void Feed(std::string_view bytes, int64_t time_ns, std::vector<SseEvent>* events);
  /// The stream is over. An event that lacks only its empty line counts: servers forget it.
  void Finish(std::vector<SseEvent>* events);
  bool TooLong() const { return too_long_; }

 private:
  void EndLine(int64_t time_ns, std::vector<SseEvent>* events);
  void Dispatch(std::vector<SseEvent>* events);

  std::string line_;
  SseEvent event_;
  int64_t time_ns_ = 0;  // of the last bytes
  bool has_data_ = false;
  bool after_cr_ = false;  // a '\n' that comes next belongs to the line end before it
  bool at_start_ = true;   // where a byte order mark may be
  bool too_long_ = false;
};

}  // namespace weir
