// Products that sum over the rows of both operands, c[r][j] = sum over p of a[p][r] b[p][j]: weight gradients.
//
// The summed axis comes in blocks; consecutive blocks form chunks. Each chunk has a partial result of its own, and a second phase
// adds these in order, so that neither the number of threads nor their timing shows in the result. How many chunks there are
// follows from shapes alone; with one chunk there is no second phase.
//
// Where the rows of a are so many that those of one summed position fill whole multiples of a KiB, the numbers of one row share a few
// sets of the first-level cache. There a block is copied first: a into groups of kPackedRows rows, b into one panel at a time. Elsewhere
// copying costs more than it gains.
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

constexpr int64_t kPackedRows = 16;  // one cache line
// Whether copying pays, for rows that are neighbours in memory.
constexpr bool paysToPack(int64_t rows) {
  return rows % 256 == 0;
}
// Summed positions of a block that is copied: what the second-level cache holds beside a panel of b.
constexpr int64_t packedBlock(int64_t rows) {
  const int64_t positions = 96 * 1024 / rows;
  return positions < 64 ? 64 : positions > 256 ? 256 : positions;
}

struct RankUpdate {
  const KernelTable* kernels;
  Panels panels;  // columns of a unit
  int64_t units, rows, cStride;
  int64_t size;     // numbers in c
  int64_t sumSize;  // numbers in the sum beside it; 0 = not wanted
  int64_t blocks;
  int64_t packedPositions;  // the most that a block sums over if blocks are copied (rowOffsets[r] = r and unit.a = 0), else 0
  // Chosen by partition(): partial results, tasks per chunk, and bands into which the rows of a strip (unit, panel) are cut.
  int64_t chunks = 1, splits = 1, bands = 1;

  void partition();
  size_t partialBytes() const { return scratchBytes(static_cast<size_t>(chunks * size) * sizeof(float)); }
  size_t packedBytes() const {
    return static_cast<size_t>(packedPositions * (roundUp(rows, kPackedRows) + panels.lanes * kMaxTileVectors)) * sizeof(float);
  }
  size_t sumBytes() const { return scratchBytes(static_cast<size_t>(chunks * sumSize) * sizeof(float)); }
};

// Copies the rows [begin, end) of a block's a into groups of kPackedRows, and columns of its b.
void packRows(const KernelTable& kernels, const RankBlock& block, int64_t begin, int64_t end, float* packed);
void packColumns(const KernelTable& kernels, const RankBlock& block, int64_t first, int64_t count, int64_t width, float* packed);

// Adds one block to c, for the pieces (strip, band) [begin, end). unitAt(u) gives a RankUnit. `packed` has packedBytes().
template <typename UnitAt>
void updatePieces(const RankUpdate& update, const RankBlock& block, const int64_t* rowOffsets, const UnitAt& unitAt, int64_t begin,
                  int64_t end, float* packed, float* c, bool accumulate) {
  const GemmKernels& gemm = update.kernels->gemm;
  const bool isPacked = update.packedPositions > 0;
  const int64_t bands = update.bands, positions = block.runs * block.pixels;
  // Rows of the first and of the last piece, and so of all if these belong to one strip.
  const bool isOneStrip = begin / bands == (end - 1) / bands;
  const int64_t firstRow = isOneStrip ? begin % bands * update.rows / bands : 0;
  const int64_t endRow = isOneStrip ? ((end - 1) % bands + 1) * update.rows / bands : update.rows;
  float* packedB = packed + update.packedPositions * roundUp(update.rows, kPackedRows);
  if (isPacked && begin < end) packRows(*update.kernels, block, firstRow, endRow, packed);

  const float* rowPointers[kMaxTileRows];
  RankUpdateTile tile = {rowPointers,  block.aStride, block.aRun,     nullptr, block.bStride, block.bRun, block.runs,
                         block.pixels, nullptr,       update.cStride, 0,       accumulate};
  for (int64_t piece = begin; piece < end; ++piece) {
    const int64_t strip = piece / bands, band = piece % bands;
    const int64_t panel = strip % update.panels.count;
    const RankUnit unit = unitAt(strip / update.panels.count);
    const int64_t first = band * update.rows / bands, count = (band + 1) * update.rows / bands - first;
    const int vectors = update.panels.vectorsOf(panel);
    const int64_t tiles = ceilDiv(count, gemm.rows[vectors]);
    const int64_t column = update.panels.firstColumn(panel);
    tile.columns = static_cast<int>(update.panels.columnsOf(panel));
    tile.b = block.b + unit.b + column;
    if (isPacked) {
      const int64_t width = vectors * update.panels.lanes;
      if (piece == begin || band == 0) packColumns(*update.kernels, block, unit.b + column, tile.columns, width, packedB);
      tile.b = packedB;
      tile.aStride = kPackedRows, tile.bStride = width;
      tile.runs = 1, tile.pixels = positions;
    }
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t row = first + i * count / tiles, rows = first + (i + 1) * count / tiles - row;
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t at = row + r - firstRow;
        rowPointers[r] =
            isPacked ? packed + at / kPackedRows * positions * kPackedRows + at % kPackedRows : block.a + unit.a + rowOffsets[row + r];
      }
      tile.c = c + unit.c + row * update.cStride + column;
      gemm.rankUpdate[vectors][rows](tile);
    }
  }
}

// The first phase: every chunk's product in partials + chunk * size and sum in sums + chunk * sumSize. blockAt(i) gives a RankBlock.
// `packed` has packedBytes().
template <typename BlockAt, typename UnitAt>
void accumulateChunks(const RankUpdate& update, const Lane& lane, const BlockAt& blockAt, const UnitAt& unitAt, const int64_t* rowOffsets,
                      float* packed, float* partials, float* sums) {
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
      updatePieces(update, block, rowOffsets, unitAt, split * pieces / update.splits, (split + 1) * pieces / update.splits, packed,
                   partials + chunk * update.size, i > firstBlock);
      if (sum != nullptr) update.kernels->gemm.addRows(block.sumRows, update.sumSize, block.sumCount, update.sumSize, sum);
    }
  }
}

// The second phase for results that need no reordering: y[i] = sum over chunks of partials[chunk * size + i], for this lane's share.
void addPartials(const KernelTable& kernels, const Lane& lane, const float* partials, int64_t chunks, int64_t size, float* y);

}  // namespace stridenet
