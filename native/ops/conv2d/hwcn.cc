// conv2d, conv2d_max_pool2d and conv2d_grad_input with images in the lanes: see hwcn.h.
#include "native/ops/conv2d/hwcn.h"

#include <limits>

namespace stridenet {

namespace {

// The most bytes of source lines that are kept at a time. This leaves room in the second-level cache for a line of
// results and the weights.
constexpr int64_t kWindowBytes = 256 * 1024;
constexpr double kLargestWindow = 256.0 * 1024 * 1024;
// All groups together are cut into at least this many bands, if they have enough lines.
constexpr int64_t kLeastBands = 16;

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

// Into how many stripes images are cut. Where positions of maxima are stored they are not cut, because positions lie in
// memory as images lie in lanes.
int64_t chooseStripes(const Call& call, const Conv2dShape& s, const SubConvolution& sub) {
  const int64_t lanes = call.kernels->lanes, height = s.dstH() / s.poolH;
  if (s.n % lanes == 0 || (call.opcode == Opcode::conv2d_max_pool2d && call.operands[Conv2dMaxPool2d::position].present())) return 1;
  const WorkNumbers& costs = call.kernels->costs.work;
  const double perLine = costs[Work::hwcnProduct] * static_cast<double>(s.poolH * s.dstW() * s.dstC() * s.kh * s.kw * s.srcC());
  const double sourceLine = static_cast<double>(((sub.w.positions - 1) * sub.w.srcStep + sub.w.taps) * s.srcC());
  const double perSourceLine = costs[Work::hwcnTranspose] * sourceLine;
  int64_t best = 1;
  double least = std::numeric_limits<double>::infinity();
  for (int64_t stripes = 1; stripes <= lanes && stripes <= height; ++stripes) {
    const int64_t lines = ceilDiv(height, stripes);
    const int64_t sourceLines = (lines * s.poolH - 1) * sub.h.srcStep + (sub.h.taps - 1) * sub.h.tapStep + 1;
    const double perGroup = static_cast<double>(lines) * perLine + static_cast<double>(sourceLines) * perSourceLine;
    const double cost = static_cast<double>(ceilDiv(s.n * stripes, lanes)) * perGroup;
    if (cost < least) best = stripes, least = cost;
  }
  return best;
}

// How many vector multiply-adds one line takes, for one channel block, source channel and kernel line.
int64_t tapsOfLine(const Conv2dShape& s, const Axis& w, int64_t longest) {
  int64_t taps = 0;
  forEachTile(w.positions, longest, [&](int64_t q, int64_t count) { taps += count * TapRange(w, q, count, s.srcW()).count(); });
  return taps;
}

int64_t packedLength(const Conv2dShape& s, const KernelTable&) {
  const double estimate = static_cast<double>(s.kh) * static_cast<double>(s.kw) * static_cast<double>(s.ic) * static_cast<double>(s.oc);
  return estimate > kLargestPacked ? 0 : s.kh * s.kw * s.ic * s.oc;
}

void pack(const Call& call, const Conv2dShape& s, const Worker& worker) {
  const SubConvolution sub = wholeConvolution(s);
  const ChannelBlocks blocks(s.dstC(), call.kernels->tiles.hwcn.channels);
  const int64_t stride = s.kh * s.kw * s.ic;  // between output channels of the weight
  const PackOperands operands(call);
  for (const int64_t unit : worker.share(blocks.count * s.kh * s.kw)) {
    const int64_t block = unit / (s.kh * s.kw), tap = unit % (s.kh * s.kw);
    const int64_t kernelH = sub.h.kernel + tap / s.kw * sub.h.kernelStep, kernelW = sub.w.kernel + tap % s.kw * sub.w.kernelStep;
    const int64_t channel = blocks.first(block), size = blocks.size(block);
    const float* source = operands.weight + (kernelH * s.kw + kernelW) * s.ic;
    float* target = operands.packed + channel * s.kh * s.kw * s.srcC() + tap * s.srcC() * size;
    if (s.isForward()) {
      call.kernels->layout.transposeScaled(source + channel * stride, stride, target, size, size, s.ic, operands.scaleOf(channel));
    } else {
      for (int64_t o = 0; o < s.oc; ++o) std::memcpy(target + o * size, source + o * stride + channel, floatBytes(size));
    }
  }
}

Plan plan(const Call& call, const Conv2dShape& s) {
  const KernelTable& kernels = *call.kernels;
  const SubConvolution sub = wholeConvolution(s);
  const HwcnBands bands(kernels, s.n, s.srcC(), sub.h, sub.w, s.poolH, chooseStripes(call, s, sub));
  const ChannelBlocks blocks(s.dstC(), kernels.tiles.hwcn.channels);
  int64_t kernelLines = bands.stripes > 1 ? bands.lines * s.poolH * sub.h.taps : 0;
  for (int64_t h = 0; bands.stripes == 1 && h < sub.h.positions; ++h) kernelLines += TapRange(sub.h, h, 1, s.srcH()).count();
  const int64_t taps = tapsOfLine(s, sub.w, kernels.tiles.hwcn.pixels[blocks.size(0)]);
  const int64_t read = bands.perGroup * bands.windowLines * bands.windowColumns * s.srcC();
  const bool isSum = call.opcode == Opcode::conv2d && call.operands[Conv2d::add].present();
  const int64_t written = bands.lines * (s.dstW() / s.poolW) * s.dstC() * (isSum ? 2 : 1);
  const double groups = static_cast<double>(bands.groups);
  Plan result = planOf(call, 0);
  result.add(Work::hwcnProduct, groups * static_cast<double>(kernelLines * taps) * static_cast<double>(s.srcC() * s.dstC()));
  result.add(Work::hwcnTranspose, groups * static_cast<double>(read + written));
  result.threadScratch = bands.windowBytes() + floatBytes(s.poolH * s.dstW() * s.dstC() * bands.lanes);
  return result;
}

// Computes the bands of one thread.
class HwcnRun {
 public:
  HwcnRun(const Call& call, const Conv2dShape& shape, const Worker& worker)
      : s_(shape),
        kernels_(*call.kernels),
        operands_(call),
        sub_(wholeConvolution(shape)),
        bands_(kernels_, s_.n, s_.srcC(), sub_.h, sub_.w, s_.poolH, chooseStripes(call, s_, sub_)),
        blocks_(s_.dstC(), kernels_.tiles.hwcn.channels),
        lineStep_(s_.dstW() * s_.dstC() * bands_.lanes) {
    ScratchCursor cursor(worker.threadScratch);
    window_ = static_cast<float*>(cursor.takeBytes(bands_.windowBytes()));
    results_ = static_cast<float*>(cursor.takeBytes(0));
    tile_.xPixel = sub_.w.srcStep * s_.srcC() * bands_.lanes;
    tile_.xLine = sub_.h.tapStep * bands_.pitch();
    tile_.yPixel = s_.dstC() * bands_.lanes;
    tile_.add = operands_.add != nullptr;
    tile_.activation = s_.activation;
  }

