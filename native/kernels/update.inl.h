// Updates of variables in one pass over all operands; contract in update_kernels.h, formulas in ops.def.

inline void runningAverage(const RunningAverage::Attributes& a, const UpdateSpan& span) {
  const Vec decay = set1(a.decay), gain = set1(a.gain);
  float* running = span.variables[0];
  eachVector(span.n, [&](int64_t i, auto vector) STRIDENET_LAMBDA {
    vector.put(running + i, add(mul(decay, vector.get(running + i)), mul(gain, vector.get(span.value + i))));
  });
}

// a + gain (b - a): a moving average.
STRIDENET_INLINE Vec towards(Vec a, Vec b, Vec gain) {
  return fma(gain, sub(b, a), a);
}

STRIDENET_INLINE float squareRoot(double x) {
  float roots[kLanes];
  store(roots, sqrt(set1(static_cast<float>(x))));
  return roots[0];
}

// 1 - (1 - gain)^(steps + 1), by which moving averages that began at 0 are divided. Exact to some double roundings.
STRIDENET_INLINE double correction(float gain, float steps) {
  double power = 1, square = 1 - static_cast<double>(gain);
  for (int64_t rest = static_cast<int64_t>(steps) + 1; rest > 0; rest /= 2, square *= square) {
    if (rest % 2 == 1) power *= square;
  }
  return 1 - power;
}

// velocity = momentum velocity + keep g, and the step that the parameter takes along it.
template <typename Vector>
STRIDENET_INLINE Vec stepAlong(Vector vector, float* velocity, Vec g, Vec momentum, Vec keep, bool nesterov) {
  if (velocity == nullptr) return g;
  const Vec v = fma(momentum, vector.get(velocity), mul(keep, g));
  vector.put(velocity, v);
  return nesterov ? fma(momentum, v, g) : v;
}

inline void sgd(const Sgd::Attributes& a, const UpdateSpan& span) {
  const float lr = span.numbers[0], steps = span.numbers[1];
  const Vec rate = set1(-lr), momentum = set1(a.momentum), decay = set1(a.weightDecay);
  const Vec keep = set1(steps > 0 ? 1 - a.dampening : 1);
  float *param = span.variables[0], *velocity = span.variables[1];
  eachVector(span.n, [&](int64_t i, auto vector) STRIDENET_LAMBDA {
    const Vec w = vector.get(param + i);
    const Vec g = fma(decay, w, vector.get(span.value + i));
    const Vec step = stepAlong(vector, velocity == nullptr ? nullptr : velocity + i, g, momentum, keep, a.nesterov != 0);
    vector.put(param + i, fma(rate, step, w));
  });
}

inline void lars(const Lars::Attributes& a, const UpdateSpan& span) {
  const float lr = span.numbers[0];
  const Vec rate = set1(-lr), trust = set1(span.numbers[1]);
  const Vec momentum = set1(a.momentum), decay = set1(a.weightDecay);
  float *param = span.variables[0], *velocity = span.variables[1];
  eachVector(span.n, [&](int64_t i, auto vector) STRIDENET_LAMBDA {
    const Vec w = vector.get(param + i);
    const Vec g = mul(trust, fma(decay, w, vector.get(span.value + i)));
    const Vec step = stepAlong(vector, velocity == nullptr ? nullptr : velocity + i, g, momentum, set1(1), a.nesterov != 0);
    vector.put(param + i, fma(rate, step, w));
  });
}

// The moving averages of gradients and of their squares that Adam's relatives keep.
struct Moments {
  Vec gain1, gain2;
  float *mean, *square;

  template <typename Vector>
  STRIDENET_MEMBER void move(int64_t i, Vector vector, Vec g, Vec* m, Vec* v) const {
    *m = towards(vector.get(mean + i), g, gain1);
    *v = towards(vector.get(square + i), mul(g, g), gain2);
    vector.put(mean + i, *m);
    vector.put(square + i, *v);
  }
};

// Weight decay, as a part of the gradient or of the parameter by itself.
struct Decay {
  Vec ofGradient, ofParameter;

  Decay(float weightDecay, bool decoupled, float lr)
      : ofGradient(set1(decoupled ? 0 : weightDecay)), ofParameter(set1(decoupled ? 1 - lr * weightDecay : 1)) {}
};

inline void adam(const Adam::Attributes& a, const UpdateSpan& span) {
  const float lr = span.numbers[0], steps = span.numbers[1];
  const Vec rate = set1(static_cast<float>(-lr / correction(a.gain1, steps)));
  const Vec scale = set1(1 / squareRoot(correction(a.gain2, steps))), eps = set1(a.eps);
  const Decay decay(a.weightDecay, a.decoupled != 0, lr);
  const Moments moments = {set1(a.gain1), set1(a.gain2), span.variables[1], span.variables[2]};
  float *param = span.variables[0], *peak = span.variables[3];
  eachVector(span.n, [&](int64_t i, auto vector) STRIDENET_LAMBDA {
    const Vec w = vector.get(param + i);
    Vec m, v;
    moments.move(i, vector, fma(decay.ofGradient, w, vector.get(span.value + i)), &m, &v);
    if (peak != nullptr) {
      v = max(v, vector.get(peak + i));
      vector.put(peak + i, v);
    }
    vector.put(param + i, fma(rate, div(m, fma(sqrt(v), scale, eps)), mul(decay.ofParameter, w)));
  });
}

