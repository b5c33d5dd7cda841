// batch_norm_fold_weight and batch_norm_fold_bias: evaluation-mode batch normalisation as part of the weight and bias of the convolution
// before it, once per change of a variable. Every number is rounded as by the operations of its formula, one after the other.
#include <algorithm>
#include <cmath>

#include "native/ops/checks.h"

namespace stridenet {
namespace {

enum WeightOperand { kWeight, kWeightVariance, kWeightGamma, kFoldedWeight };
enum BiasOperand { kMean, kVariance, kGamma, kBeta, kBias, kFoldedBias };

struct Attrs {
  float eps;
};

float scaleOf(const Operand& gamma, const Operand& variance, float eps, int64_t channel) {
  return gamma.f32()[channel] / std::sqrt(variance.f32()[channel] + eps);
}

// The operands from `first` to `last` that are present hold one number for each of c channels.
Status checkColumns(const Call& call, int first, int last, int64_t c) {
  for (int i = first; i <= last; ++i) {
    const Operand& column = call.operands[i];
    if (!column.present() || (column.rank == 1 && column.dims[0] == c)) continue;
    const std::string_view name = signatureOf(call).operand(i);
    return refuse(call, "%.*s must be [%lld], one number per channel, got %s", static_cast<int>(name.size()), name.data(),
                  static_cast<long long>(c), ShapeText(column).text);
  }
  return Status::ok();
}

Status verifyWeight(const Call& call) {
  const Operand &weight = call.operands[kWeight], &folded = call.operands[kFoldedWeight];
  if (Status status = expectFloats(call); !status.isOk()) return status;
  if (weight.rank != 4) return refuse(call, "expects a weight of rank 4, got %s", ShapeText(weight).text);
  if (!sameShape(weight, folded)) {
    return refuse(call, "folded %s must have weight's shape %s", ShapeText(folded).text, ShapeText(weight).text);
  }
  return checkColumns(call, kWeightVariance, kWeightGamma, weight.dims[0]);
}

Status verifyBias(const Call& call) {
  const Operand& mean = call.operands[kMean];
  if (Status status = expectFloats(call); !status.isOk()) return status;
  if (mean.rank != 1) return refuse(call, "expects a mean of rank 1, got %s", ShapeText(mean).text);
  return checkColumns(call, kVariance, kFoldedBias, mean.dims[0]);
}

Plan planFold(const Call& call) {
  return planOf(call, static_cast<double>(call.operands[0].count));
}

void runWeight(const Call& call, const Lane& lane) {
  const Operand& weight = call.operands[kWeight];
  const int64_t channels = weight.dims[0], columns = weight.count / channels;
  const int64_t tile = std::max<int64_t>(1, kTileElements / columns);
  const BinaryKernel<float> multiply = call.kernels->elementwise.binary[static_cast<int>(BinaryKind::mul)];
  int64_t begin, end;
  lane.range(ceilDiv(channels, tile), &begin, &end);
  for (int64_t o = begin * tile; o < std::min(channels, end * tile); ++o) {
    const float scale = scaleOf(call.operands[kWeightGamma], call.operands[kWeightVariance], call.attributes<Attrs>().eps, o);
    multiply({weight.f32() + o * columns, columns, 1}, {&scale, 0, 0}, call.operands[kFoldedWeight].f32() + o * columns, columns, 1,
             columns);
  }
}

void runBias(const Call& call, const Lane& lane) {
  const Operand &mean = call.operands[kMean], &bias = call.operands[kBias];
  int64_t begin, end;
  lane.range(ceilDiv(mean.count, kTileElements), &begin, &end);
  for (int64_t o = begin * kTileElements; o < std::min(mean.count, end * kTileElements); ++o) {
    const float scale = scaleOf(call.operands[kGamma], call.operands[kVariance], call.attributes<Attrs>().eps, o);
    const float distance = bias.present() ? mean.f32()[o] - bias.f32()[o] : mean.f32()[o];
    call.operands[kFoldedBias].f32()[o] = call.operands[kBeta].f32()[o] - distance * scale;
  }
}

}  // namespace

extern const Op kBatchNormFoldWeightOp, kBatchNormFoldBiasOp;
const Op kBatchNormFoldWeightOp = {verifyWeight, planFold, runWeight, -1};
const Op kBatchNormFoldBiasOp = {verifyBias, planFold, runBias, -1};

}  // namespace stridenet
