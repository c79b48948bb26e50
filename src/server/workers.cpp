#include "server/workers.h"

#include <exception>
#include <utility>

namespace weir {

Workers::~Workers() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Workers::Run(std::function<void()> task) {
  std::lock_guard lock(mutex_);
  if (n_idle_ <= tasks_.size()) threads_.emplace_back([this] { Work(); });
  tasks_.push_back(std::move(task));
  changed_.notify_one();
}

void Workers::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++n_idle_;
    changed_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    --n_idle_;
    if (tasks_.empty()) return;
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    try {
      task();
    } catch (const std::exception&) {
      // Out of memory. Whoever waited is told by what the task held: a responder that is dropped answers.
    }
    task = nullptr;
    lock.lock();
  }
}

}  // namespace weir
