// conv2d, conv2d_max_pool2d and conv2d_grad_input with images in the lanes: see hwcn.h.
#include "native/ops/conv2d/hwcn.h"

namespace stridenet {

namespace {

// Of a window of source lines; beside it a line of results and the weights stay in the second-level cache.
constexpr int64_t kWindowBytes = 256 * 1024;
constexpr double kLargestWindow = 256.0 * 1024 * 1024;
// Bands that all groups are cut into at least, if they have the lines.
constexpr int64_t kLeastBands = 16;

struct HwcnBuffers {
  const float *packed, *bias = nullptr;
  float *source, *add = nullptr, *dst, *position = nullptr;

  explicit HwcnBuffers(const Call& call) : packed(call.operands[1].f32()), source(call.operands[0].f32()) {
    const Operand* operands = call.operands;
    if (call.opcode == Opcode::conv2d_grad_input) {
      dst = operands[2].f32();
    } else if (call.opcode == Opcode::conv2d_max_pool2d) {
      bias = operands[2].f32(), dst = operands[3].f32(), position = operands[4].f32();
    } else {
      bias = operands[2].f32(), add = operands[3].f32(), dst = operands[4].f32();
    }
  }
};

SubConvolution wholeConvolution(const Conv2dShape& s) {
  return subConvolution(s, 0, 0);
}

// Calls visit(first, count) for the tiles of a line of pixels.
template <typename Visit>
void forEachTile(int64_t pixels, int64_t longest, const Visit& visit) {
  for (int64_t q = 0; q < pixels;) {
    while (longest > pixels - q) longest /= 2;
    visit(q, longest);
    q += longest;
  }
}

// Into how many stripes images are cut. Positions lie in memory as images do in lanes.
int64_t chooseStripes(const Call& call, const Conv2dShape& s, const SubConvolution& sub) {
  const int64_t lanes = call.kernels->lanes, height = s.dstH() / s.poolH;
  if (s.n % lanes == 0 || (call.opcode == Opcode::conv2d_max_pool2d && call.operands[4].present())) return 1;
  const int64_t perLine = s.poolH * s.dstW() * s.dstC() * s.kh * s.kw * s.srcC();
  const int64_t perSourceLine = kHwcnTransposeCost * ((sub.w.positions - 1) * sub.w.srcStep + sub.w.taps) * s.srcC();
  int64_t best = 1, least = INT64_MAX;
  for (int64_t stripes = 1; stripes <= lanes && stripes <= height; ++stripes) {
    const int64_t lines = ceilDiv(height, stripes);
    const int64_t sourceLines = (lines * s.poolH - 1) * sub.h.srcStep + (sub.h.taps - 1) * sub.h.tapStep + 1;
    const int64_t cost = ceilDiv(s.n * stripes, lanes) * (lines * perLine + sourceLines * perSourceLine);
    if (cost < least) best = stripes, least = cost;
  }
  return best;
}

// Vector multiply-adds of a line of one channel block and source channel, for one kernel line.
int64_t tapsOfLine(const Conv2dShape& s, const Axis& w, int64_t longest) {
  int64_t taps = 0;
  forEachTile(w.positions, longest, [&](int64_t q, int64_t count) { taps += count * TapRange(w, q, count, s.srcW()).count(); });
  return taps;
}

}  // namespace

Status checkHwcn(const Call& call, const Conv2dShape& s) {
  if (!s.isHwcn()) return Status::ok();
  if (s.groups > 1 || s.dw > 1 || s.widen > 1 || (!s.isForward() && (s.sh > 1 || s.sw > 1))) {
    return refuse(call, "can use the algorithm hwcn only with one group, horizontal dilation 1 and widen 1, and for a gradient stride 1");
  }
  if (s.n == 0) return Status::ok();  // conv2d_pack
  const SubConvolution sub = wholeConvolution(s);
  const HwcnBands bands(*call.kernels, s.n, s.srcC(), sub.h, sub.w, s.poolH);
  if (static_cast<double>(bands.windowLines) * static_cast<double>(bands.pitch()) * sizeof(float) > kLargestWindow) {
    return refuse(call, "needs a window of more than 256 MiB for one line of %s with the algorithm hwcn", ShapeText(call.operands[0]).text);
  }
  return Status::ok();
}

HwcnBands::HwcnBands(const KernelTable& kernels, int64_t imageCount, int64_t channelCount, const Axis& h, const Axis& w, int64_t poolH,
                     int64_t stripeCount)
    : HwcnGroups(kernels, imageCount, h.positions / poolH, stripeCount),
      windowColumns((w.positions - 1) * w.srcStep + w.taps),
      channels(channelCount) {
  const int64_t step = poolH * h.srcStep, span = (poolH - 1) * h.srcStep + (h.taps - 1) * h.tapStep + 1;
  const int64_t most = kWindowBytes / (pitch() * static_cast<int64_t>(sizeof(float)));
  const int64_t largest = most <= span ? 1 : (most - span) / step + 1;
  const int64_t wanted = ceilDiv(kLeastBands, groups);
  perGroup = ceilDiv(lines, largest);
  if (perGroup < wanted) perGroup = wanted < lines ? wanted : lines;
  windowLines = (ceilDiv(lines, perGroup) - 1) * step + span;
}

HwcnImages::HwcnImages(const KernelTable& kernels, const HwcnGroups& bands, int64_t band, float* images, int64_t height, int64_t width,
                       int64_t channels, int64_t stripeLines)
    : kernels_(kernels), lanes_(bands.lanes), height_(height), width_(width), channels_(channels) {
  const int64_t first = band / bands.perGroup * bands.lanes;
  for (int64_t i = 0; i < lanes_; ++i) {
    const int64_t image = (first + i) / bands.stripes;
    image_[i] = images != nullptr && image < bands.images ? images + image * height * width * channels : nullptr;
    first_[i] = (first + i) % bands.stripes * stripeLines;
  }
}

bool HwcnImages::rows(int64_t line, int64_t column, float** rows) const {
  bool any = false;
  for (int64_t i = 0; i < lanes_; ++i) {
    const int64_t h = first_[i] + line;
    const bool exists = image_[i] != nullptr && h >= 0 && h < height_;
    rows[i] = exists ? image_[i] + (h * width_ + column) * channels_ : nullptr;
    any = any || exists;
  }
  return any;
}

void HwcnImages::read(int64_t line, int64_t lines, int64_t column, int64_t columns, float* to) const {
  const int64_t pixel = channels_ * lanes_;
  auto clip = [](int64_t x, int64_t most) { return x < 0 ? 0 : x > most ? most : x; };
  const int64_t before = clip(-column, columns), inside = clip(width_ - column, columns) - before, end = before + inside;
  float* pixels[kHwcnImageBlock];
  for (int64_t h = line; h < line + lines; ++h, to += columns * pixel) {
    if (inside <= 0 || !rows(h, column + before, pixels)) {
      std::memset(to, 0, static_cast<size_t>(columns * pixel) * sizeof(float));
      continue;
    }
    std::memset(to, 0, static_cast<size_t>(before * pixel) * sizeof(float));
    kernels_.hwcn.interleave(pixels, inside * channels_, to + before * pixel);
    std::memset(to + end * pixel, 0, static_cast<size_t>((columns - end) * pixel) * sizeof(float));
  }
}

void HwcnImages::write(const float* from, int64_t line) const {
  float* pixels[kHwcnImageBlock];
  if (rows(line, 0, pixels)) kernels_.hwcn.deinterleave(from, width_ * channels_, pixels);
}

int64_t packedHwcnLength(const Conv2dShape& s) {
  const double estimate = static_cast<double>(s.kh) * static_cast<double>(s.kw) * static_cast<double>(s.ic) * static_cast<double>(s.oc);
  return estimate > kLargestPacked ? 0 : s.kh * s.kw * s.ic * s.oc;
}

void packHwcn(const Call& call, const Conv2dShape& s, const Worker& worker) {
  const SubConvolution sub = wholeConvolution(s);
  const ChannelBlocks blocks(s.dstC(), call.kernels->hwcn.channels);
  const int64_t stride = s.kh * s.kw * s.ic;  // between output channels of the weight
  const PackOperands operands(call);
  int64_t begin, end;
  worker.range(blocks.count * s.kh * s.kw, &begin, &end);
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t block = unit / (s.kh * s.kw), tap = unit % (s.kh * s.kw);
    const int64_t kernelH = sub.h.kernel + tap / s.kw * sub.h.kernelStep, kernelW = sub.w.kernel + tap % s.kw * sub.w.kernelStep;
    const int64_t channel = blocks.first(block), size = blocks.size(block);
    const float* source = operands.weight + (kernelH * s.kw + kernelW) * s.ic;
    float* target = operands.packed + channel * s.kh * s.kw * s.srcC() + tap * s.srcC() * size;
    if (s.isForward()) {
      call.kernels->layout.transposeScaled(source + channel * stride, stride, target, size, size, s.ic, operands.scaleOf(channel));
    } else {
      for (int64_t o = 0; o < s.oc; ++o)
        std::memcpy(target + o * size, source + o * stride + channel, static_cast<size_t>(size) * sizeof(float));
    }
  }
}

