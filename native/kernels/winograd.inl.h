// The two-dimensional transforms of Winograd's convolution; contract in winograd_kernels.h, the one-dimensional ones in
// winograd_transforms.inl.h. Channels are the lanes.

// Vectors of channels that are transformed together: their values between the two passes stay in the first-level cache, and pixels and
// points are read and written in runs of several lines. One at a time, in registers, is slower.
constexpr int kWinogradVectors = 4;

template <int P, void (*Transform)(const Vec*, Vec*)>
void winogradInputTile(const float* const* pixels, int64_t channels, float* v, int64_t pointStride) {
  constexpr int kChunk = kWinogradVectors * kLanes;
  alignas(64) float between[P][P][kChunk];
  for (int64_t c = 0; c < channels; c += kChunk) {
    const int count = channels - c < kChunk ? static_cast<int>(channels - c) : kChunk;
    for (int j = 0; j < P; ++j) {
      const float* column[P];
#pragma GCC unroll 6
      for (int i = 0; i < P; ++i) column[i] = pixels[i * P + j] + c;
      for (int k = 0; k < count; k += kLanes) {
        const int lanes = lanesFrom(k, count);
        Vec d[P], t[P];
#pragma GCC unroll 6
        for (int i = 0; i < P; ++i) d[i] = loadLanes(column[i] + k, lanes);
        Transform(d, t);
#pragma GCC unroll 6
        for (int i = 0; i < P; ++i) store(between[i][j] + k, t[i]);
      }
    }
    for (int i = 0; i < P; ++i) {
      float* row = v + i * P * pointStride + c;
      for (int k = 0; k < count; k += kLanes) {
        Vec d[P], t[P];
#pragma GCC unroll 6
        for (int j = 0; j < P; ++j) d[j] = load(between[i][j] + k);
        Transform(d, t);
#pragma GCC unroll 6
        for (int j = 0; j < P; ++j) store(row + j * pointStride + k, t[j]);
      }
    }
  }
}

template <int R, int P, void (*Transform)(const Vec*, Vec*)>
void winogradWeightTiles(const WinogradWeights& w) {
  for (int64_t r = 0; r < w.rows; ++r) {
    for (int64_t c = 0; c < w.width; c += kLanes) {
      const int count = lanesFrom(c, w.columns);
      const int64_t from = r * w.rowStride + c;
      float* u = w.u + r * w.uRow + c;
      winogradSquare<R, P, Transform>([&](int i, int j) { return loadLanes(w.taps[i * R + j] + from, count); },
                                      [&](int i, const Vec* row) {
#pragma GCC unroll 6
                                        for (int j = 0; j < P; ++j) store(u + i * w.lineStride + j * w.columnStride, row[j]);
                                      });
    }
  }
}

// Finishes and stores lines of results, up to a vector of channels each. A bias that does not exist is a zero.
struct WinogradOutput {
  Vec bias;
  int count;
  Activation activation;

  WinogradOutput(const float* biases, int lanes, Activation kind)
      : bias(biases == nullptr ? zero() : loadLanes(biases, lanes)), count(lanes), activation(kind) {}
  // The first `pixels` of M results. addend (or null) and y are where the line's first pixel is.
  template <int M>
  STRIDENET_MEMBER void write(const Vec* results, int64_t pixels, int64_t pixelStride, const float* addend, float* y) const {
    Vec line[1][M];
#pragma GCC unroll 4
    for (int j = 0; j < M; ++j) line[0][j] = results[j];
    finishTile(
        line, true, [&](int) STRIDENET_LAMBDA { return bias; }, addend != nullptr,
        [&](int, int j) STRIDENET_LAMBDA { return j < pixels ? loadLanes(addend + j * pixelStride, count) : zero(); }, activation);
#pragma GCC unroll 4
    for (int j = 0; j < M; ++j)
      if (j < pixels) storeLanes(y + j * pixelStride, line[0][j], count);
  }
};

template <int M, int P, void (*Transform)(const Vec*, Vec*)>
void winogradResultTile(const WinogradResults& w) {
  for (int64_t c = 0; c < w.channels; c += kLanes) {
    const WinogradOutput output(w.bias == nullptr ? nullptr : w.bias + c, lanesFrom(c, w.channels), w.activation);
    auto write = [&](int i, const Vec* row) {
      const int64_t at = i * w.lineStride + c;
      output.write<M>(row, w.pixels, w.pixelStride, w.add == nullptr ? nullptr : w.add + at, w.y + at);
    };
    winogradSquare<P, M, Transform>([&](int i, int j) { return load(w.m + (i * P + j) * w.pointStride + c); }, write, w.lines);
  }
  finishStored(w.y, w.lines, w.lineStride, w.pixels, w.pixelStride, w.channels, w.activation);
}

// dy for kernels of R x R: squares of 7 - R pixels.
template <int R>
void winogradGradientTile(const float* const* pixels, int64_t channels, float* g, int64_t pointStride, float* sum) {
  constexpr int N = 7 - R;
  for (int64_t c = 0; c < channels; c += kLanes) {
    const int count = lanesFrom(c, channels);
    Vec total = zero();
    winogradSquare<N, 6, winogradFilter<N, false>>(
        [&](int i, int j) {
          const Vec e = loadLanes(pixels[i * N + j] + c, count);
          total = add(total, e);
          return e;
        },
        [&](int i, const Vec* row) {
#pragma GCC unroll 6
          for (int j = 0; j < 6; ++j) store(g + (i * 6 + j) * pointStride + c, row[j]);
        });
    if (sum != nullptr) store(sum + c, add(load(sum + c), total));
  }
}

template <int R>
void winogradGradWeight(const float* m, int64_t pointStride, int64_t channels, float* dweight, int64_t tapStride, bool accumulate) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    const int count = lanesFrom(c, channels);
    auto write = [&](int i, const Vec* row) {
#pragma GCC unroll 5
      for (int j = 0; j < R; ++j) {
        float* tap = dweight + (i * R + j) * tapStride + c;
        storeLanes(tap, accumulate ? add(loadLanes(tap, count), row[j]) : row[j], count);
      }
    };
    winogradSquare<6, R, winogradResults<R, true>>([&](int i, int j) { return load(m + (i * 6 + j) * pointStride + c); }, write);
  }
}

template <int M, int R>
constexpr WinogradSizeKernels winogradSixPoints() {
  return {winogradInputTile<6, winogradInput>, winogradWeightTiles<R, 6, winogradFilter<R, true>>,
          winogradResultTile<M, 6, winogradResults<M, false>>};
}
constexpr WinogradSizeKernels kWinogradFourPoints = {winogradInputTile<4, winogradInput4>, winogradWeightTiles<3, 4, winogradFilter4>,
                                                     winogradResultTile<2, 4, winogradResults2>};
constexpr WinogradKernels kWinogradKernels = {
    kWinogradFourPoints,
    winogradSixPoints<4, 3>(),
    winogradSixPoints<2, 5>(),
    {winogradGradientTile<3>, winogradGradWeight<3>},
    {winogradGradientTile<5>, winogradGradWeight<5>},
};
