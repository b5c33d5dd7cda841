// The two-dimensional transforms of Winograd's convolution; contract in winograd_kernels.h, the one-dimensional ones in
// winograd_transforms.inl.h. Channels are the lanes.

// The one-dimensional transforms by the number of points P.
template <int P>
struct Winograd;

template <>
struct Winograd<4> {
  STRIDENET_INLINE void input(const Vec* d, Vec* v) { winogradInput4(d, v); }
  STRIDENET_INLINE void weights(const Vec* g, Vec* u) { winogradWeights4(g, u); }
  STRIDENET_INLINE void results(const Vec* m, Vec* y) { winogradResults2(m, y); }
};

template <>
struct Winograd<6> {
  STRIDENET_INLINE void input(const Vec* d, Vec* v) { winogradInput(d, v); }
  STRIDENET_INLINE void weights(const Vec* g, Vec* u) { winogradWeights6(g, u); }
  STRIDENET_INLINE void results(const Vec* m, Vec* y) { winogradResults4(m, y); }
};

// Vectors of channels that are transformed together: their values between the two passes stay in the first-level cache, and a
// pixel's pointer is read once for all of them.
constexpr int kWinogradVectors = 4;

template <int P>
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
        Vec d[P], t[P];
        if (count - k >= kLanes) {
#pragma GCC unroll 6
          for (int i = 0; i < P; ++i) d[i] = load(column[i] + k);
        } else {
#pragma GCC unroll 6
          for (int i = 0; i < P; ++i) d[i] = loadPartial(column[i] + k, count - k);
        }
        Winograd<P>::input(d, t);
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
        Winograd<P>::input(d, t);
#pragma GCC unroll 6
        for (int j = 0; j < P; ++j) store(row + j * pointStride + k, t[j]);
      }
    }
  }
}

template <int P>
void winogradWeightTiles(const WinogradWeights& w) {
  for (int64_t r = 0; r < w.rows; ++r) {
    for (int64_t c = 0; c < w.width; c += kLanes) {
      const int count = w.columns - c < kLanes ? static_cast<int>(w.columns - c) : kLanes;
      Vec between[P][3];
#pragma GCC unroll 3
      for (int j = 0; j < 3; ++j) {
        Vec g[3], t[P];
#pragma GCC unroll 3
        for (int i = 0; i < 3; ++i) {
          const float* tap = w.taps[i * 3 + j] + r * w.rowStride + c;
          g[i] = count == kLanes ? load(tap) : loadPartial(tap, count);
        }
        Winograd<P>::weights(g, t);
#pragma GCC unroll 6
        for (int i = 0; i < P; ++i) between[i][j] = t[i];
      }
#pragma GCC unroll 6
      for (int i = 0; i < P; ++i) {
        Vec u[P];
        Winograd<P>::weights(between[i], u);
#pragma GCC unroll 6
        for (int j = 0; j < P; ++j) store(w.u + (i * P + j) * w.pointStride + r * w.width + c, u[j]);
      }
    }
  }
}

template <int P>
void winogradResultTile(const WinogradResults& w) {
  constexpr int M = P - 2;
  const Activation activation = w.activation;
  for (int64_t c = 0; c < w.channels; c += kLanes) {
    const int count = w.channels - c < kLanes ? static_cast<int>(w.channels - c) : kLanes;
    Vec between[M][P];
#pragma GCC unroll 6
    for (int j = 0; j < P; ++j) {
      Vec m[P], t[M];
#pragma GCC unroll 6
      for (int i = 0; i < P; ++i) m[i] = load(w.m + (i * P + j) * w.pointStride + c);
      Winograd<P>::results(m, t);
#pragma GCC unroll 4
      for (int i = 0; i < M; ++i) between[i][j] = t[i];
    }
    const Vec bias = w.bias == nullptr ? zero() : loadPartial(w.bias + c, count);
#pragma GCC unroll 4
    for (int i = 0; i < M; ++i) {
      if (i >= w.lines) break;
      Vec y[M];
      Winograd<P>::results(between[i], y);
      const int64_t line = i * w.lineStride + c;
#pragma GCC unroll 4
      for (int j = 0; j < M; ++j) {
        if (j >= w.pixels) break;
        const int64_t at = line + j * w.pixelStride;
        Vec result = add(y[j], bias);
        if (w.add != nullptr) result = add(result, count == kLanes ? load(w.add + at) : loadPartial(w.add + at, count));
        if (activation == Activation::relu || activation == Activation::relu6) result = max(zero(), result);
        if (activation == Activation::relu6) result = min(set1(6.0f), result);
        if (count == kLanes) {
          store(w.y + at, result);
        } else {
          storePartial(w.y + at, result, count);
        }
      }
    }
  }
  if (!isElementary(activation)) return;
  for (int i = 0; i < w.lines; ++i)
    for (int j = 0; j < w.pixels; ++j) applyActivation(w.y + i * w.lineStride + j * w.pixelStride, w.channels, activation);
}

constexpr WinogradKernels kWinogradKernels = {
    {winogradInputTile<4>, winogradWeightTiles<4>, winogradResultTile<4>},
    {winogradInputTile<6>, winogradWeightTiles<6>, winogradResultTile<6>},
};
