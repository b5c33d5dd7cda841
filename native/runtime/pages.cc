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
// MADV_COLLAPSE: Linux has it since 6.1, C libraries name it later, and older kernels refuse it.
constexpr int kCollapse = 25;

// Clearing a huge page takes some 0.2 ms; fetching its 512 pages from the host of a virtual machine some 5 ms.
constexpr auto kSlowPage = std::chrono::milliseconds(1);
// How long huge pages count as slow after one of them was slow.
constexpr auto kSlowPeriod = std::chrono::seconds(1);
// Small pages are joined to huge ones when none was added for kQuietPeriod. After each there is a rest, kRest times as
// long as joining took, so that other processes do not notice.
constexpr auto kQuietPeriod = std::chrono::seconds(1);
constexpr int kRest = 4;
constexpr auto kLeastRest = std::chrono::milliseconds(2);

uintptr_t roundDown(uintptr_t address, size_t unit) {
  return address / unit * unit;
}

// Writes to each page without changing what it holds. The operation is atomic because a read before the write would
// make the kernel map its page of zeros first. The kernel's own call for this, MADV_POPULATE_WRITE, is missing from
// some kernels in use and no faster.
void touch(uintptr_t begin, uintptr_t end, bool huge) {
  begin = roundDown(begin, kSmallPage);
  madvise(reinterpret_cast<void*>(begin), end - begin, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  for (; begin < end; begin += kSmallPage) __atomic_fetch_or(reinterpret_cast<char*>(begin), 0, __ATOMIC_RELAXED);
}

// Chooses between huge and small pages by how long recent huge pages took.
class PageChoice {
 public:
  bool isHuge(Clock::time_point now) const { return now >= slowUntil_; }
  void took(bool huge, Clock::time_point start, Clock::time_point end) {
    if (huge && end - start > kSlowPage) slowUntil_ = std::max(slowUntil_, end + kSlowPeriod);
  }
  void join(const PageChoice& other) { slowUntil_ = std::max(slowUntil_, other.slowUntil_); }

 private:
  Clock::time_point slowUntil_{};
};

// A background thread that populates memory ahead of its use and joins small pages to huge ones.
class PageKeeper {
 public:
  // Leaked on purpose, like the pool of threads.
  static PageKeeper& instance() {
    static PageKeeper* const keeper = new PageKeeper();
    return *keeper;
  }

  PageChoice choice() {
    std::lock_guard<std::mutex> lock(mutex_);
    return choice_;
  }

  // Adds ranges as large as a huge page that consist of small ones so far, and what making them has shown.
  void add(const std::vector<uintptr_t>& small, const PageChoice& choice) {
    std::lock_guard<std::mutex> lock(mutex_);
    choice_.join(choice);
    lastAdded_ = Clock::now();
    small_.insert(small_.end(), small.begin(), small.end());
    if (!small_.empty()) wake();
  }

  void addAhead(uintptr_t begin, uintptr_t end) {
    std::lock_guard<std::mutex> lock(mutex_);
    ahead_.push_back({.begin = begin, .next = begin, .end = end});
    wake();
  }

  // Ends the populating of memory that begins at `begin`. Returns the address from which the caller has to go on.
  uintptr_t takeOver(uintptr_t begin) {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto range = std::find_if(ahead_.begin(), ahead_.end(), [begin](const Range& ahead) { return ahead.begin == begin; });
    if (range == ahead_.end()) return begin;
    const uintptr_t next = range->next;  // the thread may still be at work on the page before it
    ahead_.erase(range);
    waitFor(lock, begin, next);
    return next;
  }

  void forget(uintptr_t begin, uintptr_t end) {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto drop = [this, begin, end] {
      const auto isInside = [=](const Range& range) { return range.begin < end && range.end > begin; };
      ahead_.erase(std::remove_if(ahead_.begin(), ahead_.end(), isInside), ahead_.end());
      small_.erase(std::remove_if(small_.begin(), small_.end(), [=](uintptr_t page) { return overlaps(page, begin, end); }), small_.end());
    };
    drop();
    waitFor(lock, begin, end);
    drop();  // the thread may have added the page that it was at work on
  }

 private:
  struct Range {
    uintptr_t begin, next, end;
    bool isDone() const { return next >= end; }
  };

  static bool overlaps(uintptr_t page, uintptr_t begin, uintptr_t end) { return page + kHugePage > begin && page < end; }

  // Without the thread nothing is populated ahead or joined, which is correct.
  void wake() {
    if (!started_) started_ = startThread(background, this, "stridenet-pages", true);
    changed_.notify_all();
  }

  void waitFor(std::unique_lock<std::mutex>& lock, uintptr_t begin, uintptr_t end) {
    changed_.wait(lock, [this, begin, end] { return !overlaps(current_, begin, end); });
  }

  static void* background(void* self) {
    static_cast<PageKeeper*>(self)->run();
    return nullptr;
  }

  [[noreturn]] void run() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      const auto range = std::find_if_not(ahead_.begin(), ahead_.end(), [](const Range& ahead) { return ahead.isDone(); });
      if (range != ahead_.end()) {
        populateNext(lock, *range);
      } else if (small_.empty()) {
        changed_.wait(lock);
      } else if (Clock::now() < lastAdded_ + kQuietPeriod) {
        changed_.wait_until(lock, lastAdded_ + kQuietPeriod);
      } else {
        joinLast(lock);
      }
    }
  }

  // Takes small pages: while a huge one is fetched from the host, other threads of the process wait for theirs.
  void populateNext(std::unique_lock<std::mutex>& lock, Range& range) {
    current_ = range.next;
    range.next += kHugePage;
    lock.unlock();
    touch(current_, current_ + kHugePage, false);
    lock.lock();
    lastAdded_ = Clock::now();
    small_.push_back(current_);
    current_ = 0;
    changed_.notify_all();
  }

  void joinLast(std::unique_lock<std::mutex>& lock) {
    current_ = small_.back();
    small_.pop_back();
    lock.unlock();
    const auto start = Clock::now();
    const bool isDone = ThreadPool::instance().whileIdle(join, reinterpret_cast<void*>(current_));
    const auto rest = std::max<Clock::duration>(kRest * (Clock::now() - start), kLeastRest);
    lock.lock();
    if (!isDone) small_.push_back(current_);
    current_ = 0;
    changed_.notify_all();
    changed_.wait_for(lock, rest);
  }

  static void join(void* page) {
    madvise(page, kHugePage, MADV_HUGEPAGE);
    madvise(page, kHugePage, kCollapse);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Range> ahead_;  // in whole huge pages; a finished one stays until it is taken over
  std::vector<uintptr_t> small_;
  uintptr_t current_ = 0;  // the page that the thread is at work on
  PageChoice choice_;
  Clock::time_point lastAdded_{};
  bool started_ = false;
};

