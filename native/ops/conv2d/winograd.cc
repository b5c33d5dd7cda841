// Winograd convolution: see winograd.h.
//
// Tasks are (block of tiles, panel of destination channels). A thread transforms the source of a block once, to V [point][tile][source
// channel], and for each panel that it has of it makes the P * P products with the packed weight U [panel][point][source channel]
// [lane], M [point][tile][lane], which it transforms back while M is in the second-level cache. A block is small enough for that and
// large enough that reading U does not hold the multiply-adds up. A sum over source channels runs in the same order whatever the blocks.
#include "native/ops/conv2d/winograd.h"

#include <utility>

#include "native/ops/worker_tasks.h"

namespace stridenet {

namespace {

// V and M of a block together have at most so many bytes, unless that would leave less than kLeastTiles.
constexpr int64_t kBlockBytes = 640 * 1024;
constexpr int64_t kLeastTiles = 36;
// Blocks are made smaller until threads with unequal shares lose less than this part of the time, but not smaller than
// so many tiles.
constexpr double kMostImbalance = 0.1;
constexpr int64_t kFewestSplitTiles = 6;
// For the estimate of time: packed weights up to this size are still in the cache that the cores share when the next
// block reads them.
constexpr double kSharedCacheBytes = 16e6;

// Tiles, blocks of tiles and the layout of V and M.
struct WinogradBlocks {
  int64_t m, edge, points;  // edge = P
  int64_t tilesH, tilesW, tiles;
  int64_t top, left;        // source pixel of destination pixel (0, 0)
  int64_t blocks, largest;  // how many blocks, and the tiles of the largest one
  int64_t vRow, vPoint;     // numbers from one tile, and from one point, to the next
  int64_t mRow, mPoint;

  // Chooses how many blocks there are: few, because each reads all of U, but such that threads share them evenly. No
  // result depends on it.
  WinogradBlocks(const Conv2dShape& s, const KernelTable& kernels, int64_t threads)
      : m(winogradTile(s.algorithm)),
        edge(winogradEdge(s)),
        points(edge * edge),
        tilesH(ceilDiv(s.dstH(), m)),
        tilesW(ceilDiv(s.dstW(), m)),
        tiles(s.n * tilesH * tilesW),
        top(s.isForward() ? -s.pt : s.pt - s.kh + 1),
        left(s.isForward() ? -s.pl : s.pl - s.kw + 1),
        vRow(roundUp(s.srcC(), kernels.lanes)) {
    const Panels panels(kernels, s.dstC());
    mRow = ceilDiv(panels.vectors, panels.count) * panels.lanes;
    const int64_t most = kBlockBytes / (points * (vRow + mRow) * static_cast<int64_t>(sizeof(float)));
    blocks = ceilDiv(tiles, most < kLeastTiles ? kLeastTiles : most);
    const int64_t possible = tiles / kFewestSplitTiles;
    while (blocks < possible && imbalance(blocks * panels.count, threads) > kMostImbalance) ++blocks;
    largest = tiles == 0 ? 0 : ceilDiv(tiles, blocks);
    // A cache line more than a multiple of the page size, so that the points of a tile do not fall into one set of the
    // caches.
    vPoint = roundUp(largest * vRow, kLine) + kLine;
    mPoint = roundUp(largest * mRow, kLine) + kLine;
  }

  // The part of their time that threads wait for the one with most tasks.
  static double imbalance(int64_t tasks, int64_t threads) {
    return 1 - static_cast<double>(tasks) / static_cast<double>(ceilDiv(tasks, threads) * threads);
  }

  int64_t begin(int64_t block) const { return block * tiles / blocks; }
  size_t vBytes() const { return scratchBytes(floatBytes(points * vPoint)); }
  size_t mBytes() const { return scratchBytes(floatBytes(points * mPoint)); }
  size_t tableBytes() const { return scratchBytes(RowTable::bytes(1, largest)); }
  size_t zeroBytes() const { return scratchBytes(floatBytes(vRow)); }
  size_t scratch() const { return vBytes() + mBytes() + tableBytes() + zeroBytes(); }

