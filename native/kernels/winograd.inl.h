// The two-dimensional transforms of Winograd's convolution; contract in winograd_kernels.h, the one-dimensional ones in
// winograd_transforms.inl.h. Channels are the lanes.

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
STRIDENET_INLINE int lanesFrom(int64_t c, int64_t channels) {
  return channels - c < kLanes ? static_cast<int>(channels - c) : kLanes;
}

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
        const int lanes = count - k < kLanes ? count - k : kLanes;
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
      const int count = w.columns - c < kLanes ? static_cast<int>(w.columns - c) : kLanes;
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

// What happens to up to a vector of results on their way out; activations that are not elementary come later.
struct WinogradEpilogue {
  Vec bias;
  int count;
  bool isClipped, isClipped6;

  WinogradEpilogue(const float* biases, int lanes, Activation activation)
      : bias(biases == nullptr ? zero() : loadLanes(biases, lanes)),
        count(lanes),
        isClipped(activation == Activation::relu || activation == Activation::relu6),
        isClipped6(activation == Activation::relu6) {}
  void write(Vec result, const float* addend, float* y) const {
    result = add(result, bias);
    if (addend != nullptr) result = add(result, loadLanes(addend, count));
    if (isClipped) result = max(zero(), result);
    if (isClipped6) result = min(set1(6.0f), result);
    storeLanes(y, result, count);
  }
};

template <int M, int P, void (*Transform)(const Vec*, Vec*)>
void winogradResultTile(const WinogradResults& w) {
  const Activation activation = w.activation;
  for (int64_t c = 0; c < w.channels; c += kLanes) {
    const WinogradEpilogue epilogue(w.bias == nullptr ? nullptr : w.bias + c, lanesFrom(c, w.channels), activation);
    auto write = [&](int i, const Vec* row) {
      const int64_t line = i * w.lineStride + c;
#pragma GCC unroll 4
      for (int j = 0; j < M; ++j) {
        if (j >= w.pixels) break;
        const int64_t at = line + j * w.pixelStride;
        epilogue.write(row[j], w.add == nullptr ? nullptr : w.add + at, w.y + at);
      }
    };
    winogradSquare<P, M, Transform>([&](int i, int j) { return load(w.m + (i * P + j) * w.pointStride + c); }, write, w.lines);
  }
  if (!isElementary(activation)) return;
  for (int i = 0; i < w.lines; ++i)
    for (int j = 0; j < w.pixels; ++j) applyActivation(w.y + i * w.lineStride + j * w.pixelStride, w.channels, activation);
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
