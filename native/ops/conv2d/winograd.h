// Algorithm::winograd2x2 and winograd4x4 of conv2d and conv2d_grad_input: r x r kernels of stride 1 without dilation and groups.
//
// A destination is cut into tiles of m x m pixels (m = 2 or 4, the last ones of a line or column ragged), each of which reads
// P x P source pixels, P = m + r - 1. Both directions are the same computation; the gradient reads the source pixels that lie
// r - 1 - padding before its own and takes the weight rotated and transposed. In exchange for the transforms, whose arithmetic and
// formula are in native/kernels/winograd_kernels.h, a pixel costs P * P / (m * m) products of channel vectors instead of r * r, and
// the packed weight is P * P / (r * r) times larger than the weight:
//
//   kernel  algorithm    P  products of a pixel  packed weight
//   3x3     winograd4x4  6  2.25 instead of 9    4 times
//   3x3     winograd2x2  4  4 instead of 9       1.8 times
//   5x5     winograd2x2  6  9 instead of 25      1.4 times
#pragma once

#include "native/ops/conv2d/instruction.h"

namespace stridenet {

// m, the pixels along a side of a tile.
inline int64_t winogradTile(Algorithm algorithm) {
  return algorithm == Algorithm::winograd4x4 || algorithm == Algorithm::winogradNarrow4x4 ? 4 : 2;
}

// P, the points along a side of a transform.
inline int64_t winogradEdge(const Conv2dShape& shape) {
  return winogradTile(shape.algorithm) + shape.kh - 1;
}
const WinogradSizeKernels& winogradKernels(const Conv2dShape& shape, const KernelTable& kernels);

// Refuses a geometry that the winograd algorithm which the shape names cannot compute.
Status fitsWinograd(const Call& call, const Conv2dShape& shape);

// Whether source channels are so few, and the points six, that the narrow form of the algorithm (winograd_narrow.h) computes the same
// and is known to be faster.
constexpr int64_t kMostNarrowChannels = 16;
inline bool isNarrow(const Conv2dShape& shape) {
  return winogradEdge(shape) == kWinogradNarrowEdge && shape.srcC() <= kMostNarrowChannels;
}
// For the wide form.
inline bool isWinogradOffered(const Conv2dShape& shape, const KernelTable&) {
  return !isNarrow(shape);
}

int64_t packedWinogradLength(const Conv2dShape& shape, const KernelTable& kernels);
Plan planWinogradPack(const Call& call, const Conv2dShape& shape);
void packWinograd(const Call& call, const Conv2dShape& shape, const Worker& worker);

}  // namespace stridenet
