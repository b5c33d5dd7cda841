#include "native/runtime/thread_pool.h"

#include <algorithm>

#include "native/runtime/cpu.h"

namespace stridenet {

namespace {
// A worker that has finished stays awake this long: the next run of a loop finds it running instead of waiting some 50 us for it.
constexpr Patience kIdlePatience = {30, 0};
// At a barrier the others are at most a tile away; sleeping is for a machine that is busy with something else. Yielding costs
// nothing while every thread has a processor, and is what lets the awaited thread run when another process has taken one: with one
// such process, steps of 10 us took 60 us when waiters spun for 50 us before yielding and 30 us when they spun for 5.
constexpr Patience kBarrierPatience = {5, 2000};
// More threads than processors: whoever spins takes the processor from the one that is waited for.
constexpr Patience kCrowdedPatience = {0, 20};
}  // namespace

ThreadPool& ThreadPool::instance() {
  static ThreadPool* const pool = new ThreadPool;
  return *pool;
}

int ThreadPool::grow(int threads) {
  threads = std::min(threads, kMaxThreads);
  while (static_cast<int>(workers_.size()) < threads - 1) {
    auto worker = std::make_unique<Worker>();
    worker->pool = this;
    worker->thread = static_cast<int>(workers_.size()) + 1;
    if (!startThread(workerMain, worker.get(), "stridenet-pool", true)) break;
    workers_.push_back(std::move(worker));
  }
  return std::min(threads, static_cast<int>(workers_.size()) + 1);
}

void* ThreadPool::workerMain(void* argument) {
  Worker& worker = *static_cast<Worker*>(argument);
  ThreadPool& pool = *worker.pool;
  for (uint32_t seen = 0;; seen++) {
    // A worker that its last run crowded is not worth spinning for.
    worker.calls.await(seen, worker.thread < processors().usable ? kIdlePatience : Patience{0, 0});
    pool.spread(worker.thread);
    pool.body_(pool.context_, worker.thread, pool.team_);
    pool.team_.barrier();
  }
  return nullptr;
}

void ThreadPool::spread(int thread) {
  const int own = currentProcessor();
  processors_[thread].store(own, std::memory_order_relaxed);
  if (thread == 0 || own < 0 || team_.size_ > processors().usable) return;
  int taken[kMaxThreads];
  bool isShared = false;
  for (int i = 0; i < thread; i++) {
    taken[i] = processors_[i].load(std::memory_order_relaxed);
    isShared |= taken[i] == own;
  }
  if (!isShared) return;
  moveAwayFrom(taken, thread);
  processors_[thread].store(currentProcessor(), std::memory_order_relaxed);
}

void ThreadPool::run(int threads, Body body, void* context) {
  if (threads <= 1) {
    Team alone;
    body(context, 0, alone);
    return;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  team_.size_ = grow(threads);
  team_.patience_ = team_.size_ > processors().usable ? kCrowdedPatience : kBarrierPatience;
  body_ = body;
  context_ = context;
  spread(0);
  for (int thread = 1; thread < team_.size_; thread++) workers_[thread - 1]->calls.advance();
  body(context, 0, team_);
  team_.barrier();
}

bool ThreadPool::whileIdle(void (*body)(void* context), void* context) {
  std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
  if (lock.owns_lock()) body(context);
  return lock.owns_lock();
}

}  // namespace stridenet
