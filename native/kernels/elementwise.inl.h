// y(r, c) = kind(x(r, c)) and y(r, c) = kind(a(r, c), b(r, c)) over strided rows; contract in elementwise_kernels.h.
// A number that repeats along a row (colStride 0) is spread over one vector that the loop loads again and again, so there is one loop
// per kind and not one per combination of strides.

// Where a row's vectors come from: `at` advances by `step` floats for each vector.
struct RowSource {
  alignas(64) float splat[kLanes];
  const float* at;
  int64_t step;

  void begin(const StridedRows<float>& x, int64_t r) {
    at = x.data + r * x.rowStride;
    step = kLanes;
    if (x.colStride != 0) return;
    store(splat, set1(*at));
    at = splat;
    step = 0;
  }
};

template <typename F>
void unaryRows(const StridedRows<float>& x, float* y, int64_t yStride, int64_t rows, int64_t cols) {
  RowSource xs;
  for (int64_t r = 0; r < rows; ++r) {
    xs.begin(x, r);
    const float* xp = xs.at;
    float* yp = y + r * yStride;
    eachVector(cols, [&](int64_t c, auto vector) STRIDENET_LAMBDA {
      vector.put(yp + c, F::apply(vector.get(xp)));
      xp += xs.step;
    });
  }
}

template <typename F>
void binaryRows(const StridedRows<float>& a, const StridedRows<float>& b, float* y, int64_t yStride, int64_t rows, int64_t cols) {
  RowSource as, bs;
  for (int64_t r = 0; r < rows; ++r) {
    as.begin(a, r);
    bs.begin(b, r);
    const float *ap = as.at, *bp = bs.at;
    float* yp = y + r * yStride;
    eachVector(cols, [&](int64_t c, auto vector) STRIDENET_LAMBDA {
      vector.put(yp + c, F::apply(vector.get(ap), vector.get(bp)));
      ap += as.step;
      bp += bs.step;
    });
  }
}

// Arithmetic goes through uint32_t, where wrap-around is defined.
template <typename F>
void binaryRowsInt(const StridedRows<int32_t>& a, const StridedRows<int32_t>& b, int32_t* y, int64_t yStride, int64_t rows, int64_t cols) {
  for (int64_t r = 0; r < rows; ++r) {
    const int32_t *ap = a.data + r * a.rowStride, *bp = b.data + r * b.rowStride;
    int32_t* yp = y + r * yStride;
    for (int64_t c = 0; c < cols; ++c) yp[c] = F::apply(ap[c * a.colStride], bp[c * b.colStride]);
  }
}

STRIDENET_INLINE Vec oneWhere(Mask m) {
  return select(m, set1(1.0f), zero());
}

struct Copy {
  static Vec apply(Vec x) { return x; }
};
struct Neg {
  static Vec apply(Vec x) { return neg(x); }
};
struct Abs {
  static Vec apply(Vec x) { return abs(x); }
};
struct Sign {  // sign(0) = sign(NaN) = 0
  static Vec apply(Vec x) { return sub(oneWhere(greater(x, zero())), oneWhere(less(x, zero()))); }
};
struct Exp {
  static Vec apply(Vec x) { return exp(x); }
};
struct Log {
  static Vec apply(Vec x) { return log(x); }
};
struct Sqrt {
  static Vec apply(Vec x) { return sqrt(x); }
};
struct Reciprocal {
  static Vec apply(Vec x) { return div(set1(1.0f), x); }
};
struct Relu {
  static Vec apply(Vec x) { return relu(x); }
};
struct Sigmoid {
  static Vec apply(Vec x) { return sigmoid(x); }
};
struct Tanh {
  static Vec apply(Vec x) { return tanh(x); }
};

struct Relu6 {
  static Vec apply(Vec x) { return relu6(x); }
};
struct Silu {
  static Vec apply(Vec x) { return silu(x); }
};
struct Hardswish {
  static Vec apply(Vec x) { return hardswish(x); }
};
struct Gelu {
  static Vec apply(Vec x) { return mul(aboveMinusInfinity(x), normal(x).cdf); }
};
struct GeluTanh {
  static Vec apply(Vec x) {
    Vec slope;
    return mul(aboveMinusInfinity(x), sigmoid(geluTanhArgument(x, &slope)));
  }
};
struct Softplus {
  static Vec apply(Vec x) { return softplus(x); }
};

