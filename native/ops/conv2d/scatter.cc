// conv2d_grad_input by scattering, for few input channels.
//
// Where the direct algorithm gathers (each pixel of dx sums over the dy pixels that it fed), this one multiplies every dy pixel by the
// whole weight, dy [pixels, oc] x weight [oc, kh * kw * ic], and adds each row of the result to the window of dx that it came from. Its
// lanes are all kh * kw * ic columns, not the ic of one tap, and no stride makes it waste taps. The packed weight is that of the matrix.
#include "native/ops/conv2d/instruction.h"

namespace stridenet {

namespace {

constexpr int64_t kBlockLines = 32;
constexpr int64_t kWindowNumbers = 256 * 1024;
// The products of this many pixels are held at a time, so that they stay in the first-level cache.
constexpr int64_t kPixels = 24;

// Tasks are blocks of dx lines of one image. A block accumulates in a window of scratch that is wide enough for all of dy's taps, from
// which the columns of the image are copied at the end; dy lines at a block's border are multiplied by each block that they touch.
struct ScatterShape {
  int64_t columns;        // kh * kw * ic
  int64_t productStride;  // from one row of the product to the next; whole vectors, so that rows are aligned
  int64_t blocksPerImage, linesPerBlock;
  int64_t windowColumns;
  int64_t dyLines;  // lines of dy per product

