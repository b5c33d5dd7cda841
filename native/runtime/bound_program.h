// A Program tied to a State and an arena: every operand is a pointer. Made once per session and program; runs only patch the
// pointers of feeds and fetches.
#pragma once

#include <memory>
#include <vector>

#include "native/ops/worker_tasks.h"
#include "native/program/program.h"
#include "native/runtime/memory.h"
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

  // The slots that each prepare instruction writes, and whether it is to be run this time.
  std::vector<std::vector<Slot*>> derivedSlots;
  // The slots that each prepare instruction reads, with its pointer to the value; and those that the step list takes.
  struct Source {
    Slot* slot;
    void** pointer;
    size_t offset;  // where its value lies in the staging memory of the part, if it is outside
  };
  std::vector<std::vector<Source>> sources;
  std::vector<Slot*> stepSlots;
  // Ends of the parts of the prepare list before which values are brought from outside: each takes few megabytes that the part before it
  // does not, unless one instruction takes more.
  std::vector<size_t> prepareParts;
  size_t stagingBytes = 0;  // of the largest part
  std::vector<uint8_t> needed;
  // Seconds by instruction, prepare then step; empty until profiling asks for it.
  std::vector<double> seconds;

 private:
  explicit BoundProgram(const Program& bound) : program(bound) {}
  void partPrepareList();
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
