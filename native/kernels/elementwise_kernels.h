// The elementwise kernels of one instruction set. Broadcasting and collapsing of axes are native/ops/elementwise.cc.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/base/enums.h"

namespace stridenet {

// An operand seen as rows: element (r, c) is data[r * rowStride + c * colStride]. colStride is 0 (one number for the whole row) or 1;
// rowStride is anything (0 repeats one row).
template <typename T>
struct StridedRows {
  const T* data;
  int64_t rowStride;
  int64_t colStride;
};

// y[r * yStride + c] = kind(x(r, c)), or kind(a(r, c), b(r, c)), for r < rows and c < cols. y may be exactly the memory of an operand
// that has y's strides; any other overlap is wrong.
template <typename T>
using UnaryKernel = void (*)(const StridedRows<T>& x, T* y, int64_t yStride, int64_t rows, int64_t cols);
template <typename T>
using BinaryKernel = void (*)(const StridedRows<T>& a, const StridedRows<T>& b, T* y, int64_t yStride, int64_t rows, int64_t cols);

struct ElementwiseKernels {
  UnaryKernel<float> unary[kUnaryKindCount];  // copy moves bits: it serves every four-byte dtype
  BinaryKernel<float> binary[kBinaryKindCount];
  BinaryKernel<int32_t> binaryInt[kBinaryKindCount];  // two's complement wrap-around; null where int32 has no such operation
};

}  // namespace stridenet