// Populates memory on several threads, each of which takes a huge page at a time.
class Populating {
 public:
  Populating(uintptr_t begin, uintptr_t end) : next_(begin), end_(end), choice_(PageKeeper::instance().choice()) {}

  void run(int threads) {
    ThreadPool::instance().run(
        {threads}, [](void* self, Member&) { static_cast<Populating*>(self)->work(); }, this);
    PageKeeper::instance().add(small_, choice_);
  }

 private:
  void work() {
    for (std::unique_lock<std::mutex> lock(mutex_); next_ < end_;) {
      const uintptr_t page = roundDown(next_, kHugePage), begin = next_, end = std::min(end_, page + kHugePage);
      next_ = end;
      const auto start = Clock::now();
      const bool isWhole = end - begin == kHugePage;
      const bool huge = isWhole && choice_.isHuge(start);
      if (isWhole && !huge) small_.push_back(page);
      lock.unlock();
      touch(begin, end, huge);
      lock.lock();
      choice_.took(huge, start, Clock::now());
    }
  }

  std::mutex mutex_;
  uintptr_t next_;
  const uintptr_t end_;
  PageChoice choice_;
  std::vector<uintptr_t> small_;
};

}  // namespace

void populatePages(void* begin, size_t bytes, int threads) {
  const uintptr_t first = reinterpret_cast<uintptr_t>(begin), end = first + bytes;
  const uintptr_t next = PageKeeper::instance().takeOver(first);
  if (next < end) Populating(next, end).run(threads);
}

void populatePagesAhead(void* begin, size_t bytes) {
  const uintptr_t first = reinterpret_cast<uintptr_t>(begin), end = roundDown(first + bytes, kHugePage);
  if (first % kHugePage == 0 && first < end) PageKeeper::instance().addAhead(first, end);
}

void forgetPages(void* begin, size_t bytes) {
  const uintptr_t first = reinterpret_cast<uintptr_t>(begin);
  PageKeeper::instance().forget(first, first + bytes);
}

}  // namespace stridenet

#else

namespace stridenet {

void populatePages(void*, size_t, int) {}
void populatePagesAhead(void*, size_t) {}
void forgetPages(void*, size_t) {}

}  // namespace stridenet

#endif
