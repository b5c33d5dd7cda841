// The Ops of convolutions: an instruction is read once, and the algorithm that it names does the rest.
#include "native/ops/conv2d/instruction.h"

namespace stridenet {

namespace {

Status verify(const Call& call) {
  return checkConvolution(call, call.shapeAs<Convolution>());
}

Plan plan(const Call& call) {
  const auto& [shape, algorithm] = call.shapeAs<Convolution>();
  return algorithm->plan(call, shape);
}

void run(const Call& call, const Worker& worker) {
  const auto& [shape, algorithm] = call.shapeAs<Convolution>();
  algorithm->run(call, shape, worker);
}

Plan planPack(const Call& call) {
  const auto& [shape, algorithm] = call.shapeAs<Convolution>();
  return algorithm->planPack(call, shape);
}

void runPack(const Call& call, const Worker& worker) {
  const auto& [shape, algorithm] = call.shapeAs<Convolution>();
  algorithm->pack(call, shape, worker);
}

constexpr ShapeReader kReader = shapeReader<Convolution, readConvolution>();

}  // namespace

extern const Op kConv2dPackOp, kConv2dOp, kConv2dGradInputOp, kConv2dGradWeightOp, kConv2dMaxPool2dOp, kConv2dMaxPool2dGradWeightOp;
const Op kConv2dPackOp = {verify, planPack, runPack, kReader};
const Op kConv2dOp = {verify, plan, run, kReader};
const Op kConv2dGradInputOp = {verify, plan, run, kReader};
const Op kConv2dGradWeightOp = {verify, plan, run, kReader};
const Op kConv2dMaxPool2dOp = {verify, plan, run, kReader};
const Op kConv2dMaxPool2dGradWeightOp = {verify, plan, run, kReader};

}  // namespace stridenet
