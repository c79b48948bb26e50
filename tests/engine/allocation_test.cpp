// Nothing allocates inside a step: this program's operator new counts its calls on a thread that is
// in one.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "engine/engine_testing.h"
#include "engine/step_guard.h"

namespace {

std::atomic<int64_t> allocations_inside_steps{0};

void* Allocate(size_t n_bytes, size_t alignment) {
  if (weir::inside_step) ++allocations_inside_steps;
  const size_t size = (n_bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, size ? size : alignment);
  if (!memory) throw std::bad_alloc();
  return memory;
}

// Not inlined: g++ 12 would see the free of what came from new, and call it a mismatch.
[[gnu::noinline]] void Free(void* memory) { std::free(memory); }

}  // namespace

void* operator new(size_t n_bytes) { return Allocate(n_bytes, alignof(std::max_align_t)); }
void* operator new(size_t n_bytes, std::align_val_t alignment) {
  return Allocate(n_bytes, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept { Free(memory); }
void operator delete(void* memory, size_t) noexcept { Free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { Free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { Free(memory); }

namespace weir {
namespace {

TEST(Allocation, IsCountedInsideStepsOnly) {
  const int64_t before = allocations_inside_steps;
  auto outside = std::make_unique<std::vector<int>>(100);
  EXPECT_EQ(allocations_inside_steps, before);
  {
    const StepGuard guard;
    outside = std::make_unique<std::vector<int>>(100);
  }
  EXPECT_EQ(allocations_inside_steps, before + 2);
}

TEST(Allocation, DoesNotHappenInSteps) {
  for (const char* file : {"weir-tiny-q8_0.gguf", "golden/qwen35moe-q4_k_m.gguf",
                           "golden/llama-ropefreqs-q8_0.gguf"}) {
    const TestModel model(file);
    const int64_t before = allocations_inside_steps;
    const auto engine =
        model.Start({.max_sequences = 3, .context_tokens = 200, .prefill_tokens = 20});
    std::vector<Stream> streams;
    for (int i = 0; i < 6; ++i) {
      Request request = Ask(std::vector<int32_t>(1 + 13 * i, 7 + i), 6);
      request.sampling.temperature = i % 2 ? 1.f : 0.f;
      request.sampling.top_k = i % 3 ? 30 : 0;
      request.sampling.top_p = 0.9f;
      request.sampling.frequency_penalty = 0.5f;
      streams.push_back(MustSubmit(*engine, request));
    }
    for (Stream& stream : streams) EXPECT_EQ(ReadAll(stream).tokens.size(), 6u);
    EXPECT_EQ(allocations_inside_steps, before) << file;
  }
}

}  // namespace
}  // namespace weir