struct Add {
  static Vec apply(Vec a, Vec b) { return add(a, b); }
  static int32_t apply(int32_t a, int32_t b) { return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b)); }
};
struct Sub {
  static Vec apply(Vec a, Vec b) { return sub(a, b); }
  static int32_t apply(int32_t a, int32_t b) { return static_cast<int32_t>(static_cast<uint32_t>(a) - static_cast<uint32_t>(b)); }
};
struct Mul {
  static Vec apply(Vec a, Vec b) { return mul(a, b); }
  static int32_t apply(int32_t a, int32_t b) { return static_cast<int32_t>(static_cast<uint32_t>(a) * static_cast<uint32_t>(b)); }
};
struct Div {
  static Vec apply(Vec a, Vec b) { return div(a, b); }
};
struct Pow {  // C's powf, lane by lane; squares, the common case, without it
  static Vec apply(Vec a, Vec b) {
    if (!maskAny(notEqual(b, set1(2.0f)))) return mul(a, a);
    float x[kLanes], y[kLanes];
    store(x, a);
    store(y, b);
    for (int i = 0; i < kLanes; ++i) x[i] = __builtin_powf(x[i], y[i]);
    return load(x);
  }
};
struct Maximum {  // NaN wins
  static Vec apply(Vec a, Vec b) { return maxNaN(a, b); }
  static int32_t apply(int32_t a, int32_t b) { return a > b ? a : b; }
};
struct Minimum {
  static Vec apply(Vec a, Vec b) { return minNaN(a, b); }
  static int32_t apply(int32_t a, int32_t b) { return a < b ? a : b; }
};
struct Greater {
  static Vec apply(Vec a, Vec b) { return oneWhere(greater(a, b)); }
  static int32_t apply(int32_t a, int32_t b) { return a > b; }
};
struct GreaterEqual {
  static Vec apply(Vec a, Vec b) { return oneWhere(greaterEqual(a, b)); }
  static int32_t apply(int32_t a, int32_t b) { return a >= b; }
};
struct Equal {
  static Vec apply(Vec a, Vec b) { return oneWhere(equal(a, b)); }
  static int32_t apply(int32_t a, int32_t b) { return a == b; }
};
struct ReluGrad {
  static Vec apply(Vec dy, Vec y) { return select(lessEqual(y, zero()), zero(), dy); }
};
struct SigmoidGrad {
  static Vec apply(Vec dy, Vec y) { return mul(dy, mul(y, sub(set1(1.0f), y))); }
};
struct TanhGrad {
  static Vec apply(Vec dy, Vec y) { return mul(dy, sub(set1(1.0f), mul(y, y))); }
};

struct Relu6Grad {
  static Vec apply(Vec dy, Vec y) { return select(maskOr(lessEqual(y, zero()), greaterEqual(y, set1(6.0f))), zero(), dy); }
};
struct SiluGrad {  // dy s (1 + x (1 - s))
  static Vec apply(Vec dy, Vec x) {
    const Sigmoids s = sigmoids(x);
    return mul(dy, mul(s.at, fma(within(128.0f, x), s.rest, set1(1.0f))));  // beyond, one of the two is 0
  }
};
struct HardswishGrad {
  static Vec apply(Vec dy, Vec x) {
    const Vec inside = mul(dy, fma(x, set1(1.0f / 3.0f), set1(0.5f)));
    return select(greaterEqual(x, set1(3.0f)), dy, select(lessEqual(x, set1(-3.0f)), zero(), inside));
  }
};
struct GeluGrad {  // dy (Phi(x) + x phi(x))
  static Vec apply(Vec dy, Vec x) {
    const Normal n = normal(x);
    return mul(dy, fma(within(15.0f, x), n.density, n.cdf));  // beyond, the density is 0
  }
};
struct GeluTanhGrad {  // y = x s(u): dy s (1 + x (1 - s) u')
  static Vec apply(Vec dy, Vec x) {
    Vec slope;
    const Sigmoids s = sigmoids(geluTanhArgument(x, &slope));
    return mul(dy, mul(s.at, fma(mul(within(64.0f, x), s.rest), slope, set1(1.0f))));
  }
};

constexpr ElementwiseKernels kElementwiseKernels = {
    {unaryRows<Copy>, unaryRows<Neg>, unaryRows<Abs>, unaryRows<Sign>, unaryRows<Exp>, unaryRows<Log>, unaryRows<Sqrt>,
     unaryRows<Reciprocal>, unaryRows<Relu>, unaryRows<Sigmoid>, unaryRows<Tanh>, unaryRows<Relu6>, unaryRows<Silu>, unaryRows<Hardswish>,
     unaryRows<Gelu>, unaryRows<GeluTanh>, unaryRows<Softplus>},
    {binaryRows<Add>, binaryRows<Sub>, binaryRows<Mul>, binaryRows<Div>, binaryRows<Pow>, binaryRows<Maximum>, binaryRows<Minimum>,
     binaryRows<Greater>, binaryRows<GreaterEqual>, binaryRows<Equal>, binaryRows<ReluGrad>, binaryRows<SigmoidGrad>, binaryRows<TanhGrad>,
     binaryRows<Relu6Grad>, binaryRows<SiluGrad>, binaryRows<HardswishGrad>, binaryRows<GeluGrad>, binaryRows<GeluTanhGrad>},
    {binaryRowsInt<Add>, binaryRowsInt<Sub>, binaryRowsInt<Mul>, nullptr, nullptr, binaryRowsInt<Maximum>, binaryRowsInt<Minimum>,
     binaryRowsInt<Greater>, binaryRowsInt<GreaterEqual>, binaryRowsInt<Equal>, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
     nullptr, nullptr},
};
