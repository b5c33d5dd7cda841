// The reduction kernels of one instruction set: blocks that are combined into an accumulator. Cutting into chunks, their fixed order
// and the division of a mean are native/ops/reduce.cc.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stridenet {

// `combine` is + for sum, and the larger value (NaN wins) for max. The order depends on rows and cols alone.
struct ReduceBlock {
  // acc[c] = combine(acc[c], x[r * rowStride + c] over r < rows) for c < cols
  void (*columns)(const float* x, int64_t rowStride, int64_t rows, int64_t cols, float* acc);
  // acc[r] = combine(acc[r], x[r * rowStride + c] over c < cols) for r < rows
  void (*rows)(const float* x, int64_t rowStride, int64_t rows, int64_t cols, float* acc);
};

struct ReduceKernels {
  ReduceBlock sum, max;
};

}  // namespace stridenet
