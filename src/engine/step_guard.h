// Nothing allocates inside a step.
#pragma once

namespace weir {

/// True while this thread computes a step (forward pass and sampling). Tests count the calls of
/// operator new that happen meanwhile.
inline thread_local bool inside_step = false;

class StepGuard {
 public:
  StepGuard() { inside_step = true; }
  ~StepGuard() { inside_step = false; }
  StepGuard(const StepGuard&) = delete;
  StepGuard& operator=(const StepGuard&) = delete;
};

}  // namespace weir
