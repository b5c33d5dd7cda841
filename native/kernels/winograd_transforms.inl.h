// The transforms of Winograd's minimal filtering, generic over the vector vocabulary. F(m, r) makes m outputs of a filter of r taps
// from P = m + r - 1 inputs with P multiplications, one for each point. Whatever m and r are, the input transform B^T depends on the
// points alone. With six points: convolutions and their input gradients are F(4, 3) or F(2, 5), and the weight gradients of the same
// kernels are F(3, 4) and F(5, 2). With four points, F(2, 3) is for small images.
//
// Sources: S. Winograd, Arithmetic Complexity of Computations, 1980; A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural
// Networks, CVPR 2016. The points are 0, +-a, +-b and infinity with a = 3/4, b = 3/2 instead of the customary 1 and 2: B^T and the
// powers of the points are exact in float32, the multiplications are as many, and the error is half as large
// (cf. B. Barabasz et al., Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks, 2020).
//
// With n_p = product over the finite points q != p of (p - q), the transforms G of the filter and A^T of the results are made of the
// powers of the points, G[p][k] = p^k and A^T[k][p] = p^k; the point at infinity takes the last tap and adds to the last output. One of
// the two is divided by n_p: that of the taps, G of a convolution and A^T of a weight gradient.

constexpr float kPointA = 0.75f, kPointB = 1.5f;
constexpr float kPointA2 = kPointA * kPointA, kPointB2 = kPointB * kPointB;
// 1 / n_p for p = 0, p = +-a and p = +-b.
constexpr float kWeight0 = static_cast<float>(1.0 / (0.5625 * 2.25));
constexpr float kWeightA = static_cast<float>(1.0 / (2 * 0.5625 * (0.5625 - 2.25)));
constexpr float kWeightB = static_cast<float>(1.0 / (2 * 2.25 * (2.25 - 0.5625)));

// point^k weight.
constexpr float winogradPower(float point, int k, float weight) {
  return k == 0 ? weight : point * winogradPower(point, k - 1, weight);
}

// even + x odd and even - x odd, the values at a pair of points.
STRIDENET_INLINE void winogradPair(float x, Vec even, Vec odd, Vec* values) {
  values[0] = fma(set1(x), odd, even);
  values[1] = fma(set1(-x), odd, even);
}

// v = B^T d; the order of points is 0, a, -a, b, -b, infinity.
STRIDENET_INLINE void winogradInput(const Vec* d, Vec* v) {
  const Vec product = set1(kPointA2 * kPointB2), sum = set1(-(kPointA2 + kPointB2));
  const Vec minusA2 = set1(-kPointA2), minusB2 = set1(-kPointB2);
  v[0] = fma(product, d[0], fma(sum, d[2], d[4]));
  winogradPair(kPointA, fma(minusB2, d[2], d[4]), fma(minusB2, d[1], d[3]), v + 1);
  winogradPair(kPointB, fma(minusA2, d[2], d[4]), fma(minusA2, d[1], d[3]), v + 3);
  v[5] = fma(product, d[1], fma(sum, d[3], d[5]));
}

// d = B m, the adjoint of the above.
STRIDENET_INLINE void winogradInputAdjoint(const Vec* m, Vec* d) {
  const Vec product = set1(kPointA2 * kPointB2), sum = set1(-(kPointA2 + kPointB2));
  const Vec evenA = add(m[1], m[2]), oddA = sub(m[1], m[2]), evenB = add(m[3], m[4]), oddB = sub(m[3], m[4]);
  d[0] = mul(product, m[0]);
  d[1] = fma(set1(-kPointB2 * kPointA), oddA, fma(set1(-kPointA2 * kPointB), oddB, mul(product, m[5])));
  d[2] = fma(set1(-kPointB2), evenA, fma(set1(-kPointA2), evenB, mul(sum, m[0])));
  d[3] = fma(set1(kPointA), oddA, fma(set1(kPointB), oddB, mul(sum, m[5])));
  d[4] = add(m[0], add(evenA, evenB));
  d[5] = m[5];
}

