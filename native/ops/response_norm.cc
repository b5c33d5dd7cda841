// Local response normalisation across the channels of each pixel, its gradient, and the window sum of which higher
// derivatives are made. Tasks are consecutive pixels, each of which is computed by itself.
#include <algorithm>

#include "native/ops/checks.h"

namespace stridenet {
namespace {

constexpr int32_t kMaxSide = 1 << 15;
constexpr int64_t kMaxLanes = 16;

struct WindowAttrs {
  int32_t before, after;
};
struct NormAttrs {
  WindowAttrs window;
  float scale, beta, k;
};

Status checkWindow(const Call& call, const WindowAttrs& window) {
  if (Status status = expectFloats(call); !status.isOk()) return status;
  if (call.operands[0].rank < 1) return refuse(call, "x must have an axis of channels");
  for (int i = 1; i < signatureOf(call).operandCount(); ++i) {
    if (!sameShape(call.operands[i], call.operands[0])) {
      return refuse(call, "operands must have one shape, got %s and %s", ShapeText(call.operands[0]).text,
                    ShapeText(call.operands[i]).text);
    }
  }
  if (window.before >= 0 && window.before <= kMaxSide && window.after >= 0 && window.after <= kMaxSide) return Status::ok();
  return refuse(call, "before and after must be in [0, %d], got %d and %d", kMaxSide, window.before, window.after);
}

int64_t channelsOf(const Call& call) {
  return call.operands[0].dims[call.operands[0].rank - 1];
}

Plan planWindow(const Call& call, const WindowAttrs& window, int sums) {
  Plan plan = planOf(call, static_cast<double>(call.operands[0].count) * (window.before + window.after + 8) * sums);
  plan.threadScratch = floatBytes(3 * (channelsOf(call) + window.before + window.after + kMaxLanes));
  return plan;
}

// body(offset of the first pixel, pixels) for this thread's pixels.
template <typename Body>
void eachTile(const Call& call, const Worker& worker, Body body) {
  const int64_t c = channelsOf(call), pixels = call.operands[0].count / c;
  const int64_t tile = std::max<int64_t>(1, kTileElements / 4 / c);
  const Range own = worker.share(pixels, tile);
  if (!own.isEmpty()) body(own.first * c, own.count());
}

Status verifyNorm(const Call& call) {
  return checkWindow(call, call.attributes<NormAttrs>().window);
}

Plan planNorm(const Call& call) {
  return planWindow(call, call.attributes<NormAttrs>().window, 1);
}

Plan planNormGrad(const Call& call) {
  return planWindow(call, call.attributes<NormAttrs>().window, 2);
}

ResponseNorm parametersOf(const Call& call) {
  const NormAttrs a = call.attributes<NormAttrs>();
  return {channelsOf(call), a.window.before, a.window.after, a.scale, a.beta, a.k};
}

void runNorm(const Call& call, const Worker& worker) {
  eachTile(call, worker, [&](int64_t at, int64_t pixels) {
    call.kernels->norm.responseNorm(parametersOf(call), call.operands[0].f32() + at, pixels, worker.threadFloats(),
                                    call.operands[1].f32() + at);
  });
}

void runNormGrad(const Call& call, const Worker& worker) {
  eachTile(call, worker, [&](int64_t at, int64_t pixels) {
    call.kernels->norm.responseNormGrad(parametersOf(call), call.operands[0].f32() + at, call.operands[1].f32() + at, pixels,
                                        worker.threadFloats(), call.operands[2].f32() + at);
  });
}

Status verifyWindowSum(const Call& call) {
  return checkWindow(call, call.attributes<WindowAttrs>());
}

Plan planWindowSum(const Call& call) {
  return planWindow(call, call.attributes<WindowAttrs>(), 1);
}

void runWindowSum(const Call& call, const Worker& worker) {
  const WindowAttrs window = call.attributes<WindowAttrs>();
  eachTile(call, worker, [&](int64_t at, int64_t pixels) {
    call.kernels->norm.channelWindowSum({channelsOf(call), window.before, window.after, 0, 0, 0}, call.operands[0].f32() + at, pixels,
                                        worker.threadFloats(), call.operands[1].f32() + at);
  });
}

}  // namespace

extern const Op kLocalResponseNormOp, kLocalResponseNormGradOp, kChannelWindowSumOp;
const Op kLocalResponseNormOp = {verifyNorm, planNorm, runNorm};
const Op kLocalResponseNormGradOp = {verifyNorm, planNormGrad, runNormGrad};
const Op kChannelWindowSumOp = {verifyWindowSum, planWindowSum, runWindowSum};

}  // namespace stridenet
