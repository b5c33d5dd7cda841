// What outlives a run: variables (parameters, optimizer slots, running statistics) and values derived from them by prepare lists.
// Knows element types and extents, no meaning. Programs refer to slots by number.
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
  // All elements that follow.
  static constexpr int64_t kRest = -1;

  // `releasesSources`: programs write no variable, and releaseSources() will be called. `expectedBytes` of derived slots at least will
  // come: their memory is got ready meanwhile.
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
  // The same as writing all that the source says, which must be float32; it is made when it is needed.
  Status writeSource(int number, const Source& source);

  // Gives back the memory of all slots that only prepare lists take: of variables, and of what lies between them and the results.
  // Runs go on as long as the results are current; a run that must prepare again fails unless the variables that have no source were
  // restored.
  void releaseSources();
  bool isReleased(int number);
  // Writes the value that a released variable had, in logical order, or a part of it; it is released until the last part is written.
  Status restore(int number, const void* data, int64_t first = 0, int64_t count = kRest);

  // Gives back the memory of a derived slot that no program takes any more; what a program that takes it later finds are zeros that are
  // not current. Does not wait for a run.
  Status dropDerived(int number);
  // A program takes it after all.
  void takeDerived(Slot* slot);

  // Under runMutex(): makes the values of those slots that are outside in their memory.
  Status load(const std::vector<Slot*>& slots, int threads);
  // Before derived slots are written: gives their memory its pages.
  void populateDerived(int threads);
  // Whether values that are outside stay there: each prepare list makes what it needs in memory of its own.
  bool leavesOutside() const { return releasesSources_; }

  // Held during every run on this State and while contents are copied.
  std::mutex& runMutex() { return runMutex_; }
  // Both under runMutex(). Starts at 1.
  uint64_t version() const { return version_; }
  void bumpVersion() { version_++; }

 private:
  Status checkVariable(int number, const Slot& slot) const;
  static Status checkPart(int number, const Slot& slot, bool logical, int64_t first, int64_t* count);

  const bool releasesSources_;
  mutable std::mutex slotsMutex_;  // guards the list, not the contents
  std::deque<Slot> slots_;
  BlockPool variables_, derived_;  // apart, so that the pages of released variables are whole
  std::mutex runMutex_;
  uint64_t version_ = 1;
  std::atomic<size_t> droppedBytes_{0};
};

}  // namespace stridenet
