// Local response normalisation across the channels of each pixel, its gradient, and the window sum of which higher
// derivatives are made. Tasks are consecutive pixels, each of which is computed by itself.
#include <algorithm>

#include "native/ops/checks.h"

namespace stridenet {
namespace {

constexpr int32_t kMaxSide = 1 << 15;
constexpr int64_t kMaxLanes = 16;

using Norm = LocalResponseNorm;
using NormGrad = LocalResponseNormGrad;
using WindowSum = ChannelWindowSum;
static_assert(Norm::x == NormGrad::x && Norm::x == WindowSum::x, "what the instructions share reads Norm::x");

template <typename Instruction>
Status verifyWindow(const Call& call) {
  const Operand& x = call.operands[Instruction::x];
  const auto window = call.attributes<Instruction>();
  if (Status status = expectFloats(call); !status.isOk()) return status;
  if (x.rank < 1) return refuse(call, "x must have an axis of channels");
  for (int i = 0; i < signatureOf(call).operandCount(); ++i) {
    const Operand& other = call.operands[i];
    if (sameShape(other, x)) continue;
    return refuse(call, "operands must have one shape, got %s and %s", ShapeText(x).text, ShapeText(other).text);
  }
  if (window.before >= 0 && window.before <= kMaxSide && window.after >= 0 && window.after <= kMaxSide) return Status::ok();
  return refuse(call, "before and after must be in [0, %d], got %d and %d", kMaxSide, window.before, window.after);
}

int64_t channelsOf(const Call& call) {
  const Operand& x = call.operands[Norm::x];
  return x.dims[x.rank - 1];
}

template <typename Attributes>
Plan planWindow(const Call& call, const Attributes& window, int sums) {
  const double numbers = static_cast<double>(call.operands[Norm::x].count);
  Plan plan = planOf(call, numbers * (window.before + window.after + 8) * sums);
  plan.threadScratch = floatBytes(3 * (channelsOf(call) + window.before + window.after + kMaxLanes));
  return plan;
}

// body(offset of the first pixel, pixels) for this thread's pixels.
template <typename Body>
void eachTile(const Call& call, const Worker& worker, Body body) {
  const int64_t c = channelsOf(call), pixels = call.operands[Norm::x].count / c;
  const int64_t tile = std::max<int64_t>(1, kTileElements / 4 / c);
  const Range own = worker.share(pixels, tile);
  if (!own.isEmpty()) body(own.first * c, own.count());
}

Plan planNorm(const Call& call) {
  return planWindow(call, call.attributes<Norm>(), 1);
}

Plan planNormGrad(const Call& call) {
  return planWindow(call, call.attributes<NormGrad>(), 2);
}

template <typename Instruction>
ResponseNorm parametersOf(const Call& call) {
  const auto a = call.attributes<Instruction>();
  return {channelsOf(call), a.before, a.after, a.scale, a.beta, a.k};
}

void runNorm(const Call& call, const Worker& worker) {
  const float* x = call.operands[Norm::x].f32();
  float* y = call.operands[Norm::y].f32();
  eachTile(call, worker, [&](int64_t at, int64_t pixels) {
    call.kernels->norm.responseNorm(parametersOf<Norm>(call), x + at, pixels, worker.threadFloats(), y + at);
  });
}

void runNormGrad(const Call& call, const Worker& worker) {
  const float *x = call.operands[NormGrad::x].f32(), *dy = call.operands[NormGrad::dy].f32();
  float* dx = call.operands[NormGrad::dx].f32();
  const ResponseNorm parameters = parametersOf<NormGrad>(call);
  eachTile(call, worker, [&](int64_t at, int64_t pixels) {
    call.kernels->norm.responseNormGrad(parameters, x + at, dy + at, pixels, worker.threadFloats(), dx + at);
  });
}

Plan planWindowSum(const Call& call) {
  return planWindow(call, call.attributes<WindowSum>(), 1);
}

void runWindowSum(const Call& call, const Worker& worker) {
  const auto [before, after] = call.attributes<WindowSum>();
  const ResponseNorm window = {channelsOf(call), before, after, 0, 0, 0};
  const float* x = call.operands[WindowSum::x].f32();
  float* y = call.operands[WindowSum::y].f32();
  const auto kernel = call.kernels->norm.channelWindowSum;
  float* scratch = worker.threadFloats();
  eachTile(call, worker, [&](int64_t at, int64_t pixels) { kernel(window, x + at, pixels, scratch, y + at); });
}

}  // namespace

extern const Op kLocalResponseNormOp, kLocalResponseNormGradOp, kChannelWindowSumOp;
const Op kLocalResponseNormOp = {verifyWindow<Norm>, planNorm, runNorm};
const Op kLocalResponseNormGradOp = {verifyWindow<NormGrad>, planNormGrad, runNormGrad};
const Op kChannelWindowSumOp = {verifyWindow<WindowSum>, planWindowSum, runWindowSum};

}  // namespace stridenet
