// Updates of variables in one pass over all operands; contract in update_kernels.h, formulas in ops.def.

inline void runningAverage(const RunningAverage::Attributes& a, const UpdateSpan& span) {
  const Vec decay = set1(a.decay), gain = set1(a.gain);
  float* running = span.variables[0];
  eachVector(span.n, [&](int64_t i, auto vector) STRIDENET_LAMBDA {
    vector.put(running + i, add(mul(decay, vector.get(running + i)), mul(gain, vector.get(span.value + i))));
  });
}

inline void sgd(const Sgd::Attributes& a, const UpdateSpan& span) {
  const Vec lr = set1(-span.numbers[0]), momentum = set1(a.momentum), decay = set1(a.weightDecay);
  float *param = span.variables[0], *velocity = span.variables[1];
  eachVector(span.n, [&](int64_t i, auto vector) STRIDENET_LAMBDA {
    const Vec w = vector.get(param + i);
    const Vec g = fma(decay, w, vector.get(span.value + i));
    if (velocity == nullptr) return vector.put(param + i, fma(lr, g, w));
    const Vec v = fma(momentum, vector.get(velocity + i), g);
    vector.put(velocity + i, v);
    vector.put(param + i, fma(lr, a.nesterov ? fma(momentum, v, g) : v, w));
  });
}

#define KERNEL(Name, name) name,
constexpr UpdateKernels kUpdateKernels = {STRIDENET_UPDATES(KERNEL)};
#undef KERNEL
