// The optimizer kernels of one instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stridenet {

struct SgdParameters {
  float lr, momentum, weightDecay;
  bool nesterov;
};

struct UpdateKernels {
  // g = grad[i] + weightDecay param[i]; velocity[i] = momentum velocity[i] + g;
  // param[i] -= lr (nesterov ? g + momentum velocity[i] : velocity[i]). With velocity == nullptr: param[i] -= lr g.
  void (*sgd)(const SgdParameters& p, const float* grad, float* param, float* velocity, int64_t n);
};

}  // namespace stridenet
