// Rows of numbers as vectors: whole ones and, where a row ends, one of which only the first lanes exist. In three forms:
//   eachVector             loops whose body is compiled twice, for whole vectors and for the one at the end
//   loadLanes, storeLanes  a vector whose number of lanes is known only while running
//   TileRow                the vectors of a register tile's row
// Included inside the anonymous namespace of one instruction set; see table.inl.h.

// For lambdas and members that have to become part of the loop that calls them.
#define STRIDENET_LAMBDA __attribute__((always_inline))
#define STRIDENET_MEMBER inline __attribute__((always_inline))

// The number of lanes that exist of the vector that begins at column c.
STRIDENET_INLINE int lanesFrom(int64_t c, int64_t columns) {
  return columns - c < kLanes ? static_cast<int>(columns - c) : kLanes;
}

STRIDENET_INLINE Vec loadLanes(const float* p, int count) {
  return count == kLanes ? load(p) : loadPartial(p, count);
}

STRIDENET_INLINE void storeLanes(float* p, Vec v, int count) {
  if (count == kLanes) {
    store(p, v);
  } else {
    storePartial(p, v, count);
  }
}

// A vector all of whose lanes exist, and one whose first `count` lanes do. `get` converts integers to float; `orElse` gives v where a lane
// exists and `other` elsewhere.
struct WholeVector {
  STRIDENET_MEMBER Vec get(const float* p) const { return load(p); }
  STRIDENET_MEMBER Vec get(const int32_t* p) const { return loadI32(p); }
  STRIDENET_MEMBER Vec get(const uint8_t* p) const { return loadU8(p); }
  STRIDENET_MEMBER void put(float* p, Vec v) const { store(p, v); }
  STRIDENET_MEMBER Vec orElse(Vec v, Vec) const { return v; }
};
struct PartialVector {
  int count;
  STRIDENET_MEMBER Vec get(const float* p) const { return loadPartial(p, count); }
  STRIDENET_MEMBER Vec get(const int32_t* p) const { return loadI32Partial(p, count); }
  STRIDENET_MEMBER Vec get(const uint8_t* p) const { return loadU8Partial(p, count); }
  STRIDENET_MEMBER void put(float* p, Vec v) const { storePartial(p, v, count); }
  STRIDENET_MEMBER Vec orElse(Vec v, Vec other) const { return select(firstLanes(count), v, other); }
};

// body(first column, vector) for every vector of a row.
template <typename Body>
STRIDENET_INLINE void eachVector(int64_t columns, Body body) {
  const int64_t rest = columns % kLanes, whole = columns - rest;
  for (int64_t c = 0; c < whole; c += kLanes) body(c, WholeVector{});
  if (rest > 0) body(whole, PartialVector{static_cast<int>(rest)});
}

// y[i] = f(x[i], ...) for i < n. y may be exactly the memory of an operand.
template <typename F, typename... Numbers>
STRIDENET_INLINE void mapVectors(int64_t n, float* y, F f, const Numbers*... x) {
  eachVector(n, [&](int64_t i, auto vector) STRIDENET_LAMBDA { vector.put(y + i, f(vector.get(x + i)...)); });
}

// The kVectors vectors of one row of a register tile; with kTail the last of them is partial.
template <int kVectors, bool kTail>
struct TileRow {
  PartialVector last;

  explicit TileRow(int64_t columns) : last{static_cast<int>(columns - (kVectors - 1) * kLanes)} {}
  STRIDENET_MEMBER Vec get(const float* row, int v) const {
    return kTail && v == kVectors - 1 ? last.get(row + v * kLanes) : load(row + v * kLanes);
  }
  STRIDENET_MEMBER void put(float* row, int v, Vec numbers) const {
    if (kTail && v == kVectors - 1) {
      last.put(row + v * kLanes, numbers);
    } else {
      store(row + v * kLanes, numbers);
    }
  }
};
