// clamp and leaky_relu with their derivatives: elementwise with float parameters, all operands of one shape.
#include "native/ops/checks.h"

namespace stridenet {
namespace {

Status verifyActivation(const Call& call) {
  if (Status status = expectFloats(call); !status.isOk()) return status;
  const int last = signatureOf(call).operandCount() - 1;
  for (int i = 0; i < last; ++i) {
    const Operand &x = call.operands[i], &result = call.operands[last];
    if (sameShape(x, result)) continue;
    return refuse(call, "operands %s and %s must have one shape", ShapeText(x).text, ShapeText(result).text);
  }
  return Status::ok();
}

static_assert(Clamp::x == LeakyRelu::x && Clamp::x == ClampGrad::dy && Clamp::x == LeakyReluGrad::dy,
              "planActivation counts the first operand of each instruction");

Plan planActivation(const Call& call) {
  return planOf(call, 2.0 * static_cast<double>(call.operands[Clamp::x].count));
}

// Calls body(first, count) for this thread's share of n numbers.
template <typename Body>
void eachTile(int64_t n, const Worker& worker, Body body) {
  const Range own = worker.share(n, kTileElements);
  if (!own.isEmpty()) body(own.first, own.count());
}

void runClamp(const Call& call, const Worker& worker) {
  const auto attrs = call.attributes<Clamp>();
  const float* x = call.operands[Clamp::x].f32();
  float* y = call.operands[Clamp::y].f32();
  const int64_t count = call.operands[Clamp::y].count;
  const auto kernel = call.kernels->activation.clamp;
  eachTile(count, worker, [&](int64_t at, int64_t n) { kernel(x + at, y + at, n, attrs.min, attrs.max); });
}

void runClampGrad(const Call& call, const Worker& worker) {
  const auto attrs = call.attributes<ClampGrad>();
  const float *dy = call.operands[ClampGrad::dy].f32(), *x = call.operands[ClampGrad::x].f32();
  float* dx = call.operands[ClampGrad::dx].f32();
  const int64_t count = call.operands[ClampGrad::dx].count;
  const auto kernel = call.kernels->activation.clampGrad;
  eachTile(count, worker, [&](int64_t at, int64_t n) { kernel(dy + at, x + at, dx + at, n, attrs.min, attrs.max); });
}

void runLeakyRelu(const Call& call, const Worker& worker) {
  const float slope = call.attributes<LeakyRelu>().negativeSlope;
  const float* x = call.operands[LeakyRelu::x].f32();
  float* y = call.operands[LeakyRelu::y].f32();
  const int64_t count = call.operands[LeakyRelu::y].count;
  const auto kernel = call.kernels->activation.leakyRelu;
  eachTile(count, worker, [&](int64_t at, int64_t n) { kernel(x + at, y + at, n, slope); });
}

void runLeakyReluGrad(const Call& call, const Worker& worker) {
  const float slope = call.attributes<LeakyReluGrad>().negativeSlope;
  const float *dy = call.operands[LeakyReluGrad::dy].f32(), *x = call.operands[LeakyReluGrad::x].f32();
  float* dx = call.operands[LeakyReluGrad::dx].f32();
  const int64_t count = call.operands[LeakyReluGrad::dx].count;
  const auto kernel = call.kernels->activation.leakyReluGrad;
  eachTile(count, worker, [&](int64_t at, int64_t n) { kernel(dy + at, x + at, dx + at, n, slope); });
}

}  // namespace

extern const Op kClampOp, kClampGradOp, kLeakyReluOp, kLeakyReluGradOp;
const Op kClampOp = {verifyActivation, planActivation, runClamp};
const Op kClampGradOp = {verifyActivation, planActivation, runClampGrad};
const Op kLeakyReluOp = {verifyActivation, planActivation, runLeakyRelu};
const Op kLeakyReluGradOp = {verifyActivation, planActivation, runLeakyReluGrad};

}  // namespace stridenet
