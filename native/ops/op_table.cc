// The Op of every opcode of ops.def. The switch has no default: an opcode without an entry does not compile.
#include "native/ops/op.h"

namespace stridenet {

extern const Op kFeedOp, kUnaryOp, kBinaryOp, kReduceOp, kTransposeOp;
extern const Op kConv2dPackOp, kConv2dOp, kConv2dGradInputOp, kConv2dGradWeightOp, kConv2dMaxPool2dOp, kConv2dMaxPool2dGradWeightOp;
extern const Op kConv2dPointwiseDepthwiseOp;
extern const Op kMaxPool2dOp, kMaxPool2dGradOp, kMaxPool2dGatherOp, kAvgPool2dOp, kAvgPool2dGradOp;
extern const Op kConcatOp, kSliceOp, kPadOp, kPad2dOp, kPad2dGradOp;
extern const Op kAdaptiveAvgPool2dOp, kAdaptiveAvgPool2dGradOp, kDropoutOp;
extern const Op kBatchNormStatsOp, kBatchNormOp, kBatchNormGradStatsOp, kBatchNormGradInputOp, kRunningAverageOp;
extern const Op kBatchNormFoldOp;
extern const Op kLocalResponseNormOp, kLocalResponseNormGradOp, kChannelWindowSumOp;
extern const Op kMatmulPackOp, kMatmulOp, kMatmulPlainOp, kMatmulAtBOp;
extern const Op kClampOp, kClampGradOp, kLeakyReluOp, kLeakyReluGradOp, kOneHotOp;
extern const Op kSoftmaxOp, kCrossEntropyOp, kCrossEntropyGradOp, kCountCorrectOp, kSgdOp;

const Op& opFor(Opcode opcode) {
  switch (opcode) {
    case Opcode::feed:
      return kFeedOp;
    case Opcode::unary:
      return kUnaryOp;
    case Opcode::binary:
      return kBinaryOp;
    case Opcode::clamp:
      return kClampOp;
    case Opcode::clamp_grad:
      return kClampGradOp;
    case Opcode::leaky_relu:
      return kLeakyReluOp;
    case Opcode::leaky_relu_grad:
      return kLeakyReluGradOp;
    case Opcode::reduce:
      return kReduceOp;
    case Opcode::transpose:
      return kTransposeOp;
    case Opcode::concat:
      return kConcatOp;
    case Opcode::slice:
      return kSliceOp;
    case Opcode::pad:
      return kPadOp;
    case Opcode::pad2d:
      return kPad2dOp;
    case Opcode::pad2d_grad:
      return kPad2dGradOp;
    case Opcode::adaptive_avg_pool2d:
      return kAdaptiveAvgPool2dOp;
    case Opcode::adaptive_avg_pool2d_grad:
      return kAdaptiveAvgPool2dGradOp;
    case Opcode::dropout:
      return kDropoutOp;
    case Opcode::conv2d_pack:
      return kConv2dPackOp;
    case Opcode::conv2d:
      return kConv2dOp;
    case Opcode::conv2d_grad_input:
      return kConv2dGradInputOp;
    case Opcode::conv2d_grad_weight:
      return kConv2dGradWeightOp;
    case Opcode::conv2d_pointwise_depthwise:
      return kConv2dPointwiseDepthwiseOp;
    case Opcode::conv2d_max_pool2d:
      return kConv2dMaxPool2dOp;
    case Opcode::conv2d_max_pool2d_grad_weight:
      return kConv2dMaxPool2dGradWeightOp;
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
    case Opcode::batch_norm_stats:
      return kBatchNormStatsOp;
    case Opcode::batch_norm:
      return kBatchNormOp;
    case Opcode::batch_norm_grad_stats:
      return kBatchNormGradStatsOp;
    case Opcode::batch_norm_grad_input:
      return kBatchNormGradInputOp;
    case Opcode::batch_norm_fold:
      return kBatchNormFoldOp;
    case Opcode::running_average:
      return kRunningAverageOp;
    case Opcode::local_response_norm:
      return kLocalResponseNormOp;
    case Opcode::local_response_norm_grad:
      return kLocalResponseNormGradOp;
    case Opcode::channel_window_sum:
      return kChannelWindowSumOp;
    case Opcode::matmul_pack:
      return kMatmulPackOp;
    case Opcode::matmul:
      return kMatmulOp;
    case Opcode::matmul_plain:
      return kMatmulPlainOp;
    case Opcode::matmul_at_b:
      return kMatmulAtBOp;
    case Opcode::softmax:
      return kSoftmaxOp;
    case Opcode::cross_entropy:
      return kCrossEntropyOp;
    case Opcode::cross_entropy_grad:
      return kCrossEntropyGradOp;
    case Opcode::one_hot:
      return kOneHotOp;
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
