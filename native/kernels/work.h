// The kinds of work that plans count, so that ways to do the same thing can be compared. How long a unit of each takes is in costs.h.
#pragma once

#include <cstddef>

namespace stridenet {

// X(kind, unit), where the unit names what is counted. A vector has as many numbers as the instruction set has lanes.
#define STRIDENET_WORK(X)                                                                        \
  X(arithmetic, "operation on a vector of whatever is not listed below")                         \
  X(product, "multiply-add of a vector, in panels of several vectors")                           \
  X(productOfOne, "multiply-add of a vector, in panels of a single vector")                      \
  X(productRow, "vector of a product's results")                                                 \
  X(tableEntry, "pointer of a table of rows")                                                    \
  X(copy, "vector copied into a window")                                                         \
  X(packing, "vector of a packed weight")                                                        \
  X(packingInside, "vector packed within a product")                                             \
  X(rankUpdate, "multiply-add of a vector, in rank updates")                                     \
  X(rankRow, "vector of sums that a block is added to, in rank updates")                         \
  X(rankPartial, "vector of a partial result that is added to others")                           \
  X(rankTransposed, "vector of a partial result that is added and transposed")                   \
  X(scatterAddition, "vector of products that is added to its pixels")                           \
  X(depthwise, "multiply-add of a vector, of each channel by itself")                            \
  X(depthwiseGradWeight, "multiply-add of a vector, in the weight gradient of the same")         \
  X(winogradInput2x3, "vector of a transformed source, 2x2 pixels by 3x3")                       \
  X(winogradInput4x3, "vector of a transformed source, 4x4 pixels by 3x3")                       \
  X(winogradInput2x5, "vector of a transformed source, 2x2 pixels by 5x5")                       \
  X(winogradResults2x3, "vector of products that is transformed back, 2x2 pixels by 3x3")        \
  X(winogradResults4x3, "vector of products that is transformed back, 4x4 pixels by 3x3")        \
  X(winogradResults2x5, "vector of products that is transformed back, 2x2 pixels by 5x5")        \
  X(winogradPacking, "vector of a transformed weight")                                           \
  X(winogradRankUpdate, "multiply-add of a vector, in Winograd's weight gradient")               \
  X(winogradGradInput, "tile of a vector of pixels that is transformed for a weight gradient")   \
  X(winogradGradGradient, "tile of a vector of gradients that is transformed for the same")      \
  X(winogradGradWeight, "vector of a block's sums that is transformed back to a weight")         \
  X(narrowTransform, "six vectors that are transformed, few channels")                           \
  X(narrowProduct, "multiply-add of a vector, few channels")                                     \
  X(narrowResults2, "tile of a vector of results, few channels, 2x2 pixels")                     \
  X(narrowResults4, "tile of a vector of results, few channels, 4x4 pixels")                     \
  X(narrowRankUpdate, "multiply-add of a vector, in the weight gradient for few channels")       \
  X(narrowGradient2, "tile of a vector of gradients, few channels, 2x2 pixels")                  \
  X(narrowGradient4, "tile of a vector of gradients, few channels, 4x4 pixels")                  \
  X(hwcnProduct, "multiply-add of a vector of images")                                           \
  X(hwcnRankUpdate, "multiply-add of a vector of images, in weight gradients")                   \
  X(hwcnTranspose, "vector that is transposed, so that images lie in its lanes or no longer do") \
  X(hwcnWinogradProduct, "multiply-add of a vector of images, Winograd")                         \
  X(hwcnWinogradPixel, "pixel of a vector of images that is transformed, Winograd")              \
  X(hwcnWinogradResult, "product of a vector of images that is transformed back, Winograd")

enum class Work {
#define STRIDENET_WORK_KIND(kind, unit) kind,
  STRIDENET_WORK(STRIDENET_WORK_KIND)
#undef STRIDENET_WORK_KIND
};

#define STRIDENET_WORK_COUNT(kind, unit) +1
constexpr int kWorkKinds = 0 STRIDENET_WORK(STRIDENET_WORK_COUNT);
#undef STRIDENET_WORK_COUNT

// A number for each kind of work.
struct WorkNumbers {
  double of[kWorkKinds] = {};

  constexpr double& operator[](Work kind) { return of[static_cast<int>(kind)]; }
  constexpr double operator[](Work kind) const { return of[static_cast<int>(kind)]; }
};

// What work takes on the processor that an instruction set is measured on, in nanoseconds.
struct Costs {
  WorkNumbers work;          // of a unit of each kind
  double cacheBytes;         // not a time: what the second-level cache holds
  double nearByte, farByte;  // of a byte of operands that together fit there, and that do not
  double phase;              // of a phase: a barrier and the way to its kernel
};

}  // namespace stridenet