  static constexpr int64_t kLine = 16;
};

// Computes the tasks of one thread.
class WinogradRun {
 public:
  WinogradRun(const Call& call, const Conv2dShape& shape, const Worker& worker)
      : s_(shape),
        kernels_(*call.kernels),
        transforms_(winogradKernels(shape, kernels_)),
        blocks_(shape, kernels_, worker.threads),
        panels_(kernels_, shape.dstC()),
        operands_(call),
        cursor_(worker.threadScratch),
        v_(static_cast<float*>(cursor_.takeBytes(blocks_.vBytes()))),
        m_(static_cast<float*>(cursor_.takeBytes(blocks_.mBytes()))),
        table_(cursor_.takeBytes(blocks_.tableBytes()), 1, blocks_.largest, false),
        zeros_(static_cast<float*>(cursor_.takeBytes(blocks_.zeroBytes()))) {
    std::memset(zeros_, 0, blocks_.zeroBytes());
    for (int64_t t = 0; t < blocks_.largest; ++t) {
      table_.a[t] = v_ + t * blocks_.vRow;
      table_.c[t] = m_ + t * blocks_.mRow;
    }
  }

  void run(const Worker& worker) {
    WorkerTasks tasks(worker, blocks_.blocks * panels_.count);
    int64_t transformed = -1;
    for (int64_t task; tasks.next(&task);) {
      const int64_t block = task / panels_.count, panel = task % panels_.count;
      if (block != transformed) transformSource(block);
      transformed = block;
      multiply(panel);
      transformResults(block, panel);
    }
  }

 private:
  // The destination tile (image, line, column), counted in tiles.
  struct Tile {
    int64_t image, line, column;
  };
  Tile tileAt(int64_t index) const {
    const int64_t perImage = blocks_.tilesH * blocks_.tilesW;
    return {index / perImage, index % perImage / blocks_.tilesW, index % blocks_.tilesW};
  }

  void transformSource(int64_t block) {
    const int64_t first = blocks_.begin(block), channels = s_.srcC(), height = s_.srcH(), width = s_.srcW();
    table_.count = blocks_.begin(block + 1) - first;
    for (int64_t t = 0; t < table_.count; ++t) {
      const Tile tile = tileAt(first + t);
      const int64_t top = tile.line * blocks_.m + blocks_.top, left = tile.column * blocks_.m + blocks_.left;
      const float* image = operands_.source + tile.image * height * width * channels;
      const float* pixels[kMostWinogradPoints];
      for (int64_t i = 0; i < blocks_.edge; ++i) {
        const bool isInside = top + i >= 0 && top + i < height;
        for (int64_t j = 0; j < blocks_.edge; ++j) {
          const int64_t column = left + j;
          pixels[i * blocks_.edge + j] =
              isInside && column >= 0 && column < width ? image + ((top + i) * width + column) * channels : zeros_;
        }
      }
      transforms_.input(pixels, channels, v_ + t * blocks_.vRow, blocks_.vPoint);
    }
  }

  void multiply(int64_t panel) {
    const int64_t k = s_.srcC(), firstColumn = panels_.firstColumn(panel), width = panels_.vectorsOf(panel) * panels_.lanes;
    PanelProduct product = {&kernels_, panels_, nullptr, 1, k, nullptr, Activation::none};
    for (int64_t point = 0; point < blocks_.points; ++point) {
      // multiplyPanel adds firstColumn * k to skip the panels before this one. Here they are skipped already, for each
      // point.
      product.packed = operands_.packed + firstColumn * k * (blocks_.points - 1) + point * k * width;
      multiplyPanel(product, table_, panel, point * blocks_.vPoint, point * blocks_.mPoint - firstColumn, {0, panel + 1});
    }
  }

