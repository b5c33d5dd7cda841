// Winograd's input gradient with images in the lanes; contract in hwcn_winograd_kernels.h.
//
// Computes the products of a pair of points at a time: their vectors are made of the same pixels in registers, and 2
// points x 2 tiles x 6 channels are as many sums as there are registers for. Each weight that is broadcast serves both
// tiles.

// The pixels of M that enter a pair of points +-x: even + x odd and even - x odd. One multiplication and two sums, because processors
// that multiply and add in different units have the latter idle here.
template <int M, typename Read>
STRIDENET_INLINE void hwcnWinogradPair(const Read& read, Vec x, Vec x2, Vec* plus, Vec* minus) {
  Vec even = read(0), odd = read(1);
  if constexpr (M > 2) even = fma(x2, read(2), even);
  if constexpr (M > 3) odd = fma(x2, read(3), odd);
  const Vec product = mul(x, odd);
  *plus = add(even, product);
  *minus = sub(even, product);
}

constexpr float kHwcnWinogradPoint[3] = {0, kPointA, kPointB};

template <int M>
void hwcnWinogradLines(int pair, const float* lines, int64_t lineStride, int64_t count, float* plus, float* minus) {
  const float point = kHwcnWinogradPoint[pair];
  const Vec x = set1(point), x2 = set1(point * point);
  for (int64_t i = 0; i < count * kLanes; i += kLanes) {
    Vec a, b;
    hwcnWinogradPair<M>([&](int line) { return load(lines + line * lineStride + i); }, x, x2, &a, &b);
    store(plus + i, a);
    store(minus + i, b);
  }
}

template <int M, int T, int C>
void hwcnWinogradProducts(const HwcnWinogradProducts& t) {
  const int64_t pixel = t.xPixel, length = t.length;
  const float* u = t.u;
  for (int pair = 0; pair < 3; ++pair) {
    const Vec point = set1(kHwcnWinogradPoint[pair]), point2 = set1(kHwcnWinogradPoint[pair] * kHwcnWinogradPoint[pair]);
    Vec acc[2][T][C];
#pragma GCC unroll 2
    for (int p = 0; p < 2; ++p)
#pragma GCC unroll 2
      for (int i = 0; i < T; ++i)
#pragma GCC unroll 6
        for (int o = 0; o < C; ++o) acc[p][i][o] = zero();
    auto multiply = [&](const Vec(&v)[2][T]) {
#pragma GCC unroll 2
      for (int p = 0; p < 2; ++p)
#pragma GCC unroll 6
        for (int o = 0; o < C; ++o) {
          const Vec w = set1(u[p * C + o]);
#pragma GCC unroll 2
          for (int i = 0; i < T; ++i) acc[p][i][o] = fma(v[p][i], w, acc[p][i][o]);
        }
      u += 2 * C;
    };
    const float* x = t.x;
    const float* const end = x + length * kLanes;
    if (pair == 0) {
      for (; x < end; x += kLanes) {
        Vec v[2][T];
#pragma GCC unroll 2
        for (int i = 0; i < T; ++i) v[0][i] = load(x + i * M * pixel), v[1][i] = load(x + (i * M + M - 1) * pixel);
        multiply(v);
      }
    } else {
      for (; x < end; x += kLanes) {
        Vec v[2][T];
#pragma GCC unroll 2
        for (int i = 0; i < T; ++i)
          hwcnWinogradPair<M>([&](int j) { return load(x + (i * M + j) * pixel); }, point, point2, &v[0][i], &v[1][i]);
        multiply(v);
      }
    }
    const int points[2] = {pair == 0 ? 0 : 2 * pair - 1, pair == 0 ? 5 : 2 * pair};
#pragma GCC unroll 2
    for (int p = 0; p < 2; ++p) {
      float* products = t.products + points[p] * t.pointStride;
#pragma GCC unroll 2
      for (int i = 0; i < T; ++i)
#pragma GCC unroll 6
        for (int o = 0; o < C; ++o) store(products + (i * C + o) * kLanes, acc[p][i][o]);
    }
  }
}

// The first `Kept` results are added to what is there.
template <int Kept>
STRIDENET_INLINE void hwcnWinogradSums(const float* points, int64_t pointStride, int64_t count, float* const* target) {
  float* to[6];
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j) to[j] = target[j];
  for (int64_t c = 0; c < count * kLanes; c += kLanes) {
    Vec m[6], d[6];
#pragma GCC unroll 6
    for (int p = 0; p < 6; ++p) m[p] = load(points + p * pointStride + c);
    winogradInputAdjoint(m, d);
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) store(to[j] + c, j < Kept ? add(load(to[j] + c), d[j]) : d[j]);
  }
}

template <int M>
void hwcnWinogradResults(const float* points, int64_t pointStride, int64_t count, float* const* to, bool isFirst) {
  if (isFirst) {
    hwcnWinogradSums<0>(points, pointStride, count, to);
  } else {
    hwcnWinogradSums<6 - M>(points, pointStride, count, to);
  }
}

#define STRIDENET_HWCN_WINOGRAD_PRODUCTS(M, T)                                                                                           \
  {                                                                                                                                      \
    nullptr, hwcnWinogradProducts<M, T, 1>, hwcnWinogradProducts<M, T, 2>, hwcnWinogradProducts<M, T, 3>, hwcnWinogradProducts<M, T, 4>, \
        hwcnWinogradProducts<M, T, 5>, hwcnWinogradProducts<M, T, 6>                                                                     \
  }

// F(2 x 2, 5 x 5)
constexpr HwcnWinogradKernels kHwcnWinogradKernels = {
    hwcnWinogradLines<2>,
    {{}, STRIDENET_HWCN_WINOGRAD_PRODUCTS(2, 1), STRIDENET_HWCN_WINOGRAD_PRODUCTS(2, 2)},
    hwcnWinogradResults<2>,
};

#undef STRIDENET_HWCN_WINOGRAD_PRODUCTS
