// running_average: value guard -> running!, the exponential average of a batch normalisation's statistics. A step whose guard is not finite
// changes nothing.
#include <cmath>

#include "native/ops/checks.h"

namespace stridenet {
namespace {

struct AverageAttrs {
  float decay, gain;
};

Status verifyAverage(const Call& call) {
  if (Status status = expectFloats(call); !status.isOk()) return status;
  const Operand &value = call.operands[0], &guard = call.operands[1], &running = call.operands[2];
  if (!sameShape(value, running)) {
    return refuse(call, "value %s must have running's shape %s", ShapeText(value).text, ShapeText(running).text);
  }
  if (guard.count != 1) return refuse(call, "guard must hold one number, got %s", ShapeText(guard).text);
  return Status::ok();
}

Plan planAverage(const Call& call) {
  Plan plan = planOf(call, 2.0 * static_cast<double>(call.operands[2].count));
  plan.bytes += static_cast<double>(call.operands[2].bytes());
  return plan;
}

void runAverage(const Call& call, const Worker& worker) {
  if (!std::isfinite(*call.operands[1].f32())) return;
  const AverageAttrs attrs = call.attributes<AverageAttrs>();
  const float* value = call.operands[0].f32();
  float* running = call.operands[2].f32();
  for (const int64_t i : worker.share(call.operands[2].count, kTileElements)) running[i] = attrs.decay * running[i] + attrs.gain * value[i];
}

}  // namespace

extern const Op kRunningAverageOp;
const Op kRunningAverageOp = {verifyAverage, planAverage, runAverage};

}  // namespace stridenet
