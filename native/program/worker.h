// One thread's view of a running phase: which share of the work is its own, and the scratch that it may use.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace stridenet {

struct TaskShare;

// The number of a thread that came while a phase was under way: it has no share of its own.
constexpr int kGuest = -1;

// The numbers [first, last), for range-based loops: for (int64_t task : range).
struct Range {
  int64_t first, last;

  struct Iterator {
    int64_t at;
    int64_t operator*() const { return at; }
    bool operator!=(const Iterator& other) const { return at != other.at; }
    void operator++() { ++at; }
  };
  Iterator begin() const { return {first}; }
  Iterator end() const { return {last}; }
  bool isEmpty() const { return first == last; }
  int64_t count() const { return last - first; }
};

// Results must not depend on `threads`: cut work into tiles by shape alone, let thread t take tiles, and combine partial sums in tile order
// in a later phase.
struct Worker {
  int phase;
  int thread;
  int threads;
  void* sharedScratch;  // 64-byte aligned
  void* threadScratch;  // 64-byte aligned
  // What threads have left of their ranges, one entry each, and the number of this run of the instruction (worker_tasks.h); null: all
  // threads keep to their own.
  TaskShare* shares = nullptr;
  uint32_t run = 0;

  float* sharedFloats() const { return static_cast<float*>(sharedScratch); }
  float* threadFloats() const { return static_cast<float*>(threadScratch); }

  // This thread's share of `count` tasks.
  Range share(int64_t count) const {
    if (thread == kGuest) return {0, 0};
    return {count * thread / threads, count * (thread + 1) / threads};
  }
  // This thread's share of `count` elements in tiles of `tile`, of which the last may be smaller.
  Range share(int64_t count, int64_t tile) const {
    const Range tiles = share((count + tile - 1) / tile);
    return {std::min(count, tiles.first * tile), std::min(count, tiles.last * tile)};
  }
};

}  // namespace stridenet
