// Batch normalisation and local response normalisation; contract in norm_kernels.h. Lanes are columns.

template <int kCount>
struct Vectors {
  static constexpr int count = kCount;
};

// Sums over rows read memory from front to back, row by row, with the columns' sums in the first-level cache: going down four vectors
// of a wide matrix at a time reads at half the speed. Sums of a single group of vectors stay in registers over all rows.
STRIDENET_INLINE int64_t rowsTogether(int64_t rows, int64_t cols) {
  return cols <= 4 * kLanes ? rows : 1;
}

// body(vectors, first column, vector) for groups of four whole vectors, whole vectors and the rest.
template <typename Body>
STRIDENET_INLINE void eachVectorGroup(int64_t cols, Body body) {
  int64_t c = 0;
  for (; c + 4 * kLanes <= cols; c += 4 * kLanes) body(Vectors<4>{}, c, WholeVector{});
  eachVector(cols - c, [&](int64_t i, auto vector) { body(Vectors<1>{}, c + i, vector); });
}

template <int kVectors, typename V>
STRIDENET_INLINE void momentsOf(V vector, const float* x, const float* pivot, int64_t rows, int64_t cols, float* sums, float* squares) {
  Vec p[kVectors], sum[kVectors], square[kVectors];
  for (int j = 0; j < kVectors; ++j) {
    const int64_t i = j * kLanes;
    p[j] = vector.get(pivot + i), sum[j] = vector.get(sums + i), square[j] = vector.get(squares + i);
  }
  for (int64_t r = 0; r < rows; ++r, x += cols) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      const Vec d = sub(vector.get(x + j * kLanes), p[j]);
      sum[j] = add(sum[j], d);
      square[j] = fma(d, d, square[j]);
    }
  }
  for (int j = 0; j < kVectors; ++j) vector.put(sums + j * kLanes, sum[j]), vector.put(squares + j * kLanes, square[j]);
}

inline void normMoments(const float* x, const float* pivot, int64_t rows, int64_t cols, float* sums, float* squares) {
  const int64_t n = rowsTogether(rows, cols);
  for (int64_t r = 0; r < rows; r += n) {
    eachVectorGroup(cols, [&](auto vectors, int64_t c, auto vector) {
      momentsOf<vectors.count>(vector, x + r * cols + c, pivot + c, n, cols, sums + c, squares + c);
    });
  }
}

// How results leave: through the caches, or past them.
struct ThroughCache {
  template <typename V>
  static void put(V vector, float* p, Vec v) {
    vector.put(p, v);
  }
};
struct PastCache {
  static void put(WholeVector, float* p, Vec v) { stream(p, v); }
  static void put(PartialVector vector, float* p, Vec v) { vector.put(p, v); }
};

// Streaming stores need whole, aligned vectors.
STRIDENET_INLINE bool canStream(const float* y, int64_t cols) {
  return cols % kLanes == 0 && reinterpret_cast<uintptr_t>(y) % (kLanes * sizeof(float)) == 0;
}

template <bool kAdd, typename Out, typename F>
inline void normalizeRows(const float* x, const float* addend, const NormColumns& p, int64_t rows, int64_t cols, float* y, F activate) {
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t at = r * cols;
    eachVector(cols, [&](int64_t c, auto vector) {
      Vec v = fma(sub(vector.get(x + at + c), vector.get(p.mean + c)), vector.get(p.scale + c), vector.get(p.shift + c));
      if (kAdd) v = add(v, vector.get(addend + at + c));
      Out::put(vector, y + at + c, activate(v));
    });
  }
}

template <typename F>
inline void normalizeWith(const float* x, const float* addend, const NormColumns& p, int64_t rows, int64_t cols, bool streams, float* y,
                          F activate) {
  if (streams && canStream(y, cols)) {
    addend ? normalizeRows<true, PastCache>(x, addend, p, rows, cols, y, activate)
           : normalizeRows<false, PastCache>(x, addend, p, rows, cols, y, activate);
    return streamFence();
  }
  addend ? normalizeRows<true, ThroughCache>(x, addend, p, rows, cols, y, activate)
         : normalizeRows<false, ThroughCache>(x, addend, p, rows, cols, y, activate);
}

inline void normalize(const float* x, const float* addend, const NormColumns& p, int64_t rows, int64_t cols, Activation activation,
                      bool streams, float* y) {
  const bool isDone = withSmallActivation(activation, [&](auto f) { normalizeWith(x, addend, p, rows, cols, streams, y, f); });
  if (isDone) return;
  // Row by row, while the row is in the first-level cache.
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t at = r * cols;
    normalizeWith(x + at, addend ? addend + at : nullptr, p, 1, cols, false, y + at, [](Vec v) { return v; });
    applyActivation(y + at, cols, activation);
  }
}

