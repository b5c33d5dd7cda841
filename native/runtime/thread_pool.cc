#include "native/runtime/thread_pool.h"

#include <algorithm>

namespace stridenet {

ThreadPool& ThreadPool::instance() {
  static ThreadPool* const pool = new ThreadPool;
  return *pool;
}

int ThreadPool::grow(int threads) {
  threads = std::min(threads, kMaxThreads);
  while (static_cast<int>(workers_.size()) < threads - 1) {
    auto worker = std::make_unique<Worker>();
    worker->pool = this;
    worker->number = static_cast<int>(workers_.size());
    if (!startThread(workerMain, worker.get(), "stridenet-pool", true)) break;
    workers_.push_back(std::move(worker));
  }
  return std::min(threads, static_cast<int>(workers_.size()) + 1);
}

void* ThreadPool::workerMain(void* argument) {
  const Worker& worker = *static_cast<Worker*>(argument);
  ThreadPool& pool = *worker.pool;
  for (uint32_t seen = 0;;) {
    pool.team_.awaitCall(worker.number, &seen);
    Member member;
    if (!pool.team_.enter(&member)) continue;
    pool.body_(pool.context_, member);
    pool.team_.finish(&member);
  }
  return nullptr;
}

void ThreadPool::run(const Undertaking& undertaking, Body body, void* context) {
  Member leader;
  if (undertaking.threads <= 1) {
    body(context, leader);
    return;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  Undertaking possible = undertaking;
  possible.threads = grow(undertaking.threads);
  body_ = body;
  context_ = context;
  team_.open(possible, &leader);
  body(context, leader);
  team_.close(&leader);
}

bool ThreadPool::whileIdle(void (*body)(void* context), void* context) {
  std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
  if (lock.owns_lock()) body(context);
  return lock.owns_lock();
}

}  // namespace stridenet
