// Average pooling to a given size: output o covers [floor(o i / out), ceil((o + 1) i / out)) of an axis. Windows of different sizes are
// rows of one window each for the kernels of pool_kernels.h; equal ones are handled as whole rows.
#include <algorithm>

#include "native/ops/gradient_band.h"

namespace stridenet {
namespace {

using Pool = AdaptiveAvgPool2d;
using PoolGrad = AdaptiveAvgPool2dGrad;

constexpr int64_t kEnoughTiles = 16, kChannelBlock = 64;

struct Geometry {
  int64_t n, ih, iw, c, oh, ow;

  Geometry(const Operand& image, const Operand& pooled)
      : n(image.dims[0]), ih(image.dims[1]), iw(image.dims[2]), c(image.dims[3]), oh(pooled.dims[1]), ow(pooled.dims[2]) {}

  static int64_t begin(int64_t o, int64_t in, int64_t out) { return o * in / out; }
  static int64_t end(int64_t o, int64_t in, int64_t out) { return ceilDiv((o + 1) * in, out); }
  bool hasEqualColumns() const { return iw % ow == 0; }
  bool isTiling() const { return hasEqualColumns() && ih % oh == 0; }

  // Very many windows lie over one pixel: gradients are added up by bands.
  bool hasBands() const { return ceilDiv(oh, ih) * ceilDiv(ow, iw) > kChainWindows; }
  int64_t bandRows(int64_t y) const { return end(y, ih, oh) - begin(y, ih, oh); }

  // How many channels a task has, if there would be `tiles` tasks with all channels.
  int64_t channelBlock(int64_t tiles) const { return tiles < kEnoughTiles ? std::min(c, kChannelBlock) : c; }

  // body(row of windows, divisor, offset in the image, offset in the pooled image) for output row y of an image, channels from `at`.
  template <typename Body>
  void eachWindow(int64_t image, int64_t y, int64_t at, int64_t channels, Body body) const {
    const int64_t y0 = begin(y, ih, oh), rows = end(y, ih, oh) - y0;
    const int64_t in = (image * ih + y0) * iw * c + at, out = (image * oh + y) * ow * c + at;
    const AverageDivisor divisor = {rows, 0, false};
    if (hasEqualColumns()) {
      const int64_t width = iw / ow;
      return body(PoolRow{ow, iw, channels, c, iw * c, rows, width, width, 0, 1, nullptr}, divisor, in, out);
    }
    for (int64_t x = 0; x < ow; ++x) {
      const int64_t x0 = begin(x, iw, ow), width = end(x, iw, ow) - x0;
      body(PoolRow{1, width, channels, c, iw * c, rows, width, width, 0, 1, nullptr}, divisor, in + x0 * c, out + x * c);
    }
  }
};

template <typename Instruction>
Status verifyImages(const Call& call) {
  const Operand &image = imageOf<Instruction>(call), &pooled = resultOf<Instruction>(call);
  if (Status status = expectFloats(call); !status.isOk()) return status;
  if (image.rank == 4 && pooled.rank == 4 && image.dims[0] == pooled.dims[0] && image.dims[3] == pooled.dims[3]) return Status::ok();
  return refuse(call, "expects images [n, ih, iw, c] and [n, oh, ow, c], got %s and %s", ShapeText(image).text, ShapeText(pooled).text);
}

static_assert(Pool::x == PoolGrad::dy && Pool::y == PoolGrad::dx, "planAdaptive counts the operands of both");

Plan planAdaptive(const Call& call) {
  return planOf(call, static_cast<double>(call.operands[Pool::x].count + call.operands[Pool::y].count));
}

void runAdaptive(const Call& call, const Worker& worker) {
  const Geometry g(call.operands[Pool::x], call.operands[Pool::y]);
  const float* x = call.operands[Pool::x].f32();
  float* y = call.operands[Pool::y].f32();
  const auto kernel = call.kernels->pool.avgRow;
  const int64_t block = g.channelBlock(g.n * g.oh), blocks = ceilDiv(g.c, block);
  for (const int64_t tile : worker.share(g.n * g.oh * blocks)) {
    const int64_t row = tile / blocks, at = tile % blocks * block;
    g.eachWindow(
        row / g.oh, row % g.oh, at, std::min(block, g.c - at),
        [=](const PoolRow& windows, const AverageDivisor& divisor, int64_t in, int64_t out) { kernel(windows, divisor, x + in, y + out); });
  }
}

Plan planAdaptiveGrad(const Call& call) {
  const Geometry g(call.operands[PoolGrad::dx], call.operands[PoolGrad::dy]);
  Plan plan = planAdaptive(call);
  // A window has at most two rows more than ih / oh.
  if (g.hasBands()) plan.threadScratch = GradientBand::bandBytes(std::min(g.ih, g.ih / g.oh + 2), g.iw * g.c, g.iw, g.c);
  return plan;
}

// Windows may overlap, so an image is one task.
void runAdaptiveGrad(const Call& call, const Worker& worker) {
  const Geometry g(call.operands[PoolGrad::dx], call.operands[PoolGrad::dy]);
  const float* dy = call.operands[PoolGrad::dy].f32();
  float* dx = call.operands[PoolGrad::dx].f32();
  const auto kernel = call.kernels->pool.avgGradRow;
  const int64_t block = g.channelBlock(g.n), blocks = ceilDiv(g.c, block);
  const bool accumulate = !g.isTiling();
  for (const int64_t tile : worker.share(g.n * blocks)) {
    const int64_t image = tile / blocks, at = tile % blocks * block, channels = std::min(block, g.c - at);
    float* first = dx + image * g.ih * g.iw * g.c + at;
    for (int64_t i = 0; accumulate && i < g.ih * g.iw; ++i) std::fill_n(first + i * g.c, channels, 0.0f);
    for (int64_t y = 0; y < g.oh; ++y) {
      float *row = first + Geometry::begin(y, g.ih, g.oh) * g.iw * g.c, *to = row;
      const GradientBand band = {call.kernels, worker.threadFloats(), g.bandRows(y), g.iw * g.c, g.iw, channels, g.c};
      if (g.hasBands()) {
        band.clear();
        to = band.scratch;
      }
      g.eachWindow(image, y, at, channels, [=](const PoolRow& windows, const AverageDivisor& divisor, int64_t in, int64_t out) {
        kernel(windows, divisor, dy + out, to + (dx + in - row), accumulate);
      });
      if (g.hasBands()) band.addTo(row);
    }
  }
}

}  // namespace

extern const Op kAdaptiveAvgPool2dOp, kAdaptiveAvgPool2dGradOp;
const Op kAdaptiveAvgPool2dOp = {verifyImages<Pool>, planAdaptive, runAdaptive};
const Op kAdaptiveAvgPool2dGradOp = {verifyImages<PoolGrad>, planAdaptiveGrad, runAdaptiveGrad};

}  // namespace stridenet
