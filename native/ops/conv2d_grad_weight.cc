// conv2d_grad_weight: dweight[o, i, j, c] = sum over pixels of dy[o] x[tap (i, j), c], and dbias[o] = sum of dy[o].
//
// A block is some lines of one image: dy as it is, x as the window that those lines read (copied to scratch if the image is padded).
// Two orientations of the product; the one that wastes fewer lanes is taken:
//   channels   rows o, columns (j, c) of one kernel line i (or c of one tap): a partial result has the layout of dweight.
//   outputs    rows (i, j, c), columns (u, o): u runs over `fold` neighbouring pixels, whose products lie beside each other until the
//              second phase shifts and adds them, so that few output channels still fill the lanes.
#include "native/ops/conv2d_depthwise.h"
#include "native/ops/conv2d_hwcn.h"
#include "native/ops/conv2d_winograd_weight_grad.h"
#include "native/ops/rank_update.h"

namespace stridenet {

namespace {

constexpr int64_t kBlockBytes = 192 * 1024;
constexpr double kLargestWindow = 256.0 * 1024 * 1024;

enum GradWeightOperand { kX, kDy, kDweight, kDbias };

struct GradWeight {
  Conv2dShape shape;
  bool lanesAreOutputs;
  int64_t fold;     // neighbouring pixels in the lanes; 1 for channels
  int64_t tapsW;    // taps of a kernel line, for all folded pixels together
  int64_t tapStep;  // source pixels between them
  bool isLineUnit;  // channels: one unit per kernel line rather than per tap
  bool isCopied;    // x reads outside the image, so windows are copied
  int64_t linesPerBlock, blocksPerImage, windowRows, windowColumns;
  RankUpdate update;

