// Register tiles of matrix products (GemmTile, RankUpdateTile) and column sums, generic over the vector vocabulary.
//
// A tile of R rows x V vectors keeps R * V accumulators, V vectors of B and one broadcast element of A in registers. Narrow
// outputs get taller tiles, so that a tile always has enough independent multiply-adds to hide their latency. The loops over the
// tile are forced to unroll: without the pragma g++ -O2 keeps the accumulators in memory.

// Applies an activation that is not small to a tile that has just been written.
__attribute__((noinline)) void activateTile(float* const* rows, int count, int64_t offset, int columns, Activation activation) {
  for (int r = 0; r < count; ++r) applyActivation(rows[r] + offset, columns, activation);
}

constexpr int64_t kLineFloats = 16;  // a cache line

// acc[r][v] += a[r][k] b[k][v] for k in [from, to); returns the row of b that follows.
template <int R, int V>
STRIDENET_INLINE const float* multiplyAdd(Vec (&acc)[R][V], const float* const (&a)[R], const float* b, int64_t from, int64_t to) {
  for (int64_t k = from; k < to; ++k) {
    Vec row[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) row[v] = load(b + v * kLanes);
    b += V * kLanes;
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      Vec x = set1(a[r][k]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[r][v] = fma(x, row[v], acc[r][v]);
    }
  }
  return b;
}

STRIDENET_INLINE void fetchPart(const GemmAhead& ahead, const float* part) {
  for (int64_t i = 0; i < ahead.rows; ++i)
    for (int64_t line = 0; line < ahead.lines; ++line) prefetchFar(part + i * ahead.pitch + line * kLineFloats);
}

template <int R, int V>
void gemmTile(const GemmTile& t) {
  Vec acc[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[r][v] = zero();

  if constexpr (V * kLanes >= 2 * kLineFloats) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int j = 0; j < V * kLanes; j += kLineFloats) prefetch(t.c[r] + t.cOffset + j);
  }

  // Many lines ahead are asked for a few at a time: at once they take all places for outstanding misses of the first-level cache, and B,
  // which comes from the second-level cache, waits for them.
  const bool hasManyLines = t.ahead.rows == 1 && t.ahead.lines >= kLineFloats;
  const float* b = t.b;
  const float* ahead = t.ahead.from;
  const int64_t length = t.length;
  for (int64_t s = 0; s < t.segments; ++s) {
    const float* a[R];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) a[r] = t.a[s * t.aPitch + r] + t.aOffset;
    int64_t k = 0;
    if (t.nextA != nullptr) {
      const float* const* next = t.nextA + s * t.aPitch;
      for (; k + kLineFloats <= length; k += kLineFloats) {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) prefetch(next[r] + t.aOffset + k);
        if (s == 0 && k < V * kLanes) {
#pragma GCC unroll 16
          for (int r = 0; r < R; ++r) prefetchFar(t.nextC[r] + t.nextCOffset + k);
        }
        if (R * V >= 16 && hasManyLines) {
          for (int64_t j = 0; j < kLineFloats; j += 2) {
            const int64_t end = t.ahead.lines * (j + 2) / kLineFloats;
            for (int64_t line = t.ahead.lines * j / kLineFloats; line < end; ++line) prefetchFar(ahead + line * kLineFloats);
            b = multiplyAdd<R, V>(acc, a, b, k + j, k + j + 2);
          }
        } else {
          fetchPart(t.ahead, ahead);
          b = multiplyAdd<R, V>(acc, a, b, k, k + kLineFloats);
        }
        ahead += t.ahead.step;
      }
    } else if (V * kLanes < 2 * kLineFloats && t.ahead.lines > 0) {
      for (; k + kLineFloats <= length; k += kLineFloats, ahead += t.ahead.step) {
        fetchPart(t.ahead, ahead);
        b = multiplyAdd<R, V>(acc, a, b, k, k + kLineFloats);
      }
    }
    b = multiplyAdd<R, V>(acc, a, b, k, length);
  }

  const TileRow<V, true> columns(t.columns);
  finishTile(
      acc, t.bias != nullptr, [&](int v) STRIDENET_LAMBDA { return columns.get(t.bias, v); }, t.add != nullptr,
      [&](int r, int v) STRIDENET_LAMBDA { return columns.get(t.add[r] + t.cOffset, v); }, t.activation);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    float* row = t.c[r] + t.cOffset;
