// clamp and leaky_relu with their derivatives: elementwise with float parameters, all operands of one shape.
#include "native/ops/checks.h"

namespace stridenet {
namespace {

Status verifyActivation(const Call& call) {
  if (Status status = expectFloats(call); !status.isOk()) return status;
  const int last = signatureOf(call).operandCount() - 1;
  for (int i = 0; i < last; ++i) {
    if (sameShape(call.operands[i], call.operands[last])) continue;
    return refuse(call, "operands %s and %s must have one shape", ShapeText(call.operands[i]).text, ShapeText(call.operands[last]).text);
  }
  return Status::ok();
}

Plan planActivation(const Call& call) {
  return planOf(call, 2.0 * static_cast<double>(call.operands[0].count));
}

// Calls body(first, count) for this thread's share of n numbers.
template <typename Body>
void eachTile(int64_t n, const Worker& worker, Body body) {
  const Range own = worker.share(n, kTileElements);
  if (!own.isEmpty()) body(own.first, own.count());
}

struct ClampAttrs {
  float low, high;
};

void runClamp(const Call& call, const Worker& worker) {
  const ClampAttrs attrs = call.attributes<ClampAttrs>();
  eachTile(call.operands[0].count, worker, [&](int64_t first, int64_t n) {
    call.kernels->activation.clamp(call.operands[0].f32() + first, call.operands[1].f32() + first, n, attrs.low, attrs.high);
  });
}

void runClampGrad(const Call& call, const Worker& worker) {
  const ClampAttrs attrs = call.attributes<ClampAttrs>();
  eachTile(call.operands[0].count, worker, [&](int64_t first, int64_t n) {
    call.kernels->activation.clampGrad(call.operands[0].f32() + first, call.operands[1].f32() + first, call.operands[2].f32() + first, n,
                                       attrs.low, attrs.high);
  });
}

void runLeakyRelu(const Call& call, const Worker& worker) {
  const float slope = call.attributes<float>();
  eachTile(call.operands[0].count, worker, [&](int64_t first, int64_t n) {
    call.kernels->activation.leakyRelu(call.operands[0].f32() + first, call.operands[1].f32() + first, n, slope);
  });
}

void runLeakyReluGrad(const Call& call, const Worker& worker) {
  const float slope = call.attributes<float>();
  eachTile(call.operands[0].count, worker, [&](int64_t first, int64_t n) {
    call.kernels->activation.leakyReluGrad(call.operands[0].f32() + first, call.operands[1].f32() + first, call.operands[2].f32() + first,
                                           n, slope);
  });
}

}  // namespace

extern const Op kClampOp, kClampGradOp, kLeakyReluOp, kLeakyReluGradOp;
const Op kClampOp = {verifyActivation, planActivation, runClamp};
const Op kClampGradOp = {verifyActivation, planActivation, runClampGrad};
const Op kLeakyReluOp = {verifyActivation, planActivation, runLeakyRelu};
const Op kLeakyReluGradOp = {verifyActivation, planActivation, runLeakyReluGrad};

}  // namespace stridenet
