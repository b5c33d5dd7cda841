// A Program tied to a State and an arena: every operand is a pointer. Made once per session and program; runs only patch the
// pointers of feeds and fetches.
#pragma once

#include <memory>
#include <vector>

#include "native/ops/worker_tasks.h"
#include "native/program/program.h"
#include "native/runtime/memory.h"
#include "native/runtime/prepare.h"
#include "native/runtime/state.h"

namespace stridenet {

// The memory that the programs of one session share, since only one of them runs at a time. Grows to the largest.
struct Workspace {
  AlignedBuffer arena, sharedScratch, threadScratch;
  AlignedBuffer shares;  // a TaskShare for each instruction of a step list and thread

  TaskShare* taskShares() const { return static_cast<TaskShare*>(shares.data()); }
  // A number that no recent run had; never 0.
  uint32_t nextRun() { return ++runs_ == 0 ? ++runs_ : runs_; }

  // Room for a run of `program` on up to `threads` threads.
  Status reserve(const Program& program, int threads);
  size_t bytes() const { return arena.size() + sharedScratch.size() + threadScratch.size() + shares.size(); }
  static size_t bytesFor(const Program& program, int threads);
  // Bytes from one thread's scratch to the next one's.
  static size_t scratchStride(const Program& program) { return alignUp(program.threadScratch); }

 private:
  static size_t sharesFor(const Program& program, int threads);

  uint32_t runs_ = 0;
};

class BoundProgram {
 public:
  // ERR_PROGRAM_INVALID when a slot that the program names is absent or of another kind.
  static Status bind(std::weak_ptr<const Program> owner, const Program& program, State& state, std::unique_ptr<BoundProgram>* result);

  // The arena moved, or it is the first run.
  void setArena(char* arena);
  const char* arena() const { return arena_; }
  void setFeed(size_t index, const void* data);
  void setFetch(size_t index, void* data);

  const Program& program;  // kept alive by whoever runs it
  std::weak_ptr<const Program> owner;
  std::vector<Call> prepare, step;
  Preparation preparation;
  std::vector<Slot*> stepSlots;  // that the step list takes
  // Seconds by instruction, prepare then step, since somebody asked last; all 0 unless profiling.
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
