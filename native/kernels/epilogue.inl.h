// How products, convolutions and normalisations end: y = activation(sum + bias + addend), in this order, while the sums are in registers.
//
// A new activation is a case of applyActivation (math.inl.h). If it is small enough to be compiled into every tile of every kernel it is a
// case of withSmallActivation too; the others pass over finished rows once more, while these are in the first-level cache.

// Calls call(f), f being the activation as a function of a vector, if it is one of the small ones; says whether it is.
template <typename Call>
STRIDENET_INLINE bool withSmallActivation(Activation activation, Call call) {
  switch (activation) {
    case Activation::none:
      call([](Vec v) STRIDENET_LAMBDA { return v; });
      return true;
    case Activation::relu:
      call([](Vec v) STRIDENET_LAMBDA { return relu(v); });
      return true;
    case Activation::relu6:
      call([](Vec v) STRIDENET_LAMBDA { return relu6(v); });
      return true;
    default:
      return false;
  }
}

STRIDENET_INLINE bool isSmall(Activation activation) {
  return withSmallActivation(activation, [](auto) STRIDENET_LAMBDA {});
}

// Finishes the sums of a tile but for activations that are not small. bias(column) and addend(row, column) give vectors, and are called
// only if there are a bias and an addend.
template <int R, int C, typename Bias, typename Addend>
STRIDENET_INLINE void finishTile(Vec (&sums)[R][C], bool hasBias, Bias bias, bool hasAddend, Addend addend, Activation activation) {
  if (hasBias) {
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) {
      const Vec b = bias(c);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) sums[r][c] = add(sums[r][c], b);
    }
  }
  if (hasAddend) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) sums[r][c] = add(sums[r][c], addend(r, c));
  }
  withSmallActivation(activation, [&](auto f) STRIDENET_LAMBDA {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) sums[r][c] = f(sums[r][c]);
  });
}

__attribute__((noinline)) void activateStored(float* y, int64_t lines, int64_t lineStride, int64_t pixels, int64_t pixelStride,
                                              int64_t channels, Activation activation) {
  for (int64_t i = 0; i < lines; ++i)
    for (int64_t j = 0; j < pixels; ++j) applyActivation(y + i * lineStride + j * pixelStride, channels, activation);
}

// What finishTile left to do, once `lines` x `pixels` runs of `channels` numbers have been stored.
STRIDENET_INLINE void finishStored(float* y, int64_t lines, int64_t lineStride, int64_t pixels, int64_t pixelStride, int64_t channels,
                                   Activation activation) {
  if (!isSmall(activation)) activateStored(y, lines, lineStride, pixels, pixelStride, channels, activation);
}
