// A queue of runs over one State, a driver thread that takes them in order, and the memory that the programs share.
// Knows no JavaScript: the owner (one thread) submits jobs, is notified, and collects them.
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
  // `isImmediate`: the caller waits for the run, which therefore may read the feeds where they lie instead of copies.
  explicit Job(bool isImmediate = false) : isImmediate_(isImmediate) {}

  std::shared_ptr<const Program> program;
  int steps = 1;
  std::vector<void*> feeds, fetches;  // nothing is written to feeds
  Status status;
  void* tag = nullptr;  // for the owner to recognise the job by

  // Makes room for the fetches of `wanted` and for copies of its feeds. Does nothing if the last program was the same.
  Status fit(const std::shared_ptr<const Program>& wanted);
  // Sets a feed to the value at `data`, which is copied unless the job is immediate.
  void setFeed(size_t index, const void* data);
  size_t bytes() const { return memory_.size(); }

 private:
  // Integers are always copied: shared memory may change during a run, and they are used as indices after they were
  // checked.
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

  // Makes a job whose feeds the caller sets. Returns nullptr and sets `status` when there is no memory.
  std::unique_ptr<Job> makeJob(const std::shared_ptr<const Program>& program, Status* status);
  // Queues `job`, and takes it from the caller if that succeeds. The first call starts the driver thread.
  Status submit(std::unique_ptr<Job>& job);
  // Returns the next finished job in the order of submission, or nullptr.
  std::unique_ptr<Job> takeFinished();
  // Keeps a finished job whose results have been read, so that the next one uses its memory.
  void recycle(std::unique_ptr<Job> job);
  // Takes the jobs that have not begun out of the queue.
  std::vector<std::unique_ptr<Job>> cancelPending();

  // Waits until the queue is empty, then runs on the calling thread.
  Status runNow(Job& job);
  // Whether runNow is sure to be quicker than submit: nothing is queued, and the program is short and has run before.
  bool isSoonerNow(const Program& program);

  // Ends the running job after its current step and joins the driver thread. `notify` is not called afterwards.
  void stop();

  // Gives the seconds spent in each instruction (prepare, then step) since the last call, all 0 unless profiling. Waits
  // for a running job.
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
  bool started_ = false;  // this and the members below are for the owner's thread alone
  unsigned long thread_ = 0;
  std::vector<std::unique_ptr<Job>> spare_;
  size_t stagingBytes_ = 0;

  std::mutex runMutex_;  // held during a run; guards what follows
  Workspace workspace_;
  std::unordered_map<uint64_t, std::unique_ptr<BoundProgram>> bound_;
  size_t sweepAt_ = 16;
  std::atomic<size_t> workspaceBytes_{0};
};

}  // namespace stridenet
