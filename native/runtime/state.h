// What outlives a run: variables (parameters, optimizer slots, running statistics) and values derived from them by
// prepare lists. The State knows types and extents of its slots but not what they mean. Programs refer to slots by
// number.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "native/runtime/memory.h"
#include "native/runtime/slot.h"

namespace stridenet {

class State {
 public:
  // As a count: all elements from the first one on.
  static constexpr int64_t kRest = -1;

  // `releasesSources`: programs write no variable, and releaseSources() will be called. At least `expectedBytes` of
  // derived slots will be added, whose memory is prepared in the background from now on.
  explicit State(bool releasesSources = false, size_t expectedBytes = 0) : releasesSources_(releasesSources) {
    if (expectedBytes > 0) derived_.expect(expectedBytes);
  }

  // Adds a slot of zeros; its number is the count of slots before. Does not wait for a run.
  Status addSlot(DType dtype, int rank, const int64_t* dims, bool derived, int* number);
  int slotCount() const;
  size_t bytes() const;

  // The slot, or nullptr. Its description never changes and it never moves; its contents belong to whoever holds runMutex().
  Slot* slot(int number);

  // Copies a slot or a part of it (slot.h) in or out, waiting for a run under way. With `logical`, a rank-4 slot is [n, c, h, w] outside.
  // Writing a variable makes the State's version grow; derived slots cannot be written. Until all parts are written the value is neither
  // the old one nor the new one.
  Status write(int number, const void* data, bool logical, int64_t first = 0, int64_t count = kRest);
  Status read(int number, void* data, bool logical, int64_t first = 0, int64_t count = kRest);
  // Whole slots into `data`, in logical order, all between the same two runs.
  Status readAll(const std::vector<int>& numbers, const std::vector<void*>& data);
  // Sets a float32 variable to the value that `source` describes, which is made when it is needed.
  Status writeSource(int number, const Source& source);

  // Gives back the memory of all slots that only prepare lists use: variables that are packed, and derived values on
  // the way to packed ones. Runs work as long as what they take is current. A run that must prepare again fails unless
  // the variables without a source were restored.
  void releaseSources();
  bool isReleased(int number);
  // Writes the value that a released variable had, or a part of it, in logical order. The variable counts as released
  // until its last part is written.
  Status restore(int number, const void* data, int64_t first = 0, int64_t count = kRest);

  // Gives back the memory of a derived slot that no program takes any more. A program that takes it later finds zeros
  // that are not current. Does not wait for a run.
  Status dropDerived(int number);
  // Undoes dropDerived, for a program that takes the slot.
  void takeDerived(Slot* slot);

  // Makes the values of those of `slots` that are outside, in the slots' memory. The caller holds runMutex().
  Status load(const std::vector<Slot*>& slots, int threads);
  // Gives the memory of derived slots its pages before they are written (pages.h).
  void populateDerived(int threads);
  // Whether values outside of memory stay there, and prepare lists make what they need in staging memory.
  bool leavesOutside() const { return releasesSources_; }

  // Held during every run on this State and while contents are copied.
  std::mutex& runMutex() { return runMutex_; }
  // The version starts at 1 and grows with every write to a variable. The caller of either holds runMutex().
  uint64_t version() const { return version_; }
  void bumpVersion() { version_++; }

 private:
  Status checkVariable(int number, const Slot& slot) const;
  static Status checkPart(int number, const Slot& slot, bool logical, int64_t first, int64_t* count);

  const bool releasesSources_;
  mutable std::mutex slotsMutex_;  // guards the list, not the contents
  std::deque<Slot> slots_;
  BlockPool variables_, derived_;  // apart, so that released variables leave whole pages
  std::mutex runMutex_;
  uint64_t version_ = 1;
  std::atomic<size_t> droppedBytes_{0};
};

}  // namespace stridenet
