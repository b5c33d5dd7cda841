// What outlives a run: variables (parameters, optimizer slots, running statistics) and values derived from them by prepare lists.
// Knows element types and extents, no meaning. Programs refer to slots by number.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>

#include "native/ops/op.h"
#include "native/runtime/memory.h"

namespace stridenet {

struct Slot {
  DType dtype;
  int rank;
  int64_t dims[kMaxRank];  // physical
  int64_t count;
  bool derived;
  uint64_t computedFrom = 0;  // derived: the State's version that the value belongs to, 0 when never computed
  AlignedBuffer memory;       // zeros at first

  size_t bytes() const { return static_cast<size_t>(count) * dtypeSize(dtype); }
};

class State {
 public:
  // Adds a slot of zeros; its number is the count of slots before. Does not wait for a run.
  Status addSlot(DType dtype, int rank, const int64_t* dims, bool derived, int* number);
  int slotCount() const;
  size_t bytes() const;

  // The slot, or nullptr. Its description never changes and it never moves; its contents belong to whoever holds runMutex().
  Slot* slot(int number);

  // Copies a whole slot in or out, waiting for a run under way. With `logical`, a rank-4 slot is [n, c, h, w] outside.
  // Writing a variable makes the State's version grow; derived slots cannot be written.
  Status write(int number, const void* data, bool logical);
  void read(int number, void* data, bool logical);

  // Held during every run on this State and while contents are copied.
  std::mutex& runMutex() { return runMutex_; }
  // Both under runMutex(). Starts at 1.
  uint64_t version() const { return version_; }
  void bumpVersion() { version_++; }

 private:
  mutable std::mutex slotsMutex_;  // guards the list, not the contents
  std::deque<Slot> slots_;
  size_t bytes_ = 0;
  std::mutex runMutex_;
  uint64_t version_ = 1;
};

}  // namespace stridenet
