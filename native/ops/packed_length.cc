#include "native/ops/packed_length.h"

#include "native/ops/conv2d/instruction.h"

namespace stridenet {

int64_t packedLength(const Call& call) {
  if (call.opcode == Opcode::conv2d_pack) {
    Convolution pack;
    return readConvolution(call, &pack).isOk() ? pack.algorithm->packedLength(pack.shape, *call.kernels) : 0;
  }
  const Operand& b = call.operands[0];
  if (call.opcode != Opcode::matmul_pack || b.rank != 2 || (call.attrs[0] != 0 && call.attrs[0] != 1)) return 0;
  return call.attrs[0] == 1 ? packedMatmulLength(b.dims[1], b.dims[0], *call.kernels)
                            : packedMatmulLength(b.dims[0], b.dims[1], *call.kernels);
}

}  // namespace stridenet
