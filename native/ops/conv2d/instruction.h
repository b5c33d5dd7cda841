// Reading and checking the instructions that are convolutions, whatever the algorithm: conv2d_pack, conv2d, conv2d_grad_input,
// conv2d_grad_weight, conv2d_max_pool2d and conv2d_max_pool2d_grad_weight.
#pragma once

#include "native/ops/conv2d/algorithm.h"

namespace stridenet {

constexpr bool isGradWeight(Opcode opcode) {
  return opcode == Opcode::conv2d_grad_weight || opcode == Opcode::conv2d_max_pool2d_grad_weight;
}

constexpr int64_t kLargestWiden = 8;

// Attributes and extents.
Status readShape(const Call& call, Conv2dShape* shape);
// The same, and the algorithm that they name.
Status readConvolution(const Call& call, Convolution* convolution);
// Checks that the other operands have the extents that follow from these.
Status checkConvolution(const Call& call, const Convolution& convolution);

// The operands of conv2d_pack. There may be no scale.
struct PackOperands {
  const float* weight;
  const float* scale;  // for each output channel
  float* packed;
  explicit PackOperands(const Call& call) : weight(call.operands[0].f32()), scale(call.operands[1].f32()), packed(call.operands[2].f32()) {}
  const float* scaleOf(int64_t channel) const { return scale == nullptr ? nullptr : scale + channel; }
};

// The operands of conv2d, conv2d_max_pool2d and conv2d_grad_input: a source is read and a destination written. Operands
// that are absent are null.
struct ConvOperands {
  float* source;
  const float *packed, *bias;
  float *add, *destination, *position;
  explicit ConvOperands(const Call& call);
};

// The operands of conv2d_grad_weight and conv2d_max_pool2d_grad_weight. There may be no position and no dbias.
struct GradWeightOperands {
  float *x, *dy, *position, *dweight, *dbias;
  bool hasBias;  // whether there is a dbias, which is null while planning
  explicit GradWeightOperands(const Call& call);
};

}  // namespace stridenet
