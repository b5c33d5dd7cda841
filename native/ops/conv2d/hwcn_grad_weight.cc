// conv2d_grad_weight and conv2d_max_pool2d_grad_weight with images in the lanes: see hwcn.h.
//
// A chunk is a band of dy lines of an image group. Its sums [kernel line, tap, input channel, output channel, image] grow in scratch, a
// few rows and output channels in registers at a time; then the lanes are added, and a second phase adds the chunks in order.
#include "native/ops/conv2d/hwcn.h"

namespace stridenet {

namespace {

// Bytes of dy lines that one pass reads, so that they stay in the first-level cache.
constexpr int64_t kPassBytes = 24 * 1024;

struct GradWeightBands {
  HwcnBands bands;
  int64_t rows, size;    // a chunk's sums are `rows` x output channels, `size` numbers
  int64_t linesPerPass;  // lines of dy (as it is stored, which may be pooled) that one pass reads

  GradWeightBands(const Conv2dShape& s, const KernelTable& kernels)
      : bands(kernels, s.n, s.ic, subConvolution(s, 0, 0).h, subConvolution(s, 0, 0).w, s.poolH),
        rows(s.kh * s.kw * s.ic),
        size(rows * s.oc) {
    const int64_t lines = kPassBytes / (s.poolH * lineLength(s) * static_cast<int64_t>(sizeof(float)));
    const int64_t most = ceilDiv(bands.lines, bands.perGroup);
    linesPerPass = lines < 1 ? 1 : lines > most ? most : lines;
  }
  int64_t lineLength(const Conv2dShape& s) const { return s.ow * s.oc * bands.lanes; }
  size_t offsetBytes() const { return scratchBytes(static_cast<size_t>(rows) * sizeof(int64_t)); }
  size_t dyBytes(const Conv2dShape& s) const { return scratchBytes(floatBytes(linesPerPass * s.poolH * lineLength(s))); }
  size_t pooledBytes(const Conv2dShape& s) const {
    const int64_t pooled = linesPerPass * (s.ow / s.poolW) * s.oc * bands.lanes;
    return s.isPooled() ? scratchBytes(floatBytes(pooled)) : 0;
  }
  // Sums of one chunk, dbias behind dweight, before their lanes are added.
  size_t sumBytes(const Conv2dShape& s) const { return scratchBytes(floatBytes((size + s.oc) * bands.lanes)); }
  size_t partialBytes(const Conv2dShape& s) const { return scratchBytes(floatBytes(bands.count() * (size + s.oc))); }
};

// Runs the first phase for one thread.
class SumChunks {
 public:
  SumChunks(const Call& call, const Conv2dShape& shape, const GradWeightBands& grad, const Worker& worker)
      : s_(shape), grad_(grad), bands_(grad.bands), kernels_(*call.kernels), operands_(gradWeightOperands(call)) {
    const int64_t lanes = bands_.lanes;
    ScratchCursor cursor(worker.threadScratch);
    offsets_ = static_cast<int64_t*>(cursor.takeBytes(grad.offsetBytes()));
    window_ = static_cast<float*>(cursor.takeBytes(bands_.windowBytes()));
    dyLines_ = static_cast<float*>(cursor.takeBytes(grad.dyBytes(s_)));
    pooledLines_ = static_cast<float*>(cursor.takeBytes(grad.pooledBytes(s_)));
    sums_ = static_cast<float*>(cursor.takeBytes(0));
    for (int64_t row = 0; row < grad.rows; ++row) {
      const int64_t i = row / (s_.kw * s_.ic);
      offsets_[row] = i * s_.dh * bands_.pitch() + row % (s_.kw * s_.ic) * lanes;
    }
    update_.xPixel = s_.sw * s_.ic * lanes, update_.xRun = s_.sh * bands_.pitch();
    update_.dyPixel = s_.oc * lanes, update_.dyRun = grad.lineLength(s_);
    update_.pixels = s_.ow;
    update_.sumRow = s_.oc * lanes;
  }

  // `partial` are the sums of the chunk, those of dbias behind those of dweight.
  void run(int64_t chunk, float* partial) {
    const int64_t image = bands_.firstImage(chunk), first = bands_.firstLine(chunk), lanes = bands_.lanes;
    const HwcnImages x(kernels_, bands_, chunk, operands_.x, s_.ih, s_.iw, s_.ic, 0);
    const HwcnImages dy(kernels_, bands_, chunk, operands_.dy, bands_.lines, s_.ow / s_.poolW, s_.oc, 0);
    const int64_t lines = bands_.endLine(chunk) - first;
    x.read(first * s_.poolH * s_.sh - s_.pt, (lines * s_.poolH - 1) * s_.sh + (s_.kh - 1) * s_.dh + 1, -s_.pl, bands_.windowColumns,
           window_);
    std::memset(sums_, 0, floatBytes((grad_.size + s_.oc) * lanes));
    for (int64_t line = 0; line < lines; line += grad_.linesPerPass) {
      const int64_t count = lines - line < grad_.linesPerPass ? lines - line : grad_.linesPerPass;
      readLines(dy, image, first + line, count);
      update_.runs = count * s_.poolH;
      update_.x = window_ + line * s_.poolH * update_.xRun;
      addPass();
    }
    kernels_.hwcn.sumLanes(sums_, grad_.size + s_.oc, partial);
  }

