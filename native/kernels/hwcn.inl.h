// Convolution tiles with images in the lanes; contract in hwcn_kernels.h.
//
// A tile reads `pixels` vectors and broadcasts `channels` weights for pixels * channels multiply-adds: two pixels are enough to hide that,
// and a short tile wastes little on taps that lie outside the image for some of its pixels only. Few channels take more pixels, so
// that there are enough independent sums to hide the latency of a multiply-add.

template <int P, int C>
void hwcnTile(const HwcnTile& t) {
  Vec acc[P][C];
#pragma GCC unroll 4
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 8
    for (int o = 0; o < C; ++o) acc[p][o] = zero();
  const int64_t pixel = t.xPixel, length = t.length;
  for (int64_t i = 0; i < t.lines; ++i) {
    const float* x = t.x + i * t.xLine;
    const float* weight = t.weight + i * t.weightLine;
    for (int64_t k = 0; k < length; ++k, x += kLanes, weight += C) {
      Vec v[P];
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) v[p] = load(x + p * pixel);
#pragma GCC unroll 8
      for (int o = 0; o < C; ++o) {
        const Vec w = set1(weight[o]);
#pragma GCC unroll 4
        for (int p = 0; p < P; ++p) acc[p][o] = fma(v[p], w, acc[p][o]);
      }
    }
  }
  // A bias that does not exist is a zero.
  finishTile(
      acc, true, [&](int o) STRIDENET_LAMBDA { return t.bias == nullptr ? zero() : set1(t.bias[o]); }, t.add,
      [&](int p, int o) STRIDENET_LAMBDA { return load(t.y + p * t.yPixel + o * kLanes); }, t.activation);
#pragma GCC unroll 4
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 8
    for (int o = 0; o < C; ++o) store(t.y + p * t.yPixel + o * kLanes, acc[p][o]);
  finishStored(t.y, 1, 0, P, t.yPixel, C * kLanes, t.activation);
}

template <int C, int R>
void hwcnRankUpdate(const HwcnRankUpdate& t) {
  Vec acc[R][C];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int o = 0; o < C; ++o) acc[r][o] = zero();
  const int64_t pixels = t.pixels, xPixel = t.xPixel, dyPixel = t.dyPixel;
  for (int64_t q = 0; q < t.runs; ++q) {
    const float* x[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) x[r] = t.x + t.offsets[r] + q * t.xRun;
    const float* dy = t.dy + q * t.dyRun;
    int64_t at = 0;
    for (int64_t p = 0; p < pixels; ++p, at += xPixel, dy += dyPixel) {
      Vec d[C];
#pragma GCC unroll 8
      for (int o = 0; o < C; ++o) d[o] = load(dy + o * kLanes);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const Vec v = load(x[r] + at);
#pragma GCC unroll 8
        for (int o = 0; o < C; ++o) acc[r][o] = fma(v, d[o], acc[r][o]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int o = 0; o < C; ++o) {
      float* sum = t.sums + r * t.sumRow + o * kLanes;
      store(sum, add(load(sum), acc[r][o]));
    }
}

inline void hwcnSumLanes(const float* x, int64_t count, float* sums) {
  for (int64_t i = 0; i < count; ++i) sums[i] = reduceAdd(load(x + i * kLanes));
}

// body(first number, vector, numbers) for squares of numbers of rows: the last square ends with the row, so that it is whole too, unless
// the row is shorter than a vector.
template <typename Body>
STRIDENET_INLINE void eachHwcnSquare(int64_t count, Body body) {
  if (count < kLanes) return body(0, PartialVector{static_cast<int>(count)}, static_cast<int>(count));
  for (int64_t c = 0; c < count; c += kLanes) body(c + kLanes <= count ? c : count - kLanes, WholeVector{}, kLanes);
}

inline void hwcnInterleave(const float* const* rows, int64_t count, float* to) {
  eachHwcnSquare(count, [&](int64_t at, auto vector, int numbers) STRIDENET_LAMBDA {
    Vec v[kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) v[i] = rows[i] == nullptr ? zero() : vector.get(rows[i] + at);
    transposeSquare(v);
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i)
      if (i < numbers) store(to + (at + i) * kLanes, v[i]);
  });
}

inline void hwcnDeinterleave(const float* from, int64_t count, float* const* rows) {
  eachHwcnSquare(count, [&](int64_t at, auto vector, int numbers) STRIDENET_LAMBDA {
    Vec v[kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) v[i] = i < numbers ? load(from + (at + i) * kLanes) : zero();
    transposeSquare(v);
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i)
      if (rows[i] != nullptr) vector.put(rows[i] + at, v[i]);
  });
}

// Windows kRows x kCols, or t.poolH x t.poolW where these are 0: body(vector, its window's first vector in t.lines) for each.
template <typename Body>
STRIDENET_INLINE void eachHwcnWindow(const HwcnPool& t, int64_t cols, Body body) {
  const int64_t vectors = t.windows * t.channels;
  const float* window = t.lines;
  for (int64_t at = 0, c = 0; at < vectors; ++at) {
    body(at, window - t.lines);
    window += kLanes;
    if (++c == t.channels) c = 0, window += (cols - 1) * t.channels * kLanes;
  }
}

