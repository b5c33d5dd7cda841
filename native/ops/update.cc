// sgd: one pass over parameter, velocity and gradient. Every number is updated by itself, so tiles need no order.
#include <algorithm>
#include <cmath>

#include "native/ops/checks.h"

namespace stridenet {
namespace {

struct Attrs {
  float momentum, weightDecay;
  int32_t nesterov;
};

enum { kGrad, kLr, kParam, kVelocity };

Status verifySgd(const Call& call) {
  const Operand &param = call.operands[kParam], &velocity = call.operands[kVelocity];
  const int32_t nesterov = call.attributes<Attrs>().nesterov;
  if (Status status = expectFloats(call); !status.isOk()) return status;
  if (nesterov != 0 && nesterov != 1) return refuse(call, "nesterov must be 0 or 1, got %d", nesterov);
  if (call.operands[kLr].count != 1) return refuse(call, "lr must hold one number, got %s", ShapeText(call.operands[kLr]).text);
  if (!sameShape(call.operands[kGrad], param)) {
    return refuse(call, "grad %s must have param's shape %s", ShapeText(call.operands[kGrad]).text, ShapeText(param).text);
  }
  if (velocity.present() && !sameShape(velocity, param)) {
    return refuse(call, "velocity %s must have param's shape %s", ShapeText(velocity).text, ShapeText(param).text);
  }
  return Status::ok();
}

// param and velocity are read and written.
Plan planSgd(const Call& call) {
  Plan plan = planOf(call, 6.0 * static_cast<double>(call.operands[kParam].count));
  plan.bytes += static_cast<double>(call.operands[kParam].bytes() + call.operands[kVelocity].bytes());
  return plan;
}

void runSgd(const Call& call, const Worker& worker) {
  const Attrs attrs = call.attributes<Attrs>();
  const Range own = worker.share(call.operands[kParam].count, kTileElements);
  if (own.isEmpty()) return;
  if (!std::isfinite(*call.operands[kLr].f32())) return;  // ops.def: such a step is skipped
  const SgdParameters p = {*call.operands[kLr].f32(), attrs.momentum, attrs.weightDecay, attrs.nesterov != 0};
  float* velocity = call.operands[kVelocity].present() ? call.operands[kVelocity].f32() + own.first : nullptr;
  call.kernels->update.sgd(p, call.operands[kGrad].f32() + own.first, call.operands[kParam].f32() + own.first, velocity, own.count());
}

}  // namespace

extern const Op kSgdOp;
const Op kSgdOp = {verifySgd, planSgd, runSgd};

}  // namespace stridenet
