// Activations with parameters; contract in activation_kernels.h. Those without are kinds of unary and binary (elementwise.inl.h).

inline void clamp(const float* x, float* y, int64_t n, float low, float high) {
  const Vec lo = set1(low), hi = set1(high);
  mapVectors(
      n, y, [=](Vec v) { return min(hi, max(lo, v)); }, x);
}

inline void clampGrad(const float* dy, const float* x, float* dx, int64_t n, float low, float high) {
  const Vec lo = set1(low), hi = set1(high);
  mapVectors(
      n, dx, [=](Vec d, Vec v) { return select(maskAnd(greaterEqual(v, lo), lessEqual(v, hi)), d, zero()); }, dy, x);
}

inline void leakyRelu(const float* x, float* y, int64_t n, float slope) {
  const Vec s = set1(slope);
  mapVectors(
      n, y, [=](Vec v) { return select(greater(v, zero()), v, mul(s, v)); }, x);
}

inline void leakyReluGrad(const float* dy, const float* x, float* dx, int64_t n, float slope) {
  const Vec s = set1(slope);
  mapVectors(
      n, dx, [=](Vec d, Vec v) { return select(greater(v, zero()), d, mul(s, d)); }, dy, x);
}

constexpr ActivationKernels kActivationKernels = {clamp, clampGrad, leakyRelu, leakyReluGrad};
