// A queue of runs over one State, worked off in order by a thread of its own, and the memory that the programs share. Knows no
// JavaScript: the owner (one thread) submits jobs, is notified, and collects them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "native/runtime/executor.h"

namespace stridenet {

// One run: its program, its feeds, and room for its fetches.
struct Job {
  // isImmediate: whoever sets the feeds waits for the run, which reads them where they lie.
  explicit Job(bool isImmediate = false) : isImmediate_(isImmediate) {}

  std::shared_ptr<const Program> program;
  int steps = 1;
  std::vector<void*> feeds, fetches;  // feeds are only read
  Status status;
  void* tag = nullptr;  // the owner's

  // Makes room for the copies of feeds and the fetches of `wanted`; nothing to do when the last program was the same.
  Status fit(const std::shared_ptr<const Program>& wanted);
  // Takes the value of a feed, all of its bytes.
  void setFeed(size_t index, const void* data);
  size_t bytes() const { return memory_.size(); }

 private:
  // Integers are copied in any case: shared memory may change while a run has it, and indices are used after they have been checked.
  bool isCopied(DType dtype) const { return !isImmediate_ || dtype == DType::int32; }

  bool isImmediate_;
  AlignedBuffer memory_;
  uint64_t fittedTo_ = 0;
};

class Session {
 public:
  // `notify` is called on the driver thread after each job.
  Session(std::shared_ptr<State> state, ExecutorSettings settings, void (*notify)(void*), void* context)
      : state_(std::move(state)), settings_(settings), notify_(notify), context_(context) {}
  ~Session() { stop(); }

  // A job whose feeds are to be filled in; nullptr with `status` set when there is no memory.
  std::unique_ptr<Job> makeJob(const std::shared_ptr<const Program>& program, Status* status);
  // Takes `job` when it succeeds. Starts the driver thread at the first call.
  Status submit(std::unique_ptr<Job>& job);
  // A job that is done, in the order of submission, or nullptr.
  std::unique_ptr<Job> takeFinished();
  // Gives the memory of a finished job back for the next one.
  void recycle(std::unique_ptr<Job> job);
  // Jobs that have not begun; they never will.
  std::vector<std::unique_ptr<Job>> cancelPending();

  // Waits until the queue is empty, then runs on the calling thread.
  Status runNow(Job& job);
  // Whether runNow takes less time than submit does while nothing is queued: the program is short and ran before.
  bool isSoonerNow(const Program& program);

  // Lets the job under way end (between two of its steps) and joins the driver thread. Nothing is notified afterwards.
  void stop();

  // The seconds by instruction (prepare, then step) since the last call, waiting for a run under way; all 0 unless profiling.
  void takeProfile(const Program& program, std::vector<double>* result);

  // Memory held for all programs of the session.
  size_t bytes() const { return workspaceBytes_.load(std::memory_order_relaxed) + stagingBytes_; }
  const State& state() const { return *state_; }

 private:
  static void* driverMain(void* self);
  void drive();
  Status run(Job& job);
  Status find(const std::shared_ptr<const Program>& program, BoundProgram** result);

  const std::shared_ptr<State> state_;
  const ExecutorSettings settings_;
  void (*const notify_)(void*);
  void* const context_;

  std::mutex queueMutex_;
  std::condition_variable wake_, drained_;
  std::deque<std::unique_ptr<Job>> queue_, finished_;
  bool stopping_ = false;
  std::atomic<int> outstanding_{0};  // submitted and not finished
  std::atomic<bool> cancelled_{false};
  bool started_ = false;  // this and what follows belong to the owner
  unsigned long thread_ = 0;
  std::vector<std::unique_ptr<Job>> spare_;
  size_t stagingBytes_ = 0;

  std::mutex runMutex_;  // held during a run; guards what follows
  Workspace workspace_;
  std::unordered_map<uint64_t, std::unique_ptr<BoundProgram>> bound_;
  size_t sweepAt_ = 16;
  BoundProgram* last_ = nullptr;
  uint64_t lastId_ = 0;
  std::atomic<size_t> workspaceBytes_{0};
};

}  // namespace stridenet
