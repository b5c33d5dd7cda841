// Which bytes a tensor occupies, for questions of overlap. Used while verifying and while placing barriers.
#pragma once

#include <algorithm>
#include <map>

#include "native/program/program.h"

namespace stridenet {

// Bytes [begin, end) of one region: the arena, a slot, a feed, a fetch or the constants. Regions never overlap.
struct MemoryRange {
  int64_t region;
  int64_t begin, end;

  bool overlaps(const MemoryRange& other) const { return region == other.region && begin < other.end && other.begin < end; }
  bool operator==(const MemoryRange& other) const { return region == other.region && begin == other.begin && end == other.end; }
};

inline MemoryRange rangeOf(const Tensor& tensor) {
  const int64_t space = static_cast<int64_t>(tensor.space) << 32, bytes = tensor.bytes();
  switch (tensor.space) {
    case Space::arena:
      return {.region = space, .begin = tensor.offset * kLineBytes, .end = tensor.offset * kLineBytes + bytes};
    case Space::constant:
      return {.region = space, .begin = tensor.offset * int64_t{4}, .end = tensor.offset * int64_t{4} + bytes};
    default:
      return {.region = space | static_cast<uint32_t>(tensor.offset), .begin = 0, .end = bytes};
  }
}

// A set of bytes, kept as disjoint intervals.
class ByteSet {
 public:
  void add(const MemoryRange& range) {
    auto& intervals = regions_[range.region];
    int64_t begin = range.begin, end = range.end;
    auto it = intervals.upper_bound(begin);
    if (it != intervals.begin() && std::prev(it)->second >= begin) --it;
    while (it != intervals.end() && it->first <= end) {  // joins intervals that touch or overlap
      begin = std::min(begin, it->first);
      end = std::max(end, it->second);
      it = intervals.erase(it);
    }
    intervals[begin] = end;
  }
  bool intersects(const MemoryRange& range) const {
    auto region = regions_.find(range.region);
    if (region == regions_.end()) return false;
    auto it = region->second.lower_bound(range.end);
    return it != region->second.begin() && std::prev(it)->second > range.begin;
  }
  bool covers(const MemoryRange& range) const {
    auto region = regions_.find(range.region);
    if (region == regions_.end()) return false;
    auto it = region->second.upper_bound(range.begin);
    return it != region->second.begin() && std::prev(it)->second >= range.end;
  }

 private:
  std::map<int64_t, std::map<int64_t, int64_t>> regions_;  // region -> begin -> end
};

}  // namespace stridenet
