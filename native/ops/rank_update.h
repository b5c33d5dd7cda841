// Products that sum over the rows of both operands, c[r][j] = sum over p of a[p][r] b[p][j]: weight gradients.
//
// The summed axis comes in blocks; consecutive blocks form chunks. Each chunk has a partial result of its own, and a second phase
// adds these in order, so that neither the number of threads nor their timing shows in the result. How many chunks there are
// follows from shapes alone; with one chunk there is no second phase.
#pragma once

#include "native/ops/gemm.h"

namespace stridenet {

// Where one block lies. Row r of unit u is at a + rowOffsets[r] + unit.a; element p of run q is q * aRun + p * aStride further on.
struct RankBlock {
  const float* a;
  int64_t aStride, aRun;
  const float* b;
  int64_t bStride, bRun;
  int64_t runs, pixels;
  // Rows whose sum is wanted beside the product (a bias gradient).
  const float* sumRows;
  int64_t sumCount;
};

// A unit is one of several products over the same blocks (a group, a kernel tap): offsets into a, b and c.
struct RankUnit {
  int64_t a, b, c;
};

struct RankUpdate {
  const KernelTable* kernels;
  Panels panels;  // columns of a unit
  int64_t units, rows, cStride;
  int64_t size;     // numbers in c
  int64_t sumSize;  // numbers in the sum beside it; 0 = not wanted
  int64_t blocks;
  // Chosen by partition(): partial results, tasks per chunk, and bands into which the rows of a strip (unit, panel) are cut.
  int64_t chunks = 1, splits = 1, bands = 1;

  void partition();
  size_t partialBytes() const { return scratchBytes(static_cast<size_t>(chunks * size) * sizeof(float)); }
  size_t sumBytes() const { return scratchBytes(static_cast<size_t>(chunks * sumSize) * sizeof(float)); }
};

// Adds one block to c, for the pieces (strip, band) [begin, end). unitAt(u) gives a RankUnit.
template <typename UnitAt>
void updatePieces(const RankUpdate& update, const RankBlock& block, const int64_t* rowOffsets, const UnitAt& unitAt, int64_t begin,
                  int64_t end, float* c, bool accumulate) {
  const GemmKernels& gemm = update.kernels->gemm;
  const float* rowPointers[kMaxTileRows];
  RankUpdateTile tile;
  tile.a = rowPointers;
  tile.aStride = block.aStride, tile.aRun = block.aRun;
  tile.bStride = block.bStride, tile.bRun = block.bRun;
  tile.runs = block.runs, tile.pixels = block.pixels;
  tile.cStride = update.cStride;
  tile.accumulate = accumulate;
  for (int64_t piece = begin; piece < end; ++piece) {
    const int64_t strip = piece / update.bands, band = piece % update.bands;
    const int64_t panel = strip % update.panels.count;
    const RankUnit unit = unitAt(strip / update.panels.count);
    const int64_t first = band * update.rows / update.bands, count = (band + 1) * update.rows / update.bands - first;
    const int vectors = update.panels.vectorsOf(panel);
    const int64_t tiles = ceilDiv(count, gemm.rows[vectors]);
    tile.b = block.b + unit.b + update.panels.firstColumn(panel);
    tile.columns = static_cast<int>(update.panels.columnsOf(panel));
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t row = first + i * count / tiles, rows = first + (i + 1) * count / tiles - row;
      for (int64_t r = 0; r < rows; ++r) rowPointers[r] = block.a + unit.a + rowOffsets[row + r];
      tile.c = c + unit.c + row * update.cStride + update.panels.firstColumn(panel);
      gemm.rankUpdate[vectors][rows](tile);
    }
  }
}

// The first phase: every chunk's product in partials + chunk * size and sum in sums + chunk * sumSize. blockAt(i) gives a RankBlock.
template <typename BlockAt, typename UnitAt>
void accumulateChunks(const RankUpdate& update, const Lane& lane, const BlockAt& blockAt, const UnitAt& unitAt, const int64_t* rowOffsets,
                      float* partials, float* sums) {
  const int64_t pieces = update.units * update.panels.count * update.bands;
  int64_t begin, end;
  lane.range(update.chunks * update.splits, &begin, &end);
  for (int64_t task = begin; task < end; ++task) {
    const int64_t chunk = task / update.splits, split = task % update.splits;
    const int64_t firstBlock = chunk * update.blocks / update.chunks, endBlock = (chunk + 1) * update.blocks / update.chunks;
    float* sum = update.sumSize > 0 && split == 0 ? sums + chunk * update.sumSize : nullptr;
    if (sum != nullptr) std::memset(sum, 0, static_cast<size_t>(update.sumSize) * sizeof(float));
    for (int64_t i = firstBlock; i < endBlock; ++i) {
      const RankBlock block = blockAt(i);
      updatePieces(update, block, rowOffsets, unitAt, split * pieces / update.splits, (split + 1) * pieces / update.splits,
                   partials + chunk * update.size, i > firstBlock);
      if (sum != nullptr) update.kernels->gemm.addRows(block.sumRows, update.sumSize, block.sumCount, update.sumSize, sum);
    }
  }
}

// The second phase for results that need no reordering: y[i] = sum over chunks of partials[chunk * size + i], for this lane's share.
void addPartials(const KernelTable& kernels, const Lane& lane, const float* partials, int64_t chunks, int64_t size, float* y);

}  // namespace stridenet
