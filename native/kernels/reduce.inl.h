// Sums and maxima of blocks; contract in reduce_kernels.h.

struct SumOf {
  static constexpr float kIdentity = 0.0f;
  static Vec combine(Vec a, Vec b) { return add(a, b); }
  static float lanes(Vec v) { return reduceAdd(v); }
  static float combine(float a, float b) { return a + b; }
};
struct MaxOf {
  static constexpr float kIdentity = -kInfinity;
  static Vec combine(Vec a, Vec b) { return maxNaN(a, b); }
  static float lanes(Vec v) { return maskAny(notEqual(v, v)) ? kNaN : reduceMax(v); }
  static float combine(float a, float b) { return a != a || a > b ? a : b; }
};

// kVectors adjacent vectors of columns over all rows; kRows rows have accumulators of their own, which hides the latency of the
// addition and shortens the chains.
template <typename R, int kVectors, int kRows, typename V>
STRIDENET_INLINE void reduceColumns(V vector, const float* x, int64_t rowStride, int64_t rows, float* acc) {
  Vec sum[kRows][kVectors];
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kVectors; ++j) sum[i][j] = set1(R::kIdentity);
  int64_t r = 0;
  for (; r + kRows <= rows; r += kRows, x += kRows * rowStride) {
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) sum[i][j] = R::combine(sum[i][j], vector.get(x + i * rowStride + j * kLanes));
    }
  }
  for (; r < rows; ++r, x += rowStride) {
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) sum[0][j] = R::combine(sum[0][j], vector.get(x + j * kLanes));
  }
  for (int i = 1; i < kRows; ++i)
    for (int j = 0; j < kVectors; ++j) sum[0][j] = R::combine(sum[0][j], sum[i][j]);
  for (int j = 0; j < kVectors; ++j) {
    float* p = acc + j * kLanes;
    vector.put(p, R::combine(vector.get(p), sum[0][j]));
  }
}

template <typename R>
void reduceAllColumns(const float* x, int64_t rowStride, int64_t rows, int64_t cols, float* acc) {
  int64_t c = 0;
  for (; c + 4 * kLanes <= cols; c += 4 * kLanes) reduceColumns<R, 4, 2>(WholeVector{}, x + c, rowStride, rows, acc + c);
  eachVector(cols - c,
             [&](int64_t i, auto vector) STRIDENET_LAMBDA { reduceColumns<R, 1, 4>(vector, x + c + i, rowStride, rows, acc + c + i); });
}

// Few dense columns that do not fill vectors (LeNet's six channels): `widen` rows are read as one row whose length is a multiple of
// the vector, and the parts of its result are combined at the end.
template <typename R>
void reduceColumnsWidened(const float* x, int64_t rowStride, int64_t rows, int64_t cols, float* acc) {
  if (rowStride != cols || cols >= 4 * kLanes || cols % kLanes == 0) return reduceAllColumns<R>(x, rowStride, rows, cols, acc);
  int64_t widen = 1;
  while (widen * cols % kLanes != 0) widen *= 2;
  if (rows < 2 * widen) return reduceAllColumns<R>(x, rowStride, rows, cols, acc);
  const int64_t wide = widen * cols, groups = rows / widen;
  float parts[4 * kLanes * kLanes];
  for (int64_t i = 0; i < wide; i += kLanes) store(parts + i, set1(R::kIdentity));
  reduceAllColumns<R>(x, wide, groups, wide, parts);
  reduceAllColumns<R>(parts, cols, widen, cols, acc);
  reduceAllColumns<R>(x + groups * wide, cols, rows - groups * widen, cols, acc);
}

template <typename R>
void reduceRows(const float* x, int64_t rowStride, int64_t rows, int64_t cols, float* acc) {
  for (int64_t r = 0; r < rows; ++r, x += rowStride) {
    Vec sum[4] = {set1(R::kIdentity), set1(R::kIdentity), set1(R::kIdentity), set1(R::kIdentity)};
    int64_t c = 0;
    for (; c + 4 * kLanes <= cols; c += 4 * kLanes) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) sum[i] = R::combine(sum[i], load(x + c + i * kLanes));
    }
    for (; c + kLanes <= cols; c += kLanes) sum[0] = R::combine(sum[0], load(x + c));
    if (c < cols) {
      const PartialVector rest = {static_cast<int>(cols - c)};
      sum[1] = R::combine(sum[1], rest.orElse(rest.get(x + c), set1(R::kIdentity)));
    }
    acc[r] = R::combine(acc[r], R::lanes(R::combine(R::combine(sum[0], sum[1]), R::combine(sum[2], sum[3]))));
  }
}

constexpr ReduceKernels kReduceKernels = {
    {reduceColumnsWidened<SumOf>, reduceRows<SumOf>},
    {reduceColumnsWidened<MaxOf>, reduceRows<MaxOf>},
};
