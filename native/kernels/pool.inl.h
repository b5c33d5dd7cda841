// Max and average pooling over one row of windows; contract in pool_kernels.h.
// Lanes are channels, and windows that lie inside the row are unrolled for the usual sizes 2 x 2 and 3 x 3.
// Partial vectors are slow (a masked store costs some ten whole ones on several processors), so where results are written and not
// added to, none are used: the last channels of many are done again with a vector that ends with them, and a pixel of fewer channels
// than lanes is handled with whole vectors that spill over into the pixels to the right. What is read there is ignored;
// what is written there is written again, rightly, because windows go from left to right.

// A partial vector without a masked store.
struct PartialPixel : PartialVector {
  STRIDENET_MEMBER void put(float* p, Vec v) const {
    float lane[kLanes];
    store(lane, v);
    for (int i = 0; i < count; ++i) p[i] = lane[i];
  }
};

// The positions of one window that exist: kRows x kCols of them where these are not 0, else rows x cols.
template <int kRows, int kCols>
struct Window {
  int64_t rows, cols;
  int64_t rowStep, colStep;  // floats

  // f(offset from the first position, number of the position in window order)
  template <typename F>
  STRIDENET_MEMBER void each(F f) const {
    if constexpr (kRows != 0) {
#pragma GCC unroll 9
      for (int k = 0; k < kRows * kCols; ++k) f((k / kCols) * rowStep + (k % kCols) * colStep, static_cast<float>(k));
    } else {
      int64_t k = 0;
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < cols; ++j) f(i * rowStep + j * colStep, static_cast<float>(k++));
    }
  }
};

// How a kernel writes: adding to numbers (no vector may touch a number twice), to the output row, or to the input row, which windows
// cover without gaps up to some column when sw == kw.
enum class Writes { sums, output, input };

// body(window, vector, in, out, columns) for every vector of channels of every window: in and out are the offsets of that vector in the
// window's first existing position and in its output pixel; columns is AverageDivisor's count of columns.
template <Writes kWrites, typename Body>
STRIDENET_INLINE void eachWindow(const PoolRow& row, const AverageDivisor& divisor, Body body) {
  const int64_t colStep = row.dw * row.pixelStep;
  const int64_t square = row.rows == row.kw ? row.kw : 0;
  // The offsets at which a whole vector of a small pixel still ends inside the row, or inside what this row's windows write.
  const bool isDense = kWrites != Writes::sums && row.channels == row.pixelStep;
  const int64_t covered = row.windows * row.sw - row.pl;
  const bool spills = isDense && (kWrites == Writes::output || (row.sw == row.kw && row.dw == 1));
  const int64_t inEnd = (kWrites == Writes::input && covered < row.iw ? covered : row.iw) * row.pixelStep - kLanes;
  const int64_t outEnd = row.windows * row.pixelStep - kLanes;
  for (int64_t w = 0; w < row.windows; ++w) {
    const int64_t start = w * row.sw - row.pl;
    int64_t j0 = 0, j1 = row.kw;
    if (start < 0) j0 = (-start + row.dw - 1) / row.dw;
    if (start + (row.kw - 1) * row.dw >= row.iw) j1 = start < row.iw ? (row.iw - start + row.dw - 1) / row.dw : 0;
    const int64_t cols = j1 > j0 ? j1 - j0 : 0;
    const int64_t paddedEnd = start + row.kw < row.iw + divisor.pr ? start + row.kw : row.iw + divisor.pr;
    const int64_t columns = divisor.includePadding ? paddedEnd - start : cols;
    const int64_t in = (start + j0 * row.dw) * row.pixelStep, out = w * row.pixelStep;
    const bool whole = spills && in + (cols - 1) * colStep <= inEnd && out <= outEnd;
    const auto channels = [&](auto window) STRIDENET_LAMBDA {
      int64_t c = 0;
      for (; c + kLanes <= row.channels; c += kLanes) body(window, WholeVector{}, in + c, out + c, columns);
      if (c == row.channels) return;
      if (kWrites != Writes::sums && c > 0) {
        c = row.channels - kLanes;
        body(window, WholeVector{}, in + c, out + c, columns);
      } else if (whole) {
        body(window, WholeVector{}, in, out, columns);
      } else {
        body(window, PartialPixel{{static_cast<int>(row.channels - c)}}, in + c, out + c, columns);
      }
    };
    if (square == 2 && cols == 2) {
      channels(Window<2, 2>{.rows = 2, .cols = 2, .rowStep = row.rowStep, .colStep = colStep});
    } else if (square == 3 && cols == 3) {
      channels(Window<3, 3>{.rows = 3, .cols = 3, .rowStep = row.rowStep, .colStep = colStep});
    } else {
      const int64_t rows = cols > 0 ? row.rows : 0;
      channels(Window<0, 0>{.rows = rows, .cols = cols, .rowStep = row.rowStep, .colStep = colStep});
    }
  }
}

// True where v takes the place of the maximum m so far: larger, or NaN.
STRIDENET_INLINE Mask wins(Vec v, Vec m) {
  return maskOr(greater(v, m), notEqual(v, v));
}

#include "native/kernels/pool_pairs.inl.h"

// A whole 2 x 2 row that pairs can handle.
inline bool hasPairs(const PoolRow& row) {
  return row.pairs != nullptr && row.rows == 2;
}

