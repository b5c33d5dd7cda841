// Algorithm::depthwise of the convolutions: one filter for each channel, groups = ic = oc.
//
// Nothing is shared between channels, so a product of matrices has nothing to gain: these forms keep channels in the lanes and go line
// by line, or a few lines at a time (3x3). conv2d and conv2d_grad_input are one loop nest over SubConvolutions (conv2d_geometry.h); the
// packed weight of either is [kh, kw, channels], channels padded to whole vectors.
#pragma once

#include "native/ops/conv2d_geometry.h"

namespace stridenet {

int64_t packedDepthwiseLength(const Conv2dShape& shape, const KernelTable& kernels);
void packDepthwise(const Call& call, const Conv2dShape& shape, const Lane& lane);

// conv2d and conv2d_grad_input
Plan planDepthwise(const Call& call, const Conv2dShape& shape);
void runDepthwise(const Call& call, const Conv2dShape& shape, const Lane& lane);

Plan planDepthwiseGradWeight(const Call& call, const Conv2dShape& shape);
void runDepthwiseGradWeight(const Call& call, const Conv2dShape& shape, const Lane& lane);

}  // namespace stridenet
