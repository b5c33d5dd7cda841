// Reading and checking the instructions that are convolutions, whatever the algorithm: conv2d_pack, conv2d, conv2d_grad_input,
// conv2d_grad_weight, conv2d_max_pool2d and conv2d_max_pool2d_grad_weight.
#pragma once

#include "native/ops/conv2d/algorithm.h"

namespace stridenet {

constexpr bool isGradWeight(Opcode opcode) {
  return opcode == Opcode::conv2d_grad_weight || opcode == Opcode::conv2d_max_pool2d_grad_weight;
}

constexpr int64_t kLargestWiden = 8;

// The operand that holds the images which are read first, and the one that holds the packed weight, in all of these instructions.
constexpr int kImages = Conv2d::x, kPacked = Conv2d::packed;
static_assert(Conv2dGradInput::dy == kImages && Conv2dMaxPool2d::x == kImages && Conv2dGradWeight::x == kImages);
static_assert(Conv2dGradInput::packed == kPacked && Conv2dMaxPool2d::packed == kPacked);

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
  explicit PackOperands(const Call& call)
      : weight(call.operands[Conv2dPack::weight].f32()),
        scale(call.operands[Conv2dPack::scale].f32()),
        packed(call.operands[Conv2dPack::packed].f32()) {}
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
};
GradWeightOperands gradWeightOperands(const Call& call);

}  // namespace stridenet
