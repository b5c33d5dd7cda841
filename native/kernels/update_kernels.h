// The kernels of the instructions that ops.def lists as UPDATE, which says what they compute.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/base/instructions.h"

namespace stridenet {

// Some elements of an update's operands.
struct UpdateSpan {
  const float* value;       // the first input, such as the gradient
  const float* numbers;     // the other inputs, in their order
  float* const* variables;  // the outputs, in their order; null where absent
  int64_t n;                // elements of `value` and of each variable
};

struct UpdateKernels {
#define MEMBER(Name, name) void (*name)(const Name::Attributes& attributes, const UpdateSpan& span);
  STRIDENET_UPDATES(MEMBER)
#undef MEMBER
};

}  // namespace stridenet
