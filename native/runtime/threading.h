// The two primitives under the thread pool and the sessions: starting a thread without exceptions, and waiting for an event first
// with patience and then asleep.
#pragma once

#include <atomic>
#include <cstdint>

namespace stridenet {

// Starts a detached or joinable POSIX thread with all signals blocked (they belong to Node's main thread).
// Returns false when the system refuses.
bool startThread(void* (*body)(void*), void* argument, const char* name, bool detached, unsigned long* handle = nullptr);
void joinThread(unsigned long handle);

// The processor that the calling thread runs on, or -1 where the system does not say.
int currentProcessor();
// Moves the calling thread to another processor of its affinity mask than the `count` given ones, if there is one. The mask stays
// as it was: the scheduler may move the thread again.
void moveAwayFrom(const int* processors, int count);

// How long a waiter keeps its processor before it sleeps.
struct Patience {
  int spinMicroseconds;
  int yieldMicroseconds;
};

// A counter that threads can wait on. Everything written before advance() is seen by those whose await() it ends.
class EventCount {
 public:
  uint32_t value() const { return word_.load(std::memory_order_acquire); }
  void advance();
  // Returns when the counter is no longer `seen`.
  void await(uint32_t seen, Patience patience) {
    for (int i = 0; i < kQuickLooks; i++) {  // the usual case in a barrier: without a look at the clock
      if (value() != seen) return;
      relax();
    }
    awaitSlowly(seen, patience);
  }

 private:
  static constexpr int kQuickLooks = 32;
  static void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
  }
  void awaitSlowly(uint32_t seen, Patience patience);

  alignas(64) std::atomic<uint32_t> word_{0};
  std::atomic<uint32_t> sleepers_{0};
};

}  // namespace stridenet
