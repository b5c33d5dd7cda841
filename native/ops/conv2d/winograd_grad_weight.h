// conv2d_grad_weight by Winograd's minimal filtering, for kernels of 3x3 (winograd4x4) and 5x5 (winograd2x2) with stride 1,
// no dilation and no groups.
#pragma once

#include "native/ops/conv2d/geometry.h"

namespace stridenet {

Plan planWinogradGradWeight(const Call& call, const Conv2dShape& shape);
void runWinogradGradWeight(const Call& call, const Conv2dShape& shape, const Worker& worker);

}  // namespace stridenet