inline void maxPoolRow(const PoolRow& row, const float* x, float* y) {
  if (hasPairs(row)) return maxPoolPairs(row, x, y);
  eachWindow<Writes::output>(row, {}, [&](auto window, auto vector, int64_t in, int64_t out, int64_t) STRIDENET_LAMBDA {
    Vec m = set1(-kInfinity);
    window.each([&](int64_t at, float) STRIDENET_LAMBDA { m = maxNaN(vector.get(x + in + at), m); });
    vector.put(y + out, m);
  });
}

template <bool kAccumulate>
inline void maxPoolGrad(const PoolRow& row, const float* x, const float* dy, float* dx, bool reluMask) {
  constexpr Writes kWrites = kAccumulate ? Writes::sums : Writes::input;
  eachWindow<kWrites>(row, {}, [&](auto window, auto vector, int64_t in, int64_t out, int64_t) STRIDENET_LAMBDA {
    Vec m = set1(-kInfinity), position = zero();
    window.each([&](int64_t at, float k) STRIDENET_LAMBDA {
      const Vec v = vector.get(x + in + at);
      const Mask won = wins(v, m);
      m = select(won, v, m);
      position = select(won, set1(k), position);
    });
    Vec d = vector.get(dy + out);
    if (reluMask) d = select(lessEqual(m, zero()), zero(), d);
    window.each([&](int64_t at, float k) STRIDENET_LAMBDA {
      float* p = dx + in + at;
      const Vec g = select(equal(position, set1(k)), d, zero());
      vector.put(p, kAccumulate ? add(vector.get(p), g) : g);
    });
  });
}

inline void maxPoolGradRow(const PoolRow& row, const float* x, const float* dy, float* dx, bool reluMask, bool accumulate) {
  if (hasPairs(row)) return maxPoolGradPairs(row, x, dy, dx, reluMask);
  accumulate ? maxPoolGrad<true>(row, x, dy, dx, reluMask) : maxPoolGrad<false>(row, x, dy, dx, reluMask);
}

inline void maxPoolGatherRow(const PoolRow& row, const float* x, const float* t, float* y) {
  eachWindow<Writes::output>(row, {}, [&](auto window, auto vector, int64_t in, int64_t out, int64_t) STRIDENET_LAMBDA {
    Vec m = set1(-kInfinity), found = zero();
    window.each([&](int64_t at, float k) STRIDENET_LAMBDA {
      const Vec v = vector.get(x + in + at);
      // The first position stands until another wins, also when it is minus infinity.
      const Mask won = k == 0 ? equal(m, m) : wins(v, m);
      m = select(won, v, m);
      found = select(won, vector.get(t + in + at), found);
    });
    vector.put(y + out, found);
  });
}

// The sum of a window. Windows of more than a chain are added up in chains.
template <typename W, typename V>
STRIDENET_INLINE Vec sumOfWindow(const W& window, const V& vector, const float* x) {
  Vec sum = zero();
  if (window.rows * window.cols <= kChainTerms) {
    window.each([&](int64_t at, float) STRIDENET_LAMBDA { sum = add(sum, vector.get(x + at)); });
    return sum;
  }
  PairwiseSum chains;
  int64_t left = kChainTerms;
  window.each([&](int64_t at, float) STRIDENET_LAMBDA {
    sum = add(sum, vector.get(x + at));
    if (--left > 0) return;
    chains.join(sum);
    sum = zero();
    left = kChainTerms;
  });
  return chains.total(sum);
}

inline void avgPoolRow(const PoolRow& row, const AverageDivisor& divisor, const float* x, float* y) {
  if (hasPairs(row)) return avgPoolPairs(row, static_cast<float>(divisor.rows * row.kw), x, y);
  eachWindow<Writes::output>(row, divisor, [&](auto window, auto vector, int64_t in, int64_t out, int64_t columns) STRIDENET_LAMBDA {
    const bool empty = window.rows * window.cols == 0;
    vector.put(y + out, empty ? zero() : div(sumOfWindow(window, vector, x + in), set1(static_cast<float>(divisor.rows * columns))));
  });
}

template <bool kAccumulate>
inline void avgPoolGrad(const PoolRow& row, const AverageDivisor& divisor, const float* dy, float* dx) {
  constexpr Writes kWrites = kAccumulate ? Writes::sums : Writes::input;
  eachWindow<kWrites>(row, divisor, [&](auto window, auto vector, int64_t in, int64_t out, int64_t columns) STRIDENET_LAMBDA {
    const Vec g = div(vector.get(dy + out), set1(static_cast<float>(divisor.rows * columns)));
    window.each([&](int64_t at, float) STRIDENET_LAMBDA {
      float* p = dx + in + at;
      vector.put(p, kAccumulate ? add(vector.get(p), g) : g);
    });
  });
}

inline void avgPoolGradRow(const PoolRow& row, const AverageDivisor& divisor, const float* dy, float* dx, bool accumulate) {
  if (hasPairs(row)) return avgPoolGradPairs(row, static_cast<float>(divisor.rows * row.kw), dy, dx);
  accumulate ? avgPoolGrad<true>(row, divisor, dy, dx) : avgPoolGrad<false>(row, divisor, dy, dx);
}

constexpr PoolKernels kPoolKernels = {preparePairs, maxPoolRow, maxPoolGradRow, maxPoolGatherRow, avgPoolRow, avgPoolGradRow};
