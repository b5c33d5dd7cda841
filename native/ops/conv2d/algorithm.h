// What an algorithm for convolutions is. Each is one file that ends with its ConvAlgorithm, one line of a table in algorithms.cc and one
// word of the enumeration `algorithm` in ops.def. Which geometries an instruction may ask it for, how large packed weights are, what it
// costs and how it runs follows from the functions below and is stated nowhere else.
#pragma once

#include <vector>

#include "native/ops/conv2d/geometry.h"

namespace stridenet {

struct ConvAlgorithm {
  Algorithm name;
  // Whether it rounds like plain sums of products. Where it does not, a user may rule it out.
  bool sumsProducts;
  // Refuses a geometry that the algorithm cannot compute. For conv2d_pack the images are not known: hasImages() is false.
  Status (*fits)(const Call&, const Conv2dShape&);
  // Whether its estimate is to be compared with others. False where a rule of thumb knows better; what fits computes the right result all
  // the same. Null: always.
  bool (*isOffered)(const Conv2dShape&, const KernelTable&) = nullptr;

  // conv2d_pack; null for weight gradients, which read no packed weight. The length is in numbers, 0 if they are too many to be meant.
  int64_t (*packedLength)(const Conv2dShape&, const KernelTable&) = nullptr;
  Plan (*planPack)(const Call&, const Conv2dShape&) = nullptr;
  void (*pack)(const Call&, const Conv2dShape&, const Worker&) = nullptr;

  // The convolution, its input gradient or its weight gradient.
  Plan (*plan)(const Call&, const Conv2dShape&);
  void (*run)(const Call&, const Conv2dShape&, const Worker&);
};

// A convolution instruction as it was read when it was verified.
struct Convolution {
  Conv2dShape shape;
  const ConvAlgorithm* algorithm;
};

// The algorithms for instructions with this opcode, in the order of preference among those of equal cost.
struct AlgorithmTable {
  const ConvAlgorithm* const* first;
  size_t count;
  const ConvAlgorithm* const* begin() const { return first; }
  const ConvAlgorithm* const* end() const { return first + count; }
};
AlgorithmTable algorithmsFor(Opcode opcode);

// One way to compute an instruction.
struct Candidate {
  const ConvAlgorithm* algorithm;
  int64_t widen;
  int64_t packedLength;  // numbers of the packed weight that it reads, 0 for a weight gradient
  bool isOffered;
  Plan plan, planPack;
};

// All ways to compute a convolution, in the order of the table. What the instruction says of its algorithm and its packed weight is not
// looked at. `pack` is the conv2d_pack that makes that weight, likewise; null for weight gradients.
Status findCandidates(const Call& call, const Call* pack, std::vector<Candidate>* candidates);

// The algorithm that an instruction of this shape names; a refusal if there is none of that name or the geometry does not fit.
Status findAlgorithm(const Call& call, const Conv2dShape& shape, const ConvAlgorithm** algorithm);

// conv2d_pack of algorithms that need no scratch and transform nothing.
Plan planPlainPack(const Call& call, const Conv2dShape& shape);

}  // namespace stridenet
