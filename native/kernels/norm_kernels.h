// The normalisation kernels of one instruction set. Matrices are dense: `rows` rows of `cols` numbers, one after the other, with one
// parameter per column (channels last; native/ops/batch_norm.cc joins several pixels of few channels to one row). Cutting into chunks,
// the order in which they are combined and the parameters are native/ops.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/base/enums.h"

namespace stridenet {

// y = (x - mean) scale + shift, by column.
struct NormColumns {
  const float *mean, *scale, *shift;
};

// dx = gain dy - offset - slope (x - mean), by column.
struct NormGradientColumns {
  const float *mean, *gain, *offset, *slope;
};

// dy counts where 0 < values < limit and where values is NaN, everywhere when values is null: the derivative of relu (limit infinity) or
// relu6 (6) by its result.
struct NormMask {
  const float* values;
  float limit;
};

// s = k + scale * (sum of x^2 over the channels c - before .. c + after that exist); y = x s^-beta.
struct ResponseNorm {
  int64_t channels, before, after;
  float scale, beta, k;
};

struct NormKernels {
  // sums[c] += sum over rows of x[r][c] - pivot[c], squares[c] += that of its square.
  void (*moments)(const float* x, const float* pivot, int64_t rows, int64_t cols, float* sums, float* squares);
  // y = activation((x - mean) scale + shift + add); add may be null; y may be x or add. `streams`: y is written past the caches, for
  // results that are larger than these; then y must be neither.
  void (*normalize)(const float* x, const float* add, const NormColumns& p, int64_t rows, int64_t cols, Activation activation, bool streams,
                    float* y);
  // sumBias[c] += sum of dy, sumWeight[c] += sum of dy (x - mean[c]), of those dy that count.
  void (*gradSums)(const float* x, const float* dy, const NormMask& mask, const float* mean, int64_t rows, int64_t cols, float* sumWeight,
                   float* sumBias);
  // dy where it counts, else 0; dx may be x, dy or the mask, but not with `streams`, which is as above.
  void (*gradInput)(const float* x, const float* dy, const NormMask& mask, const NormGradientColumns& p, int64_t rows, int64_t cols,
                    bool streams, float* dx);

  // scratch: 3 (channels + before + after + 16) floats. y may be x.
  void (*responseNorm)(const ResponseNorm& p, const float* x, int64_t rows, float* scratch, float* y);
  // dx = dy s^-beta - 2 beta scale x (sum of dy x s^(-beta - 1) over the channels c - after .. c + before). dx may be dy.
  void (*responseNormGrad)(const ResponseNorm& p, const float* x, const float* dy, int64_t rows, float* scratch, float* dx);
  // y[c] = sum of x over c - before .. c + after. y may be x.
  void (*channelWindowSum)(const ResponseNorm& p, const float* x, int64_t rows, float* scratch, float* y);
};

}  // namespace stridenet
