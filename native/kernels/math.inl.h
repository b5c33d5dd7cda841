// Elementary functions on Vec, accurate to a few units in the last place (ulp) over all of float32, measured against double:
//   exp 1.5 ulp, log 1.5 ulp, tanh 2 ulp, sigmoid 3 ulp
// Overflow gives infinity, underflow goes through the subnormal numbers to zero, NaN gives NaN. Polynomials: Cephes (S. Moshier),
// expf, logf and tanhf. Included inside the anonymous namespace of one instruction set; see table.inl.h.

constexpr float kInfinity = __builtin_inff();
constexpr float kNaN = __builtin_nanf("");

// max(a, b) in which a NaN of either side wins.
STRIDENET_INLINE Vec maxNaN(Vec a, Vec b) {
  return select(notEqual(a, a), a, max(a, b));
}
STRIDENET_INLINE Vec minNaN(Vec a, Vec b) {
  return select(notEqual(a, a), a, min(a, b));
}

// e^x = 2^n e^r with n = round(x / ln 2) and |r| <= ln 2 / 2; ln 2 in two parts makes r exact.
STRIDENET_INLINE Vec exp(Vec x) {
  x = min(set1(90.0f), max(set1(-105.0f), x));  // beyond, the result is infinity or zero; NaN stays
  const Vec n = round(mul(x, set1(1.44269504f)));
  Vec r = fma(n, set1(-0.693359375f), x);
  r = fma(n, set1(2.12194440e-4f), r);
  Vec p = set1(1.9875691500e-4f);
  p = fma(p, r, set1(1.3981999507e-3f));
  p = fma(p, r, set1(8.3334519073e-3f));
  p = fma(p, r, set1(4.1665795894e-2f));
  p = fma(p, r, set1(1.6666665459e-1f));
  p = fma(p, r, set1(5.0000001201e-1f));
  p = add(fma(p, mul(r, r), r), set1(1.0f));
  return scaleByPowerOfTwo(p, n);
}

// log x = e ln 2 + log(1 + f) with x = 2^e (1 + f) and sqrt(1/2) <= 1 + f < sqrt(2).
STRIDENET_INLINE Vec log(Vec x) {
  const Mask tiny = less(x, set1(1.17549435e-38f));
  Vec m;
  Vec e = splitExponent(select(tiny, mul(x, set1(8388608.0f)), x), &m);
  e = select(tiny, sub(e, set1(23.0f)), e);
  const Mask upper = greater(m, set1(1.41421356f));
  m = select(upper, mul(m, set1(0.5f)), m);
  e = select(upper, add(e, set1(1.0f)), e);
  const Vec f = sub(m, set1(1.0f)), z = mul(f, f);
  Vec p = set1(7.0376836292e-2f);
  p = fma(p, f, set1(-1.1514610310e-1f));
  p = fma(p, f, set1(1.1676998740e-1f));
  p = fma(p, f, set1(-1.2420140846e-1f));
  p = fma(p, f, set1(1.4249322787e-1f));
  p = fma(p, f, set1(-1.6668057665e-1f));
  p = fma(p, f, set1(2.0000714765e-1f));
  p = fma(p, f, set1(-2.4999993993e-1f));
  p = fma(p, f, set1(3.3333331174e-1f));
  Vec y = mul(mul(p, f), z);
  y = fma(e, set1(-2.12194440e-4f), y);
  y = fma(z, set1(-0.5f), y);
  y = fma(e, set1(0.693359375f), add(f, y));
  y = select(equal(x, zero()), set1(-kInfinity), y);
  y = select(equal(x, set1(kInfinity)), x, y);
  return select(maskNot(greaterEqual(x, zero())), set1(kNaN), y);  // negative or NaN
}

// 1 / (1 + e^-x), through e^-|x| so that neither side overflows.
STRIDENET_INLINE Vec sigmoid(Vec x) {
  const Vec e = exp(neg(abs(x)));
  return div(select(less(x, zero()), e, set1(1.0f)), add(set1(1.0f), e));
}

// Odd polynomial for |x| < 0.625, 1 - 2 / (e^2|x| + 1) beyond.
STRIDENET_INLINE Vec tanh(Vec x) {
  const Vec a = abs(x), z = mul(x, x);
  Vec p = set1(-5.70498872745e-3f);
  p = fma(p, z, set1(2.06390887954e-2f));
  p = fma(p, z, set1(-5.37397155531e-2f));
  p = fma(p, z, set1(1.33314422036e-1f));
  p = fma(p, z, set1(-3.33332819422e-1f));
  const Vec small = fma(mul(p, z), x, x);
  const Vec large = sub(set1(1.0f), div(set1(2.0f), add(exp(add(a, a)), set1(1.0f))));
  return select(less(a, set1(0.625f)), small, copySign(large, x));
}

STRIDENET_INLINE Vec relu(Vec x) {
  return max(zero(), x);  // relu(NaN) = NaN
}

template <typename F>
inline void mapInPlace(float* p, int64_t n, F f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(p + i, f(load(p + i)));
  if (i < n) storePartial(p + i, f(loadPartial(p + i, static_cast<int>(n - i))), static_cast<int>(n - i));
}

// p[i] = activation(p[i]) for i < n.
inline void applyActivation(float* p, int64_t n, Activation activation) {
  switch (activation) {
    case Activation::none:
      return;
    case Activation::relu:
      return mapInPlace(p, n, [](Vec v) { return relu(v); });
    case Activation::sigmoid:
      return mapInPlace(p, n, [](Vec v) { return sigmoid(v); });
    case Activation::tanh:
      return mapInPlace(p, n, [](Vec v) { return tanh(v); });
  }
}
