// The two primitives under the thread pool and the sessions: starting a thread without exceptions, and waiting for an event, at
// first awake and then asleep.
#pragma once

#include <atomic>
#include <chrono>
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

// The processor time of a thread, which others may ask for: a thread whose time stands still does not run.
class ThreadClock {
 public:
  static ThreadClock ofCaller();
  explicit ThreadClock(int64_t id) : id_(id) {}
  // Nanoseconds that the thread has run, or -1 where the system does not say.
  int64_t nanoseconds() const;
  int64_t id() const { return id_; }

 private:
  int64_t id_;
};

// How long the calling thread has waited for a processor since it began: ready to run, while something else did. 0 where the system does
// not say.
std::chrono::nanoseconds waitsOfCaller();

// Lets the other hardware thread of this core go ahead for a moment.
inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// A counter that threads can wait on. Everything written before advance() is seen by those whose await() it ends.
class EventCount {
 public:
  uint32_t value() const { return word_.load(std::memory_order_acquire); }
  void advance();
  // Returns when the counter is no longer `seen`: at first awake, then asleep.
  void await(uint32_t seen, std::chrono::microseconds awake) {
    if (!look(seen) && !lookUntil(seen, std::chrono::steady_clock::now() + awake)) sleep(seen);
  }
  // Whether the counter changes within a microsecond or so: the usual case in a barrier, without a look at the clock.
  bool look(uint32_t seen) const {
    for (int i = 0; i < kQuickLooks; i++) {
      if (value() != seen) return true;
      relax();
    }
    return false;
  }
  // Stays awake until the counter changes or the time has come. Returns whether it changed.
  bool lookUntil(uint32_t seen, std::chrono::steady_clock::time_point end) const;
  // Sleeps until the counter is no longer `seen`.
  void sleep(uint32_t seen);
  // Whether a thread sleeps, or is about to.
  bool hasSleepers() const { return sleepers_.load(std::memory_order_relaxed) != 0; }

 private:
  static constexpr int kQuickLooks = 32;

  alignas(64) std::atomic<uint32_t> word_{0};
  std::atomic<uint32_t> sleepers_{0};
};

}  // namespace stridenet
