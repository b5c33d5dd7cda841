// conv2d_max_pool2d and conv2d_max_pool2d_grad_weight: a convolution with images in the lanes, its pooling and their weight gradient
// without the convolution's result in between. The work is done in hwcn.cc and hwcn_grad_weight.cc.
#include "native/ops/conv2d/hwcn.h"

namespace stridenet {

namespace {

Conv2dShape shapeOf(const Call& call) {
  Conv2dShape shape;
  readConv2d(call, &shape);
  return shape;
}

Status verify(const Call& call) {
  Conv2dShape shape;
  return readConv2d(call, &shape);
}

Plan planForward(const Call& call) {
  return planHwcn(call, shapeOf(call));
}

void runForward(const Call& call, const Worker& worker) {
  runHwcn(call, shapeOf(call), worker);
}

Plan planGradWeight(const Call& call) {
  return planHwcnGradWeight(call, shapeOf(call));
}

void runGradWeight(const Call& call, const Worker& worker) {
  runHwcnGradWeight(call, shapeOf(call), worker);
}

}  // namespace

extern const Op kConv2dMaxPool2dOp, kConv2dMaxPool2dGradWeightOp;
const Op kConv2dMaxPool2dOp = {verify, planForward, runForward, -1};
const Op kConv2dMaxPool2dGradWeightOp = {verify, planGradWeight, runGradWeight, -1};

}  // namespace stridenet
