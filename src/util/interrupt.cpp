#include "util/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <initializer_list>

namespace weir {
namespace {

constexpr int kExitInterrupted = 130;

std::atomic<bool> interrupted{false}, terminated{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // it is written by a signal handler

void OnSignal(int number) {
  if (number == SIGTERM) terminated.store(true, std::memory_order_relaxed);
  if (interrupted.exchange(true)) _exit(kExitInterrupted);
}

}  // namespace

void CatchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  // No SA_RESTART: a read that waits for the user's next line has to return.
  for (int signal : {SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
}

bool Interrupted() { return interrupted.load(std::memory_order_relaxed); }

bool Terminated() { return terminated.load(std::memory_order_relaxed); }

void ClearInterrupt() { interrupted.store(false, std::memory_order_relaxed); }

}  // namespace weir
