// The algorithms for convolutions: see algorithm.h. To add one, add a line.
#include "native/ops/conv2d/algorithm.h"
#include "native/ops/conv2d/instruction.h"

namespace stridenet {

extern const ConvAlgorithm kDirect, kScatter, kDepthwise, kHwcn, kHwcnWinograd2x2;
extern const ConvAlgorithm kWinograd2x2, kWinograd4x4, kWinogradNarrow2x2, kWinogradNarrow4x4;
extern const ConvAlgorithm kProductGradWeight, kDepthwiseGradWeight, kHwcnGradWeight;
extern const ConvAlgorithm kWinograd2x2GradWeight, kWinograd4x4GradWeight;
extern const ConvAlgorithm kWinogradNarrow2x2GradWeight, kWinogradNarrow4x4GradWeight;

namespace {

// Of several with one name the first that fits is taken.
const ConvAlgorithm* const kConvolutions[] = {
    &kScatter, &kDirect, &kDepthwise, &kHwcn, &kHwcnWinograd2x2, &kWinogradNarrow2x2, &kWinogradNarrow4x4, &kWinograd2x2, &kWinograd4x4,
};
const ConvAlgorithm* const kWeightGradients[] = {
    &kProductGradWeight,           &kDepthwiseGradWeight,   &kHwcnGradWeight,        &kWinogradNarrow2x2GradWeight,
    &kWinogradNarrow4x4GradWeight, &kWinograd2x2GradWeight, &kWinograd4x4GradWeight,
};

template <size_t kCount>
Status find(const ConvAlgorithm* const (&table)[kCount], const Call& call, const Conv2dShape& shape, const ConvAlgorithm** algorithm) {
  Status status = refuse(call, "has no algorithm of number %d", static_cast<int>(shape.algorithm));
  for (const ConvAlgorithm* candidate : table) {
    if (candidate->name != shape.algorithm) continue;
    status = candidate->fits(call, shape);
    *algorithm = candidate;
    if (status.isOk()) break;
  }
  return status;
}

}  // namespace

Status findAlgorithm(const Call& call, const Conv2dShape& shape, const ConvAlgorithm** algorithm) {
  return isGradWeight(call.opcode) ? find(kWeightGradients, call, shape, algorithm) : find(kConvolutions, call, shape, algorithm);
}

Plan planPlainPack(const Call& call, const Conv2dShape&) {
  return planOf(call, 0);
}

}  // namespace stridenet
