// Pooling of 2 x 2 windows with stride 2 over pixels of few channels (LeNet's six), several windows to a vector; PoolPairs in
// pool_kernels.h says when. A step reads two vectors of each input row, in which left and right pixels alternate, picks them apart,
// and for gradients weaves them together again. Vectors spill over to the right, where the next step writes; the last step is exact.

inline void preparePairs(int64_t channels, PoolPairs* pairs) {
  static_assert(kLanes <= kMaxPairLanes);
  const int c = static_cast<int>(channels);
  pairs->windows = kLanes / c;
  for (int i = 0; i < kLanes; ++i) {
    const int window = i / c < pairs->windows ? i / c : 0;  // lanes behind the last window repeat the first
    pairs->left[i] = window * 2 * c + i % c;
    pairs->right[i] = pairs->left[i] + c;
  }
  for (int i = 0; i < 2 * kLanes; ++i) {
    const int window = i / (2 * c) < pairs->windows ? i / (2 * c) : 0;
    pairs->woven[i] = window * c + i % c + (i / c % 2) * kLanes;
  }
}

// One step: `out` numbers of the output row and 2 x out of the input rows, or whole vectors unless it is the last.
struct PairStep {
  Index left, right, woven[2];
  int out;
  bool isLast;

  explicit PairStep(const PoolPairs& p) : left(loadIndex(p.left)), right(loadIndex(p.right)) {
    woven[0] = loadIndex(p.woven);
    woven[1] = loadIndex(p.woven + kLanes);
  }
  // The first n numbers at p, of which there may be more than lanes, or none.
  STRIDENET_MEMBER Vec get(const float* p, int n) const { return isLast ? vectorOf(n).get(p) : load(p); }
  STRIDENET_MEMBER void put(float* p, Vec v, int n) const { isLast ? vectorOf(n).put(p, v) : store(p, v); }
  static PartialVector vectorOf(int n) { return {n < 0 ? 0 : lanesFrom(0, n)}; }

  STRIDENET_MEMBER void unweave(const float* p, Vec* l, Vec* r) const {
    const Vec low = get(p, 2 * out), high = get(p + kLanes, 2 * out - kLanes);
    *l = pick(low, high, left);
    *r = pick(low, high, right);
  }
  STRIDENET_MEMBER void weave(float* p, Vec l, Vec r) const {
    put(p, pick(l, r, woven[0]), 2 * out);
    put(p + kLanes, pick(l, r, woven[1]), 2 * out - kLanes);
  }
};

// body(step, in, out) for every step of the row: offsets into the input rows and into the output row.
template <typename Body>
STRIDENET_INLINE void eachPairStep(const PoolRow& row, Body body) {
  PairStep step(*row.pairs);
  const int64_t perStep = row.pairs->windows;
  for (int64_t w = 0; w < row.windows; w += perStep) {
    step.isLast = w + perStep >= row.windows;
    step.out = static_cast<int>((step.isLast ? row.windows - w : perStep) * row.channels);
    body(step, 2 * w * row.channels, w * row.channels);
  }
}

inline void maxPoolPairs(const PoolRow& row, const float* x, float* y) {
  eachPairStep(row, [&](const PairStep& step, int64_t in, int64_t out) STRIDENET_LAMBDA {
    Vec v[4];
    step.unweave(x + in, &v[0], &v[1]);
    step.unweave(x + in + row.rowStep, &v[2], &v[3]);
    step.put(y + out, maxNaN(v[3], maxNaN(v[2], maxNaN(v[1], v[0]))), step.out);
  });
}

inline void maxPoolGradPairs(const PoolRow& row, const float* x, const float* dy, float* dx, bool reluMask) {
  eachPairStep(row, [&](const PairStep& step, int64_t in, int64_t out) STRIDENET_LAMBDA {
    Vec v[4], g[4];
    step.unweave(x + in, &v[0], &v[1]);
    step.unweave(x + in + row.rowStep, &v[2], &v[3]);
    // Of either row its winner, then of both: the same as one after the other, because earlier numbers win ties and later NaN win.
    const Mask topRight = wins(v[1], v[0]), bottomRight = wins(v[3], v[2]);
    const Vec top = select(topRight, v[1], v[0]), bottom = select(bottomRight, v[3], v[2]);
    const Mask isBottom = wins(bottom, top);
    Vec d = step.get(dy + out, step.out);
    if (reluMask) d = select(lessEqual(select(isBottom, bottom, top), zero()), zero(), d);
    const Vec ofTop = select(isBottom, zero(), d), ofBottom = select(isBottom, d, zero());
    g[0] = select(topRight, zero(), ofTop), g[1] = select(topRight, ofTop, zero());
    g[2] = select(bottomRight, zero(), ofBottom), g[3] = select(bottomRight, ofBottom, zero());
    step.weave(dx + in, g[0], g[1]);
    step.weave(dx + in + row.rowStep, g[2], g[3]);
  });
}

inline void avgPoolPairs(const PoolRow& row, float divisor, const float* x, float* y) {
  eachPairStep(row, [&](const PairStep& step, int64_t in, int64_t out) STRIDENET_LAMBDA {
    Vec v[4];
    step.unweave(x + in, &v[0], &v[1]);
    step.unweave(x + in + row.rowStep, &v[2], &v[3]);
    step.put(y + out, div(add(add(add(v[0], v[1]), v[2]), v[3]), set1(divisor)), step.out);
  });
}

inline void avgPoolGradPairs(const PoolRow& row, float divisor, const float* dy, float* dx) {
  eachPairStep(row, [&](const PairStep& step, int64_t in, int64_t out) STRIDENET_LAMBDA {
    const Vec g = div(step.get(dy + out, step.out), set1(divisor));
    step.weave(dx + in, g, g);
    step.weave(dx + in + row.rowStep, g, g);
  });
}
