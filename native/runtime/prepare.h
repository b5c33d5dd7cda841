// What a prepare list has to do before a step: which of its instructions must run, and where the values lie that they read. Values outside
// of memory, in files or as rules, are made for a part of the list at a time. Running the instructions is executor's business.
#pragma once

#include <vector>

#include "native/program/program.h"
#include "native/runtime/state.h"

namespace stridenet {

// What is known of the prepare list of a bound program.
class Preparation {
 public:
  // `calls` are the list's, bound to `state`. Program and calls stay where they are.
  void bind(const Program& program, State& state, std::vector<Call>& calls);

  // Decides which instructions must run at this version of the State: those with a stale output that a step takes, and
  // those whose stale results such an instruction reads. Returns false when none must. The caller holds
  // State::runMutex(), and keeps it during the pass.
  bool findNeeded(uint64_t version);
  // For each instruction, whether it must run.
  const uint8_t* needed() const { return needed_.data(); }

 private:
  friend class PreparePass;

  // A slot that an instruction reads, with the instruction's pointer to its value.
  struct Input {
    Slot* slot;
    void** pointer;
    size_t stagingOffset;  // of its value in the staging memory of the part, if it lies outside of memory
  };
  struct Entry {
    std::vector<Input> inputs;
    std::vector<Slot*> outputs;
  };

  void cutIntoParts();

  const Program* program_ = nullptr;
  std::vector<Entry> entries_;  // by instruction
  std::vector<uint8_t> needed_;
  // Where each part of the list ends. Values outside of memory are brought in before each part, which is cut so that it
  // needs only few megabytes more than the part before it, unless a single instruction needs more.
  std::vector<size_t> parts_;
  size_t stagingBytes_ = 0;  // what the largest part needs
};

// One pass through the instructions that findNeeded() found, part by part: few values from outside lie in memory at a
// time, and they are still in the caches when they are used.
class PreparePass {
 public:
  PreparePass(Preparation& preparation, State& state, int threads);

  // Finds the next part, instructions [*begin, *end), in which one must run, and brings all that they read into memory.
  // Returns false when there is none, or when what it reads cannot be brought in.
  bool next(size_t* begin, size_t* end);
  // To be called when all parts have run: what they wrote is current from now on, unless next() failed.
  Status finish();

 private:
  bool readsReleased() const;
  Status readInputs(size_t begin, size_t end);

  Preparation& preparation_;
  State& state_;
  const int threads_;
  size_t part_ = 0;
  AlignedBuffer staging_;
  Status status_;
};

}  // namespace stridenet