inline void nadam(const Nadam::Attributes& a, const UpdateSpan& span) {
  const float lr = span.numbers[0], steps = span.numbers[1], mu = span.numbers[2], next = span.numbers[3], product = span.numbers[4];
  const Vec ofGradient = set1(-lr * (1 - mu) / (1 - product)), ofMean = set1(-lr * next / (1 - next * product));
  const Vec scale = set1(1 / squareRoot(correction(a.gain2, steps))), eps = set1(a.eps);
  const Decay decay(a.weightDecay, a.decoupled != 0, lr);
  const Moments moments = {set1(a.gain1), set1(a.gain2), span.variables[1], span.variables[2]};
  float* param = span.variables[0];
  eachVector(span.n, [&](int64_t i, auto vector) STRIDENET_LAMBDA {
    const Vec w = vector.get(param + i), g = fma(decay.ofGradient, w, vector.get(span.value + i));
    Vec m, v;
    moments.move(i, vector, g, &m, &v);
    const Vec step = div(fma(ofGradient, g, mul(ofMean, m)), fma(sqrt(v), scale, eps));
    vector.put(param + i, fma(decay.ofParameter, w, step));
  });
}

// `mean` is null but for the centered form.
template <typename Attributes>
STRIDENET_INLINE void rmsStep(const Attributes& a, const UpdateSpan& span, float* mean, float* buffer) {
  const Vec rate = set1(-span.numbers[0]), gain = set1(a.gain), eps = set1(a.eps);
  const Vec decay = set1(a.weightDecay), momentum = set1(a.momentum);
  float *param = span.variables[0], *square = span.variables[1];
  eachVector(span.n, [&](int64_t i, auto vector) STRIDENET_LAMBDA {
    const Vec w = vector.get(param + i), g = fma(decay, w, vector.get(span.value + i));
    Vec v = towards(vector.get(square + i), mul(g, g), gain);
    vector.put(square + i, v);
    if (mean != nullptr) {
      const Vec m = towards(vector.get(mean + i), g, gain);
      vector.put(mean + i, m);
      v = max(fma(neg(m), m, v), zero());  // rounding may make a variance of almost 0 negative
    }
    Vec step = div(g, add(sqrt(v), eps));
    if (buffer != nullptr) {
      step = fma(momentum, vector.get(buffer + i), step);
      vector.put(buffer + i, step);
    }
    vector.put(param + i, fma(rate, step, w));
  });
}

inline void rmsprop(const Rmsprop::Attributes& a, const UpdateSpan& span) {
  rmsStep(a, span, nullptr, span.variables[2]);
}

inline void rmspropCentered(const RmspropCentered::Attributes& a, const UpdateSpan& span) {
  rmsStep(a, span, span.variables[2], span.variables[3]);
}

inline void adagrad(const Adagrad::Attributes& a, const UpdateSpan& span) {
  const float lr = span.numbers[0], steps = span.numbers[1];
  const Vec rate = set1(-lr / (1 + steps * a.lrDecay)), eps = set1(a.eps), decay = set1(a.weightDecay);
  float *param = span.variables[0], *sum = span.variables[1];
  eachVector(span.n, [&](int64_t i, auto vector) STRIDENET_LAMBDA {
    const Vec w = vector.get(param + i), g = fma(decay, w, vector.get(span.value + i));
    const Vec squares = fma(g, g, vector.get(sum + i));
    vector.put(sum + i, squares);
    vector.put(param + i, fma(rate, div(g, add(sqrt(squares), eps)), w));
  });
}

inline void adadelta(const Adadelta::Attributes& a, const UpdateSpan& span) {
  const Vec rate = set1(-span.numbers[0]), gain = set1(a.gain), eps = set1(a.eps), decay = set1(a.weightDecay);
  float *param = span.variables[0], *square = span.variables[1], *moved = span.variables[2];
  eachVector(span.n, [&](int64_t i, auto vector) STRIDENET_LAMBDA {
    const Vec w = vector.get(param + i), g = fma(decay, w, vector.get(span.value + i)), old = vector.get(moved + i);
    const Vec v = towards(vector.get(square + i), mul(g, g), gain);
    const Vec step = mul(g, div(sqrt(add(old, eps)), sqrt(add(v, eps))));
    vector.put(square + i, v);
    vector.put(moved + i, towards(old, mul(step, step), gain));
    vector.put(param + i, fma(rate, step, w));
  });
}

inline void lamb(const Lamb::Attributes& a, const UpdateSpan& span) {
  const float *numbers = span.numbers, lr = numbers[0], correction1 = numbers[1], correction2 = numbers[2], trust = numbers[3];
  const Vec rate = set1(-lr * trust), scale1 = set1(1 / correction1), scale2 = set1(1 / squareRoot(correction2));
  const Vec eps = set1(a.eps), decay = set1(a.weightDecay);
  const Moments moments = {set1(a.gain1), set1(a.gain2), span.variables[1], span.variables[2]};
  float* param = span.variables[0];
  eachVector(span.n, [&](int64_t i, auto vector) STRIDENET_LAMBDA {
    const Vec w = vector.get(param + i);
    Vec m, v;
    moments.move(i, vector, vector.get(span.value + i), &m, &v);
    const Vec direction = fma(decay, w, div(mul(m, scale1), fma(sqrt(v), scale2, eps)));
    vector.put(param + i, fma(rate, direction, w));
  });
}

#define KERNEL(Name, name) name,
constexpr UpdateKernels kUpdateKernels = {STRIDENET_UPDATES(KERNEL)};
#undef KERNEL
