// A Program tied to a State and an arena: every operand is a pointer. It is made once per session and program; each run
// only sets the pointers of feeds and fetches.
#pragma once

#include <memory>
#include <vector>

#include "native/ops/worker_tasks.h"
#include "native/program/program.h"
#include "native/runtime/memory.h"
#include "native/runtime/prepare.h"
#include "native/runtime/state.h"

namespace stridenet {

// The memory that the programs of one session share, since only one of them runs at a time. It grows to what the
// largest of them needs.
struct Workspace {
  AlignedBuffer arena, sharedScratch, threadScratch;
  AlignedBuffer shares;  // a TaskShare for each instruction of a step list on each thread

  TaskShare* taskShares() const { return static_cast<TaskShare*>(shares.data()); }
  // Numbers a run. No recent run had the same number, and none has 0.
  uint32_t nextRun() { return ++runs_ == 0 ? ++runs_ : runs_; }

  // Makes room for a run of `program` on up to `threads` threads.
  Status reserve(const Program& program, int threads);
  size_t bytes() const { return arena.size() + sharedScratch.size() + threadScratch.size() + shares.size(); }
  static size_t bytesFor(const Program& program, int threads);
  // The distance in bytes between the scratch of one thread and that of the next.
  static size_t scratchStride(const Program& program) { return alignUp(program.threadScratch); }

 private:
  static size_t sharesFor(const Program& program, int threads);

  uint32_t runs_ = 0;
};

class BoundProgram {
 public:
  // ERR_PROGRAM_INVALID when a slot that the program names is absent or of another kind.
  static Status bind(std::weak_ptr<const Program> owner, const Program& program, State& state, std::unique_ptr<BoundProgram>* result);

  // To be called before the first run, and whenever the arena has moved.
  void setArena(char* arena);
  const char* arena() const { return arena_; }
  void setFeed(size_t index, const void* data);
  void setFetch(size_t index, void* data);

  const Program& program;  // kept alive by whoever runs it
  std::weak_ptr<const Program> owner;
  std::vector<Call> prepare, step;
  Preparation preparation;
  std::vector<Slot*> stepSlots;  // the slots that the step list reads or writes
  // Seconds spent in each instruction, prepare list then step list, since they were last asked for. All 0 unless
  // profiling.
  std::vector<double> seconds;

 private:
  BoundProgram(std::weak_ptr<const Program> owner, const Program& program, State& state);
  void bindList(const std::vector<Instruction>& list, State& state, std::vector<Call>* calls);

  struct ArenaPointer {
    void** pointer;
    int64_t offset;
  };
  std::vector<ArenaPointer> arenaPointers_;
  std::vector<std::vector<void**>> feedPointers_, fetchPointers_;
  char* arena_ = nullptr;
};

}  // namespace stridenet
