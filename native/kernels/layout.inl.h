// Transposition of blocks and conversion of raw feeds; contract in layout_kernels.h.

typedef uint32_t Word4 __attribute__((vector_size(16)));

#if defined(__clang__)
#define STRIDENET_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define STRIDENET_SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, Word4{i, j, k, l})
#endif

STRIDENET_INLINE Word4 loadWords(const uint32_t* p) {
  Word4 v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
STRIDENET_INLINE void storeWords(uint32_t* p, Word4 v) {
  __builtin_memcpy(p, &v, sizeof v);
}

// Blocks of 4 x 4 words in registers, single words along the edges.
inline void transposeWords(const void* source, int64_t srcStride, void* destination, int64_t dstStride, int64_t rows, int64_t cols) {
  const uint32_t* src = static_cast<const uint32_t*>(source);
  uint32_t* dst = static_cast<uint32_t*>(destination);
  const int64_t rows4 = rows & ~int64_t{3}, cols4 = cols & ~int64_t{3};
  for (int64_t c = 0; c < cols4; c += 4) {
    uint32_t* out = dst + c * dstStride;
    for (int64_t r = 0; r < rows4; r += 4) {
      const uint32_t* in = src + r * srcStride + c;
      const Word4 a = loadWords(in), b = loadWords(in + srcStride), d = loadWords(in + 2 * srcStride), e = loadWords(in + 3 * srcStride);
      const Word4 ab = STRIDENET_SHUFFLE(a, b, 0, 4, 1, 5), de = STRIDENET_SHUFFLE(d, e, 0, 4, 1, 5);
      const Word4 ab2 = STRIDENET_SHUFFLE(a, b, 2, 6, 3, 7), de2 = STRIDENET_SHUFFLE(d, e, 2, 6, 3, 7);
      storeWords(out + r, STRIDENET_SHUFFLE(ab, de, 0, 1, 4, 5));
      storeWords(out + dstStride + r, STRIDENET_SHUFFLE(ab, de, 2, 3, 6, 7));
      storeWords(out + 2 * dstStride + r, STRIDENET_SHUFFLE(ab2, de2, 0, 1, 4, 5));
      storeWords(out + 3 * dstStride + r, STRIDENET_SHUFFLE(ab2, de2, 2, 3, 6, 7));
    }
    for (int64_t i = c; i < c + 4; ++i)
      for (int64_t r = rows4; r < rows; ++r) dst[i * dstStride + r] = src[r * srcStride + i];
  }
  for (int64_t c = cols4; c < cols; ++c)
    for (int64_t r = 0; r < rows; ++r) dst[c * dstStride + r] = src[r * srcStride + c];
}

inline void transposeBytes(const void* source, int64_t srcStride, void* destination, int64_t dstStride, int64_t rows, int64_t cols) {
  const uint8_t* src = static_cast<const uint8_t*>(source);
  uint8_t* dst = static_cast<uint8_t*>(destination);
  for (int64_t c = 0; c < cols; ++c)
    for (int64_t r = 0; r < rows; ++r) dst[c * dstStride + r] = src[r * srcStride + c];
}

STRIDENET_INLINE Vec loadRaw(const float* p) {
  return load(p);
}
STRIDENET_INLINE Vec loadRaw(const int32_t* p) {
  return loadI32(p);
}
STRIDENET_INLINE Vec loadRaw(const uint8_t* p) {
  return loadU8(p);
}
STRIDENET_INLINE Vec loadRawPartial(const float* p, int n) {
  return loadPartial(p, n);
}
STRIDENET_INLINE Vec loadRawPartial(const int32_t* p, int n) {
  return loadI32Partial(p, n);
}
STRIDENET_INLINE Vec loadRawPartial(const uint8_t* p, int n) {
  return loadU8Partial(p, n);
}

template <typename T>
void feedRows(const void* raw, const float* scale, const float* shift, float* y, int64_t rows, int64_t cols) {
  const T* x = static_cast<const T*>(raw);
  for (int64_t r = 0; r < rows; ++r, x += cols, y += cols) {
    int64_t c = 0;
    if (scale == nullptr) {
      for (; c + kLanes <= cols; c += kLanes) store(y + c, loadRaw(x + c));
      const int rest = static_cast<int>(cols - c);
      if (rest > 0) storePartial(y + c, loadRawPartial(x + c, rest), rest);
      continue;
    }
    for (; c + kLanes <= cols; c += kLanes) store(y + c, fma(loadRaw(x + c), load(scale + c), load(shift + c)));
    const int rest = static_cast<int>(cols - c);
    if (rest > 0) {
      storePartial(y + c, fma(loadRawPartial(x + c, rest), loadPartial(scale + c, rest), loadPartial(shift + c, rest)), rest);
    }
  }
}

// A vector of pixels of one plane at a time, scattered at the distance of a pixel: the lines written stay in the first-level cache
// until the last plane has filled them.
template <typename T>
void feedPlanes(const void* raw, int64_t planeStride, const float* scale, const float* shift, float* y, int64_t pixels, int64_t channels) {
  const T* x = static_cast<const T*>(raw);
  for (int64_t p = 0; p < pixels; p += kLanes) {
    const int n = pixels - p < kLanes ? static_cast<int>(pixels - p) : kLanes;
    for (int64_t c = 0; c < channels; ++c) {
      const T* from = x + c * planeStride + p;
      Vec v = n == kLanes ? loadRaw(from) : loadRawPartial(from, n);
      if (scale != nullptr) v = fma(v, set1(scale[c]), set1(shift[c]));
      float lane[kLanes];
      store(lane, v);
      for (int i = 0; i < n; ++i) y[(p + i) * channels + c] = lane[i];
    }
  }
}

constexpr LayoutKernels kLayoutKernels = {
    transposeWords,
    transposeBytes,
    {feedRows<float>, feedRows<int32_t>, feedRows<uint8_t>},
    {feedPlanes<float>, feedPlanes<int32_t>, feedPlanes<uint8_t>},
};

#undef STRIDENET_SHUFFLE
