// The Op of every opcode of ops.def. The switch has no default: an opcode without an entry does not compile.
#include "native/ops/op.h"

namespace stridenet {

extern const Op kFeedOp, kUnaryOp, kBinaryOp, kReduceOp, kTransposeOp;
extern const Op kConv2dPackOp, kConv2dOp, kConv2dGradInputOp, kConv2dGradWeightOp;
extern const Op kMaxPool2dOp, kMaxPool2dGradOp, kMaxPool2dGatherOp, kAvgPool2dOp, kAvgPool2dGradOp;
extern const Op kMatmulPackOp, kMatmulOp, kMatmulAtBOp;
extern const Op kSoftmaxOp, kCrossEntropyOp, kCrossEntropyGradOp, kCountCorrectOp, kSgdOp;

const Op& opFor(Opcode opcode) {
  switch (opcode) {
    case Opcode::feed:
      return kFeedOp;
    case Opcode::unary:
      return kUnaryOp;
    case Opcode::binary:
      return kBinaryOp;
    case Opcode::reduce:
      return kReduceOp;
    case Opcode::transpose:
      return kTransposeOp;
    case Opcode::conv2d_pack:
      return kConv2dPackOp;
    case Opcode::conv2d:
      return kConv2dOp;
    case Opcode::conv2d_grad_input:
      return kConv2dGradInputOp;
    case Opcode::conv2d_grad_weight:
      return kConv2dGradWeightOp;
    case Opcode::max_pool2d:
      return kMaxPool2dOp;
    case Opcode::max_pool2d_grad:
      return kMaxPool2dGradOp;
    case Opcode::max_pool2d_gather:
      return kMaxPool2dGatherOp;
    case Opcode::avg_pool2d:
      return kAvgPool2dOp;
    case Opcode::avg_pool2d_grad:
      return kAvgPool2dGradOp;
    case Opcode::matmul_pack:
      return kMatmulPackOp;
    case Opcode::matmul:
      return kMatmulOp;
    case Opcode::matmul_at_b:
      return kMatmulAtBOp;
    case Opcode::softmax:
      return kSoftmaxOp;
    case Opcode::cross_entropy:
      return kCrossEntropyOp;
    case Opcode::cross_entropy_grad:
      return kCrossEntropyGradOp;
    case Opcode::count_correct:
      return kCountCorrectOp;
    case Opcode::sgd:
      return kSgdOp;
    case Opcode::count_:
      break;
  }
  __builtin_unreachable();  // the decoder refuses other numbers
}

}  // namespace stridenet
