// conv2d_grad_weight by Winograd's minimal filtering, for kernels of 3x3 (winograd4x4) and 5x5 (winograd2x2) with stride 1, no dilation and
// no groups. It is F(r x r, m x m), r + m = 7: an m x m tile of dy is the filter, the r x r taps are the outputs.
//
//   dweight[o, :, :, c] = A^T [ sum over tiles of (G e[o] G^T) * (B^T d[c] B) ] A
//
// e is the tile of dy, d the 6x6 pixels of x that the tile meets, * the product element by element: 36 multiplications for each
// tile, o and c where the direct sum takes 144 (3x3 kernels, m = 4) or 100 (5x5, m = 2). The sum in brackets is, for each of the 36
// points, a rank update over tiles.
//
// Tiles come in groups whose transforms fit the cache that the cores share. A first phase transforms the pixels of a group, each once, to
// V [panel of input channels][point][tile][channel], and G likewise; a second one cuts dweight into blocks of a panel of input
// channels by some output channels, makes the 36 sums of a block, transforms them back while they are in the second-level cache and adds
// them to dweight. No sum depends on the blocks.
// Sources: winograd_transforms.inl.h.
#include "native/ops/conv2d/winograd.h"
#include "native/ops/rank_update.h"

namespace stridenet {

namespace {

constexpr int64_t kEdge = 6, kPoints = kEdge * kEdge;
constexpr int64_t kPanelChannels = 64;
// V and G of a group together have at most so many bytes, unless that would leave less than kLeastGroupTiles: with
// fewer tiles the time of transforming back would show.
constexpr int64_t kGroupBytes = 6 * 1024 * 1024;
constexpr int64_t kLeastGroupTiles = 128;
constexpr int64_t kBatchTiles = 16;  // tiles that are transformed at a time
// Output channels of a block: most, and least for the sake of threads that share the blocks.
constexpr int64_t kBlockOutputs = 32, kLeastBlockOutputs = 12;
constexpr int64_t kLine = 16;      // numbers in a cache line
constexpr int64_t kPlanePad = 16;  // numbers between planes, so that one element's planes do not fall into one cache set

// Channels, cut into panels of whole vectors that are as equal as possible.
struct ChannelPanels {
  int64_t channels, lanes, vectors, count;

  ChannelPanels(int64_t channelCount, int64_t laneCount)
      : channels(channelCount),
        lanes(laneCount),
        vectors(ceilDiv(channelCount, laneCount)),
        count(ceilDiv(vectors * lanes, kPanelChannels)) {}
  int64_t first(int64_t panel) const { return panel * vectors / count * lanes; }
  int64_t size(int64_t panel) const { return (panel + 1 == count ? channels : first(panel + 1)) - first(panel); }
  int64_t width() const { return ceilDiv(vectors, count) * lanes; }  // numbers that a panel has room for
};

struct WinogradGradWeight {
  Conv2dShape shape;
  const KernelTable* kernels;
  int64_t m, taps;  // taps = r * r
  int64_t tilesH, tilesW, tiles;
  ChannelPanels inputs, outputs;
  int64_t groups, groupTiles;  // tiles of the largest group
  bool hasSum;

  WinogradGradWeight(const Call& call, const Conv2dShape& s)
      : shape(s),
        kernels(call.kernels),
        m(winogradTile(s.algorithm)),
        taps(s.kh * s.kw),
        tilesH(ceilDiv(s.oh, m)),
        tilesW(ceilDiv(s.ow, m)),
        tiles(s.n * tilesH * tilesW),
        inputs(s.ic, call.kernels->lanes),
        outputs(s.oc, call.kernels->lanes),
        hasSum(gradWeightOperands(call).hasBias) {
    const int64_t perTile =
        kPoints * (inputs.count * inputs.width() + outputs.count * outputs.width()) * static_cast<int64_t>(sizeof(float));
    const int64_t most = kGroupBytes / perTile;
    groups = ceilDiv(tiles, most < kLeastGroupTiles ? kLeastGroupTiles : most);
    if (groups < 1) groups = 1;
    groupTiles = ceilDiv(tiles, groups);
  }

