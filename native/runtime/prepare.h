// What a prepare list has to do before a step: which of its instructions must run, and where the values lie that they read. Values outside
// of memory, in files or as rules, are made for a part of the list at a time. Running the instructions is executor's business.
#pragma once

#include <vector>

#include "native/program/program.h"
#include "native/runtime/state.h"

namespace stridenet {

// The prepare list of a bound program.
class Preparation {
 public:
  // `calls` are the list's, bound to `state`. Program and calls stay where they are.
  void bind(const Program& program, State& state, std::vector<Call>& calls);

  // Decides which instructions must run at this version of the State: those with a stale output that a step takes, and those whose results
  // such a one reads and that are not current. False: none. Under State::runMutex(), as is all of a pass.
  bool findNeeded(uint64_t version);
  // By instruction, whether it must run.
  const uint8_t* needed() const { return needed_.data(); }

 private:
  friend class PreparePass;

  // A slot that an instruction reads, with the instruction's pointer to its value.
  struct Input {
    Slot* slot;
    void** pointer;
    size_t stagingOffset;  // where its value lies in the staging memory of the part, if it is outside
  };
  struct Entry {
    std::vector<Input> inputs;
    std::vector<Slot*> outputs;
  };

  void cutIntoParts();

  const Program* program_ = nullptr;
  std::vector<Entry> entries_;  // by instruction
  std::vector<uint8_t> needed_;
  // Ends of the parts before which values are brought from outside: each takes few megabytes that the part before it does not, unless one
  // instruction takes more.
  std::vector<size_t> parts_;
  size_t stagingBytes_ = 0;  // of the largest part
};

// One pass through the instructions that findNeeded() found, part by part, so that little lies in memory of what stays outside, and still
// in the caches when it is used.
class PreparePass {
 public:
  PreparePass(Preparation& preparation, State& state, int threads);

  // The next part of which something must run, instructions [*begin, *end), with all that they read in memory. False: there is none, or
  // what it reads cannot be had.
  bool next(size_t* begin, size_t* end);
  // When all parts have run: what was written is current from now on, unless next() failed.
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
