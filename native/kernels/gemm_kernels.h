// The matrix kernels of one instruction set: microkernels that own a register tile. Loops over tiles, packing and padding are
// native/ops/{gemm,conv2d,matmul}*.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stridenet {

struct GemmKernels {};

}  // namespace stridenet
