// The thread pool: everybody takes part exactly once, barriers separate, runs from several threads exclude each other, the pool grows,
// and more threads than processors work. Meant for ThreadSanitizer: the plain variables below are races if a barrier is not one.
//   thread_pool_test [--latency]    also measures a barrier and a run
#include "native/runtime/thread_pool.h"

#include <chrono>
#include <cstring>
#include <thread>

#include "native/runtime/cpu.h"
#include "test/native/check.h"

namespace stridenet {
namespace {

struct Counts {
  int values[kMaxThreads] = {};
  int rounds = 0;
};

// Every thread writes its own number, meets the others, and reads everybody's.
void exchange(void* context, Member& member) {
  auto& counts = *static_cast<Counts*>(context);
  const int thread = member.number();
  for (int round = 1; round <= counts.rounds; round++) {
    counts.values[thread] += 1;
    member.barrier();
    for (int other = 0; other < member.size(); other++) CHECK(counts.values[other] == round);
    member.barrier();
  }
}

void testExchange(int threads, int rounds) {
  Counts counts;
  counts.rounds = rounds;
  ThreadPool::instance().run({.threads = threads, .attendance = Attendance::everybody}, exchange, &counts);
  for (int thread = 0; thread < threads; thread++) CHECK(counts.values[thread] == rounds);
}

void* runMany(void* total) {
  for (int i = 0; i < 200; i++) {
    ThreadPool::instance().run(
        {.threads = 3},
        [](void* sum, Member& member) {
          member.barrier();
          if (member.number() == member.size() - 1) ++*static_cast<long*>(sum);  // safe only because runs exclude each other
        },
        total);
  }
  return nullptr;
}

void testExclusion() {
  long total = 0;
  std::thread others[4];
  for (auto& other : others) other = std::thread(runMany, &total);
  for (auto& other : others) other.join();
  CHECK(total == 800);
}

void measure() {
  using Clock = std::chrono::steady_clock;
  constexpr int kRounds = 200000;
  for (int threads = 1; threads <= processors().usable; threads++) {
    int rounds = kRounds;
    auto start = Clock::now();
    ThreadPool::instance().run(
        {.threads = threads, .attendance = Attendance::everybody},
        [](void* count, Member& member) {
          for (int i = 0; i < *static_cast<int*>(count); i++) member.barrier();
        },
        &rounds);
    const double barrier = std::chrono::duration<double>(Clock::now() - start).count() / kRounds;
    start = Clock::now();
    for (int i = 0; i < kRounds; i++)
      ThreadPool::instance().run(
          {.threads = threads}, [](void*, Member&) {}, nullptr);
    const double run = std::chrono::duration<double>(Clock::now() - start).count() / kRounds;
    std::printf("%d threads: barrier %.0f ns, empty run %.0f ns\n", threads, barrier * 1e9, run * 1e9);
  }
}

}  // namespace
}  // namespace stridenet

int main(int argc, char** argv) {
  using namespace stridenet;
  for (int threads : {1, 2, 3, 8, 2, 5}) testExchange(threads, 300);
  testExchange(40, 5);
  testExclusion();
  std::this_thread::sleep_for(std::chrono::milliseconds(2));  // everybody asleep
  testExchange(2, 100);
  if (argc > 1 && std::strcmp(argv[1], "--latency") == 0) measure();
  std::puts("thread_pool_test: ok");
  return 0;
}
