// Optimizer updates, one pass over parameter, velocity and gradient; contract in update_kernels.h.

inline void sgd(const SgdParameters& p, const float* grad, float* param, float* velocity, int64_t n) {
  const Vec lr = set1(-p.lr), momentum = set1(p.momentum), decay = set1(p.weightDecay);
  eachVector(n, [&](int64_t i, auto vector) STRIDENET_LAMBDA {
    const Vec w = vector.get(param + i);
    const Vec g = fma(decay, w, vector.get(grad + i));
    if (velocity == nullptr) return vector.put(param + i, fma(lr, g, w));
    const Vec v = fma(momentum, vector.get(velocity + i), g);
    vector.put(velocity + i, v);
    vector.put(param + i, fma(lr, p.nesterov ? fma(momentum, v, g) : v, w));
  });
}

constexpr UpdateKernels kUpdateKernels = {sgd};
