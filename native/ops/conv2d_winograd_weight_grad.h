// conv2d_grad_weight by Winograd's minimal filtering F(3x3, 4x4), for kernels of 3x3 with stride 1, no dilation and no groups.
#pragma once

#include "native/ops/conv2d_geometry.h"

namespace stridenet {

Plan planWinogradGradWeight(const Call& call, const Conv2dShape& shape);
void runWinogradGradWeight(const Call& call, const Conv2dShape& shape, const Lane& lane);

}  // namespace stridenet
