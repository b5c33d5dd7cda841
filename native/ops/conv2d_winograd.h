// Algorithm::winograd2x2 and winograd4x4 of conv2d and conv2d_grad_input: 3x3 kernels of stride 1 without dilation and groups.
//
// A destination is cut into tiles of m x m pixels (m = 2 or 4, the last ones of a line or column ragged), each of which reads
// P x P source pixels, P = m + 2. Both directions are the same computation; the gradient reads the source pixels that lie
// 2 - padding before its own and takes the weight rotated and transposed. In exchange for the transforms, whose arithmetic and formula
// are in native/kernels/winograd_kernels.h, a pixel costs P * P / (m * m) products of channel vectors instead of 9: 2.25 with m = 4 and 4
// with m = 2. The packed weight is as many times larger than the weight as P * P is than 9.
#pragma once

#include "native/ops/conv2d_geometry.h"

namespace stridenet {

// Refuses a winograd algorithm for a geometry that it cannot compute.
Status checkWinograd(const Call& call, const Conv2dShape& shape);

// conv2d_pack: numbers in the packed weight (0 if too many to be meant), and its making.
int64_t packedWinogradLength(const Conv2dShape& shape, const KernelTable& kernels);
Plan planWinogradPack(const Call& call, const Conv2dShape& shape);
void packWinograd(const Call& call, const Conv2dShape& shape, const Lane& lane);

// conv2d and conv2d_grad_input
Plan planWinograd(const Call& call, const Conv2dShape& shape);
void runWinograd(const Call& call, const Conv2dShape& shape, const Lane& lane);

}  // namespace stridenet
