// Softmax and cross-entropy over dense rows of `classes` logits; contract in softmax_kernels.h.
// With m the row's maximum and s = sum exp(x - m): log softmax = x - m - log s, so large logits cost no accuracy.

inline float rowMax(const float* x, int64_t n) {
  Vec m = set1(-kInfinity);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) m = max(load(x + i), m);
  const int rest = static_cast<int>(n - i);
  if (rest > 0) m = max(select(firstLanes(rest), loadPartial(x + i, rest), set1(-kInfinity)), m);
  return reduceMax(m);
}

// The sum of term(i, count) for every vector of n numbers, `count` of which exist.
template <typename Term>
STRIDENET_INLINE float sumOfRow(int64_t n, Term term) {
  PairwiseSum chains;
  Vec sum = zero();
  const int64_t whole = n - n % kLanes;
  for (int64_t i = 0; i < whole;) {
    if (i > 0) chains.join(sum), sum = zero();
    const int64_t end = whole - i < kChainTerms * kLanes ? whole : i + kChainTerms * kLanes;
    for (; i < end; i += kLanes) sum = add(sum, term(i, kLanes));
  }
  const int rest = static_cast<int>(n - whole);
  if (rest > 0) sum = add(sum, select(firstLanes(rest), term(whole, rest), zero()));
  return reduceAdd(chains.total(sum));
}

// sum of exp(x - m); the terms go to `terms` unless it is null.
inline float sumExp(const float* x, int64_t n, float m, float* terms) {
  const Vec shift = set1(m);
  return sumOfRow(
      n, [=](int64_t i, int count) __attribute__((always_inline)) {
        const Vec e = exp(sub(count == kLanes ? load(x + i) : loadPartial(x + i, count), shift));
        if (terms != nullptr) count == kLanes ? store(terms + i, e) : storePartial(terms + i, e, count);
        return e;
      });
}

inline float logOf(float x) {
  float lane[kLanes];
  store(lane, log(set1(x)));
  return lane[0];
}

template <typename F>
inline void mapRow(const float* x, float* y, int64_t n, F f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, f(load(x + i)));
  const int rest = static_cast<int>(n - i);
  if (rest > 0) storePartial(y + i, f(loadPartial(x + i, rest)), rest);
}

inline void softmaxRows(const float* x, float* y, int64_t rows, int64_t classes, bool logarithm) {
  for (int64_t r = 0; r < rows; ++r, x += classes, y += classes) {
    const float m = rowMax(x, classes);
    if (logarithm) {
      const Vec shift = set1(m), logSum = set1(logOf(sumExp(x, classes, m, nullptr)));
      mapRow(x, y, classes, [=](Vec v) { return sub(sub(v, shift), logSum); });
    } else {
      const Vec sum = set1(sumExp(x, classes, m, y));
      mapRow(y, y, classes, [=](Vec e) { return div(e, sum); });
    }
  }
}

inline void crossEntropyRows(const float* logits, const int32_t* labels, float* losses, int64_t rows, int64_t classes, float smoothing) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* x = logits + r * classes;
    const int32_t label = labels[r];
    if (label < 0 || label >= classes) {
      losses[r] = kNaN;
      continue;
    }
    const float m = rowMax(x, classes), logSum = logOf(sumExp(x, classes, m, nullptr));
    float loss = logSum - (x[label] - m);
    if (smoothing != 0.0f) {  // apart, because 0 * infinity is NaN
      const Vec shift = set1(m);
      const float sum = sumOfRow(
          classes, [=](int64_t i, int count)
                       __attribute__((always_inline)) { return sub(count == kLanes ? load(x + i) : loadPartial(x + i, count), shift); });
      loss = (1.0f - smoothing) * loss + smoothing * (logSum - sum / static_cast<float>(classes));
    }
    losses[r] = loss;
  }
}

inline void crossEntropyGradRows(const float* logits, const int32_t* labels, float scale, float* dlogits, int64_t rows, int64_t classes,
                                 float smoothing) {
  const float others = smoothing / static_cast<float>(classes);
  for (int64_t r = 0; r < rows; ++r) {
    float* dx = dlogits + r * classes;
    const int32_t label = labels[r];
    if (label < 0 || label >= classes) {
      mapRow(dx, dx, classes, [](Vec) { return set1(kNaN); });
      continue;
    }
    const float* x = logits + r * classes;
    const float sum = sumExp(x, classes, rowMax(x, classes), dx);
    const float atLabel = scale * (dx[label] / sum - (1.0f - smoothing) - others);
    const Vec total = set1(sum), q = set1(others), factor = set1(scale);
    mapRow(dx, dx, classes, [=](Vec e) { return mul(factor, sub(div(e, total), q)); });
    dx[label] = atLabel;
  }
}

// The label wins if nothing before it is as large and nothing at all is larger; a NaN is larger than every number.
inline int64_t countCorrectRows(const float* logits, const int32_t* labels, int64_t rows, int64_t classes) {
  int64_t correct = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const float* x = logits + r * classes;
    const int32_t label = labels[r];
    if (label < 0 || label >= classes) continue;
    int64_t best = 0;
    for (int64_t i = 1; i < classes && x[best] == x[best]; ++i)
      if (x[i] > x[best] || x[i] != x[i]) best = i;
    correct += best == label;
  }
  return correct;
}

constexpr SoftmaxKernels kSoftmaxKernels = {softmaxRows, crossEntropyRows, crossEntropyGradRows, countCorrectRows};
