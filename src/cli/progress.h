// A line on stderr for anything longer than two seconds, with an estimate of what is left. On a terminal it
// rewrites itself; elsewhere it prints a line now and then.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace weir {

class Progress {
 public:
  explicit Progress(std::string label);
  ~Progress();  // clears the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void SetLabel(std::string label) { label_ = std::move(label); }
  /// What was done before: the estimate is made from the rest.
  void StartAt(int64_t done) { begin_done_ = done; }
  void Update(int64_t done, int64_t total);
  /// The same, as a function that is false once the user has asked to stop. This must outlive it.
  std::function<bool(int64_t done, int64_t total)> UntilInterrupted();

  /// For callbacks of the form f(context, done, total).
  static void Callback(void* progress, int64_t done, int64_t total) {
    static_cast<Progress*>(progress)->Update(done, total);
  }

 private:
  std::string label_;
  int64_t begin_ns_, last_ns_ = 0, begin_done_ = 0;
  bool on_terminal_, shown_ = false;
};

}  // namespace weir
