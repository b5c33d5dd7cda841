// Optimizer updates, one pass over parameter, velocity and gradient; contract in update_kernels.h.

inline void sgd(const SgdParameters& p, const float* grad, float* param, float* velocity, int64_t n) {
  const Vec lr = set1(-p.lr), momentum = set1(p.momentum), decay = set1(p.weightDecay);
  const auto step = [&](int64_t i, auto get, auto put) {
    const Vec w = get(param + i);
    const Vec g = fma(decay, w, get(grad + i));
    if (velocity == nullptr) return put(param + i, fma(lr, g, w));
    const Vec v = fma(momentum, get(velocity + i), g);
    put(velocity + i, v);
    put(param + i, fma(lr, p.nesterov ? fma(momentum, v, g) : v, w));
  };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    step(
        i, [](const float* q) { return load(q); }, [](float* q, Vec v) { store(q, v); });
  const int rest = static_cast<int>(n - i);
  if (rest > 0) {
    step(
        i, [=](const float* q) { return loadPartial(q, rest); }, [=](float* q, Vec v) { storePartial(q, v, rest); });
  }
}

constexpr UpdateKernels kUpdateKernels = {sgd};
