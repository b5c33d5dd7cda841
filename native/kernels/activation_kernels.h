// The activations with parameters of one instruction set: one pass over n numbers. y and dx may be exactly the memory of the first input.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stridenet {

struct ActivationKernels {
  // y = min(max(x, low), high), NaN stays
  void (*clamp)(const float* x, float* y, int64_t n, float low, float high);
  // dx = low <= x <= high ? dy : 0
  void (*clampGrad)(const float* dy, const float* x, float* dx, int64_t n, float low, float high);
  // y = x > 0 ? x : slope x
  void (*leakyRelu)(const float* x, float* y, int64_t n, float slope);
  // dx = x > 0 ? dy : slope dy
  void (*leakyReluGrad)(const float* dy, const float* x, float* dx, int64_t n, float slope);
};

}  // namespace stridenet