  int64_t icGroup() const { return shape.ic / shape.groups; }
  int64_t ocGroup() const { return shape.oc / shape.groups; }
  bool isDirect() const { return !lanesAreOutputs && update.chunks == 1; }
  size_t windowBytes() const {
    return isCopied ? scratchBytes(static_cast<size_t>(windowRows * windowColumns * shape.ic) * sizeof(float)) : 0;
  }
};

int64_t vectorsFor(const KernelTable& kernels, int64_t columns) {
  return ceilDiv(columns, kernels.lanes);
}

// Vector multiply-adds per pixel of dy.
double costOfChannels(const Conv2dShape& s, const KernelTable& kernels) {
  const bool isLineUnit = s.groups == 1 && s.dw == 1;
  const int64_t vectors = isLineUnit ? vectorsFor(kernels, s.kw * s.ic) : s.kw * vectorsFor(kernels, s.ic / s.groups);
  return static_cast<double>(s.oc) * static_cast<double>(s.kh) * static_cast<double>(vectors);
}

double costOfOutputs(const Conv2dShape& s, const KernelTable& kernels, int64_t fold) {
  return static_cast<double>(s.kh * s.ic) * static_cast<double>(s.kw + (fold - 1) * s.sw) *
         static_cast<double>(vectorsFor(kernels, fold * (s.oc / s.groups))) / static_cast<double>(fold);
}

GradWeight describe(const Call& call, const Conv2dShape& shape) {
  Conv2dShape s = shape;
  const KernelTable& kernels = *call.kernels;
  // Channels win a tie: their partial results need no transposition.
  double cost = 0.9 * costOfChannels(s, kernels);
  bool lanesAreOutputs = false;
  int64_t fold = 1;
  for (int64_t f = 1; f <= 4; ++f) {
    if (s.ow % f != 0 || (f > 1 && (s.groups > 1 || s.dw > 1))) continue;
    const double candidate = costOfOutputs(s, kernels, f);
    if (candidate < cost) cost = candidate, lanesAreOutputs = true, fold = f;
  }

  const bool isPacked = !lanesAreOutputs && s.groups == 1 && paysToPack(s.oc);
  if (isPacked && s.kh == 1 && s.kw == 1 && s.sh == 1 && s.sw == 1 && s.oh == s.ih && s.ow == s.iw) {
    // Pixels by pixels: a block need not end where a line or an image does.
    s.ih = s.oh = s.n * s.oh * s.ow;
    s.n = s.iw = s.ow = 1;
  }
  const int64_t icGroup = s.ic / s.groups, ocGroup = s.oc / s.groups;
  const bool isLineUnit = s.groups == 1 && s.dw == 1;
  const int64_t tapsW = s.kw + (fold - 1) * s.sw;
  const int64_t rows = lanesAreOutputs ? s.kh * tapsW * icGroup : ocGroup;
  const int64_t columns = lanesAreOutputs ? fold * ocGroup : isLineUnit ? s.kw * s.ic : icGroup;
  const int64_t units = lanesAreOutputs ? s.groups : s.groups * s.kh * (isLineUnit ? 1 : s.kw);
  const int64_t cStride = lanesAreOutputs ? columns : s.kh * s.kw * icGroup;
  const int64_t sumSize = call.operands[kDbias].present() ? fold * s.oc : 0;

  const int64_t spanH = (s.kh - 1) * s.dh + 1, spanW = (s.kw - 1) * s.dw + 1;
  const int64_t windowColumns = (s.ow - 1) * s.sw + spanW;
  const bool isCopied = s.pt > 0 || s.pl > 0 || (s.oh - 1) * s.sh + spanH > s.ih || windowColumns > s.iw;
  const double lineBytes =
      (static_cast<double>(s.sh * windowColumns) * static_cast<double>(s.ic) + static_cast<double>(s.ow * s.oc)) * sizeof(float);
  int64_t lines = isPacked ? packedBlock(rows) / s.ow : static_cast<int64_t>(kBlockBytes / lineBytes);
  lines = lines < 1 ? 1 : lines > s.oh ? s.oh : lines;
  const int64_t blocksPerImage = ceilDiv(s.oh, lines);
  lines = ceilDiv(s.oh, blocksPerImage);

  GradWeight grad = {
      s,
      lanesAreOutputs,
      fold,
      tapsW,
      fold > 1 ? 1 : s.dw,
      isLineUnit,
      isCopied,
      lines,
      blocksPerImage,
      (lines - 1) * s.sh + spanH,
      windowColumns,
      {call.kernels, Panels(kernels, columns), units, rows, cStride, lanesAreOutputs ? units * rows * columns : s.oc * cStride, sumSize,
       s.n * blocksPerImage, isPacked ? lines * s.ow : 0}};
  grad.update.partition();
  return grad;
}

// Distances from a pixel of the window to the elements that the rows of a tile start at.
void fillRowOffsets(const GradWeight& grad, int64_t pitch, int64_t* offsets) {
  if (!grad.lanesAreOutputs) {
    for (int64_t o = 0; o < grad.update.rows; ++o) offsets[o] = o;
    return;
  }
  const Conv2dShape& s = grad.shape;
  for (int64_t i = 0; i < s.kh; ++i)
    for (int64_t t = 0; t < grad.tapsW; ++t)
      for (int64_t c = 0; c < grad.icGroup(); ++c) *offsets++ = i * s.dh * pitch + t * grad.tapStep * s.ic + c;
}

void accumulate(const Call& call, const GradWeight& grad, const Lane& lane, float* partials, float* sums) {
  const Conv2dShape& s = grad.shape;
  const float *x = call.operands[kX].f32(), *dy = call.operands[kDy].f32();
  ScratchCursor cursor(lane.threadScratch);
  int64_t* rowOffsets = cursor.take<int64_t>(static_cast<size_t>(grad.update.rows));
  float* window = static_cast<float*>(cursor.takeBytes(grad.windowBytes()));
  float* packed = static_cast<float*>(cursor.takeBytes(grad.update.packedBytes()));
  const int64_t pitch = (grad.isCopied ? grad.windowColumns : s.iw) * s.ic;
  fillRowOffsets(grad, pitch, rowOffsets);

  auto blockAt = [&](int64_t block) {
    const int64_t image = block / grad.blocksPerImage, part = block % grad.blocksPerImage;
    const int64_t line = part * s.oh / grad.blocksPerImage, lines = (part + 1) * s.oh / grad.blocksPerImage - line;
    const float* source = x + image * s.ih * s.iw * s.ic;
    if (grad.isCopied) {
      const int64_t rows = (lines - 1) * s.sh + (s.kh - 1) * s.dh + 1;
      copyWindow(source, s.ih, s.iw, s.ic, line * s.sh - s.pt, rows, -s.pl, grad.windowColumns, window);
      source = window;
    } else {
      source += line * s.sh * pitch;
    }
    const float* gradient = dy + (image * s.oh + line) * s.ow * s.oc;
    const int64_t xStride = grad.fold * s.sw * s.ic, xRun = s.sh * pitch, dyStride = grad.fold * s.oc, dyRun = s.ow * s.oc;
    const int64_t pixels = s.ow / grad.fold;
    RankBlock result = {source, xStride, xRun, gradient, dyStride, dyRun, lines, pixels, gradient, lines * pixels};
    if (xRun == pixels * xStride) result.runs = 1, result.pixels = lines * pixels;
    if (!grad.lanesAreOutputs) {
      result.a = gradient, result.aStride = dyStride, result.aRun = dyRun;
      result.b = source, result.bStride = xStride, result.bRun = xRun;
    }
    return result;
  };
  auto unitAt = [&](int64_t unit) {
    if (grad.lanesAreOutputs) return RankUnit{unit * grad.icGroup(), unit * grad.ocGroup(), unit * grad.update.rows * grad.update.cStride};
    const int64_t taps = s.kh * (grad.isLineUnit ? 1 : s.kw), group = unit / taps, tap = unit % taps;
    const int64_t i = grad.isLineUnit ? tap : tap / s.kw, j = grad.isLineUnit ? 0 : tap % s.kw;
    return RankUnit{group * grad.ocGroup(), i * s.dh * pitch + j * s.dw * s.ic + group * grad.icGroup(),
                    group * grad.ocGroup() * grad.update.cStride + (i * s.kw + j) * grad.icGroup()};
  };
  accumulateChunks(grad.update, lane, blockAt, unitAt, rowOffsets, packed, partials, sums);
}

// The second phase for outputs in the lanes: dweight[o, i, j, c] is the sum over chunks and folded pixels u of row (i, j + u, c),
// column (u, o).
void addTransposed(const GradWeight& grad, const Lane& lane, const float* partials, float* dweight) {
  const Conv2dShape& s = grad.shape;
  const int64_t icGroup = grad.icGroup(), ocGroup = grad.ocGroup(), perOutput = s.kh * s.kw * icGroup;
  float* sum = static_cast<float*>(lane.threadScratch);
  int64_t begin, end;
  lane.range(s.groups * perOutput, &begin, &end);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t group = row / perOutput, c = row % icGroup;
    const int64_t i = row % perOutput / (s.kw * icGroup), j = row / icGroup % s.kw;
    std::memset(sum, 0, static_cast<size_t>(ocGroup) * sizeof(float));
    for (int64_t u = 0; u < grad.fold; ++u) {
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
  std::memset(dbias, 0, static_cast<size_t>(s.oc) * sizeof(float));
  grad.update.kernels->gemm.addRows(sums, s.oc, grad.update.chunks * grad.fold, s.oc, dbias);
}

Status verify(const Call& call) {
  Conv2dShape shape;
  Status status = readConv2d(call, &shape);
  if (!status.isOk() || shape.algorithm != Algorithm::direct) return status;
  const GradWeight grad = describe(call, shape);
  if (static_cast<double>(grad.windowRows) * static_cast<double>(grad.windowColumns) * static_cast<double>(shape.ic) * sizeof(float) >
      kLargestWindow) {
    return refuse(call, "reads a window of more than 256 MiB for one line of %s", ShapeText(call.operands[kDy]).text);
  }
  return Status::ok();
}

Plan plan(const Call& call) {
  Conv2dShape shape;
  readConv2d(call, &shape);
  if (shape.isDepthwise()) return planDepthwiseGradWeight(call, shape);
  if (shape.isHwcn()) return planHwcnGradWeight(call, shape);
  if (shape.isWinograd()) return planWinogradGradWeight(call, shape);
  const GradWeight grad = describe(call, shape);
  const double pixels = static_cast<double>(shape.n) * static_cast<double>(shape.oh) * static_cast<double>(shape.ow / grad.fold);
  Plan plan = planOf(call,
                     2.0 * pixels * static_cast<double>(grad.update.units) * static_cast<double>(grad.update.rows) *
                         static_cast<double>(grad.update.panels.paddedColumns()),
                     grad.isDirect() ? 1 : 2);
  if (!grad.isDirect()) plan.sharedScratch = grad.update.partialBytes() + grad.update.sumBytes();
  const size_t offsets = scratchBytes(static_cast<size_t>(grad.update.rows) * sizeof(int64_t));
  const size_t sum = static_cast<size_t>(grad.ocGroup()) * sizeof(float), blocks = offsets + grad.windowBytes() + grad.update.packedBytes();
  plan.threadScratch = blocks > sum ? blocks : sum;
  return plan;
}

void run(const Call& call, const Lane& lane) {
  Conv2dShape shape;
  if (!readConv2d(call, &shape).isOk()) return;
  if (shape.isDepthwise()) return runDepthwiseGradWeight(call, shape, lane);
  if (shape.isHwcn()) return runHwcnGradWeight(call, shape, lane);
  if (shape.isWinograd()) return runWinogradGradWeight(call, shape, lane);
  const GradWeight grad = describe(call, shape);
  float *dweight = call.operands[kDweight].f32(), *dbias = call.operands[kDbias].f32();
  ScratchCursor shared(lane.sharedScratch);
  float* partials = grad.isDirect() ? dweight : static_cast<float*>(shared.takeBytes(grad.update.partialBytes()));
  float* sums = grad.isDirect() ? dbias : static_cast<float*>(shared.takeBytes(grad.update.sumBytes()));
  if (lane.phase == 0) {
    accumulate(call, grad, lane, partials, sums);
    return;
  }
  if (grad.lanesAreOutputs) {
    addTransposed(grad, lane, partials, dweight);
  } else {
    addPartials(*call.kernels, lane, partials, grad.update.chunks, grad.update.size, dweight);
  }
  if (dbias != nullptr && lane.thread == 0) addSums(grad, sums, dbias);
}

}  // namespace

extern const Op kConv2dGradWeightOp;
const Op kConv2dGradWeightOp = {verify, plan, run, -1};

}  // namespace stridenet