#pragma GCC unroll 4
    for (int v = 0; v < V - 1; ++v) store(row + v * kLanes, acc[r][v]);
  }
  if (t.columns == V * kLanes) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) store(t.c[r] + t.cOffset + (V - 1) * kLanes, acc[r][V - 1]);
  } else {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) columns.put(t.c[r] + t.cOffset, V - 1, acc[r][V - 1]);
  }
  if (!isSmall(t.activation)) activateTile(t.c, R, t.cOffset, t.columns, t.activation);
}

// Tail: the last vector of B and C is partial.
template <int R, int V, bool Tail>
void rankUpdateBody(const RankUpdateTile& t) {
  const TileRow<V, Tail> columns(t.columns);
  // Wide tiles compute long enough to hide what they fetch. What is in c joins the sum at the end, when it has come into the cache.
  constexpr bool isWide = V * kLanes > 2 * kLineFloats;
  if (isWide && t.accumulate) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int j = 0; j < V * kLanes; j += kLineFloats) prefetch(t.c + r * t.cStride + j);
  }
  const int64_t aStride = t.aStride, bStride = t.bStride, runs = t.runs, pixels = t.pixels;
  const float* bRun = t.b;
  int64_t aRun = 0, left = t.images * runs, q = 0, firstPixel = 0;
  bool accumulate = t.accumulate;
  do {
    Vec acc[R][V];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[r][v] = zero();
    for (int64_t room = kTileChainTerms; left > 0 && room > 0;) {
      const float* a[R];
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) a[r] = t.a[r] + aRun;
      int64_t position = firstPixel * aStride;
      const float *b = bRun + firstPixel * bStride, *aNext = a[0] + t.aAhead, *bNext = b + t.bAhead;
      const int64_t end = pixels - firstPixel < room ? pixels : firstPixel + room;
      room -= end - firstPixel;
      for (int64_t p = firstPixel; p < end; ++p) {
        Vec row[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) row[v] = columns.get(b, v);
        if (isWide) {
          prefetchFar(aNext + position);
          prefetchFar(bNext);
          bNext += bStride;
        }
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
          Vec x = set1(a[r][position]);
#pragma GCC unroll 4
          for (int v = 0; v < V; ++v) acc[r][v] = fma(x, row[v], acc[r][v]);
        }
        b += bStride;
        position += aStride;
      }
      firstPixel = end;
      if (end < pixels) break;
      firstPixel = 0;
      --left;
      aRun += t.aRun;
      bRun += t.bRun;
      if (++q == runs) {
        q = 0;
        aRun += t.aImage - runs * t.aRun;
        bRun += t.bImage - runs * t.bRun;
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        float* row = t.c + r * t.cStride;
        const Vec sum = accumulate ? add(columns.get(row, v), acc[r][v]) : acc[r][v];
        if (!Tail && t.isStreamed) {
          stream(row + v * kLanes, sum);
        } else {
          columns.put(row, v, sum);
        }
      }
    }
    accumulate = true;
  } while (left > 0);
}

template <int R, int V>
void rankUpdate(const RankUpdateTile& t) {
  if (t.columns == V * kLanes) {
    rankUpdateBody<R, V, false>(t);
  } else {
    rankUpdateBody<R, V, true>(t);
  }
}

void fenceStreams() {
  streamFence();
}

void copyColumns(const float* src, int64_t stride, int64_t rows, int64_t columns, float* dst, int64_t width) {
  const int64_t whole = columns / kLanes * kLanes;
  for (int64_t r = 0; r < rows; ++r, src += stride, dst += width) {
    int64_t j = 0;
    for (; j < whole; j += kLanes) store(dst + j, load(src + j));
    for (; j < width; j += kLanes) {
      const int room = lanesFrom(j, width);
      const int count = columns - j < room ? (columns > j ? static_cast<int>(columns - j) : 0) : room;
      storePartial(dst + j, loadPartial(src + j, count), room);
    }
  }
}

