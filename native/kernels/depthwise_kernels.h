// The depthwise convolution kernels of one instruction set: one line of the image at a time, channels in the lanes. Clipping in the
// vertical direction, the loop over lines and images and the division among threads are native/ops/conv2d_depthwise.cc.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/program/enums.h"

namespace stridenet {

// A line of positions over channels-last source lines. Position q reads, for tap t < taps of kernel row i < rows, column
// q * srcStep + src + t * tapStep of source line i; columns outside [0, width) do not exist. Strides are in floats.
struct DepthwiseLine {
  int64_t positions;
  int64_t channels;  // handled here, at most pixelStep
  int64_t pixelStep;
  int64_t width;
  int64_t src, srcStep, tapStep;  // columns; both steps at least 1
  int64_t taps, rows;             // either may be 0
  int64_t rowStep;                // between source lines
  int64_t kernelRow, kernelTap;   // between weights, or sums of weight gradients; may be negative
  int64_t dstStep;                // between destination pixels
};

struct DepthwiseKernels {
  // dst[q][c] = act(sum over i, t of weight[i][t][c] source(q, i, t)[c] + bias[c] + add[q][c]); bias and add may be null, add may be dst.
  // Weights are whole vectors: lanes beyond `channels` are read and ignored. The sum over (i, t) runs in one order for every position.
  void (*line)(const DepthwiseLine& line, const float* source, const float* weight, const float* bias, const float* add,
               Activation activation, float* dst);
  // sums[i][t][c] += sum over q of dy[q][c] source(q, i, t)[c]; dy has pixelStep between its pixels.
  void (*gradWeightLine)(const DepthwiseLine& line, const float* source, const float* dy, float* sums);
};

}  // namespace stridenet