  int64_t firstTile(int64_t group) const { return group * tiles / groups; }
  int64_t batches() const { return ceilDiv(groupTiles, kBatchTiles); }
  // How many numbers lie between the points of a panel of V or G, and between panels.
  int64_t plane(const ChannelPanels& panels) const { return groupTiles * panels.width() + kPlanePad; }
  int64_t panelSize(const ChannelPanels& panels) const { return kPoints * plane(panels); }
  size_t transformBytes(const ChannelPanels& panels) const { return scratchBytes(floatBytes(panels.count * panelSize(panels))); }
  // The sums of dy over each batch, for dbias.
  int64_t sumSize() const { return roundUp(shape.oc, kernels->lanes); }
  size_t sumBytes() const { return hasSum ? scratchBytes(floatBytes(groups * batches() * sumSize())) : 0; }
  int64_t sumPlane() const { return kBlockOutputs * inputs.width() + kPlanePad; }
  int64_t zeros() const { return inputs.width() > outputs.width() ? inputs.width() : outputs.width(); }
  size_t threadBytes() const { return scratchBytes(floatBytes(kPoints * sumPlane())) + scratchBytes(floatBytes(zeros())); }
  // Into how many blocks a panel of output channels is cut: few, but such that threads share them evenly.
  int64_t splits(int64_t threads) const {
    const int64_t panels = inputs.count * outputs.count, most = outputs.width() / kLeastBlockOutputs;
    int64_t count = ceilDiv(outputs.width(), kBlockOutputs);
    while (count < most && isUneven(panels * count, threads)) ++count;
    return count;
  }
  // Whether threads lose more than a tenth of their time waiting for the one with most tasks.
  static bool isUneven(int64_t tasks, int64_t threads) { return 10 * tasks < 9 * ceilDiv(tasks, threads) * threads; }
};

// Points at the pixels of a square of an image whose first row and column are given. Zeros stand for pixels outside.
void pointAtPixels(const float* image, int64_t height, int64_t width, int64_t channels, int64_t row, int64_t column, int64_t side,
                   const float* zeros, const float** pixels) {
  for (int64_t i = row; i < row + side; ++i) {
    for (int64_t j = column; j < column + side; ++j) {
      const bool isInside = i >= 0 && i < height && j >= 0 && j < width;
      *pixels++ = isInside ? image + (i * width + j) * channels : zeros;
    }
  }
}

// What all threads share: the transforms of a group and the sums over dy.
struct Transforms {
  float *v, *g, *sums;

