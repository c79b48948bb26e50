#include "bench/sse_parser.h"

#include <utility>

namespace weir {

void SseParser::Feed(std::string_view bytes, int64_t time_ns, std::vector<SseEvent>* events) {
  time_ns_ = time_ns;
  while (!bytes.empty()) {
    if (std::exchange(after_cr_, false) && bytes[0] == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const size_t end = bytes.find_first_of("\r\n");
    const std::string_view part = bytes.substr(0, end);
    if (line_.size() + part.size() + event_.data.size() > kMostBytes) {
      too_long_ = true;
      return;
    }
    line_ += part;
    if (end == bytes.npos) return;
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    EndLine(time_ns, events);
  }
}

void SseParser::Finish(std::vector<SseEvent>* events) {
  if (!line_.empty()) EndLine(time_ns_, events);
  Dispatch(events);
}

void SseParser::EndLine(int64_t time_ns, std::vector<SseEvent>* events) {
  std::string_view line = line_;
  if (std::exchange(at_start_, false) && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
  const size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == line.npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (line.empty()) {
    Dispatch(events);
  } else if (field == "data") {
    if (std::exchange(has_data_, true)) event_.data += '\n';
    event_.data += value;
    event_.time_ns = time_ns;
  } else if (field == "event") {
    event_.type = value;
  }
  line_.clear();
}

void SseParser::Dispatch(std::vector<SseEvent>* events) {
  if (std::exchange(has_data_, false)) events->push_back(std::move(event_));
  event_ = {};
}

}  // namespace weir
