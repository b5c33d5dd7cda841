// The algorithms for convolutions: see algorithm.h. To add one, add a line.
#include "native/ops/conv2d/algorithm.h"
#include "native/ops/conv2d/instruction.h"

namespace stridenet {

extern const ConvAlgorithm kDirect, kScatter, kDepthwise, kHwcn, kHwcnWinograd2x2;
extern const ConvAlgorithm kWinograd2x2, kWinograd4x4, kWinogradNarrow2x2, kWinogradNarrow4x4;
extern const ConvAlgorithm kProductTaps, kProductLines, kProductOutputs, kDepthwiseGradWeight, kHwcnGradWeight;
extern const ConvAlgorithm kWinograd2x2GradWeight, kWinograd4x4GradWeight;
extern const ConvAlgorithm kWinogradNarrow2x2GradWeight, kWinogradNarrow4x4GradWeight;

namespace {

const ConvAlgorithm* const kConvolutions[] = {
    &kDepthwise,          //
    &kScatter,            //
    &kDirect,             //
    &kWinogradNarrow4x4,  //
    &kWinograd4x4,        //
    &kWinogradNarrow2x2,  //
    &kWinograd2x2,        //
    &kHwcn,               //
    &kHwcnWinograd2x2,    //
};
const ConvAlgorithm* const kWeightGradients[] = {
    &kDepthwiseGradWeight,          //
    &kProductTaps,                  //
    &kProductLines,                 //
    &kProductOutputs,               //
    &kWinogradNarrow4x4GradWeight,  //
    &kWinograd4x4GradWeight,        //
    &kWinogradNarrow2x2GradWeight,  //
    &kWinograd2x2GradWeight,        //
    &kHwcnGradWeight,               //
};

}  // namespace

AlgorithmTable algorithmsFor(Opcode opcode) {
  if (isGradWeight(opcode)) return {kWeightGradients, std::size(kWeightGradients)};
  return {kConvolutions, std::size(kConvolutions)};
}

Status findAlgorithm(const Call& call, const Conv2dShape& shape, const ConvAlgorithm** algorithm) {
  for (const ConvAlgorithm* candidate : algorithmsFor(call.opcode)) {
    if (candidate->name != shape.algorithm) continue;
    *algorithm = candidate;
    return candidate->fits(call, shape);
  }
  return refuse(call, "has no algorithm of number %d", static_cast<int>(shape.algorithm));
}

Plan planPlainPack(const Call& call, const Conv2dShape&) {
  Plan plan = planOf(call, 0);
  plan.add(Work::packing, static_cast<double>(call.operands[Conv2dPack::packed].count) / call.kernels->lanes);
  return plan;
}

}  // namespace stridenet
