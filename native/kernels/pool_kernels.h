// The pooling kernels of one instruction set: one row of windows at a time. Clipping in the vertical direction, the loop over rows
// and images and the zeroing of gradients are native/ops/pool.cc.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stridenet {

// How 2 x 2 windows with stride 2 over few channels are handled several to a vector: lane numbers for kernels. Wanted where
// kw = sw = 2, dw = 1, pl = 0, every window lies inside its row (2 windows <= iw), channels = pixelStep and 2 channels <= lanes.
constexpr int kMaxPairLanes = 16;
struct PoolPairs {
  int32_t windows;  // to a vector
  int32_t left[kMaxPairLanes], right[kMaxPairLanes], woven[2 * kMaxPairLanes];
};

// A row of windows over channels-last rows. Window w covers the columns w * sw - pl + j * dw, j < kw, of `rows` input rows; columns
// outside [0, iw) do not exist. `x` points at column 0 of the first row, row i is rowStep floats further.
struct PoolRow {
  int64_t windows;  // output columns
  int64_t iw;
  int64_t channels;   // handled here, at most pixelStep
  int64_t pixelStep;  // floats from one pixel to the next, in the input and in the output
  int64_t rowStep;
  int64_t rows;  // window rows that lie inside the image, at least 0
  int64_t kw, sw, pl, dw;
  const PoolPairs* pairs;  // null where they do not apply; kernels use them in rows of two
};

// Divisor of an average: divisorRows * columns, where columns is the window's width clipped to [.., iw + pr) with includePadding and
// to [0, iw) without.
struct AverageDivisor {
  int64_t rows;
  int64_t pr;
  bool includePadding;
};

struct PoolKernels {
  void (*preparePairs)(int64_t channels, PoolPairs* pairs);
  // y[w] = max of x over window w; NaN wins; minus infinity for an empty window.
  void (*maxRow)(const PoolRow& row, const float* x, float* y);
  // dx[p] gets dy[w] where p is the position of window w's maximum: the first one, or the last NaN as in PyTorch. With reluMask only
  // where that maximum is positive or NaN. accumulate: dx += (windows may overlap); otherwise every position of every window is written.
  void (*maxGradRow)(const PoolRow& row, const float* x, const float* dy, float* dx, bool reluMask, bool accumulate);
  // y[w] = t[position of window w's maximum], 0 for an empty window.
  void (*maxGatherRow)(const PoolRow& row, const float* x, const float* t, float* y);
  // y[w] = sum of x over window w / divisor, 0 for an empty window.
  void (*avgRow)(const PoolRow& row, const AverageDivisor& divisor, const float* x, float* y);
  // dx[p] += (or = without accumulate) dy[w] / divisor for every position p of window w.
  void (*avgGradRow)(const PoolRow& row, const AverageDivisor& divisor, const float* dy, float* dx, bool accumulate);
};

}  // namespace stridenet
