#include "native/runtime/pages.h"

#ifdef __linux__
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "native/runtime/thread_pool.h"
#include "native/runtime/threading.h"

namespace stridenet {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kSmallPage = 4096;
// Of the kernel's interface since 6.1, in C libraries only later; older kernels refuse it.
constexpr int kCollapse = 25;

// Clearing a huge page takes some 0.2 ms; fetching its 512 pages from the host of a virtual machine some 5 ms.
constexpr auto kSlowPage = std::chrono::milliseconds(1);
// How long huge pages count as slow after one was.
constexpr auto kSlowPeriod = std::chrono::seconds(1);
// Small pages become huge when there were no new ones for this long, with rests of so many times what each one took: other
// processes should not notice.
constexpr auto kQuietPeriod = std::chrono::seconds(1);
constexpr int kRest = 4;
constexpr auto kLeastRest = std::chrono::milliseconds(2);

// Small pages that are to become huge, and the thread that sees to it.
class PageKeeper {
 public:
  // Leaked on purpose, like the pool of threads.
  static PageKeeper& instance() {
    static PageKeeper* const keeper = new PageKeeper();
    return *keeper;
  }

  Clock::time_point slowUntil() {
    std::lock_guard<std::mutex> lock(mutex_);
    return slowUntil_;
  }

  void add(const std::vector<uintptr_t>& small, Clock::time_point slowUntil) {
    std::lock_guard<std::mutex> lock(mutex_);
    slowUntil_ = std::max(slowUntil_, slowUntil);
    lastAdded_ = Clock::now();
    small_.insert(small_.end(), small.begin(), small.end());
    // Without the thread they stay small.
    if (!started_ && !small_.empty()) started_ = startThread(background, this, "stridenet-pages", true);
    changed_.notify_all();
  }

  void forget(void* begin, size_t bytes) {
    const uintptr_t first = reinterpret_cast<uintptr_t>(begin);
    const auto inside = [=](uintptr_t page) { return page + kHugePage > first && page < first + bytes; };
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return !inside(joining_); });
    small_.erase(std::remove_if(small_.begin(), small_.end(), inside), small_.end());
  }

 private:
  static void* background(void* self) {
    static_cast<PageKeeper*>(self)->run();
    return nullptr;
  }

  [[noreturn]] void run() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return !small_.empty(); });
      while (Clock::now() < lastAdded_ + kQuietPeriod) changed_.wait_until(lock, lastAdded_ + kQuietPeriod);
      if (small_.empty()) continue;
      joining_ = small_.back();
      small_.pop_back();
      lock.unlock();
      const auto start = Clock::now();
      const bool isDone = ThreadPool::instance().whileIdle(join, reinterpret_cast<void*>(joining_));
      const auto rest = std::max<Clock::duration>(kRest * (Clock::now() - start), kLeastRest);
      lock.lock();
      if (!isDone) small_.push_back(joining_);
      joining_ = 0;
      changed_.notify_all();
      changed_.wait_for(lock, rest);
    }
  }

  static void join(void* page) {
    madvise(page, kHugePage, MADV_HUGEPAGE);
    madvise(page, kHugePage, kCollapse);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<uintptr_t> small_;
  uintptr_t joining_ = 0;
  Clock::time_point slowUntil_{}, lastAdded_{};
  bool started_ = false;
};

// The huge pages of some memory on their way through the threads.
class Populating {
 public:
  Populating(uintptr_t first, uintptr_t end) : next_(first), end_(end), slowUntil_(PageKeeper::instance().slowUntil()) {}

  void run(int threads) {
    ThreadPool::instance().run(
        threads, [](void* self, int, Team&) { static_cast<Populating*>(self)->work(); }, this);
    PageKeeper::instance().add(small_, slowUntil_);
  }

 private:
  void work() {
    for (std::unique_lock<std::mutex> lock(mutex_); next_ < end_;) {
      const uintptr_t page = next_;
      next_ += kHugePage;
      const auto start = Clock::now();
      const bool huge = start >= slowUntil_;
      if (!huge) small_.push_back(page);
      lock.unlock();
      touch(reinterpret_cast<char*>(page), huge);
      const auto end = Clock::now();
      lock.lock();
      if (huge && end - start > kSlowPage) slowUntil_ = end + kSlowPeriod;
    }
  }

  // Writes without changing anything. An atomic operation because a read before the write would make the kernel map its page of zeros
  // first; the kernel's own call for all this (MADV_POPULATE_WRITE) is younger than some kernels in use, and no faster.
  static void touch(char* page, bool huge) {
    madvise(page, kHugePage, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    for (size_t at = 0; at < kHugePage; at += kSmallPage) __atomic_fetch_or(page + at, 0, __ATOMIC_RELAXED);
  }

  std::mutex mutex_;
  uintptr_t next_, end_;
  Clock::time_point slowUntil_;
  std::vector<uintptr_t> small_;
};

}  // namespace

void populatePages(void* begin, size_t bytes, int threads) {
  const uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + kHugePage - 1) / kHugePage * kHugePage;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(begin) + bytes) / kHugePage * kHugePage;
  if (first < end) Populating(first, end).run(threads);
}

void forgetPages(void* begin, size_t bytes) {
  PageKeeper::instance().forget(begin, bytes);
}

}  // namespace stridenet

#else

namespace stridenet {

void populatePages(void*, size_t, int) {}
void forgetPages(void*, size_t) {}

}  // namespace stridenet

#endif
