// The weight gradient as F(r x r, m x m), r + m = 7: an m x m tile of dy is the filter, the r x r taps are the outputs.
//
//   dweight[o, :, :, c] = A^T [ sum over tiles of (G e[o] G^T) * (B^T d[c] B) ] A
//
// e is the tile of dy, d the 6x6 pixels of x that the tile meets, * the product element by element: 36 multiplications for each
// tile, o and c where the direct sum takes 144 (3x3 kernels, m = 4) or 100 (5x5, m = 2). The sum in brackets is, for each of the 36
// points, a rank update over tiles.
//
// dweight is cut into blocks of output and input channels, small enough for the 36 sums of a block to stay in the second-level cache;
// where there are few blocks, the tiles are cut into chunks too. A task is one block over one chunk: it transforms some tiles at a
// time, adds their products, and transforms the sums back at the end. With several chunks, a second phase adds their results in order.
// Sources: winograd_transforms.inl.h.
#include "native/ops/conv2d_winograd_weight_grad.h"

#include "native/ops/conv2d_winograd.h"
#include "native/ops/rank_update.h"

namespace stridenet {

namespace {

constexpr int64_t kEdge = 6, kPoints = kEdge * kEdge;
constexpr int64_t kBlockChannels = 64;                              // a side of a block of dweight
constexpr int64_t kBlockNumbers = kBlockChannels * kBlockChannels;  // a narrow block may be longer
constexpr int64_t kBatchTiles = 24;                                 // transformed at a time
constexpr int64_t kLeastTasks = 32;
constexpr int64_t kLeastChunkTiles = 96;  // below, transforming back shows
constexpr int64_t kPlanePad = 16;         // numbers between planes, so that one element's planes do not fall into one cache set

enum GradWeightOperand { kX, kDy, kDweight, kDbias };

// Channels cut into equal parts of whole vectors.
struct ChannelBlocks {
  int64_t channels, lanes, vectors, count;

  ChannelBlocks(int64_t channelCount, int64_t most, int64_t laneCount)
      : channels(channelCount), lanes(laneCount), vectors(ceilDiv(channelCount, laneCount)), count(ceilDiv(vectors * lanes, most)) {}
  int64_t first(int64_t block) const { return block * vectors / count * lanes; }
  int64_t size(int64_t block) const { return (block + 1 == count ? channels : first(block + 1)) - first(block); }
  int64_t largest() const { return ceilDiv(vectors, count) * lanes; }  // rounded up to whole vectors
};

struct WinogradGradWeight {
  Conv2dShape shape;
  const KernelTable* kernels;
  int64_t m, taps;  // taps = r * r
  int64_t tilesH, tilesW, tiles;
  ChannelBlocks inputs, outputs;
  int64_t chunks;
  bool hasSum;

  WinogradGradWeight(const Call& call, const Conv2dShape& s)
      : shape(s),
        kernels(call.kernels),
        m(winogradTile(s.algorithm)),
        taps(s.kh * s.kw),
        tilesH(ceilDiv(s.oh, m)),
        tilesW(ceilDiv(s.ow, m)),
        tiles(s.n * tilesH * tilesW),
        inputs(s.ic, mostBeside(s.oc, call.kernels->lanes), call.kernels->lanes),
        outputs(s.oc, mostBeside(s.ic, call.kernels->lanes), call.kernels->lanes),
        chunks(ceilDiv(kLeastTasks, inputs.count * outputs.count)),
        hasSum(call.operands[kDbias].present()) {
    const int64_t most = tiles / kLeastChunkTiles;
    chunks = chunks < most ? chunks : most < 1 ? 1 : most;
  }
  static int64_t mostBeside(int64_t otherChannels, int64_t lanes) {
    return otherChannels < kBlockChannels ? kBlockNumbers / roundUp(otherChannels, lanes) : kBlockChannels;
  }

