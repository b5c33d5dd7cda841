// Threads that come and go while a run is under way: whoever takes part, each piece of work is done once, what is shared out by ranges as
// well as what is taken task by task, and nobody begins before what it depends on is done. Meant for ThreadSanitizer: the plain variables
// below are races if a meeting is not a barrier.
#include <thread>
#include <vector>

#include "native/ops/worker_tasks.h"
#include "native/runtime/thread_pool.h"
#include "test/native/check.h"

namespace stridenet {
namespace {

constexpr int kSteps = 60, kTiles = 7;

// A list of steps as the executor walks one: each adds to the results of the step before it. Every third has two phases.
struct List {
  int threads;
  uint32_t number;
  std::vector<TaskShare> shares;
  std::vector<int> tiles = std::vector<int>(kTiles), tasks = std::vector<int>(kTiles);
  std::vector<double> workBefore;
  std::chrono::microseconds pause{0};
  std::atomic<int> most{0};

  explicit List(int wanted) : threads(wanted), shares(static_cast<size_t>(wanted * kSteps)) {
    for (int i = 0; i <= kSteps; i++) workBefore.push_back(i * 150e-6);
  }

  void run(uint32_t run) {
    number = run;
    std::fill(tiles.begin(), tiles.end(), 0);
    std::fill(tasks.begin(), tasks.end(), 0);
    const Undertaking wanted = {.threads = threads, .attendance = Attendance::whoeverComes, .workBefore = &workBefore};
    ThreadPool::instance().run(
        wanted, [](void* self, Member& member) { static_cast<List*>(self)->walk(member); }, this);
    for (int i = 0; i < kTiles; i++) CHECK(tiles[static_cast<size_t>(i)] == kSteps && tasks[static_cast<size_t>(i)] == kSteps);
  }

  void walk(Member& member) {
    const size_t first = member.position();
    for (size_t step = first; step < kSteps; step++) {
      if (step > first && !member.meet(step)) return;
      CHECK(member.number() < threads && member.size() <= threads);
      for (int seen = most; seen < member.size() && !most.compare_exchange_weak(seen, member.size());) {
      }
      Worker worker = {};
      worker.threads = member.size();
      worker.thread = member.isGuest() ? kGuest : member.number();
      worker.shares = shares.data() + step * static_cast<size_t>(threads);
      worker.run = number;
      WorkerTasks taken(worker, kTiles);
      for (int64_t task; taken.next(&task);) advance(tasks, task, step);
      if (step % 3 == 0) member.barrier();
      for (const int64_t tile : worker.share(kTiles)) advance(tiles, tile, step);
      if (pause.count() > 0) std::this_thread::sleep_for(pause);
    }
  }

  static void advance(std::vector<int>& counts, int64_t index, size_t step) {
    int& count = counts[static_cast<size_t>(index)];
    CHECK(count == static_cast<int>(step));
    count++;
  }
};

void testLists(int threads, int runs) {
  List list(threads);
  for (int run = 1; run <= runs; run++) {
    // Now and then everybody falls asleep, and comes in the middle of the next run.
    if (run % 16 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
    list.run(static_cast<uint32_t>(run));
  }
}

// A worker that was asleep when the run began takes part in the rest of it.
void testLateComer() {
  if (processors().usable < 2) return;
  List list(2);
  list.pause = std::chrono::microseconds(200);
  for (int run = 1; run <= 20 && list.most < 2; run++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    list.run(static_cast<uint32_t>(run));
  }
  CHECK(list.most == 2);
}

// With more threads than processors, and neighbours that take those, teams lose time: threads are sent away and called again.
void testCrowded() {
  std::atomic<bool> isOver{false};
  std::vector<std::thread> neighbours;
  for (int i = 0; i < processors().usable; i++) {
    neighbours.emplace_back([&] {
      while (!isOver.load(std::memory_order_relaxed)) {
      }
    });
  }
  testLists(2, 300);
  testLists(processors().usable + 3, 100);
  isOver = true;
  for (std::thread& neighbour : neighbours) neighbour.join();
}

}  // namespace
}  // namespace stridenet

int main() {
  using namespace stridenet;
  testLateComer();
  for (int threads : {1, 2, 3, 8, 2, 5}) testLists(threads, 200);
  testCrowded();
  std::puts("team_test: ok");
  return 0;
}
