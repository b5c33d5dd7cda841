// conv2d_grad_weight: dweight[o, i, j, c] = sum over pixels of dy[o] x[tap (i, j), c], and dbias[o] = sum of dy[o].
//
// Three forms of the product, each an algorithm of its name (Algorithm::productTaps and so on):
//   taps       rows o, columns c of one tap (i, j), summed over the pixels of dy whose tap lies inside the image: both operands are read
//              where they are. A partial result has the layout of dweight.
//   lines      the same, but columns (j, c) of one kernel line i, for few input channels.
//   outputs    rows (i, j, c), columns (u, o): u runs over `widen` neighbouring pixels, whose products lie beside each other until the
//              second phase shifts and adds them, so that few output channels still fill the lanes.
// A block is some lines of one image, or some images. Lines and outputs read a window of x that is copied to scratch if the image is
// padded.
#include "native/ops/conv2d/instruction.h"
#include "native/ops/rank_update.h"

namespace stridenet {

namespace {

constexpr int64_t kBlockBytes = 192 * 1024;
constexpr int64_t kMostWidened = 4;
constexpr double kLargestWindow = 256.0 * 1024 * 1024;

enum class Form { taps, lines, outputs };

// How the sum over the pixels of dy is cut into blocks.
struct GradWeightBlocks {
  Conv2dShape shape;
  Form form;
  int64_t widen;                                          // neighbouring pixels in the lanes; 1 but for outputs
  int64_t tapsW;                                          // taps of a kernel line, for all widened pixels together
  int64_t tapStep;                                        // source pixels between them
  bool isCopied;                                          // x is read outside the image, so windows are copied
  int64_t linesPerBlock, blocksPerImage, imagesPerBlock;  // one of the last two is 1
  int64_t windowRows, windowColumns;

  int64_t icGroup() const { return shape.ic / shape.groups; }
  int64_t ocGroup() const { return shape.oc / shape.groups; }
  int64_t pitch() const { return (isCopied ? windowColumns : shape.iw) * shape.ic; }
  size_t windowBytes() const { return isCopied ? scratchBytes(floatBytes(windowRows * windowColumns * shape.ic)) : 0; }
};

struct GradWeight : GradWeightBlocks {
  RankUpdate update;

