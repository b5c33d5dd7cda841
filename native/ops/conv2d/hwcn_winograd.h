// Algorithm::hwcnWinograd2x2 of conv2d_grad_input: 5x5 kernels of stride 1 and few channels, with images in the lanes as hwcn.h
// has them and Winograd's minimal filtering F(2x2, 5x5) in its adjoint form (native/kernels/hwcn_winograd_kernels.h).
//
// winograd.h computes the same gradient as a convolution of dy, whose tiles cover dx and read dy with a rim of r - 1 zeros. Here
// the tiles cover dy, and what they add to dx overlaps: 25 instead of 49 tiles for dy of 10x10 pixels, 36 products of channels each.
// It adds in the order of the tiles, whatever the threads. For dx of a few channels, and `lanes` images or more: the cost tells.
#pragma once

#include "native/ops/conv2d/geometry.h"

namespace stridenet {

// Refuses the algorithm for a geometry that it cannot compute, and for an instruction that has no such form.
Status checkHwcnWinograd(const Call& call, const Conv2dShape& shape);

// conv2d_pack: for each block of channels of dx, [line of points][pair of points][channel of dy][point of the pair][channel of dx].
int64_t packedHwcnWinogradLength(const Conv2dShape& shape);
Plan planHwcnWinogradPack(const Call& call, const Conv2dShape& shape);
void packHwcnWinograd(const Call& call, const Conv2dShape& shape, const Worker& worker);

// conv2d_grad_input
Plan planHwcnWinograd(const Call& call, const Conv2dShape& shape);
void runHwcnWinograd(const Call& call, const Conv2dShape& shape, const Worker& worker);

}  // namespace stridenet
