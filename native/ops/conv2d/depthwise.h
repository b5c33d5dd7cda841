// Algorithm::depthwise of the convolutions: one filter for each channel, groups = ic = oc.
//
// Nothing is shared between channels, so a product of matrices has nothing to gain: these forms keep channels in the lanes and go line
// by line, or a few lines at a time (3x3). conv2d and conv2d_grad_input are one loop nest over SubConvolutions (geometry.h); the
// packed weight of either is [kh, kw, channels], channels padded to whole vectors.
#pragma once

#include "native/ops/conv2d/instruction.h"

namespace stridenet {

// What all blocks of lines of a 3x3 kernel have in common: everything but lines, row, and height where that is not the image's.
DepthwiseBlock depthwiseBlockOf(const Conv2dShape& shape, const KernelTable& kernels, int64_t channels);

}  // namespace stridenet
