#include "native/runtime/threading.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

#include "native/runtime/text_file.h"
#else
#include <condition_variable>
#include <mutex>
#endif
#ifdef __APPLE__
#include <mach/mach.h>
#endif

namespace stridenet {

static_assert(sizeof(pthread_t) == sizeof(unsigned long));

bool startThread(void* (*body)(void*), void* argument, const char* name, bool detached, unsigned long* handle) {
  constexpr size_t kStackBytes = size_t{2} << 20;  // musl's default of 128 KiB is too little for kernels
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  if (detached) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const bool started = pthread_create(&thread, &attributes, body, argument) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
#ifdef __linux__
  if (started) pthread_setname_np(thread, name);
#else
  (void)name;
#endif
  if (started && handle != nullptr) *handle = (unsigned long)thread;
  return started;
}

void joinThread(unsigned long handle) {
  pthread_join((pthread_t)handle, nullptr);
}

#if defined(__APPLE__)
// The kernel's name of the thread. Unlike a port right that mach_thread_self() gives, it need not be given back.
ThreadClock ThreadClock::ofCaller() {
  return ThreadClock(pthread_mach_thread_np(pthread_self()));
}

int64_t ThreadClock::nanoseconds() const {
  thread_basic_info info;
  mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;
  const auto thread = static_cast<thread_act_t>(id_);
  if (thread_info(thread, THREAD_BASIC_INFO, reinterpret_cast<thread_info_t>(&info), &count) != KERN_SUCCESS) return -1;
  const int64_t seconds = int64_t{info.user_time.seconds} + info.system_time.seconds;
  return seconds * 1'000'000'000 + (int64_t{info.user_time.microseconds} + info.system_time.microseconds) * 1000;
}
#elif defined(__linux__)
ThreadClock ThreadClock::ofCaller() {
  clockid_t id;
  return ThreadClock(pthread_getcpuclockid(pthread_self(), &id) == 0 ? id : CLOCK_THREAD_CPUTIME_ID);
}

int64_t ThreadClock::nanoseconds() const {
  timespec time;
  if (clock_gettime(static_cast<clockid_t>(id_), &time) != 0) return -1;
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}
#else
ThreadClock ThreadClock::ofCaller() {
  return ThreadClock(0);
}
int64_t ThreadClock::nanoseconds() const {
  return -1;
}
#endif

#ifdef __linux__
std::chrono::nanoseconds waitsOfCaller() {
  const std::string times = readTextFile("/proc/thread-self/schedstat");  // it ran, it waited, and how often
  const size_t space = times.find(' ');
  return std::chrono::nanoseconds(space == std::string::npos ? 0 : std::strtoll(times.c_str() + space, nullptr, 10));
}

int currentProcessor() {
  return sched_getcpu();
}

void moveAwayFrom(const int* processors, int count) {
  cpu_set_t all;
  if (sched_getaffinity(0, sizeof all, &all) != 0) return;
  cpu_set_t others = all;
  for (int i = 0; i < count; i++) {
    if (processors[i] >= 0 && processors[i] < CPU_SETSIZE) CPU_CLR(processors[i], &others);
  }
  if (CPU_COUNT(&others) == 0) return;
  if (sched_setaffinity(0, sizeof others, &others) == 0) sched_setaffinity(0, sizeof all, &all);
}
#else
std::chrono::nanoseconds waitsOfCaller() {
  return {};
}
int currentProcessor() {
  return -1;
}
void moveAwayFrom(const int*, int) {}
#endif

namespace {

#ifdef __linux__
// Sleeps while the word is `value`; may return early.
void sleepWhile(std::atomic<uint32_t>& word, uint32_t value) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
void wakeAll(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
}
#else
// All threads sleep on one condition variable, which is enough because they rarely do. It is leaked so that no
// destructor races with a sleeper at exit.
struct Bed {
  std::mutex mutex;
  std::condition_variable condition;
};
Bed& bed() {
  static Bed* const instance = new Bed;
  return *instance;
}
void sleepWhile(std::atomic<uint32_t>& word, uint32_t value) {
  std::unique_lock<std::mutex> lock(bed().mutex);
  while (word.load(std::memory_order_seq_cst) == value) bed().condition.wait(lock);
}
void wakeAll(std::atomic<uint32_t>&) {
  { std::lock_guard<std::mutex> lock(bed().mutex); }
  bed().condition.notify_all();
}
#endif

}  // namespace

// The store of the word and the look at sleepers_ are sequentially consistent, and so are their counterparts in sleep:
// either the sleeper sees the new word or the waker sees the sleeper.
void EventCount::advance() {
  word_.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) != 0) wakeAll(word_);
}

bool EventCount::lookUntil(uint32_t seen, std::chrono::steady_clock::time_point end) const {
  while (std::chrono::steady_clock::now() < end) {
    if (look(seen)) return true;
  }
  return value() != seen;
}

void EventCount::sleep(uint32_t seen) {
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  while (word_.load(std::memory_order_seq_cst) == seen) sleepWhile(word_, seen);
  sleepers_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace stridenet
