// batch_norm_fold: evaluation-mode batch normalisation in terms of the convolution before it: the scale by which
// conv2d_pack multiplies the weight, and the bias. It runs when a variable has changed. Every number is rounded after
// each operation of its formula.
#include <algorithm>
#include <cmath>

#include "native/ops/checks.h"

namespace stridenet {
namespace {

enum FoldOperand { kMean, kVariance, kGamma, kBeta, kBias, kScale, kShift };

struct Attrs {
  float eps;
};

Status verify(const Call& call) {
  const Operand& mean = call.operands[kMean];
  if (Status status = expectFloats(call); !status.isOk()) return status;
  if (mean.rank != 1) return refuse(call, "expects a mean of rank 1, got %s", ShapeText(mean).text);
  for (int i = kVariance; i <= kShift; ++i) {
    const Operand& column = call.operands[i];
    if (!column.present() || sameShape(column, mean)) continue;
    const std::string_view name = signatureOf(call).operand(i);
    return refuse(call, "%.*s must be [%lld], one number per channel, got %s", static_cast<int>(name.size()), name.data(),
                  static_cast<long long>(mean.count), ShapeText(column).text);
  }
  return Status::ok();
}

Plan plan(const Call& call) {
  return planOf(call, static_cast<double>(call.operands[kMean].count));
}

void run(const Call& call, const Worker& worker) {
  const auto column = [&call](FoldOperand operand) { return call.operands[operand].f32(); };
  const int64_t channels = call.operands[kMean].count;
  const bool hasBias = call.operands[kBias].present();
  for (const int64_t o : worker.share(channels, kTileElements)) {
    const float scale = column(kGamma)[o] / std::sqrt(column(kVariance)[o] + call.attributes<Attrs>().eps);
    const float distance = hasBias ? column(kMean)[o] - column(kBias)[o] : column(kMean)[o];
    column(kScale)[o] = scale;
    column(kShift)[o] = column(kBeta)[o] - distance * scale;
  }
}

}  // namespace

extern const Op kBatchNormFoldOp;
const Op kBatchNormFoldOp = {verify, plan, run};

}  // namespace stridenet