  int64_t tasks() const { return chunks * outputs.count * inputs.count; }
  int64_t weightSize() const { return shape.oc * taps * shape.ic; }
  int64_t inputPlane() const { return kBatchTiles * inputs.largest() + kPlanePad; }
  int64_t outputPlane() const { return kBatchTiles * outputs.largest() + kPlanePad; }
  int64_t sumPlane() const { return outputs.largest() * inputs.largest() + kPlanePad; }
  int64_t zeros() const { return inputs.largest() > outputs.largest() ? inputs.largest() : outputs.largest(); }
  size_t partialBytes() const { return chunks > 1 ? scratchBytes(static_cast<size_t>(chunks * weightSize()) * sizeof(float)) : 0; }
  size_t biasBytes() const { return hasSum ? scratchBytes(static_cast<size_t>(chunks * biasSize()) * sizeof(float)) : 0; }
  int64_t biasSize() const { return roundUp(shape.oc, kernels->lanes); }
  size_t threadBytes() const {
    return scratchBytes(static_cast<size_t>(kPoints * inputPlane()) * sizeof(float)) +
           scratchBytes(static_cast<size_t>(kPoints * outputPlane()) * sizeof(float)) +
           scratchBytes(static_cast<size_t>(kPoints * sumPlane()) * sizeof(float)) +
           scratchBytes(static_cast<size_t>(zeros()) * sizeof(float));
  }
};

// The pixels of a square of an image, first row and column given; zeros stand for those outside.
void pointAtPixels(const float* image, int64_t height, int64_t width, int64_t channels, int64_t row, int64_t column, int64_t side,
                   const float* zeros, const float** pixels) {
  for (int64_t i = row; i < row + side; ++i) {
    for (int64_t j = column; j < column + side; ++j) {
      const bool isInside = i >= 0 && i < height && j >= 0 && j < width;
      *pixels++ = isInside ? image + (i * width + j) * channels : zeros;
    }
  }
}

// The memory of one task.
struct Workspace {
  float *v, *g, *m, *zeros;

  Workspace(void* memory, const WinogradGradWeight& grad) {
    ScratchCursor cursor(memory);
    v = cursor.take<float>(static_cast<size_t>(kPoints * grad.inputPlane()));
    g = cursor.take<float>(static_cast<size_t>(kPoints * grad.outputPlane()));
    m = cursor.take<float>(static_cast<size_t>(kPoints * grad.sumPlane()));
    zeros = cursor.take<float>(static_cast<size_t>(grad.zeros()));
  }
};

// m[p][o][c] (+)= sum over the batch's tiles of g[p][tile][o] v[p][tile][c].
void addProducts(const WinogradGradWeight& grad, const Workspace& work, int64_t outputs, int64_t inputs, int64_t tiles, bool accumulate) {
  const GemmKernels& gemm = grad.kernels->gemm;
  const Panels panels(*grad.kernels, roundUp(inputs, grad.kernels->lanes));
  const int64_t inputPitch = grad.inputs.largest(), outputPitch = grad.outputs.largest();
  const float* rows[kMaxTileRows];
  RankUpdateTile tile = {rows, outputPitch, 0, nullptr, inputPitch, 0, 1, tiles, nullptr, inputPitch, 0, accumulate};
  for (int64_t p = 0; p < kPoints; ++p) {
    const float *g = work.g + p * grad.outputPlane(), *v = work.v + p * grad.inputPlane();
    float* m = work.m + p * grad.sumPlane();
    for (int64_t panel = 0; panel < panels.count; ++panel) {
      const int vectors = panels.vectorsOf(panel);
      const int64_t column = panels.firstColumn(panel), count = ceilDiv(outputs, gemm.rows[vectors]);
      tile.b = v + column;
      tile.columns = static_cast<int>(panels.columnsOf(panel));
      for (int64_t i = 0; i < count; ++i) {
        const int64_t first = i * outputs / count, height = (i + 1) * outputs / count - first;
        for (int64_t r = 0; r < height; ++r) rows[r] = g + first + r;
        tile.c = m + first * inputPitch + column;
        gemm.rankUpdate[vectors][height](tile);
      }
    }
  }
}

void runTask(const Call& call, const WinogradGradWeight& grad, const Workspace& work, int64_t task, float* partials, float* biases) {
  const Conv2dShape& s = grad.shape;
  const WinogradKernels& winograd = grad.kernels->winograd;
  const WinogradWeightGradKernels& kernels = s.kh == 5 ? winograd.gradWeight5 : winograd.gradWeight3;
  const int64_t inputBlock = task % grad.inputs.count, outputBlock = task / grad.inputs.count % grad.outputs.count;
  const int64_t chunk = task / (grad.inputs.count * grad.outputs.count);
  const int64_t firstInput = grad.inputs.first(inputBlock), inputs = grad.inputs.size(inputBlock);
  const int64_t firstOutput = grad.outputs.first(outputBlock), outputs = grad.outputs.size(outputBlock);
  const int64_t firstTile = chunk * grad.tiles / grad.chunks, endTile = (chunk + 1) * grad.tiles / grad.chunks;
  const float *x = call.operands[kX].f32() + firstInput, *dy = call.operands[kDy].f32() + firstOutput;
  float* sum = grad.hasSum && inputBlock == 0 ? biases + chunk * grad.biasSize() + firstOutput : nullptr;
  if (sum != nullptr) std::memset(sum, 0, static_cast<size_t>(roundUp(outputs, grad.kernels->lanes)) * sizeof(float));

  const float* pixels[kEdge * kEdge];
  const int64_t batches = ceilDiv(endTile - firstTile, kBatchTiles);
  for (int64_t batch = 0; batch < batches; ++batch) {
    const int64_t first = firstTile + batch * (endTile - firstTile) / batches;
    const int64_t tiles = firstTile + (batch + 1) * (endTile - firstTile) / batches - first;
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t image = (first + t) / (grad.tilesH * grad.tilesW);
      const int64_t row = (first + t) / grad.tilesW % grad.tilesH * grad.m, column = (first + t) % grad.tilesW * grad.m;
      pointAtPixels(x + image * s.ih * s.iw * s.ic, s.ih, s.iw, s.ic, row - s.pt, column - s.pl, kEdge, work.zeros, pixels);
      winograd.f4x3.input(pixels, inputs, work.v + t * grad.inputs.largest(), grad.inputPlane());
      pointAtPixels(dy + image * s.oh * s.ow * s.oc, s.oh, s.ow, s.oc, row, column, grad.m, work.zeros, pixels);
      kernels.gradient(pixels, outputs, work.g + t * grad.outputs.largest(), grad.outputPlane(), sum);
    }
    addProducts(grad, work, outputs, inputs, tiles, batch > 0);
  }
  float* target = partials + chunk * grad.weightSize() + firstOutput * grad.taps * s.ic + firstInput;
  for (int64_t o = 0; o < outputs; ++o)
    kernels.weight(work.m + o * grad.inputs.largest(), grad.sumPlane(), inputs, target + o * grad.taps * s.ic, s.ic);
}

}  // namespace

