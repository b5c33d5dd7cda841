// Depthwise convolutions: see depthwise.h.
#include "native/ops/conv2d/depthwise.h"

namespace stridenet {

namespace {

constexpr int64_t kPackChannels = 64;
constexpr int64_t kMostChunks = 32;
constexpr int64_t kPartialNumbers = 1 << 20;  // of the partial sums of all chunks
constexpr int64_t kReduceChannels = 64;
// images at least this large are no longer in the second-level cache when they are read
constexpr int64_t kFarBytes = 1 << 20;

int64_t clamp(int64_t x, int64_t least, int64_t most) {
  return x < least ? least : x > most ? most : x;
}

int64_t paddedChannels(const Conv2dShape& s, const KernelTable& kernels) {
  return roundUp(s.oc, kernels.lanes);
}

// Multiply-adds of vectors, in either direction.
double multiplyAdds(const Conv2dShape& s, const KernelTable& kernels) {
  return static_cast<double>(s.n) * static_cast<double>(s.oh * s.ow) * static_cast<double>(s.kh * s.kw) *
         static_cast<double>(paddedChannels(s, kernels) / kernels.lanes);
}

// Partial sums of conv2d_grad_weight: a chunk is a run of dy lines of all images, a task one of `splits` channel ranges of a chunk.
// Chunks are added in order in the second phase.
struct GradWeightChunks {
  int64_t padded, size, lines, chunks, splits;

