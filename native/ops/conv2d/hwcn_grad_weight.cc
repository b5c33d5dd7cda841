// conv2d_grad_weight and conv2d_max_pool2d_grad_weight with images in the lanes: see hwcn.h.
//
// A chunk is a band of dy lines of an image group. Its sums [kernel line, tap, input channel, output channel, image] grow in scratch, a
// few rows and output channels in registers at a time; then the lanes are added, and a second phase adds the chunks in order.
#include "native/ops/conv2d/hwcn.h"

namespace stridenet {

namespace {

// Of dy lines that a pass over them finds in the first-level cache.
constexpr int64_t kPassBytes = 24 * 1024;

struct GradWeightBuffers {
  float *x, *dy, *position = nullptr, *dweight, *dbias;

  GradWeightBuffers(const Call& call, const Conv2dShape& s) : x(call.operands[0].f32()), dy(call.operands[1].f32()) {
    if (s.isPooled()) position = call.operands[2].f32();
    dweight = call.operands[s.isPooled() ? 3 : 2].f32(), dbias = call.operands[s.isPooled() ? 4 : 3].f32();
  }
};

struct GradWeightBands {
  HwcnBands bands;
  int64_t rows, size;    // of the sums of a chunk: rows x output channels
  int64_t linesPerPass;  // of dy, pooled or not

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
  size_t dyBytes(const Conv2dShape& s) const {
    return scratchBytes(static_cast<size_t>(linesPerPass * s.poolH * lineLength(s)) * sizeof(float));
  }
  size_t pooledBytes(const Conv2dShape& s) const {
    const int64_t pooled = linesPerPass * (s.ow / s.poolW) * s.oc * bands.lanes;
    return s.isPooled() ? scratchBytes(static_cast<size_t>(pooled) * sizeof(float)) : 0;
  }
  // Sums of one chunk, dbias behind dweight, before their lanes are added.
  size_t sumBytes(const Conv2dShape& s) const { return scratchBytes(static_cast<size_t>((size + s.oc) * bands.lanes) * sizeof(float)); }
  size_t partialBytes(const Conv2dShape& s) const {
    return scratchBytes(static_cast<size_t>(bands.count() * (size + s.oc)) * sizeof(float));
  }
};

void sumChunks(const Call& call, const Conv2dShape& s, const GradWeightBands& grad, const Worker& worker) {
  const GradWeightBuffers buffers(call, s);
  const KernelTable& kernels = *call.kernels;
  const HwcnKernels& hwcn = kernels.hwcn;
  const HwcnBands& bands = grad.bands;
  const int64_t lanes = bands.lanes, lineLength = grad.lineLength(s);
  float* partials = static_cast<float*>(worker.sharedScratch);
  ScratchCursor cursor(worker.threadScratch);
  int64_t* offsets = static_cast<int64_t*>(cursor.takeBytes(grad.offsetBytes()));
  float* window = static_cast<float*>(cursor.takeBytes(bands.windowBytes()));
  float* dyLines = static_cast<float*>(cursor.takeBytes(grad.dyBytes(s)));
  float* pooledLines = static_cast<float*>(cursor.takeBytes(grad.pooledBytes(s)));
  float* sums = static_cast<float*>(cursor.takeBytes(0));
  for (int64_t row = 0; row < grad.rows; ++row) {
    const int64_t i = row / (s.kw * s.ic);
    offsets[row] = i * s.dh * bands.pitch() + row % (s.kw * s.ic) * lanes;
  }

  HwcnRankUpdate update = {};
  update.xPixel = s.sw * s.ic * lanes, update.xRun = s.sh * bands.pitch();
  update.dyPixel = s.oc * lanes, update.dyRun = lineLength;
  update.pixels = s.ow;
  update.sumRow = s.oc * lanes;
  const int64_t channelBlocks = ceilDiv(s.oc, hwcn.rankChannels);
  const int64_t dyHeight = bands.lines, dyWidth = s.ow / s.poolW;

  // Lines of dy as the convolution's output would have them.
  auto readLines = [&](const HwcnImages& dy, int64_t image, int64_t line, int64_t lines) {
    dy.read(line, lines, 0, dyWidth, s.isPooled() ? pooledLines : dyLines);
    for (int64_t i = 0; s.isPooled() && i < lines; ++i) {
      kernels.hwcn.maxPoolGrad({dyWidth, s.oc, s.poolH, s.poolW, dyLines + i * s.poolH * lineLength, lineLength,
                                pooledLines + i * dyWidth * s.oc * lanes, hwcnPositions(buffers.position, s, image, line + i)});
    }
  };

  int64_t begin, end;
  worker.range(bands.count(), &begin, &end);
  for (int64_t chunk = begin; chunk < end; ++chunk) {
    const int64_t image = bands.firstImage(chunk), first = bands.firstLine(chunk);
    const HwcnImages x(kernels, bands, chunk, buffers.x, s.ih, s.iw, s.ic, 0);
    const HwcnImages dy(kernels, bands, chunk, buffers.dy, dyHeight, dyWidth, s.oc, 0);
    const int64_t lines = bands.endLine(chunk) - first;
    x.read(first * s.poolH * s.sh - s.pt, (lines * s.poolH - 1) * s.sh + (s.kh - 1) * s.dh + 1, -s.pl, bands.windowColumns, window);
    std::memset(sums, 0, static_cast<size_t>((grad.size + s.oc) * lanes) * sizeof(float));
    for (int64_t line = 0; line < lines; line += grad.linesPerPass) {
      const int64_t count = lines - line < grad.linesPerPass ? lines - line : grad.linesPerPass;
      readLines(dy, image, first + line, count);
      update.runs = count * s.poolH;
      update.x = window + line * s.poolH * update.xRun;
      for (int64_t block = 0; block < channelBlocks; ++block) {
        const int64_t channel = block * s.oc / channelBlocks, size = (block + 1) * s.oc / channelBlocks - channel;
        const int64_t tiles = ceilDiv(grad.rows, hwcn.rankRows[size]);
        update.dy = dyLines + channel * lanes;
        for (int64_t tile = 0; tile < tiles; ++tile) {
          const int64_t row = tile * grad.rows / tiles;
          update.offsets = offsets + row;
          update.sums = sums + (row * s.oc + channel) * lanes;
          hwcn.rankUpdate[size][(tile + 1) * grad.rows / tiles - row](update);
        }
      }
      if (buffers.dbias != nullptr) {
        const int64_t pixel = s.oc * lanes;
        kernels.gemm.addRows(dyLines, pixel, update.runs * s.ow, pixel, sums + grad.size * lanes);
      }
    }
    hwcn.sumLanes(sums, grad.size + s.oc, partials + chunk * (grad.size + s.oc));
  }
}

// Adds the chunks, and brings the rows (kernel line, tap, input channel) x output channels into the order of dweight.
void addChunks(const Call& call, const Conv2dShape& s, const GradWeightBands& grad, const Worker& worker) {
  const GradWeightBuffers buffers(call, s);
  const float* partials = static_cast<const float*>(worker.sharedScratch);
  const int64_t stride = grad.size + s.oc;
  float* sum = static_cast<float*>(worker.threadScratch);
  auto add = [&](int64_t at) {
    std::memset(sum, 0, static_cast<size_t>(s.oc) * sizeof(float));
    call.kernels->gemm.addRows(partials + at, stride, grad.bands.count(), s.oc, sum);
  };
  int64_t begin, end;
  worker.range(grad.rows, &begin, &end);
  for (int64_t row = begin; row < end; ++row) {
    add(row * s.oc);
    for (int64_t o = 0; o < s.oc; ++o) buffers.dweight[o * grad.rows + row] = sum[o];
  }
  if (buffers.dbias == nullptr || worker.thread != 0) return;
  add(grad.size);
  std::memcpy(buffers.dbias, sum, static_cast<size_t>(s.oc) * sizeof(float));
}

}  // namespace

Plan planHwcnGradWeight(const Call& call, const Conv2dShape& s) {
  const GradWeightBands grad(s, *call.kernels);
  const HwcnBands& bands = grad.bands;
  const double perGroup =
      kHwcnMultiplyAddCost * static_cast<double>(s.oh * s.ow) * static_cast<double>(grad.size) +
      static_cast<double>(kHwcnTransposeCost) *
          (static_cast<double>(bands.perGroup * bands.windowLines) * static_cast<double>(bands.windowColumns * s.ic) +
           static_cast<double>(bands.lines * (s.ow / s.poolW) * s.oc) + static_cast<double>(bands.perGroup * grad.size));
  Plan plan = planOf(call, 2.0 * perGroup * static_cast<double>(bands.groups * bands.lanes), 2);
  plan.sharedScratch = grad.partialBytes(s);
  plan.threadScratch = grad.offsetBytes() + bands.windowBytes() + grad.dyBytes(s) + grad.pooledBytes(s) + grad.sumBytes(s);
  return plan;
}

void runHwcnGradWeight(const Call& call, const Conv2dShape& s, const Worker& worker) {
  const GradWeightBands grad(s, *call.kernels);
  if (worker.phase == 0) {
    sumChunks(call, s, grad, worker);
  } else {
    addChunks(call, s, grad, worker);
  }
}

}  // namespace stridenet
