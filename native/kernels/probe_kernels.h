// What one thread can do at most: the yardsticks that `stridenet bench kernels` divides by. Nothing else calls them.
#pragma once

#include <cstdint>

namespace stridenet {

struct ProbeKernels {
  // `rounds` rounds of independent chains of fused multiply-adds in registers; flopsPerRound floating-point operations each, a
  // multiply-add counted as two. Returns a number that depends on all of them.
  float (*multiplyAdd)(int64_t rounds, float factor, float term);
  int flopsPerRound;
  // Reads x[0 .. count) once. Returns the sum.
  float (*read)(const float* x, int64_t count);
  // y[i] = x[i] for i < count, by ordinary stores.
  void (*copy)(const float* x, float* y, int64_t count);
};

}  // namespace stridenet