  bool isDirect() const { return form != Form::outputs && update.chunks == 1; }
  size_t offsetBytes() const { return form == Form::outputs ? scratchBytes(static_cast<size_t>(update.rows) * sizeof(int64_t)) : 0; }
};

int64_t vectorsFor(const KernelTable& kernels, int64_t columns) {
  return ceilDiv(columns, kernels.lanes);
}

// Vector multiply-adds per pixel of dy.
double costOfTaps(const Conv2dShape& s, const KernelTable& kernels) {
  return static_cast<double>(s.oc * s.kh) * static_cast<double>(s.kw * vectorsFor(kernels, s.ic / s.groups));
}

double costOfLines(const Conv2dShape& s, const KernelTable& kernels) {
  return static_cast<double>(s.oc * s.kh) * static_cast<double>(vectorsFor(kernels, s.kw * s.ic));
}

double costOfOutputs(const Conv2dShape& s, const KernelTable& kernels, int64_t widen) {
  return static_cast<double>(s.kh * s.ic) * static_cast<double>(s.kw + (widen - 1) * s.sw) *
         static_cast<double>(vectorsFor(kernels, widen * (s.oc / s.groups))) / static_cast<double>(widen);
}

Form formOf(Algorithm algorithm) {
  return algorithm == Algorithm::productTaps ? Form::taps : algorithm == Algorithm::productLines ? Form::lines : Form::outputs;
}

// How many neighbouring pixels share the lanes of outputs: as many as waste fewest.
int64_t widenOf(const Conv2dShape& s, const KernelTable& kernels) {
  int64_t best = 1;
  for (int64_t widen = 2; widen <= kMostWidened; ++widen) {
    if (s.ow % widen != 0 || s.groups > 1 || s.dw > 1) continue;
    if (costOfOutputs(s, kernels, widen) < costOfOutputs(s, kernels, best)) best = widen;
  }
  return best;
}

// Lines join the taps of a kernel line, which lie side by side in an image without groups and horizontal dilation.
bool hasLines(const Conv2dShape& s) {
  return s.groups == 1 && s.dw == 1;
}

// Where a form reads every pixel by itself, a block need not end where a line or an image does: all pixels are lines of one image.
Conv2dShape joinPixels(Conv2dShape s) {
  if (s.kh == 1 && s.kw == 1 && s.sh == 1 && s.sw == 1 && s.oh == s.ih && s.ow == s.iw) {
    s.ih = s.oh = s.n * s.oh * s.ow;
    s.n = s.iw = s.ow = 1;
  }
  return s;
}

// Lines of dy of a block, or images where several fit.
void cutLines(GradWeightBlocks* grad) {
  const Conv2dShape& s = grad->shape;
  int64_t lines, images = 1;
  if (grad->form == Form::taps) {
    const int64_t read = (s.kh < s.sh ? s.kh : s.sh) * s.sw * s.ic;  // of x, for one pixel of dy
    lines = positionsPerBlock((s.oc + read) * static_cast<int64_t>(sizeof(float))) / s.ow;
    if (lines >= 2 * s.oh) images = lines / s.oh;
  } else {
    const double source = static_cast<double>(s.sh * grad->windowColumns) * static_cast<double>(s.ic);
    lines = static_cast<int64_t>(kBlockBytes / ((source + static_cast<double>(s.ow * s.oc)) * sizeof(float)));
  }
  lines = lines < 1 ? 1 : lines > s.oh ? s.oh : lines;
  grad->imagesPerBlock = images > s.n ? s.n : images;
  grad->blocksPerImage = ceilDiv(s.oh, lines);
  grad->linesPerBlock = ceilDiv(s.oh, grad->blocksPerImage);
  grad->windowRows = (grad->linesPerBlock - 1) * s.sh + (s.kh - 1) * s.dh + 1;
}

// The rank update that the form is, once blocks are cut.
RankUpdate updateOf(const Call& call, const GradWeightBlocks& grad) {
  const Conv2dShape& s = grad.shape;
  const int64_t icGroup = grad.icGroup(), ocGroup = grad.ocGroup(), blocks = ceilDiv(s.n, grad.imagesPerBlock) * grad.blocksPerImage;
  const int64_t sumSize = gradWeightOperands(call).hasBias ? grad.widen * s.oc : 0, pixels = s.n * s.oh * s.ow / grad.widen;
  const RankStrides x = {grad.widen * s.sw * s.ic, s.sh * grad.pitch(), s.ih * s.iw * s.ic};
  const RankStrides dy = {grad.widen * s.oc, s.ow * s.oc, s.oh * s.ow * s.oc};
  if (grad.form == Form::outputs) {
    const int64_t rows = s.kh * grad.tapsW * icGroup, columns = grad.widen * ocGroup, size = s.groups * rows * columns;
    RankUpdate update = {call.kernels, Panels(*call.kernels, columns), s.groups, rows, columns, size, sumSize, pixels, blocks};
    update.partition();
    update.a = x, update.b = dy;
    return update;
  }
  const bool isLines = grad.form == Form::lines;
  const int64_t columns = isLines ? s.kw * s.ic : icGroup, units = s.groups * s.kh * (isLines ? 1 : s.kw), cStride = s.kh * s.kw * icGroup;
  RankUpdate update = {call.kernels, Panels(*call.kernels, columns), units, ocGroup, cStride, s.oc * cStride, sumSize, pixels, blocks};
  update.partition();
  update.a = dy, update.b = x;
  return update;
}

GradWeightBlocks cutBlocks(const Conv2dShape& shape, const KernelTable& kernels) {
  const Form form = formOf(shape.algorithm);
  const int64_t widen = form == Form::outputs ? widenOf(shape, kernels) : 1;
  const Conv2dShape s = form == Form::taps ? joinPixels(shape) : shape;
  const int64_t spanH = (s.kh - 1) * s.dh + 1, windowColumns = (s.ow - 1) * s.sw + (s.kw - 1) * s.dw + 1;
  GradWeightBlocks grad = {};
  grad.shape = s;
  grad.form = form;
  grad.widen = widen;
  grad.tapsW = s.kw + (widen - 1) * s.sw;
  grad.tapStep = widen > 1 ? 1 : s.dw;
  grad.windowColumns = windowColumns;
  grad.isCopied = form != Form::taps && (s.pt > 0 || s.pl > 0 || (s.oh - 1) * s.sh + spanH > s.ih || windowColumns > s.iw);
  cutLines(&grad);
  return grad;
}

GradWeight describe(const Call& call, const Conv2dShape& shape) {
  const GradWeightBlocks blocks = cutBlocks(shape, *call.kernels);
  return {blocks, updateOf(call, blocks)};
}

// Distances from a pixel of x to the elements that the rows of a tile start at.
void fillRowOffsets(const GradWeight& grad, int64_t* offsets) {
  const Conv2dShape& s = grad.shape;
  for (int64_t i = 0; i < s.kh; ++i)
    for (int64_t t = 0; t < grad.tapsW; ++t)
      for (int64_t c = 0; c < grad.icGroup(); ++c) *offsets++ = i * s.dh * grad.pitch() + t * grad.tapStep * s.ic + c;
}

// The images and lines of dy that a block has.
struct BlockLines {
  int64_t image, images, line, lines;
  BlockLines(const GradWeight& grad, int64_t block) {
    const Conv2dShape& s = grad.shape;
    const int64_t group = block / grad.blocksPerImage, part = block % grad.blocksPerImage;
    image = group * grad.imagesPerBlock;
    images = s.n - image < grad.imagesPerBlock ? s.n - image : grad.imagesPerBlock;
    line = part * s.oh / grad.blocksPerImage;
    lines = (part + 1) * s.oh / grad.blocksPerImage - line;
  }
};

// The positions in [from, end) of an axis of dy that have source position p * stride + shift inside [0, extent).
struct Inside {
  int64_t from, count;
  Inside(int64_t begin, int64_t end, int64_t stride, int64_t shift, int64_t extent) {
    const int64_t least = shift < 0 ? ceilDiv(-shift, stride) : 0, most = extent > shift ? ceilDiv(extent - shift, stride) : 0;
    from = begin > least ? begin : least;
    count = (end < most ? end : most) - from;
    if (count < 0) count = 0;
  }
};

void accumulate(const Call& call, const GradWeight& grad, const Worker& worker, float* partials, float* sums) {
  const Conv2dShape& s = grad.shape;
  const GradWeightOperands operands = gradWeightOperands(call);
  const float *x = operands.x, *dy = operands.dy;
  ScratchCursor cursor(worker.threadScratch);
  int64_t* rowOffsets = static_cast<int64_t*>(cursor.takeBytes(grad.offsetBytes()));
  float* window = static_cast<float*>(cursor.takeBytes(grad.windowBytes()));
  RankUpdate update = grad.update;
  if (grad.form == Form::outputs) {
    fillRowOffsets(grad, rowOffsets);
    update.rowOffsets = rowOffsets;
  }

  auto sourceOf = [&](const BlockLines& at) { return x + at.image * s.ih * s.iw * s.ic + at.line * s.sh * s.iw * s.ic; };
  auto gradientOf = [&](const BlockLines& at) { return dy + (at.image * s.oh + at.line) * s.ow * s.oc; };
  auto blockAt = [&](int64_t block) {
    const BlockLines at(grad, block);
    const float *source = sourceOf(at), *gradient = gradientOf(at);
    if (grad.isCopied) {
      const int64_t rows = (at.lines - 1) * s.sh + (s.kh - 1) * s.dh + 1;
      copyWindow(x + at.image * s.ih * s.iw * s.ic, s.ih, s.iw, s.ic, at.line * s.sh - s.pt, rows, -s.pl, grad.windowColumns, window);
      source = window;
    }
    const int64_t pixels = at.images * at.lines * s.ow / grad.widen;
    if (grad.form == Form::outputs) return RankBlock{source, gradient, 0, 0, gradient, pixels};
    RankBlock result = {gradient, source, 0, 0, gradient, pixels};
    if (block + 1 < update.blocks) {
      const BlockLines next(grad, block + 1);
      if (s.groups == 1) result.aNext = gradientOf(next) - gradient;
      if (!grad.isCopied) result.bNext = sourceOf(next) - source;
    }
    return result;
  };
  auto unitAt = [&](int64_t block, int64_t unit) {
    const BlockLines at(grad, block);
    const int64_t pixels = s.ow / grad.widen;
    if (grad.form == Form::outputs) {
      return RankUnit{unit * grad.icGroup(), unit * grad.ocGroup(), unit * update.rows * update.cStride, at.images, at.lines, pixels};
    }
    const int64_t tapsW = grad.form == Form::lines ? 1 : s.kw;
    const int64_t group = unit / (s.kh * tapsW), i = unit / tapsW % s.kh, j = unit % tapsW;
    RankUnit result = {group * grad.ocGroup(),
                       i * s.dh * grad.pitch() + j * s.dw * s.ic + group * grad.icGroup(),
                       group * grad.ocGroup() * update.cStride + (i * s.kw + j) * grad.icGroup(),
                       at.images,
                       at.lines,
                       pixels};
    if (grad.form == Form::taps) {
      const Inside h(at.line, at.line + at.lines, s.sh, i * s.dh - s.pt, s.ih), w(0, s.ow, s.sw, j * s.dw - s.pl, s.iw);
      result.a += (h.from - at.line) * update.a.run + w.from * update.a.stride;
      result.b += (h.from - at.line) * update.b.run + w.from * update.b.stride - s.pt * grad.pitch() - s.pl * s.ic;
      result.runs = h.count, result.pixels = w.count;
    }
    return result;
  };
  accumulateChunks(update, worker, blockAt, unitAt, partials, sums);
}

// The second phase for outputs in the lanes: dweight[o, i, j, c] is the sum over chunks and widened pixels u of row (i, j + u, c),
// column (u, o).
void addTransposed(const GradWeight& grad, const Worker& worker, const float* partials, float* dweight) {
  const Conv2dShape& s = grad.shape;
  const int64_t icGroup = grad.icGroup(), ocGroup = grad.ocGroup(), perOutput = s.kh * s.kw * icGroup;
  float* sum = worker.threadFloats();
  for (const int64_t row : worker.share(s.groups * perOutput)) {
    const int64_t group = row / perOutput, c = row % icGroup;
    const int64_t i = row % perOutput / (s.kw * icGroup), j = row / icGroup % s.kw;
    std::memset(sum, 0, floatBytes(ocGroup));
    for (int64_t u = 0; u < grad.widen; ++u) {
      const int64_t partialRow = ((group * s.kh + i) * grad.tapsW + j + u * s.sw) * icGroup + c;
      grad.update.kernels->gemm.addRows(partials + partialRow * grad.update.cStride + u * ocGroup, grad.update.size, grad.update.chunks,
                                        ocGroup, sum);
    }
    float* target = dweight + group * ocGroup * perOutput + row % perOutput;
    for (int64_t o = 0; o < ocGroup; ++o) target[o * perOutput] = sum[o];
  }
}

void addSums(const GradWeight& grad, const float* sums, float* dbias) {
  const Conv2dShape& s = grad.shape;
  std::memset(dbias, 0, floatBytes(s.oc));
  grad.update.kernels->gemm.addRows(sums, s.oc, grad.update.chunks * grad.widen, s.oc, dbias);
}

bool fitsWindow(const GradWeightBlocks& grad) {
  const double numbers =
      static_cast<double>(grad.windowRows) * static_cast<double>(grad.windowColumns) * static_cast<double>(grad.shape.ic);
  return !grad.isCopied || numbers * sizeof(float) <= kLargestWindow;
}

Status fits(const Call& call, const Conv2dShape& shape) {
  if (formOf(shape.algorithm) == Form::lines && !hasLines(shape)) {
    return refuse(call, "can join the taps of a line only with one group and horizontal dilation 1");
  }
  if (fitsWindow(cutBlocks(shape, *call.kernels))) return Status::ok();
  return refuse(call, "reads a window of more than 256 MiB for one line of %s", ShapeText(call.operands[Conv2dGradWeight::dy]).text);
}

// The form that wastes fewest lanes. Taps win a tie: nothing is copied; then lines: their partial results need no transposition.
Form cheapestForm(const Conv2dShape& s, const KernelTable& kernels) {
  constexpr double kCopied = 0.9, kTransposed = 0.95;
  const auto fitsAs = [&](Algorithm algorithm, Conv2dShape shape) {
    shape.algorithm = algorithm;
    return fitsWindow(cutBlocks(shape, kernels));
  };
  Form form = Form::taps;
  double cost = kCopied * costOfTaps(s, kernels);
  if (hasLines(s) && s.kw > 1 && costOfLines(s, kernels) * kTransposed < cost && fitsAs(Algorithm::productLines, s)) {
    form = Form::lines, cost = kCopied * costOfLines(s, kernels);
  }
  if (costOfOutputs(s, kernels, widenOf(s, kernels)) < cost && fitsAs(Algorithm::productOutputs, s)) form = Form::outputs;
  return form;
}

bool isOffered(const Conv2dShape& s, const KernelTable& kernels) {
  return cheapestForm(s, kernels) == formOf(s.algorithm);
}

Plan plan(const Call& call, const Conv2dShape& shape) {
  const GradWeight grad = describe(call, shape);
  const RankUpdate& update = grad.update;
  const double windows = static_cast<double>(update.blocks) * static_cast<double>(grad.windowBytes() / sizeof(float));
  Plan plan = planOf(call, 0, grad.isDirect() ? 1 : 2);
  update.addWork(&plan);
  if (!grad.isDirect()) update.addPartials(&plan, grad.form == Form::outputs ? Work::rankTransposed : Work::rankPartial);
  plan.add(Work::copy, windows / call.kernels->lanes);
  const size_t sum = floatBytes(grad.ocGroup()), blocks = grad.offsetBytes() + grad.windowBytes();
  plan.threadScratch = blocks > sum ? blocks : sum;
  return plan;
}

void run(const Call& call, const Conv2dShape& shape, const Worker& worker) {
  const GradWeight grad = describe(call, shape);
  const GradWeightOperands operands = gradWeightOperands(call);
  float *dweight = operands.dweight, *dbias = operands.dbias;
  ScratchCursor shared(worker.sharedScratch);
  float* partials = grad.isDirect() ? dweight : static_cast<float*>(shared.takeBytes(grad.update.partialBytes()));
  float* sums = grad.isDirect() ? dbias : static_cast<float*>(shared.takeBytes(grad.update.sumBytes()));
  if (worker.phase == 0) {
    accumulate(call, grad, worker, partials, sums);
    return;
  }
  if (grad.form == Form::outputs) {
    addTransposed(grad, worker, partials, dweight);
  } else {
    addPartials(*call.kernels, worker, partials, grad.update.chunks, grad.update.size, dweight);
  }
  if (dbias != nullptr && worker.thread == 0) addSums(grad, sums, dbias);
}

constexpr ConvAlgorithm productForm(Algorithm name) {
  return {.name = name, .sumsProducts = true, .fits = fits, .isOffered = isOffered, .plan = plan, .run = run};
}

}  // namespace

extern const ConvAlgorithm kProductTaps, kProductLines, kProductOutputs;
const ConvAlgorithm kProductTaps = productForm(Algorithm::productTaps);
const ConvAlgorithm kProductLines = productForm(Algorithm::productLines);
const ConvAlgorithm kProductOutputs = productForm(Algorithm::productOutputs);

}  // namespace stridenet
