// The enumerations of ops.def as C++ types, numbered as there. ops.h asserts that the sizes agree. Kept apart from ops.h so that
// kernels can include it: no library headers but <cstdint>.
#pragma once

#include <cstdint>

namespace stridenet {

enum class DType : int32_t { float32, int32, uint8 };
enum class Space : int32_t { arena, state, feed, fetch, constant };
enum class Layout : int32_t { nchw, nhwc };
enum class Activation : int32_t { none, relu, sigmoid, tanh, relu6, silu, hardswish };
enum class Algorithm : int32_t { direct, winograd2x2, winograd4x4, depthwise, hwcn, hwcnWinograd2x2 };
enum class Direction : int32_t { forward, gradInput };
enum class UnaryKind : int32_t {
  copy,
  neg,
  abs,
  sign,
  exp,
  log,
  sqrt,
  reciprocal,
  relu,
  sigmoid,
  tanh,
  relu6,
  silu,
  hardswish,
  gelu,
  geluTanh,
  softplus
};
enum class BinaryKind : int32_t {
  add,
  sub,
  mul,
  div,
  pow,
  maximum,
  minimum,
  greater,
  greaterEqual,
  equal,
  reluGrad,
  sigmoidGrad,
  tanhGrad,
  relu6Grad,
  siluGrad,
  hardswishGrad,
  geluGrad,
  geluTanhGrad
};
enum class PadMode : int32_t { reflect, replicate };
enum class Reduction : int32_t { sum, mean, max };

constexpr int kDTypeCount = 3, kSpaceCount = 5, kActivationCount = 7, kAlgorithmCount = 6;
constexpr int kUnaryKindCount = 17, kBinaryKindCount = 18, kReductionCount = 3, kPadModeCount = 2;

}  // namespace stridenet
