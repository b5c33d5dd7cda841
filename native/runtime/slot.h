// A slot: the memory of one variable or derived value, and the ways in which a value comes into it and out of it. Which slots there are
// and when they change is state's business.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "native/ops/op.h"
#include "native/runtime/status.h"

namespace stridenet {

// A value in a file: float32 numbers, little endian, in logical order, from byte `offset` on. Whoever names a file keeps it open as long
// as a slot refers to it.
struct FileSource {
  int descriptor = -1;
  int64_t offset = 0;
};

struct Slot {
  DType dtype;
  int rank;
  int64_t dims[kMaxRank];  // physical
  int64_t count;
  bool derived;
  bool usedBySteps = false;   // a step list that has run takes it; the others are sources of prepare lists alone
  bool released = false;      // a variable without its value, see State::releaseSources
  bool inFile = false;        // a variable whose value lies in `source` and not in `memory`
  uint64_t computedFrom = 0;  // derived: the State's version that the value belongs to, 0 when never computed
  FileSource source;          // of a variable in a file
  void* memory = nullptr;     // zeros at first

  size_t bytes() const { return static_cast<size_t>(count) * dtypeSize(dtype); }
};

// Copy a whole value. With `logical`, a slot of rank 4 is [n, c, h, w] outside; inside it is [n, h, w, c].
void copyIn(const void* data, bool logical, Slot* slot);
void copyOut(const Slot& slot, bool logical, void* data);

// A value to be read from its slot's file to `target`, in the slot's own order.
using FileRead = std::pair<const Slot*, void*>;

// Reads values on up to `threads` threads. ERR_BAD_FILE when a file ends before a value does, ERR_FILE_ACCESS when it cannot be read; then
// nothing can be said about what lies at the targets.
Status readFiles(const std::vector<FileRead>& reads, int threads);

}  // namespace stridenet
