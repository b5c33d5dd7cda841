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
  bool usedBySteps = false;   // a step list that has run takes it; the others are sources of prepare lists alone
  bool released = false;      // a variable without its value, see State::releaseSources
  uint64_t computedFrom = 0;  // derived: the State's version that the value belongs to, 0 when never computed
  void* memory = nullptr;     // zeros at first

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

  // Gives back the memory of all slots that only prepare lists take: of variables, and of what lies between them and the results.
  // Runs go on as long as the results are current; a run that must prepare again fails unless those variables were restored.
  void releaseSources();
  bool isReleased(int number);
  // Writes the value that a released variable had, in logical order.
  void restore(int number, const void* data);

  // Held during every run on this State and while contents are copied.
  std::mutex& runMutex() { return runMutex_; }
  // Both under runMutex(). Starts at 1.
  uint64_t version() const { return version_; }
  void bumpVersion() { version_++; }

 private:
  void copyIn(Slot& target, const void* data, bool logical);

  mutable std::mutex slotsMutex_;  // guards the list, not the contents
  std::deque<Slot> slots_;
  BlockPool variables_, derived_;  // apart, so that the pages of released variables are whole
  std::mutex runMutex_;
  uint64_t version_ = 1;
};

}  // namespace stridenet