  int64_t bands() const { return bands_.count(); }

  void run(int64_t band) {
    const int64_t first = bands_.firstLine(band), stripe = bands_.lines * s_.poolH * sub_.h.srcStep;
    const int64_t dstHeight = s_.dstH() / s_.poolH, dstWidth = s_.dstW() / s_.poolW;
    const HwcnImages sources(kernels_, bands_, band, operands_.source, s_.srcH(), s_.srcW(), s_.srcC(), stripe);
    const HwcnImages addends(kernels_, bands_, band, operands_.add, dstHeight, dstWidth, s_.dstC(), bands_.lines);
    const HwcnImages destinations(kernels_, bands_, band, operands_.destination, dstHeight, dstWidth, s_.dstC(), bands_.lines);
    const int64_t top = first * s_.poolH * sub_.h.srcStep + sub_.h.src;
    const int64_t lines = ((bands_.endLine(band) - first) * s_.poolH - 1) * sub_.h.srcStep + (sub_.h.taps - 1) * sub_.h.tapStep + 1;
    sources.read(top, lines, sub_.w.src, bands_.windowColumns, window_);
    for (int64_t line = first; line < bands_.endLine(band); ++line) {
      if (operands_.add != nullptr) addends.read(line, 1, 0, dstWidth, results_);
      for (int64_t i = 0; i < s_.poolH; ++i) computeLine(line * s_.poolH + i, top, results_ + i * lineStep_);
      if (s_.isPooled()) pool(bands_.firstImage(band), line, dstWidth);
      destinations.write(results_, line);
    }
  }

