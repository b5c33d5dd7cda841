// conv2d_pointwise_depthwise: a 1x1 convolution and the depthwise convolution of its result, which is large: several times what is read and
// what is written. A thread makes the lines that a few output lines need, in scratch that stays in its second-level cache, and uses them
// at once. Both parts are those of conv2d, so the results are those of two instructions to the bit.
#include <cstring>

#include "native/ops/conv2d/depthwise.h"

namespace stridenet {

namespace {

using Joined = Conv2dPointwiseDepthwise;

// The two convolutions as they were read.
struct Parts {
  Convolution pointwise, depthwise;
};

// The two convolutions of images x and y as instructions of their own; u, between them, has no memory.
class PartCalls {
 public:
  Call pointwise, depthwise;

  explicit PartCalls(const Call& call) {
    const auto attrs = call.attributes<Joined>();
    const Operand &x = call.operands[Joined::x], &y = call.operands[Joined::y];
    // More groups than an int32 holds would fit no weight.
    const int32_t channels = y.dims[3] <= INT32_MAX ? static_cast<int32_t>(y.dims[3]) : 1;
    pointwiseAttributes_ = attributes(Algorithm::direct, attrs.activation, 1, 1, 1);
    depthwiseAttributes_ = attributes(Algorithm::depthwise, attrs.depthwiseActivation, 3, attrs.stride, channels);
    depthwiseAttributes_.pt = attrs.pt, depthwiseAttributes_.pl = attrs.pl;
    Operand between = x;
    between.data = nullptr;
    between.dims[3] = y.dims[3];
    between.count = x.dims[0] * x.dims[1] * x.dims[2] * y.dims[3];
    pointwise = convolution(call, x, Joined::packed, Joined::bias, between, pointwiseAttributes_);
    depthwise = convolution(call, between, Joined::depthwisePacked, Joined::depthwiseBias, y, depthwiseAttributes_);
  }
  PartCalls(const PartCalls&) = delete;
  PartCalls& operator=(const PartCalls&) = delete;

 private:
  static Conv2d::Attributes attributes(Algorithm algorithm, Activation activation, int32_t kernel, int32_t stride, int32_t groups) {
    return {.algorithm = algorithm,
            .widen = 1,
            .activation = activation,
            .kh = kernel,
            .kw = kernel,
            .sh = stride,
            .sw = stride,
            .pt = 0,
            .pl = 0,
            .dh = 1,
            .dw = 1,
            .groups = groups};
  }
  static Call convolution(const Call& call, const Operand& x, int packed, int bias, const Operand& y, const Conv2d::Attributes& attrs) {
    Call part;
    part.opcode = Opcode::conv2d;
    part.kernels = call.kernels;
    part.attrs = reinterpret_cast<const int32_t*>(&attrs);
    part.operands[Conv2d::x] = x, part.operands[Conv2d::y] = y;
    part.operands[Conv2d::packed] = call.operands[packed], part.operands[Conv2d::bias] = call.operands[bias];
    return part;
  }

  Conv2d::Attributes pointwiseAttributes_, depthwiseAttributes_;
};

// Computes the 1x1 convolution of the lines [line, line + count) of an image and writes it to u.
struct PointwiseLines {
  Call call;
  Conv2dShape shape;

