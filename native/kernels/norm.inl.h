// Batch normalisation and local response normalisation; contract in norm_kernels.h. Lanes are columns.

// A vector of columns: whole, or the first n.
struct NormWhole {
  Vec get(const float* p) const { return load(p); }
  void put(float* p, Vec v) const { store(p, v); }
};
struct NormPartial {
  int n;
  Vec get(const float* p) const { return loadPartial(p, n); }
  void put(float* p, Vec v) const { storePartial(p, v, n); }
};

// body(first column, vector) for every vector of `cols` columns.
template <typename Body>
STRIDENET_INLINE void eachColumnVector(int64_t cols, Body body) {
  int64_t c = 0;
  for (; c + kLanes <= cols; c += kLanes) body(c, NormWhole{});
  if (c < cols) body(c, NormPartial{static_cast<int>(cols - c)});
}

// kVectors adjacent vectors over all rows, with two accumulators each, which hides the latency of the addition.
template <int kVectors, typename V>
STRIDENET_INLINE void squaresOf(V vector, const float* x, const float* mean, int64_t rows, int64_t cols, float* acc) {
  Vec m[kVectors], even[kVectors], odd[kVectors];
  for (int j = 0; j < kVectors; ++j) m[j] = vector.get(mean + j * kLanes), even[j] = zero(), odd[j] = zero();
  int64_t r = 0;
  for (; r + 2 <= rows; r += 2, x += 2 * cols) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      const Vec a = sub(vector.get(x + j * kLanes), m[j]), b = sub(vector.get(x + cols + j * kLanes), m[j]);
      even[j] = fma(a, a, even[j]);
      odd[j] = fma(b, b, odd[j]);
    }
  }
  for (int j = 0; j < kVectors; ++j) {
    if (r < rows) {
      const Vec a = sub(vector.get(x + j * kLanes), m[j]);
      even[j] = fma(a, a, even[j]);
    }
    float* to = acc + j * kLanes;
    vector.put(to, add(vector.get(to), add(even[j], odd[j])));
  }
}

inline void normSquares(const float* x, const float* mean, int64_t rows, int64_t cols, float* acc) {
  int64_t c = 0;
  for (; c + 4 * kLanes <= cols; c += 4 * kLanes) squaresOf<4>(NormWhole{}, x + c, mean + c, rows, cols, acc + c);
  eachColumnVector(cols - c, [&](int64_t i, auto vector) { squaresOf<1>(vector, x + c + i, mean + c + i, rows, cols, acc + c + i); });
}

template <bool kAdd, bool kRelu>
inline void normalizeRows(const float* x, const float* addend, const float* mean, const float* scale, const float* shift, int64_t rows,
                          int64_t cols, float* y) {
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t at = r * cols;
    eachColumnVector(cols, [&](int64_t c, auto vector) {
      Vec v = fma(sub(vector.get(x + at + c), vector.get(mean + c)), vector.get(scale + c), vector.get(shift + c));
      if (kAdd) v = add(v, vector.get(addend + at + c));
      vector.put(y + at + c, kRelu ? relu(v) : v);
    });
  }
}

inline void normalize(const float* x, const float* addend, const float* mean, const float* scale, const float* shift, int64_t rows,
                      int64_t cols, Activation activation, float* y) {
  if (activation == Activation::relu) {
    return addend ? normalizeRows<true, true>(x, addend, mean, scale, shift, rows, cols, y)
                  : normalizeRows<false, true>(x, addend, mean, scale, shift, rows, cols, y);
  }
  addend ? normalizeRows<true, false>(x, addend, mean, scale, shift, rows, cols, y)
         : normalizeRows<false, false>(x, addend, mean, scale, shift, rows, cols, y);
  applyActivation(y, rows * cols, activation);
}

// dy where mask > 0.
template <bool kMask, typename V>
STRIDENET_INLINE Vec masked(V vector, const float* dy, const float* mask) {
  const Vec v = vector.get(dy);
  if constexpr (kMask) return select(greater(vector.get(mask), zero()), v, zero());
  return v;
}

template <int kVectors, bool kMask, typename V>
STRIDENET_INLINE void gradSumsOf(V vector, const float* x, const float* dy, const float* mask, const float* mean, int64_t rows,
                                 int64_t cols, float* accWeight, float* accBias) {
  Vec m[kVectors], weight[kVectors], bias[kVectors];
  for (int j = 0; j < kVectors; ++j) m[j] = vector.get(mean + j * kLanes), weight[j] = zero(), bias[j] = zero();
  for (int64_t at = 0; at < rows * cols; at += cols) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      const int64_t i = at + j * kLanes;
      const Vec g = masked<kMask>(vector, dy + i, mask + (kMask ? i : 0));
      bias[j] = add(bias[j], g);
      weight[j] = fma(g, sub(vector.get(x + i), m[j]), weight[j]);
    }
  }
  for (int j = 0; j < kVectors; ++j) {
    const int64_t i = j * kLanes;
    vector.put(accWeight + i, add(vector.get(accWeight + i), weight[j]));
    vector.put(accBias + i, add(vector.get(accBias + i), bias[j]));
  }
}

