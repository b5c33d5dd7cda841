// One pool of threads for the whole process, used by one run at a time: every thread executes the same function and meets the
// others at barriers (SPMD). There is no task queue. Threads outlive every environment and are never joined; they touch no JavaScript.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "native/runtime/cpu.h"
#include "native/runtime/threading.h"

namespace stridenet {

// The threads of one run. Thread numbers are 0 to size() - 1; 0 is the caller.
class Team {
 public:
  int size() const { return size_; }
  // Returns when all threads of the team have called it; what they wrote before is visible after.
  void barrier() {
    // Read before arriving: after the last arrival the caller may set up the next run.
    const int size = size_;
    const Patience patience = patience_;
    if (size == 1) return;
    const uint32_t generation = generation_.value();
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) == size - 1) {
      arrived_.store(0, std::memory_order_relaxed);
      generation_.advance();
    } else {
      generation_.await(generation, patience);
    }
  }

 private:
  friend class ThreadPool;
  int size_ = 1;
  Patience patience_{0, 0};
  alignas(64) std::atomic<int> arrived_{0};
  EventCount generation_;
};

class ThreadPool {
 public:
  using Body = void (*)(void* context, int thread, Team& team);

  // Leaked on purpose: at process exit a destructor would race with threads that are still there.
  static ThreadPool& instance();

  // Calls body on `threads` threads, the caller included, and returns when all have finished; on fewer when the system refuses
  // more threads. Waits while another run has the pool. With one thread the pool is not touched.
  void run(int threads, Body body, void* context);

  // Calls body while no run has the pool, unless one has it now; says whether it did. Runs wait for it.
  bool whileIdle(void (*body)(void* context), void* context);

 private:
  struct Worker {
    ThreadPool* pool;
    int thread;
    EventCount calls;
  };

  // Two threads of a team on one processor take turns while another processor idles, and in virtual machines whose processors
  // share no cache the scheduler may leave them there for good. A thread that finds one with a lower number on its processor
  // moves away.
  void spread(int thread);

  ThreadPool() = default;
  static void* workerMain(void* argument);
  int grow(int threads);

  std::mutex mutex_;  // held during a run
  std::vector<std::unique_ptr<Worker>> workers_;
  // By thread number: the processor that it was last seen on. Only a hint.
  std::atomic<int> processors_[kMaxThreads] = {};
  Team team_;
  Body body_ = nullptr;
  void* context_ = nullptr;
};

}  // namespace stridenet
