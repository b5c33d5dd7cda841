// A slot: the memory of one variable or derived value, and the functions that move values into it and out of it. State
// decides which slots there are and when they change.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "native/base/status.h"
#include "native/kernels/random_kernels.h"
#include "native/program/op.h"

namespace stridenet {

// Where a value comes from when it is needed: float32 numbers in logical order. They lie in a file, little endian, from
// byte `offset` on (the caller keeps the file open as long as a slot refers to it), or all equal `first`, or they are
// drawn by the kernels in random_kernels.h with the parameters `first` and `second`.
struct Source {
  enum class Kind { file, constant, uniform, normal };
  Kind kind = Kind::constant;
  int descriptor = -1;
  int64_t offset = 0;
  RandomStream stream = {};
  double first = 0, second = 0;
};

struct Slot {
  DType dtype;
  int rank;
  int64_t dims[kMaxRank];  // physical
  int64_t count;
  bool derived;
  bool usedBySteps = false;   // a step list that has run takes it; otherwise only prepare lists read it
  bool released = false;      // the memory of a variable was given back, see State::releaseSources
  bool outside = false;       // the value of a variable is in `source` and not in `memory`
  bool dropped = false;       // no program takes this derived slot any more, see State::dropDerived
  bool blank = true;          // `memory` has never held anything but zeros
  uint64_t computedFrom = 0;  // the State's version that a derived value was computed from, 0 when it never was
  Source source;              // of a variable whose value is outside
  void* memory = nullptr;     // zeros at first

  size_t bytes() const { return static_cast<size_t>(count) * dtypeSize(dtype); }
};

// Copy `count` elements from element `first` on. With `logical`, a slot of rank 4 is [n, c, h, w] outside; inside it is [n, h, w, c], and
// what is copied must be whole entries of its first axis.
void copyIn(const void* data, bool logical, int64_t first, int64_t count, Slot* slot);
void copyOut(const Slot& slot, bool logical, int64_t first, int64_t count, void* data);
// Whether `count` elements from element `first` on can be copied.
bool isCopyable(const Slot& slot, bool logical, int64_t first, int64_t count);

// A slot, and where the value of its source is to be written in the slot's physical order.
using Making = std::pair<const Slot*, void*>;

// Makes values on up to `threads` threads. ERR_BAD_FILE when a file ends before a value does, ERR_FILE_ACCESS when it
// cannot be read; the targets may then hold anything.
Status makeValues(const std::vector<Making>& values, int threads);

}  // namespace stridenet