// Which dy count.
enum class Counts { all, positive, inside };

// dy where the mask lets it through.
template <Counts kCounts, typename V>
STRIDENET_INLINE Vec masked(V vector, const float* dy, const float* mask, Vec limit) {
  const Vec v = vector.get(dy);
  if constexpr (kCounts == Counts::all) return v;
  const Vec m = vector.get(mask);
  const Mask stops = lessEqual(m, zero());  // not NaN
  return select(kCounts == Counts::positive ? stops : maskOr(stops, greaterEqual(m, limit)), zero(), v);
}

template <int kVectors, Counts kCounts, typename V>
STRIDENET_INLINE void gradSumsOf(V vector, const float* x, const float* dy, const float* mask, Vec limit, const float* mean, int64_t rows,
                                 int64_t cols, float* sumWeight, float* sumBias) {
  Vec m[kVectors], weight[kVectors], bias[kVectors];
  for (int j = 0; j < kVectors; ++j) {
    const int64_t i = j * kLanes;
    m[j] = vector.get(mean + i), weight[j] = vector.get(sumWeight + i), bias[j] = vector.get(sumBias + i);
  }
  for (int64_t at = 0; at < rows * cols; at += cols) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      const int64_t i = at + j * kLanes;
      const Vec g = masked<kCounts>(vector, dy + i, mask + (kCounts == Counts::all ? 0 : i), limit);
      bias[j] = add(bias[j], g);
      weight[j] = fma(g, sub(vector.get(x + i), m[j]), weight[j]);
    }
  }
  for (int j = 0; j < kVectors; ++j) vector.put(sumWeight + j * kLanes, weight[j]), vector.put(sumBias + j * kLanes, bias[j]);
}

template <Counts kCounts>
inline void gradSums(const float* x, const float* dy, const NormMask& mask, const float* mean, int64_t rows, int64_t cols, float* sumWeight,
                     float* sumBias) {
  const Vec limit = set1(mask.limit);
  const int64_t n = rowsTogether(rows, cols);
  for (int64_t r = 0; r < rows; r += n) {
    eachVectorGroup(cols, [&](auto vectors, int64_t c, auto vector) {
      const int64_t at = r * cols + c;
      gradSumsOf<vectors.count, kCounts>(vector, x + at, dy + at, mask.values + (kCounts == Counts::all ? 0 : at), limit, mean + c, n, cols,
                                         sumWeight + c, sumBias + c);
    });
  }
}

template <Counts kCounts>
struct CountsOf {
  static constexpr Counts value = kCounts;
};

// call(Counts as a type) with what the mask asks for.
template <typename Call>
STRIDENET_INLINE void withCounts(const NormMask& mask, Call call) {
  if (mask.values == nullptr) return call(CountsOf<Counts::all>{});
  if (mask.limit < kInfinity) return call(CountsOf<Counts::inside>{});
  call(CountsOf<Counts::positive>{});
}

inline void normGradSums(const float* x, const float* dy, const NormMask& mask, const float* mean, int64_t rows, int64_t cols,
                         float* sumWeight, float* sumBias) {
  withCounts(mask, [&](auto counts) { gradSums<counts.value>(x, dy, mask, mean, rows, cols, sumWeight, sumBias); });
}

template <Counts kCounts, typename Out>
inline void gradInput(const float* x, const float* dy, const NormMask& mask, const NormGradientColumns& p, int64_t rows, int64_t cols,
                      float* dx) {
  const Vec limit = set1(mask.limit);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t at = r * cols;
    eachVector(cols, [&](int64_t c, auto vector) {
      const Vec g = masked<kCounts>(vector, dy + at + c, mask.values + (kCounts == Counts::all ? 0 : at + c), limit);
      const Vec centred = sub(vector.get(x + at + c), vector.get(p.mean + c));
      const Vec v = fma(g, vector.get(p.gain + c), neg(vector.get(p.offset + c)));
      Out::put(vector, dx + at + c, fma(neg(centred), vector.get(p.slope + c), v));
    });
  }
}

inline void normGradInput(const float* x, const float* dy, const NormMask& mask, const NormGradientColumns& p, int64_t rows, int64_t cols,
                          bool streams, float* dx) {
  withCounts(mask, [&](auto counts) {
    if (!streams || !canStream(dx, cols)) return gradInput<counts.value, ThroughCache>(x, dy, mask, p, rows, cols, dx);
    gradInput<counts.value, PastCache>(x, dy, mask, p, rows, cols, dx);
    streamFence();
  });
}