// values = weight * sum over k < N of (+-point)^k g[k].
template <int N>
STRIDENET_INLINE void winogradFilterPair(float point, float weight, const Vec* g, Vec* values) {
  Vec even = weight == 1 ? g[0] : mul(set1(weight), g[0]), odd = g[1];
#pragma GCC unroll 5
  for (int k = 2; k < N; k += 2) even = fma(set1(winogradPower(point, k, weight)), g[k], even);
#pragma GCC unroll 5
  for (int k = 3; k < N; k += 2) odd = fma(set1(winogradPower(point, k - 1, 1)), g[k], odd);
  winogradPair(point * weight, even, odd, values);
}

// u = G g for N numbers g: the taps of a convolution (isTaps) or the pixels of dy.
template <int N, bool isTaps>
STRIDENET_INLINE void winogradFilter(const Vec* g, Vec* u) {
  u[0] = isTaps ? mul(set1(kWeight0), g[0]) : g[0];
  winogradFilterPair<N>(kPointA, isTaps ? kWeightA : 1, g, u + 1);
  winogradFilterPair<N>(kPointB, isTaps ? kWeightB : 1, g, u + 3);
  u[5] = g[N - 1];
}

// y = A^T m for N results: the pixels of a convolution or the taps of a weight gradient (isTaps).
template <int N, bool isTaps>
STRIDENET_INLINE void winogradResults(const Vec* m, Vec* y) {
  constexpr float weightA = isTaps ? kWeightA : 1, weightB = isTaps ? kWeightB : 1;
  const Vec evenA = add(m[1], m[2]), oddA = sub(m[1], m[2]), evenB = add(m[3], m[4]), oddB = sub(m[3], m[4]);
  y[0] = isTaps ? fma(set1(weightB), evenB, fma(set1(weightA), evenA, mul(set1(kWeight0), m[0]))) : add(m[0], add(evenA, evenB));
#pragma GCC unroll 5
  for (int k = 1; k < N; ++k) {
    const Vec a = set1(winogradPower(kPointA, k, weightA)), b = set1(winogradPower(kPointB, k, weightB));
    const Vec sumA = k % 2 == 0 ? evenA : oddA, sumB = k % 2 == 0 ? evenB : oddB;
    y[k] = fma(a, sumA, k == N - 1 ? fma(b, sumB, m[5]) : mul(b, sumB));
  }
}

// F(2, 3) with the points 0, 1, -1 and infinity.
STRIDENET_INLINE void winogradInput4(const Vec* d, Vec* v) {
  v[0] = sub(d[0], d[2]);
  v[1] = add(d[2], d[1]);
  v[2] = sub(d[2], d[1]);
  v[3] = sub(d[3], d[1]);
}
STRIDENET_INLINE void winogradFilter4(const Vec* g, Vec* u) {
  const Vec half = set1(0.5f);
  u[0] = g[0];
  winogradPair(0.5f, mul(half, add(g[0], g[2])), g[1], u + 1);
  u[3] = g[2];
}
STRIDENET_INLINE void winogradResults2(const Vec* m, Vec* y) {
  y[0] = add(m[0], add(m[1], m[2]));
  y[1] = add(sub(m[1], m[2]), m[3]);
}

// The two-dimensional transform is the one-dimensional one over columns, then over rows: of In x In vectors read(i, j), into Out rows of
// Out, of which the first `lines` are given to write(i, row).
template <int In, int Out, void (*Transform)(const Vec*, Vec*), typename Read, typename Write>
STRIDENET_INLINE void winogradSquare(const Read& read, const Write& write, int lines = Out) {
  Vec between[Out][In];
#pragma GCC unroll 6
  for (int j = 0; j < In; ++j) {
    Vec column[In], t[Out];
#pragma GCC unroll 6
    for (int i = 0; i < In; ++i) column[i] = read(i, j);
    Transform(column, t);
#pragma GCC unroll 6
    for (int i = 0; i < Out; ++i) between[i][j] = t[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < Out; ++i) {
    if (i >= lines) break;
    Vec row[Out];
    Transform(between[i], row);
    write(i, row);
  }
}
