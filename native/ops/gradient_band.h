// Gradients of pooling where very many windows overlap. The gradients of one row of windows are first summed in a band
// of scratch, and then the band is added to the image. So the chains of additions of a pixel are as long as a window is
// wide and as long as it is high, instead of as long as it has pixels.
#pragma once

#include <algorithm>

#include "native/ops/checks.h"

namespace stridenet {

// Where more windows than this overlap one pixel, bands are used.
constexpr int64_t kChainWindows = 64;

// `rows` rows of `width` pixels, `step` numbers apart, of which `channels` of every `pixelStep` numbers count. The scratch has room for
// bandBytes().
struct GradientBand {
  const KernelTable* kernels;
  float* scratch;
  int64_t rows, step, width, channels, pixelStep;

  static size_t bandBytes(int64_t rows, int64_t step, int64_t width, int64_t pixelStep) {
    return floatBytes((rows - 1) * step + width * pixelStep);
  }
  void clear() const {
    eachRun([this](int64_t at, int64_t length) { std::fill_n(scratch + at, length, 0.0f); });
  }
  // `dx` points to the band's first pixel in the image.
  void addTo(float* dx) const {
    eachRun([this, dx](int64_t at, int64_t length) { kernels->reduce.sum.columns(scratch + at, length, 1, length, dx + at); });
  }

 private:
  template <typename Body>
  void eachRun(Body body) const {
    const bool isDense = channels == pixelStep;
    const int64_t runs = isDense ? 1 : width, length = isDense ? width * pixelStep : channels;
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t run = 0; run < runs; ++run) body(row * step + run * pixelStep, length);
  }
};

}  // namespace stridenet
