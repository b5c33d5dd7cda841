// Transposition of blocks and conversion of raw feeds; contract in layout_kernels.h.

// Transposes one square of at most kLanes x kLanes words, and touches nothing beyond rows and cols. Source row r is
// multiplied by scale[r].
template <bool kWhole, bool kScaled>
STRIDENET_INLINE void transposeBlock(const float* src, int64_t srcStride, float* dst, int64_t dstStride, int rows, int cols,
                                     const float* scale) {
  Vec v[kLanes];
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) v[i] = kWhole ? load(src + i * srcStride) : i < rows ? loadPartial(src + i * srcStride, cols) : zero();
  transposeSquare(v);
  if (kScaled) {
    const Vec factor = kWhole ? load(scale) : loadPartial(scale, rows);
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) v[i] = mul(v[i], factor);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if (kWhole) {
      store(dst + i * dstStride, v[i]);
    } else if (i < cols) {
      storePartial(dst + i * dstStride, v[i], rows);
    }
  }
}

// Transposes a few source rows from end to end, a square at a time. The processor's own prefetching follows so many
// streams, and rows that lie a multiple of 4 KiB apart still fit one cache set.
template <bool kScaled>
void transposeRows(const float* src, int64_t srcStride, float* dst, int64_t dstStride, int64_t rows, int64_t cols, const float* scale) {
  for (int64_t r = 0; r < rows; r += kLanes, src += kLanes * srcStride, dst += kLanes) {
    const float* factors = kScaled ? scale + r : nullptr;
    const int height = lanesFrom(r, rows);
    int64_t c = 0;
    if (height == kLanes)
      for (; c + kLanes <= cols; c += kLanes)
        transposeBlock<true, kScaled>(src + c, srcStride, dst + c * dstStride, dstStride, kLanes, kLanes, factors);
    for (; c < cols; c += kLanes)
      transposeBlock<false, kScaled>(src + c, srcStride, dst + c * dstStride, dstStride, height, lanesFrom(c, cols), factors);
  }
}

void transposeWords(const void* source, int64_t srcStride, void* destination, int64_t dstStride, int64_t rows, int64_t cols) {
  transposeRows<false>(static_cast<const float*>(source), srcStride, static_cast<float*>(destination), dstStride, rows, cols, nullptr);
}

void transposeScaled(const float* src, int64_t srcStride, float* dst, int64_t dstStride, int64_t rows, int64_t cols, const float* scale) {
  if (scale == nullptr) {
    transposeRows<false>(src, srcStride, dst, dstStride, rows, cols, nullptr);
  } else {
    transposeRows<true>(src, srcStride, dst, dstStride, rows, cols, scale);
  }
}

inline void transposeBytes(const void* source, int64_t srcStride, void* destination, int64_t dstStride, int64_t rows, int64_t cols) {
  const uint8_t* src = static_cast<const uint8_t*>(source);
  uint8_t* dst = static_cast<uint8_t*>(destination);
  for (int64_t c = 0; c < cols; ++c)
    for (int64_t r = 0; r < rows; ++r) dst[c * dstStride + r] = src[r * srcStride + c];
}

template <typename T>
void feedRows(const void* raw, const float* scale, const float* shift, float* y, int64_t rows, int64_t cols) {
  const T* x = static_cast<const T*>(raw);
  for (int64_t r = 0; r < rows; ++r, x += cols, y += cols) {
    if (scale == nullptr) {
      mapVectors(
          cols, y, [](Vec v) { return v; }, x);
    } else {
      mapVectors(
          cols, y, [](Vec v, Vec factor, Vec offset) { return fma(v, factor, offset); }, x, scale, shift);
    }
  }
}

// Lane i of vector v of three pixels' channels woven together is number v * kLanes + i of them: its channel is the remainder by 3.
struct WeaveOfThree {
  int32_t firstTwo[3][kLanes];  // from the vectors of channels 0 and 1
  int32_t all[3][kLanes];       // from these and the vector of channel 2
};

constexpr WeaveOfThree weaveOfThree() {
  WeaveOfThree weave = {};
  for (int v = 0; v < 3; ++v) {
    for (int i = 0; i < kLanes; ++i) {
      const int pixel = (v * kLanes + i) / 3, channel = (v * kLanes + i) % 3;
      weave.firstTwo[v][i] = channel == 1 ? kLanes + pixel : pixel;
      weave.all[v][i] = channel == 2 ? kLanes + pixel : i;
    }
  }
  return weave;
}
constexpr WeaveOfThree kWeaveOfThree = weaveOfThree();

// Converts whole vectors of pixels of three planes, and returns how many pixels these are.
template <typename T>
int64_t feedThreePlanes(const T* x, int64_t planeStride, const float* scale, const float* shift, float* y, int64_t pixels) {
  Index firstTwo[3], all[3];
  Vec factor[3], offset[3];
  for (int v = 0; v < 3; ++v) {
    firstTwo[v] = loadIndex(kWeaveOfThree.firstTwo[v]), all[v] = loadIndex(kWeaveOfThree.all[v]);
    factor[v] = scale == nullptr ? set1(1.0f) : set1(scale[v]), offset[v] = scale == nullptr ? zero() : set1(shift[v]);
  }
  int64_t p = 0;
  for (; p + kLanes <= pixels; p += kLanes) {
    Vec plane[3];
    for (int c = 0; c < 3; ++c) {
      plane[c] = WholeVector{}.get(x + c * planeStride + p);
      if (scale != nullptr) plane[c] = fma(plane[c], factor[c], offset[c]);
    }
    for (int v = 0; v < 3; ++v) {
      store(y + 3 * p + v * kLanes, pick(pick(plane[0], plane[1], firstTwo[v]), plane[2], all[v]));
    }
  }
  return p;
}

// Takes a vector of pixels of one plane at a time and writes its numbers a pixel apart: the cache lines that are
// written stay in the first-level cache until the last plane has filled them. Three planes, the usual colours, are
// woven together in registers.
template <typename T>
void feedPlanes(const void* raw, int64_t planeStride, const float* scale, const float* shift, float* y, int64_t pixels, int64_t channels) {
  const T* x = static_cast<const T*>(raw);
  for (int64_t p = channels == 3 ? feedThreePlanes(x, planeStride, scale, shift, y, pixels) : 0; p < pixels; p += kLanes) {
    const int n = lanesFrom(p, pixels);
    for (int64_t c = 0; c < channels; ++c) {
      const T* from = x + c * planeStride + p;
      Vec v = n == kLanes ? WholeVector{}.get(from) : PartialVector{n}.get(from);
      if (scale != nullptr) v = fma(v, set1(scale[c]), set1(shift[c]));
      float lane[kLanes];
      store(lane, v);
      for (int i = 0; i < n; ++i) y[(p + i) * channels + c] = lane[i];
    }
  }
}

constexpr LayoutKernels kLayoutKernels = {
    transposeWords,
    transposeScaled,
    transposeBytes,
    {feedRows<float>, feedRows<int32_t>, feedRows<uint8_t>},
    {feedPlanes<float>, feedPlanes<int32_t>, feedPlanes<uint8_t>},
};
