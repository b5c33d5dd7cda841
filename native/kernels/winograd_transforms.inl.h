// The one-dimensional transforms of Winograd's minimal filtering, generic over the vector vocabulary. With six points, convolutions and
// their input gradients are F(4, 3): four outputs of a three-tap filter; weight gradients are F(3, 4): three outputs of a four-tap
// filter. Both read six inputs, so both share the input transform B^T. With four points, F(2, 3) is for small
// images. A two-dimensional transform is the one-dimensional one over rows, then columns.
//
// Sources: S. Winograd, Arithmetic Complexity of Computations, 1980; A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural
// Networks, CVPR 2016. The points are 0, +-a, +-b and infinity with a = 3/4, b = 3/2 instead of the customary 1 and 2: all entries
// of B^T and G stay exact in float32, the multiplications are as many, and the error is half as large
// (cf. B. Barabasz et al., Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks, 2020).
//
// With n_p = product over the finite points q != p of (p - q), the finite rows of filter and output transform are
//   G[p][k] = p^k,  A^T[k][p] = p^k / n_p;   the point at infinity takes the last tap and adds to the last output.

constexpr float kPointA = 0.75f, kPointB = 1.5f;
constexpr float kPointA2 = kPointA * kPointA, kPointB2 = kPointB * kPointB;
// 1 / n_p for p = 0, p = +-a and p = +-b.
constexpr float kWeight0 = static_cast<float>(1.0 / (0.5625 * 2.25));
constexpr float kWeightA = static_cast<float>(1.0 / (2 * 0.5625 * (0.5625 - 2.25)));
constexpr float kWeightB = static_cast<float>(1.0 / (2 * 2.25 * (2.25 - 0.5625)));

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

// Forward, F(4, 3): u = G g with the scales 1 / n_p, y = A^T m without.
STRIDENET_INLINE void winogradWeights6(const Vec* g, Vec* u) {
  u[0] = mul(set1(kWeight0), g[0]);
  winogradPair(kPointA * kWeightA, fma(set1(kPointA2 * kWeightA), g[2], mul(set1(kWeightA), g[0])), g[1], u + 1);
  winogradPair(kPointB * kWeightB, fma(set1(kPointB2 * kWeightB), g[2], mul(set1(kWeightB), g[0])), g[1], u + 3);
  u[5] = g[2];
}
STRIDENET_INLINE void winogradResults4(const Vec* m, Vec* y) {
  const Vec evenA = add(m[1], m[2]), oddA = sub(m[1], m[2]), evenB = add(m[3], m[4]), oddB = sub(m[3], m[4]);
  y[0] = add(m[0], add(evenA, evenB));
  y[1] = fma(set1(kPointA), oddA, mul(set1(kPointB), oddB));
  y[2] = fma(set1(kPointA2), evenA, mul(set1(kPointB2), evenB));
  y[3] = fma(set1(kPointA2 * kPointA), oddA, fma(set1(kPointB2 * kPointB), oddB, m[5]));
}

// F(2, 3) with the points 0, 1, -1 and infinity.
STRIDENET_INLINE void winogradInput4(const Vec* d, Vec* v) {
  v[0] = sub(d[0], d[2]);
  v[1] = add(d[2], d[1]);
  v[2] = sub(d[2], d[1]);
  v[3] = sub(d[3], d[1]);
}
STRIDENET_INLINE void winogradWeights4(const Vec* g, Vec* u) {
  const Vec half = set1(0.5f);
  u[0] = g[0];
  winogradPair(0.5f, mul(half, add(g[0], g[2])), g[1], u + 1);
  u[3] = g[2];
}
STRIDENET_INLINE void winogradResults2(const Vec* m, Vec* y) {
  y[0] = add(m[0], add(m[1], m[2]));
  y[1] = add(sub(m[1], m[2]), m[3]);
}