Plan planHwcn(const Call& call, const Conv2dShape& s) {
  const KernelTable& kernels = *call.kernels;
  const SubConvolution sub = wholeConvolution(s);
  const HwcnBands bands(kernels, s.n, s.srcC(), sub.h, sub.w, s.poolH, chooseStripes(call, s, sub));
  const ChannelBlocks blocks(s.dstC(), kernels.hwcn.channels);
  int64_t kernelLines = bands.stripes > 1 ? bands.lines * s.poolH * sub.h.taps : 0;
  for (int64_t h = 0; bands.stripes == 1 && h < sub.h.positions; ++h) kernelLines += TapRange(sub.h, h, 1, s.srcH()).count();
  const int64_t taps = tapsOfLine(s, sub.w, kernels.hwcn.pixels[blocks.size(0)]);
  const int64_t read = bands.perGroup * bands.windowLines * bands.windowColumns * s.srcC();
  const bool isSum = call.opcode == Opcode::conv2d && call.operands[3].present();
  const int64_t written = bands.lines * (s.dstW() / s.poolW) * s.dstC() * (isSum ? 2 : 1);
  const double vectors =
      kHwcnMultiplyAddCost * static_cast<double>(kernelLines) * static_cast<double>(taps) * static_cast<double>(s.srcC() * s.dstC()) +
      static_cast<double>(kHwcnTransposeCost) * static_cast<double>(read + written);
  Plan plan = planOf(call, 2.0 * vectors * static_cast<double>(bands.groups * bands.lanes));
  plan.threadScratch = bands.windowBytes() + static_cast<size_t>(s.poolH * s.dstW() * s.dstC() * bands.lanes) * sizeof(float);
  return plan;
}

