// Softmax and cross-entropy over dense rows of `classes` logits; contract in softmax_kernels.h.
// With m the row's maximum and s = sum exp(x - m): log softmax = x - m - log s, so large logits cost no accuracy.

inline float rowMax(const float* x, int64_t n) {
  Vec m = set1(-kInfinity);
  eachVector(n, [&](int64_t i, auto vector) STRIDENET_LAMBDA { m = max(vector.orElse(vector.get(x + i), set1(-kInfinity)), m); });
  return reduceMax(m);
}

// The sum of term(i, vector) for every vector of n numbers.
template <typename Term>
STRIDENET_INLINE float sumOfRow(int64_t n, Term term) {
  PairwiseSum chains;
  Vec sum = zero();
  const int64_t whole = n - n % kLanes;
  for (int64_t i = 0; i < whole;) {
    if (i > 0) chains.join(sum), sum = zero();
    const int64_t end = whole - i < kChainTerms * kLanes ? whole : i + kChainTerms * kLanes;
    for (; i < end; i += kLanes) sum = add(sum, term(i, WholeVector{}));
  }
  eachVector(n - whole, [&](int64_t, auto vector) STRIDENET_LAMBDA { sum = add(sum, vector.orElse(term(whole, vector), zero())); });
  return reduceAdd(chains.total(sum));
}

// sum of exp(x - m); the terms go to `terms` unless it is null.
inline float sumExp(const float* x, int64_t n, float m, float* terms) {
  const Vec shift = set1(m);
  return sumOfRow(n, [=](int64_t i, auto vector) STRIDENET_LAMBDA {
    const Vec e = exp(sub(vector.get(x + i), shift));
    if (terms != nullptr) vector.put(terms + i, e);
    return e;
  });
}

inline float logOf(float x) {
  float lane[kLanes];
  store(lane, log(set1(x)));
  return lane[0];
}

inline void softmaxRows(const float* x, float* y, int64_t rows, int64_t classes, bool logarithm) {
  for (int64_t r = 0; r < rows; ++r, x += classes, y += classes) {
    const float m = rowMax(x, classes);
    if (logarithm) {
      const Vec shift = set1(m), logSum = set1(logOf(sumExp(x, classes, m, nullptr)));
      mapVectors(
          classes, y, [=](Vec v) { return sub(sub(v, shift), logSum); }, x);
    } else {
      const Vec sum = set1(sumExp(x, classes, m, y));
      mapVectors(
          classes, y, [=](Vec e) { return div(e, sum); }, y);
    }
  }
}

inline void crossEntropyRows(const float* logits, const int32_t* labels, float* losses, int64_t rows, int64_t classes, float smoothing,
                             int32_t ignore) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* x = logits + r * classes;
    const int32_t label = labels[r];
    if (label == ignore || label < 0 || label >= classes) {
      losses[r] = label == ignore ? 0.0f : kNaN;
      continue;
    }
    const float m = rowMax(x, classes), logSum = logOf(sumExp(x, classes, m, nullptr));
    float loss = logSum - (x[label] - m);
    if (smoothing != 0.0f) {  // apart, because 0 * infinity is NaN
      const Vec shift = set1(m);
      const float sum = sumOfRow(classes, [=](int64_t i, auto vector) STRIDENET_LAMBDA { return sub(vector.get(x + i), shift); });
      loss = (1.0f - smoothing) * loss + smoothing * (logSum - sum / static_cast<float>(classes));
    }
    losses[r] = loss;
  }
}

inline void crossEntropyGradRows(const float* logits, const int32_t* labels, const float* scales, int64_t scaleStep, float* dlogits,
                                 int64_t rows, int64_t classes, float smoothing, int32_t ignore) {
  const float others = smoothing / static_cast<float>(classes);
  for (int64_t r = 0; r < rows; ++r) {
    float* dx = dlogits + r * classes;
    const int32_t label = labels[r];
    if (label == ignore || label < 0 || label >= classes) {
      const Vec all = set1(label == ignore ? 0.0f : kNaN);
      mapVectors(classes, dx, [=] { return all; });
      continue;
    }
    const float* x = logits + r * classes;
    const float scale = scales[r * scaleStep];
    const float sum = sumExp(x, classes, rowMax(x, classes), dx);
    const float atLabel = scale * (dx[label] / sum - (1.0f - smoothing) - others);
    const Vec total = set1(sum), q = set1(others), factor = set1(scale);
    mapVectors(
        classes, dx, [=](Vec e) { return mul(factor, sub(div(e, total), q)); }, dx);
    dx[label] = atLabel;
  }
}

// How many logits come before the label's: those that are larger, and those that are as large at a lower class; NaN is larger than every
// number.
inline int64_t rankOf(const float* x, int64_t label, int64_t classes) {
  const float own = x[label];
  int64_t rank = 0;
  if (own != own) {
    for (int64_t i = 0; i < label; ++i) rank += x[i] != x[i];
    return rank;
  }
  for (int64_t i = 0; i < label; ++i) rank += !(x[i] < own);
  for (int64_t i = label + 1; i < classes; ++i) rank += !(x[i] <= own);
  return rank;
}

inline void countCorrectRows(const float* logits, const int32_t* labels, int64_t rows, int64_t classes, int32_t k, int32_t ignore,
                             int64_t* correct, int64_t* known) {
  for (int64_t r = 0; r < rows; ++r) {
    const int32_t label = labels[r];
    if (label == ignore || label < 0 || label >= classes) continue;
    *known += 1;
    *correct += rankOf(logits + r * classes, label, classes) < k;
  }
}

inline void argMaxRows(const float* logits, int32_t* classOf, int64_t rows, int64_t classes) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* x = logits + r * classes;
    int64_t best = 0;
    for (int64_t i = 1; i < classes && x[best] == x[best]; ++i)
      if (x[i] > x[best] || x[i] != x[i]) best = i;
    classOf[r] = static_cast<int32_t>(best);
  }
}

constexpr SoftmaxKernels kSoftmaxKernels = {softmaxRows, crossEntropyRows, crossEntropyGradRows, countCorrectRows, argMaxRows};
