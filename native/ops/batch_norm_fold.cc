// batch_norm_fold: evaluation-mode batch normalisation in terms of the convolution before it: the scale by which
// conv2d_pack multiplies the weight, and the bias. It runs when a variable has changed. Every number is rounded after
// each operation of its formula.
#include <algorithm>
#include <cmath>

#include "native/ops/checks.h"

namespace stridenet {
namespace {

using Fold = BatchNormFold;

Status verify(const Call& call) {
  const Operand& mean = call.operands[Fold::mean];
  if (Status status = expectFloats(call); !status.isOk()) return status;
  if (mean.rank != 1) return refuse(call, "expects a mean of rank 1, got %s", ShapeText(mean).text);
  for (const int i : {Fold::variance, Fold::gamma, Fold::beta, Fold::convBias, Fold::scale, Fold::shift}) {
    const Operand& column = call.operands[i];
    if (!column.present() || sameShape(column, mean)) continue;
    const std::string_view name = signatureOf(call).operand(i);
    return refuse(call, "%.*s must be [%lld], one number per channel, got %s", static_cast<int>(name.size()), name.data(),
                  static_cast<long long>(mean.count), ShapeText(column).text);
  }
  return Status::ok();
}

Plan plan(const Call& call) {
  return planOf(call, static_cast<double>(call.operands[Fold::mean].count));
}

void run(const Call& call, const Worker& worker) {
  const auto column = [&call](int operand) { return call.operands[operand].f32(); };
  const int64_t channels = call.operands[Fold::mean].count;
  const bool hasBias = call.operands[Fold::convBias].present();
  for (const int64_t o : worker.share(channels, kTileElements)) {
    const float scale = column(Fold::gamma)[o] / std::sqrt(column(Fold::variance)[o] + call.attributes<Fold>().eps);
    const float distance = hasBias ? column(Fold::mean)[o] - column(Fold::convBias)[o] : column(Fold::mean)[o];
    column(Fold::scale)[o] = scale;
    column(Fold::shift)[o] = column(Fold::beta)[o] - distance * scale;
  }
}

}  // namespace

extern const Op kBatchNormFoldOp;
const Op kBatchNormFoldOp = {verify, plan, run};

}  // namespace stridenet
