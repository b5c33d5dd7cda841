// Max and average pooling of channels-last images and their gradients: geometry, clipping at the top and bottom, and tiles. Forward
// tiles are runs of output rows; gradient tiles are images (cut by channels when there are few), because windows may overlap.
#include <algorithm>

#include "native/ops/gradient_band.h"

namespace stridenet {
namespace {

constexpr int32_t kMaxWindow = 4096;         // kh kw <= 2^24: positions in a window are exact in float32
constexpr int32_t kMaxStep = (1 << 15) - 1;  // strides, dilations, paddings
constexpr int64_t kFewImages = 16, kChannelBlock = 64;

using Gather = MaxPool2dGather;

// Windows between an image [ih, iw, c] and its pooled image [oh, ow, c].
struct Geometry {
  int64_t n, ih, iw, c, oh, ow;
  int64_t kh, kw, sh, sw, pt, pl, dh = 1, dw = 1, pb = 0, pr = 0;
  bool countIncludePad = false;

  template <typename Attributes>
  Geometry(const Operand& image, const Operand& pooled, const Attributes& a) : Geometry(image, pooled) {
    kh = a.kh, kw = a.kw, sh = a.sh, sw = a.sw, pt = a.pt, pl = a.pl;
    if constexpr (requires { a.dh; }) dh = a.dh, dw = a.dw;
    if constexpr (requires { a.pb; }) pb = a.pb, pr = a.pr, countIncludePad = a.countIncludePad != 0;
  }

  int64_t imageSize() const { return ih * iw * c; }
  int64_t pooledSize() const { return oh * ow * c; }
  double taps() const { return static_cast<double>(n * oh * ow * c) * static_cast<double>(kh * kw); }

  // Every position of the image lies in at most one window, or in exactly one.
  bool isDisjoint() const { return dh == 1 && dw == 1 && sh >= kh && sw >= kw; }
  bool isTiling() const { return isDisjoint() && pt == 0 && pl == 0 && sh == kh && sw == kw && oh * kh == ih && ow * kw == iw; }

  // Very many windows lie over one pixel: gradients are added up by bands.
  bool hasBands() const { return ceilDiv(kh, sh) * ceilDiv(kw, sw) > kChainWindows; }
  size_t bandBytes() const { return hasBands() ? GradientBand::bandBytes(std::min(kh, ih), dh * iw * c, iw, c) : 0; }

  // Row y of windows over `channels` channels; *firstRow is the image row where it begins (meaningless when no row exists).
  PoolRow row(int64_t y, int64_t channels, int64_t* firstRow) const {
    const int64_t start = y * sh - pt;
    const int64_t i0 = start < 0 ? ceilDiv(-start, dh) : 0;
    const int64_t i1 = start < ih ? std::min(kh, ceilDiv(ih - start, dh)) : 0;
    *firstRow = i1 > i0 ? start + i0 * dh : 0;
    return {ow, iw, channels, c, dh * iw * c, std::max<int64_t>(0, i1 - i0), kw, sw, pl, dw, nullptr};
  }

  bool allowsPairs(const KernelTable& kernels) const {
    return kw == 2 && sw == 2 && dw == 1 && pl == 0 && 2 * ow <= iw && 2 * c <= kernels.lanes;
  }

  AverageDivisor divisor(int64_t y, const PoolRow& row) const {
    const int64_t start = y * sh - pt;
    return {countIncludePad ? std::min(start + kh, ih + pb) - start : row.rows, pr, countIncludePad};
  }

  // Forward tiles: rows of all images.
  int64_t rowsPerTile() const { return std::max<int64_t>(1, kTileElements / (iw * c * sh)); }
  // Gradient tiles: images x blocks of channels.
  int64_t channelBlock() const { return n < kFewImages ? std::min(c, kChannelBlock) : c; }
  int64_t channelBlocks() const { return ceilDiv(c, channelBlock()); }

