// One pool of threads for the whole process, used by one run at a time. There is no task queue: every thread executes the same function
// (team.h). Threads outlive every environment and are never joined; they touch no JavaScript.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "native/runtime/team.h"

namespace stridenet {

class ThreadPool {
 public:
  using Body = void (*)(void* context, Member& member);

  // Leaked on purpose: at process exit a destructor would race with threads that are still there.
  static ThreadPool& instance();

  // Calls body on up to `undertaking.threads` threads, the caller included, and returns when all of them have finished; the caller's call
  // is the only one that is certain, unless everybody has to come (or the system refuses more threads). Waits while another run has the
  // pool. With one thread the pool is not touched.
  void run(const Undertaking& undertaking, Body body, void* context);

  // Calls body if no run has the pool at present, and returns whether it did. Runs wait until body has returned.
  bool whileIdle(void (*body)(void* context), void* context);

 private:
  struct Worker {
    ThreadPool* pool;
    int number;
  };

  ThreadPool() = default;
  static void* workerMain(void* argument);
  int grow(int threads);

  std::mutex mutex_;  // held during a run
  std::vector<std::unique_ptr<Worker>> workers_;
  Team team_;
  Body body_ = nullptr;
  void* context_ = nullptr;
};

}  // namespace stridenet
