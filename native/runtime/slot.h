// A slot: the memory of one variable or derived value, and the ways in which a value comes into it and out of it. Which slots there are
// and when they change is state's business.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "native/kernels/random_kernels.h"
#include "native/ops/op.h"
#include "native/runtime/status.h"

namespace stridenet {

// What a value is made of when it is needed: float32 numbers in logical order. They lie in a file, little endian, from byte `offset` on
// (whoever names a file keeps it open as long as a slot refers to it), or all are `first`, or they are drawn with the parameters `first`
// and `second` of the kernels in random_kernels.h.
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
  bool usedBySteps = false;   // a step list that has run takes it; the others are sources of prepare lists alone
  bool released = false;      // a variable without its value, see State::releaseSources
  bool outside = false;       // a variable whose value is in `source` and not in `memory`
  bool dropped = false;       // derived: no program takes it, see State::dropDerived
  bool blank = true;          // nothing but zeros was ever in `memory`
  uint64_t computedFrom = 0;  // derived: the State's version that the value belongs to, 0 when never computed
  Source source;              // of a variable outside
  void* memory = nullptr;     // zeros at first

  size_t bytes() const { return static_cast<size_t>(count) * dtypeSize(dtype); }
};

// Copy `count` elements from element `first` on. With `logical`, a slot of rank 4 is [n, c, h, w] outside; inside it is [n, h, w, c], and
// what is copied must be whole entries of its first axis.
void copyIn(const void* data, bool logical, int64_t first, int64_t count, Slot* slot);
void copyOut(const Slot& slot, bool logical, int64_t first, int64_t count, void* data);
// Whether so many elements from `first` on can be copied.
bool isCopyable(const Slot& slot, bool logical, int64_t first, int64_t count);

// A value to be made from its slot's source at `target`, in the slot's own order.
using Making = std::pair<const Slot*, void*>;

// Makes values on up to `threads` threads. ERR_BAD_FILE when a file ends before a value does, ERR_FILE_ACCESS when it cannot be read; then
// nothing can be said about what lies at the targets.
Status makeValues(const std::vector<Making>& values, int threads);

}  // namespace stridenet
