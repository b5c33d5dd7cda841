// The packed weight of the direct algorithm: see direct.h.
#include "native/ops/conv2d/direct.h"

namespace stridenet {

namespace {

// How many numbers the panels of all groups hold for one tap.
int64_t packedPerTap(const Conv2dShape& shape, const KernelTable& kernels) {
  return shape.srcC() * Panels(kernels, productColumns(shape)).paddedColumns();
}

// Packs one tap of the union of widened pixels, for one kernel line, group and panel.
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
  // one tap's destination channels fill the panel
  const bool isFilled = shape.widen == 1 && endColumn - firstColumn == width;
  if (!isFilled) std::memset(rows, 0, floatBytes(srcChannels * width));

  for (int64_t u = 0; u < shape.widen; ++u) {
    const int64_t tap = tapIndexW - u * sub.w.srcStep;
    const int64_t begin = u * dstChannels > firstColumn ? u * dstChannels : firstColumn;
    const int64_t end = (u + 1) * dstChannels < endColumn ? (u + 1) * dstChannels : endColumn;
    if (tap < 0 || tap >= sub.w.taps || begin >= end) continue;
    const int64_t kernelW = sub.w.kernel + tap * sub.w.kernelStep;
    const int64_t stride = shape.kh * shape.kw * icGroup;  // from one output channel to the next
    const float* source = operands.weight + group * ocGroup * stride + (kernelH * shape.kw + kernelW) * icGroup;
    const int64_t channel = begin - u * dstChannels, count = end - begin;
    float* target = rows + begin - firstColumn;
    if (shape.isForward()) {
      kernels.layout.transposeScaled(source + channel * stride, stride, target, width, count, srcChannels,
                                     operands.scaleOf(group * ocGroup + channel));
    } else {
      for (int64_t o = 0; o < srcChannels; ++o) std::memcpy(target + o * width, source + o * stride + channel, floatBytes(count));
    }
  }
}

}  // namespace

int64_t packedOffset(const Conv2dShape& shape, const SubConvolution& sub, const KernelTable& kernels) {
  // Every tap belongs to one class on each axis. Widening adds taps, but only where w has a single class.
  const int64_t allTapsW = shape.widen > 1 ? sub.unionTaps() : shape.kw;
  return (sub.h.tapsBefore * allTapsW + sub.h.taps * sub.w.tapsBefore) * packedPerTap(shape, kernels);
}

int64_t packedDirectLength(const Conv2dShape& shape, const KernelTable& kernels) {
  const int64_t taps = shape.kw + (shape.widen - 1) * (shape.isForward() ? shape.sw : 1);
  const double estimate = static_cast<double>(shape.kh) * static_cast<double>(taps) * static_cast<double>(shape.srcC()) *
                          (static_cast<double>(productColumns(shape)) + kernels.lanes);
  return estimate > kLargestPacked ? 0 : shape.kh * taps * packedPerTap(shape, kernels);
}

void packDirect(const Call& call, const Conv2dShape& shape, const Worker& worker) {
  const PackOperands operands(call);
  const PackUnits units(shape, *call.kernels);
  for (const int64_t unit : worker.share(units.count())) {
    int64_t rest = unit;
    const int64_t panel = rest % units.panels;
    rest /= units.panels;
    const int64_t group = rest % units.groups;
    rest /= units.groups;
    packUnit(shape, *call.kernels, operands, rest / units.tapsW, rest % units.tapsW, group, panel);
  }
}

}  // namespace stridenet
