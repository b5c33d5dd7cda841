// conv2d_pack: weights [oc, kh, kw, ic / groups], times scale [oc] if there is one, into the panels of conv2d and conv2d_grad_input.
//
// The packed buffer holds, class after class (geometry.h), group after group, panel after panel, the K rows of a panel:
// row (tap, source channel), lane = destination channel. With widening, lanes are (u, destination channel) for the u-th of `widen`
// neighbouring pixels, and the weight is expanded to a Toeplitz matrix over the union of their taps. (For the scatter form of
// conv2d_grad_input the weight is packed as a matrix: scatter.h; see also depthwise.h and hwcn.h.)
#include "native/ops/conv2d/depthwise.h"
#include "native/ops/conv2d/hwcn.h"
#include "native/ops/conv2d/hwcn_winograd.h"
#include "native/ops/conv2d/scatter.h"
#include "native/ops/conv2d/winograd.h"

namespace stridenet {

namespace {

// One union tap of one kernel line for one group and panel.
struct PackUnits {
  int64_t tapsH, tapsW, groups, panels;
  PackUnits(const Conv2dShape& shape, const KernelTable& kernels)
      : tapsH(shape.kh),
        tapsW(shape.widen > 1 ? subConvolution(shape, 0, 0).unionTaps() : shape.kw),
        groups(shape.groups),
        panels(Panels(kernels, productColumns(shape)).count) {}
  int64_t count() const { return tapsH * tapsW * groups * panels; }
};

void packUnit(const Conv2dShape& shape, const KernelTable& kernels, const PackOperands& operands, int64_t kernelH, int64_t tapW,
              int64_t group, int64_t panel) {
  const SubConvolution sub = subConvolutionOfTap(shape, kernelH, shape.widen > 1 ? 0 : tapW);
  const Panels panels(kernels, productColumns(shape));
  const int64_t srcChannels = shape.srcC() / shape.groups, dstChannels = shape.dstC() / shape.groups;
  const int64_t icGroup = shape.ic / shape.groups, ocGroup = shape.oc / shape.groups;
  const int64_t depth = sub.h.taps * sub.unionTaps() * srcChannels;
  const int64_t tapIndexH = (kernelH - sub.h.kernel) / sub.h.kernelStep;
  const int64_t tapIndexW = shape.widen > 1 ? tapW : (tapW - sub.w.kernel) / sub.w.kernelStep;

  const int64_t width = panels.vectorsOf(panel) * panels.lanes;
  const int64_t firstColumn = panels.firstColumn(panel), endColumn = firstColumn + panels.columnsOf(panel);
  float* rows = operands.packed + packedOffset(shape, sub, kernels) + group * depth * panels.paddedColumns() + firstColumn * depth +
                (tapIndexH * sub.unionTaps() + tapIndexW) * srcChannels * width;
  const bool isFilled = shape.widen == 1 && endColumn - firstColumn == width;  // by the destination channels of its only tap
  if (!isFilled) std::memset(rows, 0, static_cast<size_t>(srcChannels * width) * sizeof(float));

  for (int64_t u = 0; u < shape.widen; ++u) {
    const int64_t tap = tapIndexW - u * sub.w.srcStep;
    const int64_t begin = u * dstChannels > firstColumn ? u * dstChannels : firstColumn;
    const int64_t end = (u + 1) * dstChannels < endColumn ? (u + 1) * dstChannels : endColumn;
    if (tap < 0 || tap >= sub.w.taps || begin >= end) continue;
    const int64_t kernelW = sub.w.kernel + tap * sub.w.kernelStep;
    const int64_t stride = shape.kh * shape.kw * icGroup;  // between output channels
    const float* source = operands.weight + group * ocGroup * stride + (kernelH * shape.kw + kernelW) * icGroup;
    const int64_t channel = begin - u * dstChannels, count = end - begin;
    float* target = rows + begin - firstColumn;
    if (shape.isForward()) {
      kernels.layout.transposeScaled(source + channel * stride, stride, target, width, count, srcChannels,
                                     operands.scaleOf(group * ocGroup + channel));
    } else {
      for (int64_t o = 0; o < srcChannels; ++o)
        std::memcpy(target + o * width, source + o * stride + channel, static_cast<size_t>(count) * sizeof(float));
    }
  }
}

Status verify(const Call& call) {
  Conv2dShape shape;
  Status status = readConv2d(call, &shape);
  if (!status.isOk()) return status;
  const int64_t length = packedConv2dLength(shape, *call.kernels);
  const Operand& packed = call.operands[2];
  if (length > 0 && packed.rank == 1 && packed.dims[0] == length) return Status::ok();
  return refuse(call, "expects a packed buffer [%lld], got %s", static_cast<long long>(length), ShapeText(packed).text);
}

Plan plan(const Call& call) {
  Conv2dShape shape;
  if (!readConv2d(call, &shape).isOk()) return planOf(call, 0);
  if (shape.isHwcnWinograd()) return planHwcnWinogradPack(call, shape);
  return shape.isWinograd() ? planWinogradPack(call, shape) : planOf(call, 0);
}

void run(const Call& call, const Worker& worker) {
  Conv2dShape shape;
  if (!readConv2d(call, &shape).isOk()) return;
  if (shape.isDepthwise()) return packDepthwise(call, shape, worker);
  if (shape.isHwcn()) return packHwcn(call, shape, worker);
  if (shape.isHwcnWinograd()) return packHwcnWinograd(call, shape, worker);
  if (shape.isWinograd()) return packWinograd(call, shape, worker);
  const PackOperands operands(call);
  int64_t begin, end;
  if (usesScatter(shape, *call.kernels)) {
    const PlainMatrix taps = {operands.weight, shape.oc, shape.kh * shape.kw * shape.ic, false};
    worker.range(packUnits(taps, *call.kernels), &begin, &end);
    for (int64_t unit = begin; unit < end; ++unit) packMatrix(taps, *call.kernels, unit, operands.packed);
    return;
  }
  const PackUnits units(shape, *call.kernels);
  worker.range(units.count(), &begin, &end);
  for (int64_t unit = begin; unit < end; ++unit) {
    int64_t rest = unit;
    const int64_t panel = rest % units.panels;
    rest /= units.panels;
    const int64_t group = rest % units.groups;
    rest /= units.groups;
    packUnit(shape, *call.kernels, operands, rest / units.tapsW, rest % units.tapsW, group, panel);
  }
}

}  // namespace

extern const Op kConv2dPackOp;
const Op kConv2dPackOp = {verify, plan, run, -1};

}  // namespace stridenet