template <int kRows, int kCols>
inline void hwcnMaxPool(const HwcnPool& t, bool onlyPositive) {
  const int64_t rows = kRows > 0 ? kRows : t.poolH, cols = kCols > 0 ? kCols : t.poolW, pixel = t.channels * kLanes;
  eachHwcnWindow(
      t, cols, [&](int64_t at, int64_t window) __attribute__((always_inline)) {
        Vec m = set1(-kInfinity), position = zero();
        float number = 0;
        for (int64_t i = 0; i < rows; ++i) {
          for (int64_t j = 0; j < cols; ++j, number += 1) {
            const Vec v = load(t.lines + window + i * t.lineStep + j * pixel);
            position = select(maskOr(greater(v, m), notEqual(v, v)), set1(number), position);
            m = maxNaN(v, m);
          }
        }
        store(t.pooled + at * kLanes, m);
        if (t.position == nullptr) return;
        store(t.position + at * kHwcnImageBlock, onlyPositive ? select(lessEqual(m, zero()), set1(-1.0f), position) : position);
      });
}

template <int kRows, int kCols>
inline void hwcnMaxPoolGrad(const HwcnPool& t) {
  const int64_t rows = kRows > 0 ? kRows : t.poolH, cols = kCols > 0 ? kCols : t.poolW, pixel = t.channels * kLanes;
  eachHwcnWindow(
      t, cols, [&](int64_t at, int64_t window) __attribute__((always_inline)) {
        const Vec d = load(t.pooled + at * kLanes), position = load(t.position + at * kHwcnImageBlock);
        float number = 0;
        for (int64_t i = 0; i < rows; ++i) {
          for (int64_t j = 0; j < cols; ++j, number += 1)
            store(t.lines + window + i * t.lineStep + j * pixel, select(equal(position, set1(number)), d, zero()));
        }
      });
}

inline void hwcnMaxPoolAny(const HwcnPool& t, bool onlyPositive) {
  t.poolH == 2 && t.poolW == 2 ? hwcnMaxPool<2, 2>(t, onlyPositive) : hwcnMaxPool<0, 0>(t, onlyPositive);
}

inline void hwcnMaxPoolGradAny(const HwcnPool& t) {
  t.poolH == 2 && t.poolW == 2 ? hwcnMaxPoolGrad<2, 2>(t) : hwcnMaxPoolGrad<0, 0>(t);
}

template <int P, int C>
constexpr auto chooseHwcnTile() -> void (*)(const HwcnTile&) {
  if constexpr (P <= kTileSizes.hwcn.pixels[C]) {
    return &hwcnTile<P, C>;
  } else {
    return nullptr;
  }
}

template <int C, int R>
constexpr auto chooseHwcnRankUpdate() -> void (*)(const HwcnRankUpdate&) {
  if constexpr (R <= kTileSizes.hwcn.rankRows[C]) {
    return &hwcnRankUpdate<C, R>;
  } else {
    return nullptr;
  }
}

#define STRIDENET_HWCN_TILES(P)                                                                                                      \
  {                                                                                                                                  \
    nullptr, chooseHwcnTile<P, 1>(), chooseHwcnTile<P, 2>(), chooseHwcnTile<P, 3>(), chooseHwcnTile<P, 4>(), chooseHwcnTile<P, 5>(), \
        chooseHwcnTile<P, 6>(), chooseHwcnTile<P, 7>(), chooseHwcnTile<P, 8>()                                                       \
  }
#define STRIDENET_HWCN_RANK_UPDATES(C)                                                                                               \
  {                                                                                                                                  \
    nullptr, chooseHwcnRankUpdate<C, 1>(), chooseHwcnRankUpdate<C, 2>(), chooseHwcnRankUpdate<C, 3>(), chooseHwcnRankUpdate<C, 4>(), \
        chooseHwcnRankUpdate<C, 5>(), chooseHwcnRankUpdate<C, 6>(), chooseHwcnRankUpdate<C, 7>(), chooseHwcnRankUpdate<C, 8>()       \
  }

constexpr HwcnKernels kHwcnKernels = {
    .interleave = hwcnInterleave,
    .deinterleave = hwcnDeinterleave,
    .tile = {{}, STRIDENET_HWCN_TILES(1), STRIDENET_HWCN_TILES(2), {}, STRIDENET_HWCN_TILES(4)},
    .rankUpdate = {{},
                   STRIDENET_HWCN_RANK_UPDATES(1),
                   STRIDENET_HWCN_RANK_UPDATES(2),
                   STRIDENET_HWCN_RANK_UPDATES(3),
                   STRIDENET_HWCN_RANK_UPDATES(4),
                   STRIDENET_HWCN_RANK_UPDATES(5),
                   STRIDENET_HWCN_RANK_UPDATES(6),
                   {},
                   {}},
    .sumLanes = hwcnSumLanes,
    .maxPool = hwcnMaxPoolAny,
    .maxPoolGrad = hwcnMaxPoolGradAny,
};

#undef STRIDENET_HWCN_TILES
#undef STRIDENET_HWCN_RANK_UPDATES