  PointwiseLines(const Call& whole, const Conv2dShape& pointwise, int64_t image, int64_t line, int64_t count, float* u)
      : call(whole), shape(pointwise) {
    Operand &x = call.operands[Conv2d::x], &y = call.operands[Conv2d::y];
    const int64_t step = shape.iw * shape.ic;
    if (x.data != nullptr) x.data = x.f32() + (image * shape.ih + line) * step;
    x.dims[0] = y.dims[0] = 1;
    x.dims[1] = y.dims[1] = count;
    x.count = count * step;
    y.count = count * shape.ow * shape.oc;
    y.data = u;
    shape.n = 1;
    shape.ih = shape.oh = count;
  }
};

// Lines of u that a block of `lines` output lines reads.
int64_t windowLines(const Conv2dShape& s, int64_t lines) {
  return 3 + (lines - 1) * s.sh;
}

size_t windowBytes(const Conv2dShape& s, const KernelTable& kernels) {
  return scratchBytes(floatBytes(windowLines(s, kernels.tiles.depthwiseLines) * s.iw * s.ic));
}

Status read(const Call& call, Parts* parts) {
  const Operand &x = call.operands[Joined::x], &y = call.operands[Joined::y];
  if (x.rank != 4 || y.rank != 4) return refuse(call, "expects x and y of rank 4, got %s and %s", ShapeText(x).text, ShapeText(y).text);
  if (y.dims[3] % call.kernels->lanes != 0) {
    return refuse(call, "expects channels that are whole vectors of %d, got %lld", call.kernels->lanes, static_cast<long long>(y.dims[3]));
  }
  const double numbers = static_cast<double>(x.dims[0] * x.dims[1]) * static_cast<double>(x.dims[2]) * static_cast<double>(y.dims[3]);
  if (numbers > kLargestPacked)
    return refuse(call, "expects less than %g numbers between the convolutions, got %g", kLargestPacked, numbers);
  const int32_t stride = call.attributes<Joined>().stride;
  if (stride < 1 || stride > 2) return refuse(call, "expects stride 1 or 2, got %d", stride);
  const PartCalls calls(call);
  Status status = readConvolution(calls.pointwise, &parts->pointwise);
  return status.isOk() ? readConvolution(calls.depthwise, &parts->depthwise) : status;
}

Status verify(const Call& call) {
  const auto& [pointwise, depthwise] = call.shapeAs<Parts>();
  const PartCalls calls(call);
  Status status = checkConvolution(calls.pointwise, pointwise);
  return status.isOk() ? checkConvolution(calls.depthwise, depthwise) : status;
}

Plan plan(const Call& call) {
  const auto& [pointwise, depthwise] = call.shapeAs<Parts>();
  const PartCalls calls(call);
  Plan plan = planOf(call, 0);
  plan.add(pointwise.algorithm->plan(calls.pointwise, pointwise.shape).work);
  plan.add(depthwise.algorithm->plan(calls.depthwise, depthwise.shape).work);
  for (int64_t count = 1; count <= windowLines(depthwise.shape, call.kernels->tiles.depthwiseLines); ++count) {
    const PointwiseLines lines(calls.pointwise, pointwise.shape, 0, 0, count, nullptr);
    const size_t scratch = pointwise.algorithm->plan(lines.call, lines.shape).threadScratch;
    if (scratch > plan.threadScratch) plan.threadScratch = scratch;
  }
  plan.threadScratch += windowBytes(depthwise.shape, *call.kernels);
  return plan;
}

void run(const Call& call, const Worker& worker) {
  const auto& [pointwise, depthwise] = call.shapeAs<Parts>();
  const Conv2dShape& s = depthwise.shape;
  const PartCalls calls(call);
  const DepthwiseKernels& kernels = call.kernels->depthwise;
  DepthwiseBlock block = depthwiseBlockOf(s, *call.kernels, s.oc);
  ScratchCursor cursor(worker.threadScratch);
  float* window = static_cast<float*>(cursor.takeBytes(windowBytes(s, *call.kernels)));
  const Worker alone = {0, 0, 1, worker.sharedScratch, cursor.takeBytes(0)};
  const Operand* operands = call.operands;
  const float* bias = operands[Joined::depthwiseBias].f32();
  float* dst = operands[Joined::y].f32();

  const Range own = worker.share(s.n * s.oh);
  int64_t image = -1, from = 0, to = 0;  // the window holds lines [from, to) of the image
  for (int64_t first = own.first; first < own.last; first += block.lines) {
    const int64_t p = first % s.oh, left = s.oh - p < own.last - first ? s.oh - p : own.last - first;
    block.lines = ceilDiv(left, ceilDiv(left, call.kernels->tiles.depthwiseLines));  // as equal as possible
    const int64_t top = p * s.sh - s.pt, bottom = top + windowLines(s, block.lines);
    const int64_t low = top < 0 ? 0 : top < s.ih ? top : s.ih, high = bottom < low ? low : bottom < s.ih ? bottom : s.ih;
    if (first / s.oh != image) image = first / s.oh, from = to = low;
    if (to < low) to = low;
    const int64_t kept = to < high ? to - low : high - low;
    if (kept > 0 && low > from) {
      std::memmove(window, window + (low - from) * block.rowStep, floatBytes(kept * block.rowStep));
    }
    from = low;
    if (low + kept < high) {
      const PointwiseLines lines(calls.pointwise, pointwise.shape, image, low + kept, high - low - kept, window + kept * block.rowStep);
      pointwise.algorithm->run(lines.call, lines.shape, alone);
    }
    to = high;
    block.row = top - low;
    block.height = high - low;
    kernels.block3x3(block, window, operands[Joined::depthwisePacked].f32(), bias, nullptr, s.activation, dst + first * block.dstRow);
  }
}

}  // namespace

extern const Op kConv2dPointwiseDepthwiseOp;
const Op kConv2dPointwiseDepthwiseOp = {verify, plan, run, shapeReader<Parts, read>()};

}  // namespace stridenet