Plan planWinogradGradWeight(const Call& call, const Conv2dShape& shape) {
  const WinogradGradWeight grad(call, shape);
  Plan plan = planOf(call, 0, grad.chunks > 1 || grad.hasSum ? 2 : 1);
  plan.sharedScratch = grad.partialBytes() + grad.biasBytes();
  plan.threadScratch = grad.threadBytes();
  // In multiply-adds of whole vectors; a transform is counted by the time that it takes.
  constexpr double kInputTransform = 300, kGradientTransform = 250, kWeightTransform = 150;
  const double tiles = static_cast<double>(grad.tiles), outputs = static_cast<double>(shape.oc);
  const double inputVectors = static_cast<double>(grad.inputs.vectors), outputVectors = static_cast<double>(grad.outputs.vectors);
  const double vectors =
      tiles * (kPoints * outputs * inputVectors + kInputTransform * inputVectors * static_cast<double>(grad.outputs.count) +
               kGradientTransform * outputVectors * static_cast<double>(grad.inputs.count)) +
      kWeightTransform * static_cast<double>(grad.chunks) * outputs * inputVectors;
  plan.flops = 2.0 * grad.kernels->lanes * vectors;
  return plan;
}

void runWinogradGradWeight(const Call& call, const Conv2dShape& shape, const Lane& lane) {
  const WinogradGradWeight grad(call, shape);
  float *dweight = call.operands[kDweight].f32(), *dbias = call.operands[kDbias].f32();
  ScratchCursor shared(lane.sharedScratch);
  float* partials = grad.chunks > 1 ? static_cast<float*>(shared.takeBytes(grad.partialBytes())) : dweight;
  float* biases = static_cast<float*>(shared.takeBytes(grad.biasBytes()));
  if (lane.phase == 1) {
    if (grad.chunks > 1) addPartials(*grad.kernels, lane, partials, grad.chunks, grad.weightSize(), dweight);
    if (grad.hasSum && lane.thread == 0) {
      std::memset(dbias, 0, static_cast<size_t>(shape.oc) * sizeof(float));
      grad.kernels->gemm.addRows(biases, grad.biasSize(), grad.chunks, shape.oc, dbias);
    }
    return;
  }
  const Workspace work(lane.threadScratch, grad);
  std::memset(work.zeros, 0, static_cast<size_t>(grad.zeros()) * sizeof(float));
  int64_t begin, end;
  lane.range(grad.tasks(), &begin, &end);
  for (int64_t task = begin; task < end; ++task) runTask(call, grad, work, task, partials, biases);
}

}  // namespace stridenet