// start + the rows of one vector of columns.
template <typename V>
STRIDENET_INLINE Vec addRowsTo(Vec start, V vector, const float* p, int64_t stride, int64_t rows) {
  // Four sums hide the latency of the addition.
  Vec s0 = start, s1 = zero(), s2 = zero(), s3 = zero();
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4, p += 4 * stride) {
    s0 = add(s0, vector.get(p));
    s1 = add(s1, vector.get(p + stride));
    s2 = add(s2, vector.get(p + 2 * stride));
    s3 = add(s3, vector.get(p + 3 * stride));
  }
  for (; r < rows; ++r, p += stride) s0 = add(s0, vector.get(p));
  return add(add(s0, s1), add(s2, s3));
}

void addRows(const float* src, int64_t stride, int64_t rows, int64_t columns, float* sum) {
  constexpr int64_t kChainRows = 4 * kChainTerms;
  eachVector(columns, [&](int64_t j, auto vector) STRIDENET_LAMBDA {
    const float* p = src + j;
    PairwiseSum chains;
    int64_t r = 0;
    for (; rows - r > kChainRows; r += kChainRows, p += kChainRows * stride) chains.join(addRowsTo(zero(), vector, p, stride, kChainRows));
    vector.put(sum + j, chains.total(addRowsTo(vector.get(sum + j), vector, p, stride, rows - r)));
  });
}

void addWindows(const float* src, int64_t srcLine, int64_t srcStride, float* dst, int64_t dstLine, int64_t dstStride, int64_t lines,
                int64_t count, int64_t length) {
  // Windows that overlap are kept apart in time: a load that straddles what has just been stored waits for the store.
  const int64_t period = (length + dstStride - 1) / dstStride;
  for (int64_t first = 0; first < period; ++first) {
    for (int64_t i = 0; i < lines; ++i) {
      for (int64_t q = first; q < count; q += period) {
        const float* from = src + i * srcLine + q * srcStride;
        float* to = dst + i * dstLine + q * dstStride;
        mapVectors(
            length, to, [](Vec a, Vec b) { return add(a, b); }, to, from);
      }
    }
  }
}

template <int R, int V>
constexpr auto chooseGemmTile() -> void (*)(const GemmTile&) {
  if constexpr (R <= kTileSizes.gemm.rows[V]) {
    return &gemmTile<R, V>;
  } else {
    return nullptr;
  }
}

template <int R, int V>
constexpr auto chooseRankUpdate() -> void (*)(const RankUpdateTile&) {
  if constexpr (R <= kTileSizes.gemm.rows[V]) {
    return &rankUpdate<R, V>;
  } else {
    return nullptr;
  }
}

#define STRIDENET_TILES(choose, V)                                                                                           \
  {                                                                                                                          \
    nullptr, choose<1, V>(), choose<2, V>(), choose<3, V>(), choose<4, V>(), choose<5, V>(), choose<6, V>(), choose<7, V>(), \
        choose<8, V>(), choose<9, V>(), choose<10, V>(), choose<11, V>(), choose<12, V>(), choose<13, V>(), choose<14, V>()  \
  }

constexpr GemmKernels kGemmKernels = {
    .tile = {{},
             STRIDENET_TILES(chooseGemmTile, 1),
             STRIDENET_TILES(chooseGemmTile, 2),
             STRIDENET_TILES(chooseGemmTile, 3),
             STRIDENET_TILES(chooseGemmTile, 4)},
    .rankUpdate = {{},
                   STRIDENET_TILES(chooseRankUpdate, 1),
                   STRIDENET_TILES(chooseRankUpdate, 2),
                   STRIDENET_TILES(chooseRankUpdate, 3),
                   STRIDENET_TILES(chooseRankUpdate, 4)},
    .fenceStreams = fenceStreams,
    .copyColumns = copyColumns,
    .addRows = addRows,
    .addWindows = addWindows,
};

#undef STRIDENET_TILES