  GradWeightChunks(const Conv2dShape& s, const KernelTable& kernels)
      : padded(paddedChannels(s, kernels)), size(s.kh * s.kw * padded), lines(s.n * s.oh) {
    // Where there are very many lines, there are about as many chunks as a chunk has lines, so that both sums are
    // short.
    int64_t most = kMostChunks;
    while (most * most < lines) most *= 2;
    chunks = clamp(kPartialNumbers / size, 1, lines < most ? lines : most);
    splits = clamp(ceilDiv(kMostChunks, chunks), 1, padded / kernels.lanes);
  }
  size_t partialBytes() const { return scratchBytes(floatBytes(chunks * size)); }
  size_t sumBytes() const { return scratchBytes(floatBytes(chunks * padded)); }
};

void sumChunk(const Call& call, const Conv2dShape& s, const GradWeightChunks& grad, int64_t chunk, int64_t split, float* partial,
              float* sums) {
  const KernelTable& kernels = *call.kernels;
  const GradWeightOperands operands = gradWeightOperands(call);
  const int64_t vectors = grad.padded / kernels.lanes;
  const int64_t channel = split * vectors / grad.splits * kernels.lanes;
  const int64_t endChannel = clamp((split + 1) * vectors / grad.splits * kernels.lanes, 0, s.oc), channels = endChannel - channel;
  for (int64_t tap = 0; tap < s.kh * s.kw; ++tap) std::memset(partial + tap * grad.padded + channel, 0, floatBytes(channels));
  if (sums != nullptr) std::memset(sums + channel, 0, floatBytes(channels));

  const Axis h = {s.oh, 0, 1, -s.pt, s.sh, s.kh, s.dh, 0, 1, 0};
  DepthwiseLine line = {};
  line.positions = s.ow, line.channels = channels, line.pixelStep = s.ic, line.width = s.iw;
  line.src = -s.pl, line.srcStep = s.sw, line.tapStep = s.dw, line.taps = s.kw;
  line.rowStep = s.dh * s.iw * s.ic;
  line.kernelRow = s.kw * grad.padded, line.kernelTap = grad.padded;
  for (int64_t p = chunk * grad.lines / grad.chunks; p < (chunk + 1) * grad.lines / grad.chunks; ++p) {
    const int64_t image = p / s.oh;
    const TapRange rows(h, p % s.oh, 1, s.ih);
    const float* gradient = operands.dy + p * s.ow * s.oc + channel;
    line.rows = rows.count();
    if (line.rows > 0) {
      kernels.depthwise.gradWeightLine(line, operands.x + (image * s.ih + rows.source) * s.iw * s.ic + channel, gradient,
                                       partial + rows.begin * line.kernelRow + channel);
    }
    if (sums != nullptr) kernels.gemm.addRows(gradient, s.oc, s.ow, channels, sums + channel);
  }
}

// Adds the chunks of some channels, and brings the sums [kh, kw, channels] into the order of dweight, [channels, kh, kw].
void addChunks(const Call& call, const Conv2dShape& s, const GradWeightChunks& grad, const float* partials, const float* sums,
               int64_t channel, int64_t channels) {
  const KernelTable& kernels = *call.kernels;
  float sum[kReduceChannels];
  const int64_t taps = s.kh * s.kw;
  const GradWeightOperands operands = gradWeightOperands(call);
  float* dweight = operands.dweight + channel * taps;
  for (int64_t tap = 0; tap < taps; ++tap) {
    std::memset(sum, 0, sizeof sum);
    kernels.gemm.addRows(partials + tap * grad.padded + channel, grad.size, grad.chunks, channels, sum);
    for (int64_t c = 0; c < channels; ++c) dweight[c * taps + tap] = sum[c];
  }
  if (operands.dbias == nullptr) return;
  float* dbias = operands.dbias + channel;
  std::memset(dbias, 0, floatBytes(channels));
  kernels.gemm.addRows(sums + channel, grad.padded, grad.chunks, channels, dbias);
}

// Computes channels from `channel` on, line by line.
void runLines(const KernelTable& kernels, const Conv2dShape& s, const Worker& worker, const ConvOperands& operands, int64_t channel) {
  const int64_t padded = paddedChannels(s, kernels);
  const int64_t srcLine = s.srcW() * s.oc, dstLine = s.dstW() * s.oc;
  const float *source = operands.source + channel, *bias = operands.bias == nullptr ? nullptr : operands.bias + channel;
  DepthwiseLine line = {};
  line.channels = s.oc - channel;
  line.pixelStep = s.oc;
  line.width = s.srcW();

  for (const int64_t task : worker.share(s.n * s.dstH())) {
    const int64_t image = task / s.dstH(), p = task % s.dstH();
    for (int64_t classW = 0; classW < s.classesW() && classW < s.dstW(); ++classW) {
      const SubConvolution sub = subConvolution(s, p % s.classesH(), classW);
      const TapRange rows(sub.h, p / s.classesH(), 1, s.srcH());
      line.positions = sub.w.positions;
      line.src = sub.w.src, line.srcStep = sub.w.srcStep, line.tapStep = sub.w.tapStep, line.taps = sub.w.taps;
      line.rows = rows.count();
      line.rowStep = sub.h.tapStep * srcLine;
      line.kernelRow = sub.h.kernelStep * s.kw * padded, line.kernelTap = sub.w.kernelStep * padded;
      line.dstStep = sub.w.dstStep * s.oc;
      const int64_t at = task * dstLine + sub.w.dst * s.oc + channel;
      const float* lines = line.rows > 0 ? source + (image * s.srcH() + rows.source) * srcLine : source;
      const float* weight = operands.packed + ((sub.h.kernel + rows.begin * sub.h.kernelStep) * s.kw + sub.w.kernel) * padded + channel;
      kernels.depthwise.line(line, lines, weight, bias, operands.add == nullptr ? nullptr : operands.add + at, s.activation,
                             operands.destination + at);
    }
  }
}

// Computes the first `channels` channels, in blocks of lines.
void runBlocks(const KernelTable& kernels, const Conv2dShape& s, const Worker& worker, const ConvOperands& operands, int64_t channels) {
  const SubConvolution sub = subConvolution(s, 0, 0);
  DepthwiseBlock block = depthwiseBlockOf(s, kernels, channels);
  block.isFar = block.height * block.rowStep * static_cast<int64_t>(sizeof(float)) >= kFarBytes;
  const float* weight = operands.packed + (sub.h.kernel * s.kw + sub.w.kernel) * paddedChannels(s, kernels);
  const Range own = worker.share(s.n * s.dstH());
  for (int64_t first = own.first; first < own.last; first += block.lines) {
    const int64_t image = first / s.dstH(), p = first % s.dstH();
    const int64_t left = s.dstH() - p < own.last - first ? s.dstH() - p : own.last - first;
    block.lines = ceilDiv(left, ceilDiv(left, kernels.tiles.depthwiseLines));  // as equal as possible
    block.row = p * sub.h.srcStep + sub.h.src;
    const int64_t at = first * block.dstRow;
    kernels.depthwise.block3x3(block, operands.source + image * block.height * block.rowStep, weight, operands.bias,
                               operands.add == nullptr ? nullptr : operands.add + at, s.activation, operands.destination + at);
  }
}

Status fits(const Call& call, const Conv2dShape& s) {
  if (s.ic != s.groups || s.oc != s.groups) {
    return refuse(call, "expects as many input and output channels as groups (%lld) with the algorithm depthwise, got %lld and %lld",
                  static_cast<long long>(s.groups), static_cast<long long>(s.ic), static_cast<long long>(s.oc));
  }
  return s.widen == 1 ? Status::ok() : refuse(call, "cannot widen with the algorithm depthwise");
}

// A single channel is an ordinary convolution, too.
bool isOffered(const Conv2dShape& s, const KernelTable&) {
  return s.groups > 1;
}

int64_t packedLength(const Conv2dShape& s, const KernelTable& kernels) {
  const double estimate = static_cast<double>(s.kh) * static_cast<double>(s.kw) * (static_cast<double>(s.oc) + kernels.lanes);
  return estimate > kLargestPacked ? 0 : s.kh * s.kw * paddedChannels(s, kernels);
}

void pack(const Call& call, const Conv2dShape& s, const Worker& worker) {
  const int64_t taps = s.kh * s.kw, padded = paddedChannels(s, *call.kernels);
  const PackOperands operands(call);
  for (const int64_t block : worker.share(ceilDiv(s.oc, kPackChannels))) {
    const int64_t channel = block * kPackChannels, channels = clamp(s.oc - channel, 0, kPackChannels);
    call.kernels->layout.transposeScaled(operands.weight + channel * taps, taps, operands.packed + channel, padded, channels, taps,
                                         operands.scaleOf(channel));
    if (channel + channels < s.oc || s.oc == padded) continue;
    for (int64_t tap = 0; tap < taps; ++tap) std::memset(operands.packed + tap * padded + s.oc, 0, floatBytes(padded - s.oc));
  }
}

// Whether the kernel for blocks of lines computes whole vectors of the channels. An input gradient of stride 2 falls into classes of fewer
// taps.
bool hasBlocks(const Conv2dShape& s) {
  return s.kh == 3 && s.kw == 3 && s.dh == 1 && s.dw == 1 && s.sh == s.sw && s.sh <= (s.isForward() ? 2 : 1);
}

Plan plan(const Call& call, const Conv2dShape& s) {
  Plan result = planOf(call, 0);
  result.add(Work::depthwise, multiplyAdds(s, *call.kernels));
  return result;
}

void run(const Call& call, const Conv2dShape& s, const Worker& worker) {
  const ConvOperands operands(call);
  const int64_t whole = hasBlocks(s) ? s.oc / call.kernels->lanes * call.kernels->lanes : 0;
  if (whole > 0) runBlocks(*call.kernels, s, worker, operands, whole);
  if (whole < s.oc) runLines(*call.kernels, s, worker, operands, whole);
}

Plan planGradWeight(const Call& call, const Conv2dShape& s) {
  const GradWeightChunks grad(s, *call.kernels);
  Plan result = planOf(call, 0, 2);
  result.add(Work::depthwiseGradWeight, multiplyAdds(s, *call.kernels));
  result.sharedScratch = grad.partialBytes() + grad.sumBytes();
  return result;
}

void runGradWeight(const Call& call, const Conv2dShape& s, const Worker& worker) {
  const GradWeightChunks grad(s, *call.kernels);
  ScratchCursor shared(worker.sharedScratch);
  float* partials = static_cast<float*>(shared.takeBytes(grad.partialBytes()));
  float* sums = static_cast<float*>(shared.takeBytes(grad.sumBytes()));
  if (worker.phase == 0) {
    for (const int64_t task : worker.share(grad.chunks * grad.splits)) {
      const int64_t chunk = task / grad.splits;
      sumChunk(call, s, grad, chunk, task % grad.splits, partials + chunk * grad.size,
               gradWeightOperands(call).dbias != nullptr ? sums + chunk * grad.padded : nullptr);
    }
    return;
  }
  for (const int64_t block : worker.share(ceilDiv(s.oc, kReduceChannels))) {
    const int64_t channel = block * kReduceChannels;
    addChunks(call, s, grad, partials, sums, channel, clamp(s.oc - channel, 0, kReduceChannels));
  }
}

}  // namespace

DepthwiseBlock depthwiseBlockOf(const Conv2dShape& s, const KernelTable& kernels, int64_t channels) {
  const SubConvolution sub = subConvolution(s, 0, 0);
  const int64_t padded = paddedChannels(s, kernels);
  DepthwiseBlock block = {};
  block.positions = s.dstW();
  block.channels = channels;
  block.stride = sub.h.srcStep;
  block.column = sub.w.src, block.height = s.srcH(), block.width = s.srcW();
  block.pixelStep = s.oc, block.rowStep = s.srcW() * s.oc;
  block.kernelRow = sub.h.kernelStep * s.kw * padded, block.kernelTap = sub.w.kernelStep * padded;
  block.dstStep = s.oc, block.dstRow = s.dstW() * s.oc;
  return block;
}

extern const ConvAlgorithm kDepthwise, kDepthwiseGradWeight;
const ConvAlgorithm kDepthwise = {.name = Algorithm::depthwise,
                                  .sumsProducts = true,
                                  .fits = fits,
                                  .isOffered = isOffered,
                                  .packedLength = packedLength,
                                  .planPack = planPlainPack,
                                  .pack = pack,
                                  .plan = plan,
                                  .run = run};
const ConvAlgorithm kDepthwiseGradWeight = {Algorithm::depthwise, true,         fits, isOffered, nullptr, nullptr, nullptr,
                                            planGradWeight,       runGradWeight};

}  // namespace stridenet