// Local response normalisation: a pixel's values stand between zeros, so that a window is a sum of shifted rows.

STRIDENET_INLINE int64_t paddedLength(const ResponseNorm& p) {
  return p.channels + p.before + p.after + kLanes;
}

STRIDENET_INLINE void zeroPadded(const ResponseNorm& p, float* padded) {
  for (int64_t i = 0; i < paddedLength(p); ++i) padded[i] = 0;
}

// The sum of the window [c - before, c + after] of values that stand from padded[before] on.
template <typename V>
STRIDENET_INLINE Vec windowSum(V vector, const float* padded, int64_t size) {
  Vec sum = vector.get(padded);
  if (size <= kChainTerms) {
    for (int64_t i = 1; i < size; ++i) sum = add(sum, vector.get(padded + i));
    return sum;
  }
  PairwiseSum chains;
  for (int64_t i = 1; i < size; ++i) {
    if (i % kChainTerms == 0) {
      chains.join(sum);
      sum = zero();
    }
    sum = add(sum, vector.get(padded + i));
  }
  return chains.total(sum);
}

// s^-beta. The usual beta of 3/4 needs square roots only.
STRIDENET_INLINE Vec inversePower(Vec s, float beta) {
  if (beta == 0.75f) {
    const Vec root = sqrt(s);
    return div(set1(1.0f), mul(root, sqrt(root)));
  }
  if (beta == 0.5f) return div(set1(1.0f), sqrt(s));
  if (beta == 1.0f) return div(set1(1.0f), s);
  float lane[kLanes];
  store(lane, s);
  for (int i = 0; i < kLanes; ++i) lane[i] = __builtin_powf(lane[i], -beta);
  return load(lane);
}

// The squares of one pixel into the padded row.
STRIDENET_INLINE void putSquares(const ResponseNorm& p, const float* x, float* padded) {
  eachVector(p.channels, [&](int64_t c, auto vector) {
    const Vec v = vector.get(x + c);
    vector.put(padded + p.before + c, mul(v, v));
  });
}

inline void responseNorm(const ResponseNorm& p, const float* x, int64_t rows, float* scratch, float* y) {
  const int64_t size = p.before + p.after + 1;
  zeroPadded(p, scratch);
  for (int64_t r = 0; r < rows; ++r, x += p.channels, y += p.channels) {
    putSquares(p, x, scratch);
    eachVector(p.channels, [&](int64_t c, auto vector) {
      const Vec s = fma(windowSum(vector, scratch + c, size), set1(p.scale), set1(p.k));
      vector.put(y + c, mul(vector.get(x + c), inversePower(s, p.beta)));
    });
  }
}

inline void responseNormGrad(const ResponseNorm& p, const float* x, const float* dy, int64_t rows, float* scratch, float* dx) {
  const int64_t size = p.before + p.after + 1;
  float *squares = scratch, *ratios = scratch + paddedLength(p), *powers = ratios + paddedLength(p);
  zeroPadded(p, squares);
  zeroPadded(p, ratios);
  const Vec factor = set1(-2.0f * p.beta * p.scale);
  for (int64_t r = 0; r < rows; ++r, x += p.channels, dy += p.channels, dx += p.channels) {
    putSquares(p, x, squares);
    eachVector(p.channels, [&](int64_t c, auto vector) {
      const Vec s = fma(windowSum(vector, squares + c, size), set1(p.scale), set1(p.k));
      const Vec power = inversePower(s, p.beta);
      vector.put(powers + c, power);
      vector.put(ratios + p.after + c, div(mul(mul(vector.get(dy + c), vector.get(x + c)), power), s));
    });
    eachVector(p.channels, [&](int64_t c, auto vector) {
      const Vec direct = mul(vector.get(dy + c), vector.get(powers + c));
      vector.put(dx + c, fma(mul(factor, vector.get(x + c)), windowSum(vector, ratios + c, size), direct));
    });
  }
}

inline void channelWindowSum(const ResponseNorm& p, const float* x, int64_t rows, float* scratch, float* y) {
  zeroPadded(p, scratch);
  for (int64_t r = 0; r < rows; ++r, x += p.channels, y += p.channels) {
    eachVector(p.channels, [&](int64_t c, auto vector) { vector.put(scratch + p.before + c, vector.get(x + c)); });
    eachVector(p.channels, [&](int64_t c, auto vector) { vector.put(y + c, windowSum(vector, scratch + c, p.before + p.after + 1)); });
  }
}

constexpr NormKernels kNormKernels = {
    normMoments, normalize, normGradSums, normGradInput, responseNorm, responseNormGrad, channelWindowSum,
};
