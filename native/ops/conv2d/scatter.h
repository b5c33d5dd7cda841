// The scatter form of conv2d_grad_input, for few input channels.
//
// Where conv2d.cc gathers (each pixel of dx sums over the dy pixels that it fed), this form multiplies every dy pixel by the whole
// weight, dy [pixels, oc] x weight [oc, kh * kw * ic], and adds each row of the result to the window of dx that it came from. Its lanes
// are all kh * kw * ic columns, not the ic of one tap, and no stride makes it waste taps.
#pragma once

#include "native/ops/conv2d/geometry.h"

namespace stridenet {

// Whether this form is taken: it follows from the weight and the attributes alone, because packing depends on it. The packed buffer
// then is that of the matrix [oc, kh * kw * ic].
bool usesScatter(const Conv2dShape& shape, const KernelTable& kernels);

Plan planScatter(const Call& call, const Conv2dShape& shape);
void runScatter(const Call& call, const Conv2dShape& shape, const Worker& worker);

}  // namespace stridenet