  ScatterShape(const Conv2dShape& s, const KernelTable& kernels)
      : columns(s.kh * s.kw * s.ic), productStride(roundUp(columns, kernels.lanes)) {
    const int64_t reach = (s.ow - 1) * s.sw + s.kw;
    windowColumns = reach > s.pl + s.iw ? reach : s.pl + s.iw;
    int64_t lines = kWindowNumbers / (windowColumns * s.ic);
    lines = lines < 1 ? 1 : lines > kBlockLines ? kBlockLines : lines;
    blocksPerImage = ceilDiv(s.ih, lines);
    linesPerBlock = ceilDiv(s.ih, blocksPerImage);
    dyLines = s.ow < kPixels ? kPixels / s.ow : 1;
  }
  size_t tableBytes(const Conv2dShape& s) const { return scratchBytes(RowTable::bytes(1, dyLines * s.ow)); }
  size_t productBytes(const Conv2dShape& s) const { return scratchBytes(floatBytes(dyLines * s.ow * productStride)); }
  size_t windowBytes(const Conv2dShape& s) const { return scratchBytes(floatBytes(linesPerBlock * windowColumns * s.ic)); }
};

// Whether scattering saves more than a little of what gathering costs.
bool isOffered(const Conv2dShape& s, const KernelTable& kernels) {
  // In vector multiply-adds for each pixel of dy.
  auto vectors = [&](int64_t columns) { return static_cast<double>(ceilDiv(columns, kernels.lanes)); };
  const WorkNumbers& costs = kernels.costs.work;
  const double gather = static_cast<double>(s.kh * s.kw) * static_cast<double>(s.oc) * vectors(s.ic);
  const double scatter = static_cast<double>(s.oc) * vectors(s.kh * s.kw * s.ic) +
                         costs[Work::scatterAddition] / costs[Work::product] * static_cast<double>(s.kh) * vectors(s.kw * s.ic);
  return scatter < 0.8 * gather;
}

Status fits(const Call& call, const Conv2dShape& s) {
  if (s.isForward() || s.widen > 1 || s.groups > 1 || s.dw > 1) {
    return refuse(call, "can scatter only an input gradient with one group, horizontal dilation 1 and widen 1");
  }
  return Status::ok();
}

int64_t packedLength(const Conv2dShape& s, const KernelTable& kernels) {
  return packedMatmulLength(s.oc, s.kh * s.kw * s.ic, kernels);
}

void pack(const Call& call, const Conv2dShape& s, const Worker& worker) {
  const PackOperands operands(call);
  const PlainMatrix matrix = {operands.weight, s.oc, s.kh * s.kw * s.ic, false};
  for (const int64_t unit : worker.share(packUnits(matrix, *call.kernels))) packMatrix(matrix, *call.kernels, unit, operands.packed);
}

Plan plan(const Call& call, const Conv2dShape& s) {
  const ScatterShape scatter(s, *call.kernels);
  const double pixels = static_cast<double>(s.n) * static_cast<double>(s.oh * s.ow);
  Plan result = planOf(call, 0);
  addProducts(&result, Panels(*call.kernels, scatter.columns), pixels, static_cast<double>(s.oc));
  result.add(Work::scatterAddition, pixels * static_cast<double>(s.kh * ceilDiv(s.kw * s.ic, call.kernels->lanes)));
  result.threadScratch = scatter.tableBytes(s) + scatter.productBytes(s) + scatter.windowBytes(s);
  return result;
}

void run(const Call& call, const Conv2dShape& s, const Worker& worker) {
  const ScatterShape scatter(s, *call.kernels);
  const ConvOperands operands(call);
  ScratchCursor cursor(worker.threadScratch);
  RowTable table(cursor.takeBytes(scatter.tableBytes(s)), 1, scatter.dyLines * s.ow, false);
  float* product = static_cast<float*>(cursor.takeBytes(scatter.productBytes(s)));
  float* window = static_cast<float*>(cursor.takeBytes(scatter.windowBytes(s)));
  for (int64_t r = 0; r < table.pitch; ++r) {
    table.a[r] = operands.source + r * s.oc;
    table.c[r] = product + r * scatter.productStride;
  }
  const PanelProduct panelProduct = {call.kernels,    Panels(*call.kernels, scatter.columns), operands.packed, 1, s.oc, nullptr,
                                     Activation::none};
  const int64_t pitch = scatter.windowColumns * s.ic;

  for (const int64_t block : worker.share(s.n * scatter.blocksPerImage)) {
    const int64_t image = block / scatter.blocksPerImage, part = block % scatter.blocksPerImage;
    const int64_t line = part * s.ih / scatter.blocksPerImage, endLine = (part + 1) * s.ih / scatter.blocksPerImage;
    std::memset(window, 0, floatBytes((endLine - line) * pitch));
    // Line p of dy adds to the lines p * sh - pt + i * dh of dx.
    const int64_t lowest = line + s.pt - (s.kh - 1) * s.dh;
    const int64_t firstLine = lowest <= 0 ? 0 : ceilDiv(lowest, s.sh), lastLine = (endLine - 1 + s.pt) / s.sh;
    const int64_t endDyLine = lastLine + 1 < s.oh ? lastLine + 1 : s.oh;
    for (int64_t p = firstLine; p < endDyLine; p += scatter.dyLines) {
      const int64_t lines = endDyLine - p < scatter.dyLines ? endDyLine - p : scatter.dyLines;
      table.count = lines * s.ow;
      table.aOffset = (image * s.oh + p) * s.ow * s.oc;
      for (int64_t panel = 0; panel < panelProduct.panels.count; ++panel) multiplyPanel(panelProduct, table, panel, 0, 0, {0, panel + 1});
      for (int64_t q = 0; q < lines; ++q) {
        // Kernel lines whose dx line belongs to this block.
        const int64_t top = (p + q) * s.sh - s.pt;
        const int64_t firstTap = top >= line ? 0 : ceilDiv(line - top, s.dh);
        const int64_t taps = top >= endLine ? 0 : ceilDiv(endLine - top, s.dh);
        const int64_t endTap = taps < s.kh ? taps : s.kh;
        if (firstTap >= endTap) continue;
        call.kernels->gemm.addWindows(product + q * s.ow * scatter.productStride + firstTap * s.kw * s.ic, s.kw * s.ic,
                                      scatter.productStride, window + (top + firstTap * s.dh - line) * pitch, s.dh * pitch, s.sw * s.ic,
                                      endTap - firstTap, s.ow, s.kw * s.ic);
      }
    }
    for (int64_t h = line; h < endLine; ++h) {
      std::memcpy(operands.destination + (image * s.ih + h) * s.iw * s.ic, window + (h - line) * pitch + s.pl * s.ic,
                  floatBytes(s.iw * s.ic));
    }
  }
}

}  // namespace

extern const ConvAlgorithm kScatter;
const ConvAlgorithm kScatter = {.name = Algorithm::scatter,
                                .sumsProducts = true,
                                .fits = fits,
                                .isOffered = isOffered,
                                .packedLength = packedLength,
                                .planPack = planPlainPack,
                                .pack = pack,
                                .plan = plan,
                                .run = run};

}  // namespace stridenet
