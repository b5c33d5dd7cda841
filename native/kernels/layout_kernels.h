// The kernels that move numbers into another order or another dtype. Collapsing of axes is native/ops/transpose.cc; expansion of
// scale and shift is native/ops/feed.cc.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/base/enums.h"

namespace stridenet {

struct LayoutKernels {
  // dst[c * dstStride + r] = src[r * srcStride + c] for r < rows, c < cols; strides in elements of four bytes or one byte.
  void (*transpose4)(const void* src, int64_t srcStride, void* dst, int64_t dstStride, int64_t rows, int64_t cols);
  // The same of float32, times scale[r]; scale == nullptr is one.
  void (*transposeScaled)(const float* src, int64_t srcStride, float* dst, int64_t dstStride, int64_t rows, int64_t cols,
                          const float* scale);
  void (*transpose1)(const void* src, int64_t srcStride, void* dst, int64_t dstStride, int64_t rows, int64_t cols);

  // y[r * cols + c] = raw[r * cols + c] * scale[c] + shift[c]; scale == nullptr converts only. By the dtype of raw.
  void (*feedRows[kDTypeCount])(const void* raw, const float* scale, const float* shift, float* y, int64_t rows, int64_t cols);
  // y[p * channels + c] = raw[c * planeStride + p] * scale[c] + shift[c] for p < pixels; scale == nullptr converts only.
  void (*feedPlanes[kDTypeCount])(const void* raw, int64_t planeStride, const float* scale, const float* shift, float* y, int64_t pixels,
                                  int64_t channels);
};

}  // namespace stridenet
