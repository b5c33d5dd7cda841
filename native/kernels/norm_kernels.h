// The normalisation kernels of one instruction set. Matrices are dense: `rows` rows of `cols` numbers, one after the other, with one
// parameter per column (channels last; native/ops/batch_norm.cc joins several pixels of few channels to one row). Cutting into chunks,
// the order in which they are combined and the parameters are native/ops.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/program/enums.h"

namespace stridenet {

// dx = gain dy - offset - slope (x - mean), by column.
struct NormGradientColumns {
  const float *mean, *gain, *offset, *slope;
};

// s = k + scale * (sum of x^2 over the channels c - before .. c + after that exist); y = x s^-beta.
struct ResponseNorm {
  int64_t channels, before, after;
  float scale, beta, k;
};

struct NormKernels {
  // acc[c] += sum over rows of (x[r][c] - mean[c])^2
  void (*squares)(const float* x, const float* mean, int64_t rows, int64_t cols, float* acc);
  // y = activation((x - mean) scale + shift + add); add may be null; y may be x or add.
  void (*normalize)(const float* x, const float* add, const float* mean, const float* scale, const float* shift, int64_t rows, int64_t cols,
                    Activation activation, float* y);
  // accBias[c] += sum of dy, accWeight[c] += sum of dy (x - mean[c]); dy counts where mask > 0 (mask may be null).
  void (*gradSums)(const float* x, const float* dy, const float* mask, const float* mean, int64_t rows, int64_t cols, float* accWeight,
                   float* accBias);
  // dy masked as above; dx may be x, dy or mask.
  void (*gradInput)(const float* x, const float* dy, const float* mask, const NormGradientColumns& p, int64_t rows, int64_t cols,
                    float* dx);

  // scratch: 3 (channels + before + after + 16) floats. y may be x.
  void (*responseNorm)(const ResponseNorm& p, const float* x, int64_t rows, float* scratch, float* y);
  // dx = dy s^-beta - 2 beta scale x (sum of dy x s^(-beta - 1) over the channels c - after .. c + before). dx may be dy.
  void (*responseNormGrad)(const ResponseNorm& p, const float* x, const float* dy, int64_t rows, float* scratch, float* dx);
  // y[c] = sum of x over c - before .. c + after. y may be x.
  void (*channelWindowSum)(const ResponseNorm& p, const float* x, int64_t rows, float* scratch, float* y);
};

}  // namespace stridenet