 private:
  // Reads lines of dy as they would be at the convolution's output, which is not pooled.
  void readLines(const HwcnImages& dy, int64_t image, int64_t line, int64_t lines) {
    const int64_t lineLength = grad_.lineLength(s_), width = s_.ow / s_.poolW;
    dy.read(line, lines, 0, width, s_.isPooled() ? pooledLines_ : dyLines_);
    for (int64_t i = 0; s_.isPooled() && i < lines; ++i) {
      kernels_.hwcn.maxPoolGrad({width, s_.oc, s_.poolH, s_.poolW, dyLines_ + i * s_.poolH * lineLength, lineLength,
                                 pooledLines_ + i * width * s_.oc * bands_.lanes, hwcnPositions(operands_.position, s_, image, line + i)});
    }
  }

  // Adds the products of the lines of dy that were read.
  void addPass() {
    const HwcnKernels& hwcn = kernels_.hwcn;
    const HwcnTileSizes& sizes = kernels_.tiles.hwcn;
    const int64_t lanes = bands_.lanes, blocks = ceilDiv(s_.oc, sizes.rankChannels);
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t channel = block * s_.oc / blocks, size = (block + 1) * s_.oc / blocks - channel;
      const int64_t tiles = ceilDiv(grad_.rows, sizes.rankRows[size]);
      update_.dy = dyLines_ + channel * lanes;
      for (int64_t tile = 0; tile < tiles; ++tile) {
        const int64_t row = tile * grad_.rows / tiles;
        update_.offsets = offsets_ + row;
        update_.sums = sums_ + (row * s_.oc + channel) * lanes;
        hwcn.rankUpdate[size][(tile + 1) * grad_.rows / tiles - row](update_);
      }
    }
    if (operands_.dbias == nullptr) return;
    const int64_t pixel = s_.oc * lanes;
    kernels_.gemm.addRows(dyLines_, pixel, update_.runs * s_.ow, pixel, sums_ + grad_.size * lanes);
  }

  const Conv2dShape& s_;
  const GradWeightBands& grad_;
  const HwcnBands& bands_;
  const KernelTable& kernels_;
  const GradWeightOperands operands_;
  int64_t* offsets_;
  float *window_, *dyLines_, *pooledLines_, *sums_;
  HwcnRankUpdate update_ = {};
};

// Adds the chunks, and brings the rows (kernel line, tap, input channel) x output channels into the order of dweight.
void addChunks(const Call& call, const Conv2dShape& s, const GradWeightBands& grad, const Worker& worker) {
  const GradWeightOperands operands = gradWeightOperands(call);
  const float* partials = static_cast<const float*>(worker.sharedScratch);
  const int64_t stride = grad.size + s.oc;
  float* sum = worker.threadFloats();
  auto add = [&](int64_t at) {
    std::memset(sum, 0, floatBytes(s.oc));
    call.kernels->gemm.addRows(partials + at, stride, grad.bands.count(), s.oc, sum);
  };
  for (const int64_t row : worker.share(grad.rows)) {
    add(row * s.oc);
    for (int64_t o = 0; o < s.oc; ++o) operands.dweight[o * grad.rows + row] = sum[o];
  }
  if (operands.dbias == nullptr || worker.thread != 0) return;
  add(grad.size);
  std::memcpy(operands.dbias, sum, floatBytes(s.oc));
}

Plan plan(const Call& call, const Conv2dShape& s) {
  const GradWeightBands grad(s, *call.kernels);
  const HwcnBands& bands = grad.bands;
  const double groups = static_cast<double>(bands.groups);
  const double read = static_cast<double>(bands.perGroup * bands.windowLines) * static_cast<double>(bands.windowColumns * s.ic) +
                      static_cast<double>(bands.lines * (s.ow / s.poolW) * s.oc);
  Plan result = planOf(call, 0, 2);
  result.add(Work::hwcnRankUpdate, groups * static_cast<double>(s.oh * s.ow) * static_cast<double>(grad.size));
  result.add(Work::hwcnTranspose, groups * (read + static_cast<double>(bands.perGroup * grad.size)));
  result.sharedScratch = grad.partialBytes(s);
  result.threadScratch = grad.offsetBytes() + bands.windowBytes() + grad.dyBytes(s) + grad.pooledBytes(s) + grad.sumBytes(s);
  return result;
}

void run(const Call& call, const Conv2dShape& s, const Worker& worker) {
  const GradWeightBands grad(s, *call.kernels);
  if (worker.phase == 0) {
    float* partials = worker.sharedFloats();
    SumChunks sum(call, s, grad, worker);
    for (const int64_t chunk : worker.share(grad.bands.count())) sum.run(chunk, partials + chunk * (grad.size + s.oc));
  } else {
    addChunks(call, s, grad, worker);
  }
}

}  // namespace

extern const ConvAlgorithm kHwcnGradWeight;
const ConvAlgorithm kHwcnGradWeight = {
    .name = Algorithm::hwcn, .sumsProducts = true, .fits = fitsHwcn, .isOffered = isHwcnOffered, .plan = plan, .run = run};

}  // namespace stridenet
