// The depthwise convolution kernels of one instruction set: one line of the image at a time or, 3x3, a few, channels in the lanes.
// Clipping of single lines in the vertical direction, the loop over lines and images and the division among threads are
// native/ops/conv2d/depthwise.cc.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/base/enums.h"

namespace stridenet {

// A line of positions over channels-last source lines. Position q reads, for tap t < taps of kernel row i < rows, column
// q * srcStep + src + t * tapStep of source line i; columns outside [0, width) do not exist. Strides are in floats.
struct DepthwiseLine {
  int64_t positions;
  int64_t channels;  // those that a call handles, at most pixelStep
  int64_t pixelStep;
  int64_t width;
  int64_t src, srcStep, tapStep;  // columns; both steps at least 1
  int64_t taps, rows;             // either may be 0
  int64_t rowStep;                // between source lines
  int64_t kernelRow, kernelTap;   // between weights, or sums of weight gradients; may be negative
  int64_t dstStep;                // between destination pixels
};

// `lines` lines of `positions` of a 3x3 convolution whose taps are neighbouring pixels. Position q of line r reads, for tap (i, j), the
// pixel (row + r * stride + i, column + q * stride + j) of an image of height x width, outside which no pixels exist. Steps are in floats.
struct DepthwiseBlock {
  int64_t lines, positions;
  int64_t channels;  // those that a call handles: whole vectors
  int64_t stride;    // 1 or 2
  int64_t row, column, height, width;
  int64_t pixelStep, rowStep;    // between source pixels
  int64_t kernelRow, kernelTap;  // between weights; may be negative
  int64_t dstStep, dstRow;       // between destination pixels
  bool isFar;                    // a hint: the lines below are not in the second-level cache, and will be read next
};

struct DepthwiseKernels {
  // dst[q][c] = act(sum over i, t of weight[i][t][c] source(q, i, t)[c] + bias[c] + add[q][c]); bias and add may be null, add may be dst.
  // Weights are whole vectors: lanes beyond `channels` are read and ignored. The sum over (i, t) runs in one order for every position.
  void (*line)(const DepthwiseLine& line, const float* source, const float* weight, const float* bias, const float* add,
               Activation activation, float* dst);
  // sums[i][t][c] += sum over q of dy[q][c] source(q, i, t)[c]; dy has pixelStep between its pixels.
  void (*gradWeightLine)(const DepthwiseLine& line, const float* source, const float* dy, float* sums);
  // The same sums, to the bit, for a block of at most TileSizes::depthwiseLines. image is its pixel (0, 0); weight, bias, add and dst as
  // for line.
  void (*block3x3)(const DepthwiseBlock& block, const float* image, const float* weight, const float* bias, const float* add,
                   Activation activation, float* dst);
};

}  // namespace stridenet
