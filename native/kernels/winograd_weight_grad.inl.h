// Transforms of the Winograd weight gradient, vectorised over channels. Definitions: winograd_transforms.inl.h.

// g = G e for four taps: p^0 .. p^3.
STRIDENET_INLINE void winogradFourTaps(const Vec* e, Vec* g) {
  g[0] = e[0];
  winogradPair(kPointA, fma(set1(kPointA2), e[2], e[0]), fma(set1(kPointA2), e[3], e[1]), g + 1);
  winogradPair(kPointB, fma(set1(kPointB2), e[2], e[0]), fma(set1(kPointB2), e[3], e[1]), g + 3);
  g[5] = e[3];
}

// y = A^T m for three outputs.
STRIDENET_INLINE void winogradThreeOutputs(const Vec* m, Vec* y) {
  const Vec sumA = add(m[1], m[2]), sumB = add(m[3], m[4]);
  y[0] = fma(set1(kWeightB), sumB, fma(set1(kWeightA), sumA, mul(set1(kWeight0), m[0])));
  y[1] = fma(set1(kPointB * kWeightB), sub(m[3], m[4]), mul(set1(kPointA * kWeightA), sub(m[1], m[2])));
  y[2] = fma(set1(kPointB2 * kWeightB), sumB, fma(set1(kPointA2 * kWeightA), sumA, m[5]));
}

template <bool Tail>
STRIDENET_INLINE void winogradGradInput(const float* const* pixels, int64_t c, int tail, float* v, int64_t plane) {
  Vec rows[6][6];
#pragma GCC unroll 6
  for (int i = 0; i < 6; ++i) {
    Vec d[6];
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) d[j] = Tail ? loadPartial(pixels[6 * i + j] + c, tail) : load(pixels[6 * i + j] + c);
    winogradInput(d, rows[i]);
  }
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j) {
    Vec column[6], points[6];
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) column[i] = rows[i][j];
    winogradInput(column, points);
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) store(v + (6 * i + j) * plane + c, points[i]);
  }
}

template <bool Tail>
STRIDENET_INLINE void winogradGradOutput(const float* const* pixels, int64_t c, int tail, float* g, int64_t plane, float* sum) {
  Vec rows[4][6];
  Vec total = zero();
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    Vec e[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) e[j] = Tail ? loadPartial(pixels[4 * i + j] + c, tail) : load(pixels[4 * i + j] + c);
    winogradFourTaps(e, rows[i]);
    if (sum != nullptr) total = add(total, add(add(e[0], e[1]), add(e[2], e[3])));
  }
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j) {
    Vec column[4], points[6];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) column[i] = rows[i][j];
    winogradFourTaps(column, points);
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) store(g + (6 * i + j) * plane + c, points[i]);
  }
  if (sum != nullptr) store(sum + c, add(load(sum + c), total));
}

void winogradGradInputTile(const float* const* pixels, int64_t channels, float* v, int64_t plane) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) winogradGradInput<false>(pixels, c, kLanes, v, plane);
  if (c < channels) winogradGradInput<true>(pixels, c, static_cast<int>(channels - c), v, plane);
}

void winogradGradOutputTile(const float* const* pixels, int64_t channels, float* g, int64_t plane, float* sum) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) winogradGradOutput<false>(pixels, c, kLanes, g, plane, sum);
  if (c < channels) winogradGradOutput<true>(pixels, c, static_cast<int>(channels - c), g, plane, sum);
}

void winogradGradWeight(const float* m, int64_t plane, int64_t channels, float* dweight, int64_t tapStride) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    const int tail = channels - c < kLanes ? static_cast<int>(channels - c) : kLanes;
    Vec rows[6][3];
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) {
      Vec points[6];
#pragma GCC unroll 6
      for (int j = 0; j < 6; ++j) points[j] = load(m + (6 * i + j) * plane + c);
      winogradThreeOutputs(points, rows[i]);
    }
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) {
      Vec column[6], taps[3];
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) column[i] = rows[i][j];
      winogradThreeOutputs(column, taps);
#pragma GCC unroll 3
      for (int i = 0; i < 3; ++i) {
        float* target = dweight + (3 * i + j) * tapStride + c;
        if (tail == kLanes) {
          store(target, taps[i]);
        } else {
          storePartial(target, taps[i], tail);
        }
      }
    }
  }
}

constexpr WinogradWeightGradKernels kWinogradWeightGradKernels = {winogradGradInputTile, winogradGradOutputTile, winogradGradWeight};
