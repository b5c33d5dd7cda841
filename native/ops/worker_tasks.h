// Shares out the tasks of one instruction while threads work on them. Each thread takes those of its own contiguous
// range in order. When it has none left (a guest never has any) it takes the last ones of another thread, which a busy
// processor or slow memory has held up. Only for ops of one phase whose tasks write to places of their own, so that
// results do not depend on who does what; other ops use Worker::range.
#pragma once

#include <atomic>

#include "native/program/op.h"

namespace stridenet {

// What is left of one thread's range: the number of the run that it belongs to, its begin and its end. The share of an
// earlier run stands for the whole range, so that nobody has to set it up. Each share has a cache line of its own.
struct alignas(64) TaskShare {
  std::atomic<uint64_t> word{0};
};

class WorkerTasks {
 public:
  WorkerTasks(const Worker& worker, int64_t tasks)
      : worker_(worker), tasks_(tasks), isShared_(worker.shares != nullptr && tasks <= kMostTasks), own_(worker.share(tasks)) {
    if (worker.thread == kGuest) offset_ = 1;
  }

  // The next task for this thread, or false.
  bool next(int64_t* task) {
    if (!isShared_) {
      if (own_.isEmpty()) return false;
      *task = own_.first++;
      return true;
    }
    // A guest begins at thread 0 and has one thread more to look at.
    const int end = worker_.thread == kGuest ? worker_.threads + 1 : worker_.threads;
    for (; offset_ < end; ++offset_) {
      if (take((worker_.thread + offset_) % worker_.threads, task)) return true;
    }
    return false;
  }

 private:
  static constexpr int64_t kMostTasks = 0xffff;  // as many as 16 bits of a word count

  bool take(int thread, int64_t* task) {
    std::atomic<uint64_t>& word = worker_.shares[thread].word;
    uint64_t seen = word.load(std::memory_order_relaxed);
    while (true) {
      int64_t begin = static_cast<int64_t>(seen >> 16 & 0xffff), end = static_cast<int64_t>(seen & 0xffff);
      if (seen >> 32 != worker_.run) {
        begin = tasks_ * thread / worker_.threads;
        end = tasks_ * (thread + 1) / worker_.threads;
      }
      if (begin == end) return false;
      *task = offset_ == 0 ? begin++ : --end;
      const uint64_t left = static_cast<uint64_t>(worker_.run) << 32 | static_cast<uint64_t>(begin) << 16 | static_cast<uint64_t>(end);
      if (word.compare_exchange_weak(seen, left, std::memory_order_relaxed)) return true;
    }
  }

  const Worker& worker_;
  const int64_t tasks_;
  const bool isShared_;
  Range own_;
  int offset_ = 0;  // threads before this one have nothing left
};

}  // namespace stridenet
