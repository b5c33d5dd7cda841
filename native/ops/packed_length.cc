#include "native/ops/packed_length.h"

#include "native/ops/conv2d/instruction.h"

namespace stridenet {

int64_t packedLength(const Call& call) {
  if (call.opcode == Opcode::conv2d_pack) {
    Convolution pack;
    return readConvolution(call, &pack).isOk() ? pack.algorithm->packedLength(pack.shape, *call.kernels) : 0;
  }
  const Operand& b = call.operands[MatmulPack::b];
  if (call.opcode != Opcode::matmul_pack || b.rank != 2) return 0;
  const int32_t transpose = call.attributes<MatmulPack>().transpose;
  if (transpose != 0 && transpose != 1) return 0;
  const int64_t k = b.dims[transpose == 1 ? 1 : 0], n = b.dims[transpose == 1 ? 0 : 1];
  return packedMatmulLength(k, n, *call.kernels);
}

}  // namespace stridenet
