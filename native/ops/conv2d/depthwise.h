// Algorithm::depthwise of the convolutions: one filter for each channel, groups = ic = oc.
//
// Nothing is shared between channels, so a product of matrices has nothing to gain: these forms keep channels in the lanes and go line
// by line, or a few lines at a time (3x3). conv2d and conv2d_grad_input are one loop nest over SubConvolutions (geometry.h); the
// packed weight of either is [kh, kw, channels], channels padded to whole vectors.
#pragma once

#include "native/ops/conv2d/geometry.h"

namespace stridenet {

int64_t packedDepthwiseLength(const Conv2dShape& shape, const KernelTable& kernels);
void packDepthwise(const Call& call, const Conv2dShape& shape, const Worker& worker);

// Whether the kernel for blocks of lines computes whole vectors of its channels. An input gradient of stride 2 falls into classes of fewer
// taps.
bool isDepthwiseBlock(const Conv2dShape& shape);
// What all blocks of lines of such a shape have in common: everything but lines, row, and height where that is not the image's.
DepthwiseBlock depthwiseBlockOf(const Conv2dShape& shape, const KernelTable& kernels, int64_t channels);

// conv2d and conv2d_grad_input
Plan planDepthwise(const Call& call, const Conv2dShape& shape);
void runDepthwise(const Call& call, const Conv2dShape& shape, const Worker& worker);

Plan planDepthwiseGradWeight(const Call& call, const Conv2dShape& shape);
void runDepthwiseGradWeight(const Call& call, const Conv2dShape& shape, const Worker& worker);

}  // namespace stridenet
