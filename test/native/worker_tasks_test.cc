// Tasks shared out between the threads of an instruction: each is done exactly once whoever is slow, numbers of runs that follow each
// other need no setting up, and a thread that never comes leaves its tasks to the others. Meant for ThreadSanitizer too.
#include "native/ops/worker_tasks.h"

#include <chrono>
#include <thread>
#include <vector>

#include "native/runtime/thread_pool.h"
#include "test/native/check.h"

namespace stridenet {
namespace {

struct Work {
  int64_t tasks;
  uint32_t run;
  TaskShare* shares;
  int slow;  // the thread that takes its time, or -1
  std::vector<std::atomic<int>>& done;
};

Worker workerOf(int thread, int threads, const Work& work) {
  Worker worker = {};
  worker.thread = thread;
  worker.threads = threads;
  worker.shares = work.shares;
  worker.run = work.run;
  return worker;
}

void takeAll(void* context, Member& member) {
  const Work& work = *static_cast<Work*>(context);
  const int thread = member.isGuest() ? kGuest : member.number();
  const Worker worker = workerOf(thread, member.size(), work);
  WorkerTasks tasks(worker, work.tasks);
  for (int64_t task; tasks.next(&task);) {
    if (thread == work.slow) std::this_thread::sleep_for(std::chrono::microseconds(200));
    work.done[static_cast<size_t>(task)].fetch_add(1);
  }
}

void testOnce(int threads) {
  std::vector<TaskShare> shares(static_cast<size_t>(threads));
  uint32_t run = 0;
  for (int64_t count : {0, 1, 2, 7, 100, 0xffff, 0x10000, 100}) {
    for (int slow : {-1, 0, threads - 1}) {
      if (slow >= 0 && count > 100) continue;
      std::vector<std::atomic<int>> done(static_cast<size_t>(count));
      Work work = {.tasks = count, .run = ++run, .shares = shares.data(), .slow = slow, .done = done};
      ThreadPool::instance().run({.threads = threads}, takeAll, &work);
      for (const auto& times : done) CHECK(times == 1);
    }
  }
}

void testAbsent() {
  TaskShare shares[2];
  for (uint32_t run : {1u, 2u, 0xffffffffu}) {
    std::vector<std::atomic<int>> done(10);
    const Work work = {.tasks = 10, .run = run, .shares = shares, .slow = -1, .done = done};
    const Worker worker = workerOf(1, 2, work);
    WorkerTasks tasks(worker, 10);
    std::vector<int64_t> order;
    for (int64_t task; tasks.next(&task);) order.push_back(task);
    CHECK((order == std::vector<int64_t>{5, 6, 7, 8, 9, 4, 3, 2, 1, 0}));
    const Worker late = workerOf(0, 2, work);
    int64_t task;
    CHECK(!WorkerTasks(late, 10).next(&task));
  }
}

void testAlone() {
  std::vector<std::atomic<int>> done;
  const Worker worker = workerOf(1, 2, {.tasks = 0, .run = 0, .shares = nullptr, .slow = -1, .done = done});
  WorkerTasks tasks(worker, 5);
  std::vector<int64_t> order;
  for (int64_t task; tasks.next(&task);) order.push_back(task);
  CHECK((order == std::vector<int64_t>{2, 3, 4}));
}

}  // namespace
}  // namespace stridenet

int main() {
  using namespace stridenet;
  for (int threads : {1, 2, 3, 8}) testOnce(threads);
  testAbsent();
  testAlone();
  std::puts("worker_tasks_test: ok");
  return 0;
}