void runHwcn(const Call& call, const Conv2dShape& s, const Worker& worker) {
  const KernelTable& kernels = *call.kernels;
  const HwcnBuffers buffers(call);

  const SubConvolution sub = wholeConvolution(s);
  const HwcnBands bands(kernels, s.n, s.srcC(), sub.h, sub.w, s.poolH, chooseStripes(call, s, sub));
  const ChannelBlocks blocks(s.dstC(), kernels.hwcn.channels);
  const int64_t lanes = bands.lanes, lineStep = s.dstW() * s.dstC() * lanes;
  const int64_t dstHeight = s.dstH() / s.poolH, dstWidth = s.dstW() / s.poolW;
  ScratchCursor cursor(worker.threadScratch);
  float* window = static_cast<float*>(cursor.takeBytes(bands.windowBytes()));
  float* results = static_cast<float*>(cursor.takeBytes(0));  // a line, or those that are pooled to one

  HwcnTile tile = {};
  tile.xPixel = sub.w.srcStep * s.srcC() * lanes;
  tile.xLine = sub.h.tapStep * bands.pitch();
  tile.yPixel = s.dstC() * lanes;
  tile.add = buffers.add != nullptr;
  tile.activation = s.activation;

  HwcnPool pool = {dstWidth, s.dstC(), s.poolH, s.poolW, results, lineStep, results, nullptr};

  auto computeLine = [&](int64_t tapH, int64_t tapsH, const float* lines, float* line) {
    tile.lines = tapsH;
    for (int64_t block = 0; block < blocks.count; ++block) {
      const int64_t channel = blocks.first(block), size = blocks.size(block), perTap = s.srcC() * size;
      const float* weight = buffers.packed + channel * s.kh * s.kw * s.srcC() + tapH * s.kw * perTap;
      tile.weightLine = s.kw * perTap;
      tile.bias = buffers.bias == nullptr ? nullptr : buffers.bias + channel;
      forEachTile(sub.w.positions, kernels.hwcn.pixels[size], [&](int64_t q, int64_t count) {
        const TapRange taps(sub.w, q, count, s.srcW());
        tile.length = taps.count() * s.srcC();
        tile.x = lines + (q * sub.w.srcStep + taps.begin) * s.srcC() * lanes;
        tile.weight = weight + taps.begin * perTap;
        tile.y = line + (q * s.dstC() + channel) * lanes;
        kernels.hwcn.tile[count][size](tile);
      });
    }
  };

  int64_t begin, end;
  worker.range(bands.count(), &begin, &end);
  for (int64_t band = begin; band < end; ++band) {
    const int64_t first = bands.firstLine(band), stripe = bands.lines * s.poolH * sub.h.srcStep;
    const HwcnImages sources(kernels, bands, band, buffers.source, s.srcH(), s.srcW(), s.srcC(), stripe);
    const HwcnImages addends(kernels, bands, band, buffers.add, dstHeight, dstWidth, s.dstC(), bands.lines);
    const HwcnImages destinations(kernels, bands, band, buffers.dst, dstHeight, dstWidth, s.dstC(), bands.lines);
    const int64_t top = first * s.poolH * sub.h.srcStep + sub.h.src;
    const int64_t lines = ((bands.endLine(band) - first) * s.poolH - 1) * sub.h.srcStep + (sub.h.taps - 1) * sub.h.tapStep + 1;
    sources.read(top, lines, sub.w.src, bands.windowColumns, window);
    for (int64_t line = first; line < bands.endLine(band); ++line) {
      if (buffers.add != nullptr) addends.read(line, 1, 0, dstWidth, results);
      for (int64_t i = 0; i < s.poolH; ++i) {
        const int64_t h = line * s.poolH + i;
        // Stripes differ in what lies beyond the image.
        const TapRange linesH(sub.h, h, 1, s.srcH());
        const int64_t tap = bands.stripes > 1 ? 0 : linesH.begin, taps = bands.stripes > 1 ? sub.h.taps : linesH.count();
        const int64_t source = h * sub.h.srcStep + sub.h.src + tap * sub.h.tapStep;
        computeLine(tap, taps, window + (source - top) * bands.pitch(), results + i * lineStep);
      }
      if (s.isPooled()) {
        if (buffers.position != nullptr) pool.position = hwcnPositions(buffers.position, s, bands.firstImage(band), line);
        kernels.hwcn.maxPool(pool, s.activation == Activation::relu);
      }
      destinations.write(results, line);
    }
  }
}

}  // namespace stridenet