  void transformResults(int64_t block, int64_t panel) {
    const int64_t first = blocks_.begin(block), firstColumn = panels_.firstColumn(panel), m = blocks_.m;
    WinogradResults results;
    results.pointStride = blocks_.mPoint;
    results.channels = panels_.columnsOf(panel);
    results.bias = operands_.bias == nullptr ? nullptr : operands_.bias + firstColumn;
    results.lineStride = s_.dstW() * s_.dstC();
    results.pixelStride = s_.dstC();
    results.activation = s_.activation;
    for (int64_t t = 0; t < table_.count; ++t) {
      const Tile tile = tileAt(first + t);
      const int64_t line = tile.line * m, column = tile.column * m;
      const int64_t offset = ((tile.image * s_.dstH() + line) * s_.dstW() + column) * s_.dstC() + firstColumn;
      results.m = m_ + t * blocks_.mRow;
      results.add = operands_.add == nullptr ? nullptr : operands_.add + offset;
      results.y = operands_.destination + offset;
      results.lines = static_cast<int>(s_.dstH() - line < m ? s_.dstH() - line : m);
      results.pixels = static_cast<int>(s_.dstW() - column < m ? s_.dstW() - column : m);
      transforms_.results(results);
    }
  }

  const Conv2dShape& s_;
  const KernelTable& kernels_;
  const WinogradSizeKernels& transforms_;
  const WinogradBlocks blocks_;
  const Panels panels_;
  const ConvOperands operands_;
  ScratchCursor cursor_;
  float* v_;
  float* m_;
  RowTable table_;
  float* zeros_;
};

// The kinds of work that transforms are, of the source and back to results.
std::pair<Work, Work> transformsOf(const Conv2dShape& s) {
  if (s.kh == 5) return {Work::winogradInput2x5, Work::winogradResults2x5};
  if (winogradTile(s.algorithm) == 4) return {Work::winogradInput4x3, Work::winogradResults4x3};
  return {Work::winogradInput2x3, Work::winogradResults2x3};
}

Plan plan(const Call& call, const Conv2dShape& s) {
  const WinogradBlocks blocks(s, *call.kernels, 1);  // the largest
  const Panels panels(*call.kernels, s.dstC());
  const double rows = static_cast<double>(blocks.tiles) * static_cast<double>(blocks.points);
  const auto [input, results] = transformsOf(s);
  Plan result = planOf(call, 0);
  addProducts(&result, panels, rows, static_cast<double>(s.srcC()));
  result.add(input, rows * static_cast<double>(blocks.vRow / panels.lanes));
  result.add(results, rows * static_cast<double>(panels.vectors));
  // Each block reads the packed weight, but from memory only once if the shared cache holds it.
  const double weightBytes = static_cast<double>(call.operands[kPacked].bytes());
  if (weightBytes > kSharedCacheBytes) result.bytes += weightBytes * static_cast<double>(blocks.blocks - 1);
  result.threadScratch = blocks.scratch();
  return result;
}

void run(const Call& call, const Conv2dShape& s, const Worker& worker) {
  WinogradRun winograd(call, s, worker);
  winograd.run(worker);
}

constexpr ConvAlgorithm winograd(Algorithm name) {
  return {.name = name,
          .sumsProducts = false,
          .fits = fitsWinograd,
          .isOffered = isWinogradOffered,
          .packedLength = packedWinogradLength,
          .planPack = planWinogradPack,
          .pack = packWinograd,
          .plan = plan,
          .run = run};
}

}  // namespace

extern const ConvAlgorithm kWinograd2x2, kWinograd4x4;
const ConvAlgorithm kWinograd2x2 = winograd(Algorithm::winograd2x2);
const ConvAlgorithm kWinograd4x4 = winograd(Algorithm::winograd4x4);

}  // namespace stridenet