template <bool kMask>
inline void gradSums(const float* x, const float* dy, const float* mask, const float* mean, int64_t rows, int64_t cols, float* accWeight,
                     float* accBias) {
  int64_t c = 0;
  const auto maskAt = [&](int64_t i) { return kMask ? mask + i : nullptr; };
  for (; c + 4 * kLanes <= cols; c += 4 * kLanes)
    gradSumsOf<4, kMask>(NormWhole{}, x + c, dy + c, maskAt(c), mean + c, rows, cols, accWeight + c, accBias + c);
  eachColumnVector(cols - c, [&](int64_t i, auto vector) {
    const int64_t at = c + i;
    gradSumsOf<1, kMask>(vector, x + at, dy + at, maskAt(at), mean + at, rows, cols, accWeight + at, accBias + at);
  });
}

inline void normGradSums(const float* x, const float* dy, const float* mask, const float* mean, int64_t rows, int64_t cols,
                         float* accWeight, float* accBias) {
  mask ? gradSums<true>(x, dy, mask, mean, rows, cols, accWeight, accBias)
       : gradSums<false>(x, dy, mask, mean, rows, cols, accWeight, accBias);
}

template <bool kMask>
inline void gradInput(const float* x, const float* dy, const float* mask, const NormGradientColumns& p, int64_t rows, int64_t cols,
                      float* dx) {
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t at = r * cols;
    eachColumnVector(cols, [&](int64_t c, auto vector) {
      const Vec g = masked<kMask>(vector, dy + at + c, mask + (kMask ? at + c : 0));
      const Vec centred = sub(vector.get(x + at + c), vector.get(p.mean + c));
      const Vec v = fma(g, vector.get(p.gain + c), neg(vector.get(p.offset + c)));
      vector.put(dx + at + c, fma(neg(centred), vector.get(p.slope + c), v));
    });
  }
}

inline void normGradInput(const float* x, const float* dy, const float* mask, const NormGradientColumns& p, int64_t rows, int64_t cols,
                          float* dx) {
  mask ? gradInput<true>(x, dy, mask, p, rows, cols, dx) : gradInput<false>(x, dy, mask, p, rows, cols, dx);
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
  for (int64_t i = 1; i < size; ++i) sum = add(sum, vector.get(padded + i));
  return sum;
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
  eachColumnVector(p.channels, [&](int64_t c, auto vector) {
    const Vec v = vector.get(x + c);
    vector.put(padded + p.before + c, mul(v, v));
  });
}

inline void responseNorm(const ResponseNorm& p, const float* x, int64_t rows, float* scratch, float* y) {
  const int64_t size = p.before + p.after + 1;
  zeroPadded(p, scratch);
  for (int64_t r = 0; r < rows; ++r, x += p.channels, y += p.channels) {
    putSquares(p, x, scratch);
    eachColumnVector(p.channels, [&](int64_t c, auto vector) {
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
    eachColumnVector(p.channels, [&](int64_t c, auto vector) {
      const Vec s = fma(windowSum(vector, squares + c, size), set1(p.scale), set1(p.k));
      const Vec power = inversePower(s, p.beta);
      vector.put(powers + c, power);
      vector.put(ratios + p.after + c, div(mul(mul(vector.get(dy + c), vector.get(x + c)), power), s));
    });
    eachColumnVector(p.channels, [&](int64_t c, auto vector) {
      const Vec direct = mul(vector.get(dy + c), vector.get(powers + c));
      vector.put(dx + c, fma(mul(factor, vector.get(x + c)), windowSum(vector, ratios + c, size), direct));
    });
  }
}

inline void channelWindowSum(const ResponseNorm& p, const float* x, int64_t rows, float* scratch, float* y) {
  zeroPadded(p, scratch);
  for (int64_t r = 0; r < rows; ++r, x += p.channels, y += p.channels) {
    eachColumnVector(p.channels, [&](int64_t c, auto vector) { vector.put(scratch + p.before + c, vector.get(x + c)); });
    eachColumnVector(p.channels,
                     [&](int64_t c, auto vector) { vector.put(y + c, windowSum(vector, scratch + c, p.before + p.after + 1)); });
  }
}

constexpr NormKernels kNormKernels = {
    normSquares, normalize, normGradSums, normGradInput, responseNorm, responseNormGrad, channelWindowSum,
};
