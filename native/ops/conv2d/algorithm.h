// What an algorithm for convolutions is. Each is one file that ends with its ConvAlgorithm, one line of a table in algorithms.cc and one
// word of the enumeration `algorithm` in ops.def. Which geometries an instruction may ask it for, how large packed weights are, what it
// costs and how it runs follows from the functions below and is stated nowhere else.
#pragma once

#include "native/ops/conv2d/geometry.h"

namespace stridenet {

struct ConvAlgorithm {
  Algorithm name;
  // Refuses a geometry that the algorithm cannot compute. For conv2d_pack the images are not known: hasImages() is false.
  Status (*fits)(const Call&, const Conv2dShape&);

  // conv2d_pack; null for weight gradients, which read no packed weight. The length is in numbers, 0 if they are too many to be meant.
  int64_t (*packedLength)(const Conv2dShape&, const KernelTable&);
  Plan (*planPack)(const Call&, const Conv2dShape&);
  void (*pack)(const Call&, const Conv2dShape&, const Worker&);

  // The convolution, its input gradient or its weight gradient.
  Plan (*plan)(const Call&, const Conv2dShape&);
  void (*run)(const Call&, const Conv2dShape&, const Worker&);
};

// A convolution instruction as it was read when it was verified.
struct Convolution {
  Conv2dShape shape;
  const ConvAlgorithm* algorithm;
};

// The algorithm that an instruction of this shape names; a refusal if there is none of that name or the geometry does not fit.
Status findAlgorithm(const Call& call, const Conv2dShape& shape, const ConvAlgorithm** algorithm);

// conv2d_pack of algorithms that need no scratch: memory is the limit.
Plan planPlainPack(const Call& call, const Conv2dShape& shape);

}  // namespace stridenet