 private:
  // Computes line h of the convolution's result. The window begins at source line `top`.
  void computeLine(int64_t h, int64_t top, float* line) {
    // With stripes, lanes differ in which lines lie outside the image, so no line may be left out.
    const TapRange inside(sub_.h, h, 1, s_.srcH());
    const int64_t tap = bands_.stripes > 1 ? 0 : inside.begin;
    const int64_t source = h * sub_.h.srcStep + sub_.h.src + tap * sub_.h.tapStep;
    const float* lines = window_ + (source - top) * bands_.pitch();
    tile_.lines = bands_.stripes > 1 ? sub_.h.taps : inside.count();
    for (int64_t block = 0; block < blocks_.count; ++block) {
      const int64_t channel = blocks_.first(block), size = blocks_.size(block), perTap = s_.srcC() * size;
      const float* weight = operands_.packed + channel * s_.kh * s_.kw * s_.srcC() + tap * s_.kw * perTap;
      tile_.weightLine = s_.kw * perTap;
      tile_.bias = operands_.bias == nullptr ? nullptr : operands_.bias + channel;
      forEachTile(sub_.w.positions, kernels_.tiles.hwcn.pixels[size], [&](int64_t q, int64_t count) {
        const TapRange taps(sub_.w, q, count, s_.srcW());
        tile_.length = taps.count() * s_.srcC();
        tile_.x = lines + (q * sub_.w.srcStep + taps.begin) * s_.srcC() * bands_.lanes;
        tile_.weight = weight + taps.begin * perTap;
        tile_.y = line + (q * s_.dstC() + channel) * bands_.lanes;
        kernels_.hwcn.tile[count][size](tile_);
      });
    }
  }

  void pool(int64_t image, int64_t line, int64_t dstWidth) const {
    float* position = operands_.position == nullptr ? nullptr : hwcnPositions(operands_.position, s_, image, line);
    kernels_.hwcn.maxPool({dstWidth, s_.dstC(), s_.poolH, s_.poolW, results_, lineStep_, results_, position},
                          s_.activation == Activation::relu);
  }

  const Conv2dShape& s_;
  const KernelTable& kernels_;
  const ConvOperands operands_;
  const SubConvolution sub_;
  const HwcnBands bands_;
  const ChannelBlocks blocks_;
  const int64_t lineStep_;  // numbers of a line of results
  float* window_;
  float* results_;  // one line, or the lines that are pooled to one
  HwcnTile tile_ = {};
};

void run(const Call& call, const Conv2dShape& s, const Worker& worker) {
  HwcnRun convolution(call, s, worker);
  for (const int64_t band : worker.share(convolution.bands())) convolution.run(band);
}

}  // namespace

Status fitsHwcn(const Call& call, const Conv2dShape& s) {
  if (s.groups > 1 || s.dw > 1 || s.widen > 1 || (!s.isForward() && (s.sh > 1 || s.sw > 1))) {
    return refuse(call, "can use the algorithm hwcn only with one group, horizontal dilation 1 and widen 1, and for a gradient stride 1");
  }
  if (!s.hasImages()) return Status::ok();
  const SubConvolution sub = wholeConvolution(s);
  const HwcnBands bands(*call.kernels, s.n, s.srcC(), sub.h, sub.w, s.poolH);
  if (static_cast<double>(bands.windowLines) * static_cast<double>(bands.pitch()) * sizeof(float) > kLargestWindow) {
    return refuse(call, "needs a window of more than 256 MiB for one line of %s with the algorithm hwcn",
                  ShapeText(call.operands[kImages]).text);
  }
  return Status::ok();
}

bool isHwcnOffered(const Conv2dShape& s, const KernelTable&) {
  // Rows of so many channels fill vectors by themselves; sources of a longer line, in as many images as there are lanes, do not stay in the
  // second-level cache.
  constexpr int64_t kWideEnough = 64, kLineNumbers = 8192;
  return s.dstC() < kWideEnough && s.srcC() * s.srcW() * s.kh <= kLineNumbers;
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
      std::memset(to, 0, floatBytes(columns * pixel));
      continue;
    }
    std::memset(to, 0, floatBytes(before * pixel));
    kernels_.hwcn.interleave(pixels, inside * channels_, to + before * pixel);
    std::memset(to + end * pixel, 0, floatBytes((columns - end) * pixel));
  }
}

void HwcnImages::write(const float* from, int64_t line) const {
  float* pixels[kHwcnImageBlock];
  if (rows(line, 0, pixels)) kernels_.hwcn.deinterleave(from, width_ * channels_, pixels);
}

extern const ConvAlgorithm kHwcn;
const ConvAlgorithm kHwcn = {.name = Algorithm::hwcn,
                             .sumsProducts = true,
                             .fits = fitsHwcn,
                             .isOffered = isHwcnOffered,
                             .packedLength = packedLength,
                             .planPack = planPlainPack,
                             .pack = pack,
                             .plan = plan,
                             .run = run};

}  // namespace stridenet
