// Elementary functions on Vec, accurate to a few units in the last place (ulp) over all of float32, measured against double:
//   exp 1.5 ulp, log 1.5 ulp, tanh 2 ulp, sigmoid 3 ulp, silu 4 ulp, softplus 3 ulp, normal distribution function 5 ulp
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

// 2^n e^r for |r| <= ln 2 / 2 or a little more
STRIDENET_INLINE Vec scaledExp(Vec n, Vec r) {
  Vec p = set1(1.9875691500e-4f);
  p = fma(p, r, set1(1.3981999507e-3f));
  p = fma(p, r, set1(8.3334519073e-3f));
  p = fma(p, r, set1(4.1665795894e-2f));
  p = fma(p, r, set1(1.6666665459e-1f));
  p = fma(p, r, set1(5.0000001201e-1f));
  p = add(fma(p, mul(r, r), r), set1(1.0f));
  return scaleByPowerOfTwo(p, n);
}

// e^x = 2^n e^r with n = round(x / ln 2) and |r| <= ln 2 / 2; ln 2 in two parts makes r exact.
STRIDENET_INLINE Vec exp(Vec x) {
  x = min(set1(90.0f), max(set1(-105.0f), x));  // beyond, the result is infinity or zero; NaN stays
  const Vec n = round(mul(x, set1(1.44269504f)));
  const Vec r = fma(n, set1(-0.693359375f), x);
  return scaledExp(n, fma(n, set1(2.12194440e-4f), r));
}

// e^(-x^2 / 2) for 0 <= x <= 15: the square is taken in two parts, since its rounding would be multiplied by itself.
STRIDENET_INLINE Vec expMinusHalfSquare(Vec x) {
  const Vec head = mul(round(mul(x, set1(64.0f))), set1(1.0f / 64.0f));  // ten bits, so that its square is exact
  const Vec high = mul(set1(-0.5f), mul(head, head)), low = mul(mul(set1(-0.5f), sub(x, head)), add(x, head));
  const Vec n = round(mul(high, set1(1.44269504f)));
  const Vec r = fma(n, set1(-0.693359375f), high);
  return scaledExp(n, add(fma(n, set1(2.12194440e-4f), r), low));
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

// log(1 + e^x) = max(x, 0) + log(1 + e^-|x|); what 1 + e loses is put back, so that small results keep their digits.
STRIDENET_INLINE Vec softplus(Vec x) {
  const Vec e = exp(neg(abs(x)));
  const Vec sum = add(set1(1.0f), e);
  const Vec lost = sub(e, sub(sum, set1(1.0f)));
  return add(max(zero(), x), add(log(sum), div(lost, sum)));
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

STRIDENET_INLINE Vec relu6(Vec x) {
  return min(set1(6.0f), max(zero(), x));
}

// x, and the ends of [-limit, limit] for what lies beyond. NaN stays.
STRIDENET_INLINE Vec within(float limit, Vec x) {
  return min(set1(limit), max(set1(-limit), x));
}

// A finite number for minus infinity, so that its product with 0 is 0: the limit of activations that are x times what falls faster.
STRIDENET_INLINE Vec aboveMinusInfinity(Vec x) {
  return max(set1(-3.40282347e38f), x);
}

STRIDENET_INLINE Vec silu(Vec x) {
  return mul(aboveMinusInfinity(x), sigmoid(x));
}

STRIDENET_INLINE Vec hardswish(Vec x) {
  return mul(aboveMinusInfinity(x), mul(relu6(add(x, set1(3.0f))), set1(1.0f / 6.0f)));
}

// sigmoid(x) and 1 - sigmoid(x), neither of them by cancellation.
struct Sigmoids {
  Vec at, rest;
};
STRIDENET_INLINE Sigmoids sigmoids(Vec x) {
  const Vec e = exp(neg(abs(x))), d = div(set1(1.0f), add(set1(1.0f), e)), small = mul(e, d);
  const Mask negative = less(x, zero());
  return {select(negative, small, d), select(negative, d, small)};
}

// The normal distribution: Phi(x) = (1 + erf(x / sqrt 2)) / 2 without cancellation, and its density e^(-x^2 / 2) / sqrt(2 pi).
// Phi(-x) = e^(-x^2 / 2) t P(t) with t = 1 / (1 + 0.3 x / sqrt 2): 2 t P(t) is the scaled complementary error function e^(z^2) erfc(z) at
// z = x / sqrt 2, which changes slowly; P is fitted to it on [0, 11], relative error 2e-8.
struct Normal {
  Vec cdf, density;
};
STRIDENET_INLINE Normal normal(Vec x) {
  const Vec a = min(set1(15.0f), abs(x));  // NaN stays; Phi(-15) and its density are 0 in float32
  const Vec e = expMinusHalfSquare(a);
  const Vec t = div(set1(1.0f), fma(a, set1(0.212132034f), set1(1.0f)));
  Vec p = set1(0.00160519113f);
  p = fma(p, t, set1(-0.0737290378f));
  p = fma(p, t, set1(0.264548343f));
  p = fma(p, t, set1(-0.286220944f));
  p = fma(p, t, set1(0.299905093f));
  p = fma(p, t, set1(-0.061953115f));
  p = fma(p, t, set1(0.112784483f));
  p = fma(p, t, set1(0.0729619501f));
  p = fma(p, t, set1(0.0855125881f));
  p = fma(p, t, set1(0.0845854396f));
  const Vec tail = mul(mul(t, p), e);
  return {select(less(x, zero()), tail, sub(set1(1.0f), tail)), mul(set1(0.398942280f), e)};
}

// 2 sqrt(2 / pi) (x + 0.044715 x^3): half of 1 + tanh of half of it is its sigmoid. slope is its derivative.
STRIDENET_INLINE Vec geluTanhArgument(Vec x, Vec* slope) {
  const Vec c = within(64.0f, x), z = mul(c, c);  // beyond, the sigmoid is 0 or 1
  *slope = fma(z, set1(0.214064493f), set1(1.59576912f));
  return mul(c, fma(z, set1(0.0713548312f), set1(1.59576912f)));
}

// p[i] = activation(p[i]) for i < n.
STRIDENET_INLINE void applyActivation(float* p, int64_t n, Activation activation) {
  switch (activation) {
    case Activation::none:
      return;
    case Activation::relu:
      return mapVectors(
          n, p, [](Vec v) { return relu(v); }, p);
    case Activation::sigmoid:
      return mapVectors(
          n, p, [](Vec v) { return sigmoid(v); }, p);
    case Activation::tanh:
      return mapVectors(
          n, p, [](Vec v) { return tanh(v); }, p);
    case Activation::relu6:
      return mapVectors(
          n, p, [](Vec v) { return relu6(v); }, p);
    case Activation::silu:
      return mapVectors(
          n, p, [](Vec v) { return silu(v); }, p);
    case Activation::hardswish:
      return mapVectors(
          n, p, [](Vec v) { return hardswish(v); }, p);
  }
}
