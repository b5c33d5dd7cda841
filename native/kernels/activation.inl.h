// Activations with parameters; contract in activation_kernels.h. Those without are kinds of unary and binary (elementwise.inl.h).

// y[i] = f(a[i], b[i])
template <typename F>
inline void mapPairs(const float* a, const float* b, float* y, int64_t n, F f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, f(load(a + i), load(b + i)));
  const int rest = static_cast<int>(n - i);
  if (rest > 0) storePartial(y + i, f(loadPartial(a + i, rest), loadPartial(b + i, rest)), rest);
}

inline void clamp(const float* x, float* y, int64_t n, float low, float high) {
  const Vec lo = set1(low), hi = set1(high);
  mapPairs(x, x, y, n, [=](Vec v, Vec) { return min(hi, max(lo, v)); });
}

inline void clampGrad(const float* dy, const float* x, float* dx, int64_t n, float low, float high) {
  const Vec lo = set1(low), hi = set1(high);
  mapPairs(dy, x, dx, n, [=](Vec d, Vec v) { return select(maskAnd(greaterEqual(v, lo), lessEqual(v, hi)), d, zero()); });
}

inline void leakyRelu(const float* x, float* y, int64_t n, float slope) {
  const Vec s = set1(slope);
  mapPairs(x, x, y, n, [=](Vec v, Vec) { return select(greater(v, zero()), v, mul(s, v)); });
}

inline void leakyReluGrad(const float* dy, const float* x, float* dx, int64_t n, float slope) {
  const Vec s = set1(slope);
  mapPairs(dy, x, dx, n, [=](Vec d, Vec v) { return select(greater(v, zero()), d, mul(s, d)); });
}

constexpr ActivationKernels kActivationKernels = {clamp, clampGrad, leakyRelu, leakyReluGrad};