  Transforms(void* memory, const WinogradGradWeight& grad) {
    ScratchCursor cursor(memory);
    v = static_cast<float*>(cursor.takeBytes(grad.transformBytes(grad.inputs)));
    g = static_cast<float*>(cursor.takeBytes(grad.transformBytes(grad.outputs)));
    sums = static_cast<float*>(cursor.takeBytes(grad.sumBytes()));
  }
};

// The first phase of a group. A task is a batch of tiles of one panel.
void transformGroup(const Call& call, const WinogradGradWeight& grad, const Worker& worker, int64_t group, const Transforms& transforms,
                    const float* zeros) {
  const Conv2dShape& s = grad.shape;
  const WinogradKernels& winograd = grad.kernels->winograd;
  const WinogradGradWeightKernels& kernels = s.kh == 5 ? winograd.gradWeight5 : winograd.gradWeight3;
  const int64_t firstTile = grad.firstTile(group), tiles = grad.firstTile(group + 1) - firstTile, batches = grad.batches();
  const float* pixels[kPoints];
  // visit(t, image, row, column) for each tile of a batch, its first pixel of dy given.
  auto forEachTile = [&](int64_t batch, const auto& visit) {
    const int64_t begin = batch * kBatchTiles, end = begin + kBatchTiles < tiles ? begin + kBatchTiles : tiles;
    for (int64_t t = begin; t < end; ++t) {
      const int64_t index = firstTile + t, line = index / grad.tilesW;
      visit(t, line / grad.tilesH, line % grad.tilesH * grad.m, index % grad.tilesW * grad.m);
    }
  };
  for (const int64_t unit : worker.share(grad.inputs.count * batches)) {
    const int64_t panel = unit / batches, channels = grad.inputs.size(panel);
    const float* x = gradWeightOperands(call).x + grad.inputs.first(panel);
    float* v = transforms.v + panel * grad.panelSize(grad.inputs);
    forEachTile(unit % batches, [&](int64_t t, int64_t image, int64_t row, int64_t column) {
      pointAtPixels(x + image * s.ih * s.iw * s.ic, s.ih, s.iw, s.ic, row - s.pt, column - s.pl, kEdge, zeros, pixels);
      winograd.f4x3.input(pixels, channels, v + t * grad.inputs.width(), grad.plane(grad.inputs));
    });
  }
  for (const int64_t unit : worker.share(grad.outputs.count * batches)) {
    const int64_t panel = unit / batches, channels = grad.outputs.size(panel), first = grad.outputs.first(panel);
    const float* dy = gradWeightOperands(call).dy + first;
    float* g = transforms.g + panel * grad.panelSize(grad.outputs);
    float* sum = grad.hasSum ? transforms.sums + (group * batches + unit % batches) * grad.sumSize() + first : nullptr;
    if (sum != nullptr) std::memset(sum, 0, floatBytes(roundUp(channels, grad.kernels->lanes)));
    forEachTile(unit % batches, [&](int64_t t, int64_t image, int64_t row, int64_t column) {
      pointAtPixels(dy + image * s.oh * s.ow * s.oc, s.oh, s.ow, s.oc, row, column, grad.m, zeros, pixels);
      kernels.gradient(pixels, channels, g + t * grad.outputs.width(), grad.plane(grad.outputs), sum);
    });
  }
}

// sums[p][o][c] = sum over the tiles of a group of g[p][tile][o] v[p][tile][c], for `outputs` and `inputs` channels.
void multiplyGroup(const WinogradGradWeight& grad, const float* g, int64_t outputs, const float* v, int64_t inputs, int64_t tiles,
                   float* sums) {
  const GemmKernels& gemm = grad.kernels->gemm;
  const Panels panels(*grad.kernels, roundUp(inputs, grad.kernels->lanes));
  const int64_t inputPitch = grad.inputs.width();
  const float* rows[kMaxTileRows];
  RankUpdateTile tile = {rows, grad.outputs.width(), 0, nullptr, inputPitch, 0, 1, tiles, nullptr, inputPitch, 0, false};
  tile.aAhead = grad.plane(grad.outputs);
  for (int64_t p = 0; p < kPoints; ++p) {
    for (int64_t panel = 0; panel < panels.count; ++panel) {
      const int vectors = panels.vectorsOf(panel);
      const int64_t column = panels.firstColumn(panel), count = ceilDiv(outputs, grad.kernels->tiles.gemm.rows[vectors]);
      tile.b = v + p * grad.plane(grad.inputs) + column;
      tile.columns = static_cast<int>(panels.columnsOf(panel));
      for (int64_t i = 0; i < count; ++i) {
        const int64_t first = i * outputs / count, height = (i + 1) * outputs / count - first;
        for (int64_t r = 0; r < height; ++r) rows[r] = g + p * grad.plane(grad.outputs) + first + r;
        tile.c = sums + p * grad.sumPlane() + first * inputPitch + column;
        // Fetches what the next point needs: every register tile fetches its own columns of g and, for each Winograd
        // tile, a line of v.
        tile.bAhead = grad.plane(grad.inputs) + i * kLine % (vectors * panels.lanes);
        gemm.rankUpdate[vectors][height](tile);
      }
    }
  }
}

// The second phase of a group. A block is a panel of input channels by one of `splits` parts of a panel of output channels.
void addGroup(const Call& call, const WinogradGradWeight& grad, const Worker& worker, int64_t group, const Transforms& transforms,
              float* sums) {
  const Conv2dShape& s = grad.shape;
  const WinogradKernels& winograd = grad.kernels->winograd;
  const WinogradGradWeightKernels& kernels = s.kh == 5 ? winograd.gradWeight5 : winograd.gradWeight3;
  const int64_t tiles = grad.firstTile(group + 1) - grad.firstTile(group), splits = grad.splits(worker.threads);
  for (const int64_t task : worker.share(grad.inputs.count * grad.outputs.count * splits)) {
    const int64_t split = task % splits, outputPanel = task / splits % grad.outputs.count, inputPanel = task / splits / grad.outputs.count;
    const int64_t inputs = grad.inputs.size(inputPanel), size = grad.outputs.size(outputPanel);
    const int64_t output = split * size / splits, outputs = (split + 1) * size / splits - output;
    multiplyGroup(grad, transforms.g + outputPanel * grad.panelSize(grad.outputs) + output, outputs,
                  transforms.v + inputPanel * grad.panelSize(grad.inputs), inputs, tiles, sums);
    float* target =
        gradWeightOperands(call).dweight + (grad.outputs.first(outputPanel) + output) * grad.taps * s.ic + grad.inputs.first(inputPanel);
    for (int64_t o = 0; o < outputs; ++o)
      kernels.weight(sums + o * grad.inputs.width(), grad.sumPlane(), inputs, target + o * grad.taps * s.ic, s.ic, group > 0);
  }
}

Status fits(const Call& call, const Conv2dShape& s) {
  Status status = fitsWinograd(call, s);
  return !status.isOk() || winogradEdge(s) == kEdge ? status : refuse(call, "has no algorithm winograd2x2 for 3x3 kernels");
}

Plan plan(const Call& call, const Conv2dShape& shape) {
  const WinogradGradWeight grad(call, shape);
  Plan result = planOf(call, 0, static_cast<int>(2 * grad.groups));
  result.sharedScratch = grad.transformBytes(grad.inputs) + grad.transformBytes(grad.outputs) + grad.sumBytes();
  result.threadScratch = grad.threadBytes();
  const double tiles = static_cast<double>(grad.tiles), sums = static_cast<double>(shape.oc * grad.inputs.vectors);
  result.add(Work::winogradRankUpdate, tiles * kPoints * sums);
  result.add(Work::winogradGradInput, tiles * static_cast<double>(grad.inputs.vectors));
  result.add(Work::winogradGradGradient, tiles * static_cast<double>(grad.outputs.vectors));
  result.add(Work::winogradGradWeight, static_cast<double>(grad.groups) * sums);
  return result;
}

void run(const Call& call, const Conv2dShape& shape, const Worker& worker) {
  const WinogradGradWeight grad(call, shape);
  const Transforms transforms(worker.sharedScratch, grad);
  ScratchCursor cursor(worker.threadScratch);
  float* sums = cursor.take<float>(static_cast<size_t>(kPoints * grad.sumPlane()));
  float* zeros = cursor.take<float>(static_cast<size_t>(grad.zeros()));
  const int64_t group = worker.phase / 2;
  if (worker.phase % 2 == 0) {
    std::memset(zeros, 0, floatBytes(grad.zeros()));
    return transformGroup(call, grad, worker, group, transforms, zeros);
  }
  addGroup(call, grad, worker, group, transforms, sums);
  if (!grad.hasSum || group + 1 < grad.groups || worker.thread > 0) return;
  float* dbias = gradWeightOperands(call).dbias;
  std::memset(dbias, 0, floatBytes(shape.oc));
  grad.kernels->gemm.addRows(transforms.sums, grad.sumSize(), grad.groups * grad.batches(), shape.oc, dbias);
}

constexpr ConvAlgorithm winogradGradWeight(Algorithm name) {
  return {.name = name, .sumsProducts = false, .fits = fits, .isOffered = isWinogradOffered, .plan = plan, .run = run};
}

}  // namespace

extern const ConvAlgorithm kWinograd2x2GradWeight, kWinograd4x4GradWeight;
const ConvAlgorithm kWinograd2x2GradWeight = winogradGradWeight(Algorithm::winograd2x2);
const ConvAlgorithm kWinograd4x4GradWeight = winogradGradWeight(Algorithm::winograd4x4);

}  // namespace stridenet
