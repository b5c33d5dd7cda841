// Winograd's weight gradient (winograd_grad_weight.cc) of few input channels: see winograd_narrow.h.
//
// A chunk is a run of lines of tiles, over all images. Its sums, [vector of output channels][point row][point column][input channel]
// [lane] and behind the points of each vector that over dy, grow in the shared scratch, some lines at a time. A second phase adds the
// chunks in their order and transforms the sum back.
#include "native/ops/conv2d/winograd_narrow.h"

namespace stridenet {

namespace {

constexpr int64_t kMostChunks = 16;
constexpr int64_t kPartialNumbers = 1 << 20;  // of the partial sums of all chunks, if there are several
// Bytes of the points and of the transformed dy of the lines of a pass. That is more than the first-level cache holds:
// the sums are then loaded and stored less often, and what does not fit is read in order.
constexpr int64_t kPassBytes = 64 * 1024;

struct NarrowGradWeight {
  NarrowTiles tiles;
  int64_t lines, chunks;  // of tiles, over all images; the parts that they are cut into
  int64_t vectors;        // of output channels
  int64_t bandLines, passLines;
  int64_t eLine, eRow;  // numbers of the transformed dy of a line of tiles for one point row, and of those of a pass
  int64_t sums, size;   // numbers of a vector's sums, and of all

  NarrowGradWeight(const Conv2dShape& s, const KernelTable& kernels) : tiles(s, kernels, s.oh, s.ow), lines(s.n * tiles.tilesH) {
    vectors = ceilDiv(s.oc, tiles.lanes);
    sums = (kNarrowPoints * s.ic + 1) * tiles.lanes;
    size = vectors * sums;
    // Where there are very many lines, there are about as many chunks as a chunk has lines, so that both sums are
    // short.
    chunks = kMostChunks;
    while (chunks * chunks < lines && 2 * chunks * size <= kPartialNumbers) chunks *= 2;
    if (chunks > lines) chunks = lines;
    eLine = tiles.tilesW * tiles.m * tiles.lanes;
    const int64_t longest = ceilDiv(lines, chunks < 1 ? 1 : chunks), inImage = longest < tiles.tilesH ? longest : tiles.tilesH;
    const int64_t most = tiles.bandLines();
    bandLines = most < inImage ? most : inImage;
    const int64_t fitting = kPassBytes / (kNarrowEdge * (tiles.line + eLine) * static_cast<int64_t>(sizeof(float)));
    passLines = fitting < 1 ? 1 : fitting < bandLines ? fitting : bandLines;
    eRow = passLines * eLine;
  }
  size_t sumBytes() const { return scratchBytes(floatBytes(chunks * size)); }
  size_t pointBytes() const { return scratchBytes(floatBytes(passLines * kNarrowEdge * tiles.line)); }
  size_t gradientBytes() const { return scratchBytes(floatBytes(kNarrowEdge * eRow)); }
  size_t zeroBytes(const Conv2dShape& s) const { return scratchBytes(floatBytes(s.ow * s.oc)); }
  size_t threadBytes(const Conv2dShape& s) const {
    const size_t adding = scratchBytes(floatBytes(sums)) + scratchBytes(floatBytes(s.kh * s.kw * s.ic * tiles.lanes));
    const size_t summing = tiles.residueBytes(bandLines) + tiles.lineBytes(bandLines) + pointBytes() + gradientBytes() + zeroBytes(s);
    return adding > summing ? adding : summing;
  }
};

// Runs the first phase for one thread.
class SumChunks {
 public:
  SumChunks(const Call& call, const Conv2dShape& s, const NarrowGradWeight& grad, void* scratch)
      : s_(s), grad_(grad), tiles_(grad.tiles), operands_(gradWeightOperands(call)) {
    ScratchCursor cursor(scratch);
    residues_ = static_cast<float*>(cursor.takeBytes(tiles_.residueBytes(grad.bandLines)));
    transformed_ = static_cast<float*>(cursor.takeBytes(tiles_.lineBytes(grad.bandLines)));
    v_ = static_cast<float*>(cursor.takeBytes(grad.pointBytes()));
    e_ = static_cast<float*>(cursor.takeBytes(grad.gradientBytes()));
    zeros_ = static_cast<float*>(cursor.takeBytes(grad.zeroBytes(s)));
    std::memset(zeros_, 0, grad.zeroBytes(s));
    // The pixels of a ragged last tile that lie behind the end of a line.
    std::memset(e_, 0, grad.gradientBytes());
  }

  void run(int64_t chunk, float* sums) {
    std::memset(sums, 0, floatBytes(grad_.size));
    const int64_t end = (chunk + 1) * grad_.lines / grad_.chunks;
    for (int64_t line = chunk * grad_.lines / grad_.chunks; line < end;) {
      const int64_t image = line / tiles_.tilesH, first = line % tiles_.tilesH;
      int64_t count = tiles_.tilesH - first < end - line ? tiles_.tilesH - first : end - line;
      if (count > grad_.bandLines) count = grad_.bandLines;
      tiles_.transformLines(operands_.x + image * s_.ih * s_.iw * s_.ic, first, first + count, residues_, transformed_);
      for (int64_t pass = 0; pass < count; pass += grad_.passLines) {
        const int64_t lines = count - pass < grad_.passLines ? count - pass : grad_.passLines;
        for (int64_t i = 0; i < lines; ++i)
          tiles_.transformTiles(transformed_ + (pass + i) * tiles_.m * tiles_.line, v_ + i * kNarrowEdge * tiles_.line);
        for (int64_t vector = 0; vector < grad_.vectors; ++vector) addPass(image, first + pass, lines, vector, sums + vector * grad_.sums);
      }
      line += count;
    }
  }