 private:
  Geometry(const Operand& image, const Operand& pooled)
      : n(image.dims[0]), ih(image.dims[1]), iw(image.dims[2]), c(image.dims[3]), oh(pooled.dims[1]), ow(pooled.dims[2]) {}
};

template <typename Instruction>
Geometry geometryOf(const Call& call) {
  return {imageOf<Instruction>(call), resultOf<Instruction>(call), call.attributes<Instruction>()};
}

struct AttributeRange {
  const char* name;
  int32_t value, low, high;
};

Status checkRanges(const Call& call, std::initializer_list<AttributeRange> ranges) {
  for (const auto& [name, value, low, high] : ranges) {
    if (value >= low && value <= high) continue;
    return refuse(call, "%s must be in [%d, %d], got %d", name, low, high, value);
  }
  return Status::ok();
}

// Both are float32 [n, h, w, c] with equal n and c.
template <typename Instruction>
Status checkImages(const Call& call) {
  const Operand &image = imageOf<Instruction>(call), &pooled = resultOf<Instruction>(call);
  if (Status status = expectFloats(call); !status.isOk()) return status;
  if (image.rank != 4 || pooled.rank != 4 || image.dims[0] != pooled.dims[0] || image.dims[3] != pooled.dims[3]) {
    return refuse(call, "expects images [n, ih, iw, c] and [n, oh, ow, c], got %s and %s", ShapeText(image).text, ShapeText(pooled).text);
  }
  return Status::ok();
}

// As in PyTorch, the last window begins inside the image or its top or left padding.
template <typename Instruction>
Status checkWindows(const Call& call) {
  const Operand &image = imageOf<Instruction>(call), &pooled = resultOf<Instruction>(call);
  const auto a = call.attributes<Instruction>();
  Status status = checkRanges(call, {
                                        {"kh", a.kh, 1, kMaxWindow},
                                        {"kw", a.kw, 1, kMaxWindow},
                                        {"sh", a.sh, 1, kMaxStep},
                                        {"sw", a.sw, 1, kMaxStep},
                                        {"pt", a.pt, 0, kMaxStep},
                                        {"pl", a.pl, 0, kMaxStep},
                                    });
  if (!status.isOk()) return status;
  if ((pooled.dims[1] - 1) * a.sh - a.pt >= image.dims[1] || (pooled.dims[2] - 1) * a.sw - a.pl >= image.dims[2]) {
    return refuse(call, "windows of %s begin beyond the image %s", ShapeText(pooled).text, ShapeText(image).text);
  }
  return Status::ok();
}

template <typename Instruction>
Status verifyMax(const Call& call) {
  const auto a = call.attributes<Instruction>();
  Status status = checkImages<Instruction>(call);
  if (status.isOk()) status = checkRanges(call, {{"dh", a.dh, 1, kMaxStep}, {"dw", a.dw, 1, kMaxStep}});
  return status.isOk() ? checkWindows<Instruction>(call) : status;
}

template <typename Instruction>
Status verifyAvg(const Call& call) {
  const auto a = call.attributes<Instruction>();
  Status status = checkImages<Instruction>(call);
  if (status.isOk()) status = checkRanges(call, {{"pb", a.pb, 0, kMaxStep}, {"pr", a.pr, 0, kMaxStep}});
  if (status.isOk()) status = checkRanges(call, {{"count_include_pad", a.countIncludePad, 0, 1}});
  return status.isOk() ? checkWindows<Instruction>(call) : status;
}

// body(row, offset of the row's first image row, offset of its output row, y) for this thread's rows of windows.
template <typename Body>
void eachRow(const Call& call, const Geometry& g, const Worker& worker, Body body) {
  PoolPairs pairs;
  const bool usesPairs = g.allowsPairs(*call.kernels);
  if (usesPairs) call.kernels->pool.preparePairs(g.c, &pairs);
  for (const int64_t r : worker.share(g.n * g.oh, g.rowsPerTile())) {
    const int64_t image = r / g.oh, y = r % g.oh;
    int64_t firstRow;
    PoolRow row = g.row(y, g.c, &firstRow);
    if (usesPairs) row.pairs = &pairs;
    body(row, image * g.imageSize() + firstRow * g.iw * g.c, r * g.ow * g.c, y);
  }
}

// The same for gradients, with dx set to zero first where windows do not write all of it: body(row, where its first image row is written,
// its offset, offset of the output row, y).
template <typename Body>
void eachGradientRow(const Call& call, const Geometry& g, const Worker& worker, float* dx, Body body) {
  PoolPairs pairs;
  const bool usesPairs = g.allowsPairs(*call.kernels) && g.isDisjoint();
  if (usesPairs) call.kernels->pool.preparePairs(g.c, &pairs);
  const int64_t block = g.channelBlock(), blocks = g.channelBlocks();
  for (const int64_t tile : worker.share(g.n * blocks)) {
    const int64_t image = tile / blocks, c = tile % blocks * block, channels = std::min(block, g.c - c);
    const int64_t at = image * g.imageSize() + c;
    if (!g.isTiling()) {
      const int64_t runs = channels == g.c ? 1 : g.ih * g.iw, run = channels == g.c ? g.imageSize() : channels;
      for (int64_t i = 0; i < runs; ++i) std::fill_n(dx + at + i * g.c, run, 0.0f);
    }
    for (int64_t y = 0; y < g.oh; ++y) {
      int64_t firstRow;
      PoolRow row = g.row(y, channels, &firstRow);
      if (usesPairs) row.pairs = &pairs;
      const int64_t in = at + firstRow * g.iw * g.c, out = image * g.pooledSize() + y * g.ow * g.c + c;
      if (g.hasBands() && row.rows > 0) {
        const GradientBand band = {call.kernels, worker.threadFloats(), row.rows, row.rowStep, g.iw, channels, g.c};
        band.clear();
        body(row, band.scratch, in, out, y);
        band.addTo(dx + in);
      } else {
        body(row, dx + in, in, out, y);
      }
    }
  }
}

Plan planMaxPool(const Call& call) {
  return planOf(call, geometryOf<MaxPool2d>(call).taps());
}

void runMaxPool(const Call& call, const Worker& worker) {
  const float* x = call.operands[MaxPool2d::x].f32();
  float* y = call.operands[MaxPool2d::y].f32();
  const auto kernel = call.kernels->pool.maxRow;
  eachRow(call, geometryOf<MaxPool2d>(call), worker,
          [=](const PoolRow& row, int64_t in, int64_t out, int64_t) { kernel(row, x + in, y + out); });
}

Status verifyMaxPoolGrad(const Call& call) {
  const Operand &x = call.operands[MaxPool2dGrad::x], &dx = call.operands[MaxPool2dGrad::dx];
  const int32_t reluMask = call.attributes<MaxPool2dGrad>().reluMask;
  if (!sameShape(x, dx)) return refuse(call, "dx %s must have x's shape %s", ShapeText(dx).text, ShapeText(x).text);
  Status status = checkRanges(call, {{"relu_mask", reluMask, 0, 1}});
  return status.isOk() ? verifyMax<MaxPool2dGrad>(call) : status;
}

Plan planMaxPoolGrad(const Call& call) {
  const auto g = geometryOf<MaxPool2dGrad>(call);
  Plan plan = planOf(call, 2 * g.taps());
  plan.threadScratch = g.bandBytes();
  return plan;
}

void runMaxPoolGrad(const Call& call, const Worker& worker) {
  const float *x = call.operands[MaxPool2dGrad::x].f32(), *dy = call.operands[MaxPool2dGrad::dy].f32();
  float* dx = call.operands[MaxPool2dGrad::dx].f32();
  const auto g = geometryOf<MaxPool2dGrad>(call);
  const bool reluMask = call.attributes<MaxPool2dGrad>().reluMask != 0, accumulate = !g.isDisjoint();
  const auto kernel = call.kernels->pool.maxGradRow;
  eachGradientRow(call, g, worker, dx, [=](const PoolRow& row, float* to, int64_t in, int64_t out, int64_t) {
    kernel(row, x + in, dy + out, to, reluMask, accumulate);
  });
}

Status verifyMaxPoolGather(const Call& call) {
  const Operand &x = call.operands[Gather::x], &t = call.operands[Gather::t];
  if (!sameShape(x, t)) return refuse(call, "t %s must have x's shape %s", ShapeText(t).text, ShapeText(x).text);
  return verifyMax<Gather>(call);
}

Plan planMaxPoolGather(const Call& call) {
  return planOf(call, 2 * geometryOf<Gather>(call).taps());
}

void runMaxPoolGather(const Call& call, const Worker& worker) {
  const float *x = call.operands[Gather::x].f32(), *t = call.operands[Gather::t].f32();
  float* y = call.operands[Gather::y].f32();
  const auto kernel = call.kernels->pool.maxGatherRow;
  eachRow(call, geometryOf<Gather>(call), worker,
          [=](const PoolRow& row, int64_t in, int64_t out, int64_t) { kernel(row, x + in, t + in, y + out); });
}

Plan planAvgPool(const Call& call) {
  return planOf(call, geometryOf<AvgPool2d>(call).taps());
}

void runAvgPool(const Call& call, const Worker& worker) {
  const auto g = geometryOf<AvgPool2d>(call);
  const float* x = call.operands[AvgPool2d::x].f32();
  float* y = call.operands[AvgPool2d::y].f32();
  const auto kernel = call.kernels->pool.avgRow;
  eachRow(call, g, worker,
          [=, &g](const PoolRow& row, int64_t in, int64_t out, int64_t oy) { kernel(row, g.divisor(oy, row), x + in, y + out); });
}

Plan planAvgPoolGrad(const Call& call) {
  const auto g = geometryOf<AvgPool2dGrad>(call);
  Plan plan = planOf(call, g.taps());
  plan.threadScratch = g.bandBytes();
  return plan;
}

void runAvgPoolGrad(const Call& call, const Worker& worker) {
  const auto g = geometryOf<AvgPool2dGrad>(call);
  const float* dy = call.operands[AvgPool2dGrad::dy].f32();
  float* dx = call.operands[AvgPool2dGrad::dx].f32();
  const auto kernel = call.kernels->pool.avgGradRow;
  eachGradientRow(call, g, worker, dx, [=, &g](const PoolRow& row, float* to, int64_t, int64_t out, int64_t oy) {
    kernel(row, g.divisor(oy, row), dy + out, to, !g.isDisjoint());
  });
}

}  // namespace

extern const Op kMaxPool2dOp, kMaxPool2dGradOp, kMaxPool2dGatherOp, kAvgPool2dOp, kAvgPool2dGradOp;
const Op kMaxPool2dOp = {verifyMax<MaxPool2d>, planMaxPool, runMaxPool};
const Op kMaxPool2dGradOp = {verifyMaxPoolGrad, planMaxPoolGrad, runMaxPoolGrad};
const Op kMaxPool2dGatherOp = {verifyMaxPoolGather, planMaxPoolGather, runMaxPoolGather};
const Op kAvgPool2dOp = {verifyAvg<AvgPool2d>, planAvgPool, runAvgPool};
const Op kAvgPool2dGradOp = {verifyAvg<AvgPool2dGrad>, planAvgPoolGrad, runAvgPoolGrad};

}  // namespace stridenet