 private:
  void addPass(int64_t image, int64_t line, int64_t lines, int64_t vector, float* sums) {
    const int64_t channel = vector * tiles_.lanes, rest = s_.oc - channel, m = tiles_.m;
    const int count = static_cast<int>(rest < tiles_.lanes ? rest : tiles_.lanes);
    for (int64_t i = 0; i < lines; ++i) {
      const float* pixels[4];
      for (int64_t k = 0; k < m; ++k) {
        const int64_t dyLine = (line + i) * m + k;
        pixels[k] = dyLine < s_.oh ? operands_.dy + (image * s_.oh + dyLine) * s_.ow * s_.oc + channel : zeros_;
      }
      tiles_.kernels->gradient(pixels, s_.ow, s_.oc, count, e_ + i * grad_.eLine, grad_.eRow, sums + kNarrowPoints * s_.ic * tiles_.lanes);
    }
    WinogradNarrowSums work = {};
    work.vLine = kNarrowEdge * tiles_.line, work.vColumn = tiles_.column, work.channels = s_.ic;
    work.eLine = grad_.eLine, work.lines = lines, work.tiles = tiles_.tilesW;
    work.sumColumn = s_.ic * tiles_.lanes;
    const int64_t blocks = ceilDiv(s_.ic, kMostWinogradNarrowChannels);
    for (int64_t i = 0; i < kNarrowEdge; ++i) {
      work.e = e_ + i * grad_.eRow;
      for (int64_t block = 0; block < blocks; ++block) {
        const int64_t c = block * s_.ic / blocks;
        work.v = v_ + i * tiles_.line + c;
        work.sums = sums + (i * kNarrowEdge * s_.ic + c) * tiles_.lanes;
        tiles_.kernels->sums[(block + 1) * s_.ic / blocks - c](work);
      }
    }
  }

  const Conv2dShape& s_;
  const NarrowGradWeight& grad_;
  const NarrowTiles& tiles_;
  const GradWeightOperands operands_;
  float *residues_, *transformed_, *v_, *e_, *zeros_;
};

// Runs the second phase for one vector of output channels.
void addChunks(const Call& call, const Conv2dShape& s, const NarrowGradWeight& grad, int64_t vector, const float* chunks, void* scratch) {
  const KernelTable& kernels = *call.kernels;
  const int64_t lanes = grad.tiles.lanes, taps = s.kh * s.kw, points = kNarrowPoints * s.ic * lanes;
  ScratchCursor cursor(scratch);
  float* sums = cursor.take<float>(static_cast<size_t>(grad.sums));
  float* result = cursor.take<float>(static_cast<size_t>(taps * s.ic * lanes));
  std::memset(sums, 0, floatBytes(grad.sums));
  kernels.gemm.addRows(chunks + vector * grad.sums, grad.size, grad.chunks, grad.sums, sums);
  const WinogradGradWeightKernels& transform = s.kh == 5 ? kernels.winograd.gradWeight5 : kernels.winograd.gradWeight3;
  transform.weight(sums, s.ic * lanes, s.ic * lanes, result, s.ic * lanes, false);
  const int64_t channel = vector * lanes, count = s.oc - channel < lanes ? s.oc - channel : lanes;
  kernels.layout.transpose4(result, lanes, gradWeightOperands(call).dweight + channel * taps * s.ic, taps * s.ic, taps * s.ic, count);
  if (float* dbias = gradWeightOperands(call).dbias) std::memcpy(dbias + channel, sums + points, floatBytes(count));
}

Plan plan(const Call& call, const Conv2dShape& s) {
  const NarrowGradWeight grad(s, *call.kernels);
  const NarrowTiles& tiles = grad.tiles;
  const double lines = static_cast<double>(grad.lines), rows = static_cast<double>(tiles.m) + 1;
  const double gradients = lines * static_cast<double>(tiles.tilesW * grad.vectors);
  const double passes = static_cast<double>(1 + ceilDiv(s.ic, kMostWinogradNarrowChannels));
  Plan result = planOf(call, 0, 2);
  result.add(Work::narrowTransform, lines * static_cast<double>(tiles.column / tiles.lanes) * (rows + kNarrowEdge));
  result.add(Work::narrowRankUpdate, gradients * static_cast<double>(kNarrowPoints * s.ic));
  result.add(tiles.m == 4 ? Work::narrowGradient4 : Work::narrowGradient2, gradients * passes);
  result.sharedScratch = grad.sumBytes();
  result.threadScratch = grad.threadBytes(s);
  return result;
}

void run(const Call& call, const Conv2dShape& s, const Worker& worker) {
  const NarrowGradWeight grad(s, *call.kernels);
  float* sums = worker.sharedFloats();
  if (worker.phase == 0) {
    const Range own = worker.share(grad.chunks);
    if (own.isEmpty()) return;
    SumChunks chunks(call, s, grad, worker.threadScratch);
    for (const int64_t chunk : own) chunks.run(chunk, sums + chunk * grad.size);
    return;
  }
  for (const int64_t vector : worker.share(grad.vectors)) addChunks(call, s, grad, vector, sums, worker.threadScratch);
}

constexpr ConvAlgorithm winogradNarrowGradWeight(Algorithm name) {
  return {.name = name, .sumsProducts = false, .fits = fitsWinogradNarrow, .plan = plan, .run = run};
}

}  // namespace

extern const ConvAlgorithm kWinogradNarrow2x2GradWeight, kWinogradNarrow4x4GradWeight;
const ConvAlgorithm kWinogradNarrow2x2GradWeight = winogradNarrowGradWeight(Algorithm::winogradNarrow2x2);
const ConvAlgorithm kWinogradNarrow4x4GradWeight = winogradNarrowGradWeight(Algorithm::winogradNarrow4x4);

}  // namespace stridenet
