// Products that sum over the rows of both operands, c[r][j] = sum over p of a[p][r] b[p][j]: weight gradients.
//
// The summed axis comes in blocks that fit the second-level cache; from there the register tiles read both operands as they are, and
// while they compute they fetch the block that follows. Consecutive blocks form chunks. Each chunk has a partial result of its own,
// and a second phase adds these in order, so that neither the number of threads nor their timing shows in the result. How many chunks
// there are follows from shapes alone; with one chunk there is no second phase. Threads share out chunks and parts of the result.
#pragma once

#include "native/ops/gemm.h"

namespace stridenet {

// Where one block lies in memory, and how far away the next one lies, which is fetched meanwhile (0: none is).
struct RankBlock {
  const float *a, *b;
  int64_t aNext, bNext;
  // The rows that are summed beside the product, for a bias gradient.
  const float* sumRows;
  int64_t sumCount;
};

// Element p of run q of image n lies n * image + q * run + p * stride further on.
struct RankStrides {
  int64_t stride, run, image;
};

// A unit is one of several products over the same blocks (a group, a kernel tap): offsets into a, b and c, and the elements to sum.
struct RankUnit {
  int64_t a, b, c;
  int64_t images, runs, pixels;
};

// How many positions of the summed axis a block has, if both operands have `bytes` bytes at each: the second-level
// cache holds a block.
constexpr int64_t positionsPerBlock(int64_t bytes) {
  const int64_t positions = 512 * 1024 / bytes;
  return positions < 64 ? 64 : positions > 256 ? 256 : positions;
}

struct RankUpdate {
  const KernelTable* kernels;
  Panels panels;  // columns of a unit
  int64_t units, rows, cStride;
  int64_t size;     // numbers in c
  int64_t sumSize;  // numbers in the sum beside it; 0 = not wanted
  int64_t positions, blocks;
  RankStrides a = {}, b = {};
  // Row r of a unit starts at a + rowOffsets[r]; null: at a + r.
  const int64_t* rowOffsets = nullptr;
  int64_t chunks = 1;  // each has a partial result; chosen by partition()
  // The result is written past the caches: it is large, written once, by one block, and its rows start on cache lines.
  bool isStreamed = false;

  // Chooses few chunks, but more where a chunk would otherwise have very many positions, so that no chain of additions
  // is long.
  void partition();
  // Counts the work of the first phase, and that of a second one with the scratch that it needs.
  void addWork(Plan* plan) const;
  void addPartials(Plan* plan, Work kind) const;
  size_t partialBytes() const { return scratchBytes(floatBytes(chunks * size)); }
  size_t sumBytes() const { return scratchBytes(floatBytes(chunks * sumSize)); }
};

// How the work on each chunk's result is shared: the panels of all units are cut into bands of rows, and `splits` tasks take parts (band,
// panel of a unit), each so much of the result as stays in the second-level cache from block to block. No number that is computed depends
// on it.
struct RankSharing {
  int64_t unitPanels, bands, splits;
  RankSharing(const RankUpdate& update, int64_t threads);
};

// Cache lines to fetch, `count` of them in `turns` turns: the one for this turn, or -1.
constexpr int64_t lineOfTurn(int64_t turn, int64_t turns, int64_t count) {
  const int64_t line = turn * count / turns;
  return (turn + 1) * count / turns > line ? line : -1;
}

// Adds one block to c, for the parts [begin, end). unitAt(u) gives a RankUnit.
template <typename UnitAt>
void updateParts(const RankUpdate& update, const RankSharing& sharing, const RankBlock& block, const UnitAt& unitAt, int64_t begin,
                 int64_t end, float* c, bool accumulate) {
  constexpr int64_t kLine = 16;
  const GemmKernels& gemm = update.kernels->gemm;
  const GemmTileSizes& sizes = update.kernels->tiles.gemm;
  auto firstRow = [&](int64_t band) { return band * update.rows / sharing.bands; };
  // The rows of a that the parts read, and so those of the next block to fetch.
  const int64_t low = firstRow(begin / sharing.unitPanels), high = firstRow((end - 1) / sharing.unitPanels + 1);
  const int64_t turnsPerPart = ceilDiv(firstRow(1), sizes.rows[update.panels.vectorsOf(0)]), turns = (end - begin) * turnsPerPart;

  const float* rowPointers[kMaxTileRows];
  RankUpdateTile tile = {
      rowPointers, update.a.stride, update.a.run,  nullptr, update.b.stride, update.b.run, 0, 0, nullptr, update.cStride, 0, accumulate,
      0,           update.a.image,  update.b.image};
  for (int64_t part = begin; part < end; ++part) {
    const int64_t unitPanel = part % sharing.unitPanels, band = part / sharing.unitPanels;
    const int64_t panel = unitPanel % update.panels.count;
    const RankUnit unit = unitAt(unitPanel / update.panels.count);
    const int64_t first = firstRow(band), count = firstRow(band + 1) - first;
    const int vectors = update.panels.vectorsOf(panel);
    const int64_t tiles = ceilDiv(count, sizes.rows[vectors]);
    const int64_t column = update.panels.firstColumn(panel);
    tile.columns = static_cast<int>(update.panels.columnsOf(panel));
    tile.b = block.b + unit.b + column;
    tile.images = unit.images, tile.runs = unit.runs, tile.pixels = unit.pixels;
    if (unit.images == 1 && update.a.run == unit.pixels * update.a.stride && update.b.run == unit.pixels * update.b.stride) {
      tile.runs = 1, tile.pixels = unit.runs * unit.pixels;
    }
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t row = first + i * count / tiles, rows = first + (i + 1) * count / tiles - row;
      const float* a = block.a + unit.a;
      for (int64_t r = 0; r < rows; ++r) rowPointers[r] = a + (update.rowOffsets == nullptr ? row + r : update.rowOffsets[row + r]);
      tile.c = c + unit.c + row * update.cStride + column;
      tile.aAhead = 0, tile.bAhead = 0;
      tile.isStreamed = update.isStreamed;
      if (block.aNext != 0) {
        const int64_t line = lineOfTurn((part - begin) * turnsPerPart + i, turns, ceilDiv(high - low, kLine));
        if (line >= 0) tile.aAhead = block.aNext + low + line * kLine - row;
      }
      if (block.bNext != 0) {
        const int64_t line = lineOfTurn(i, tiles, ceilDiv(tile.columns, kLine));
        if (line >= 0) tile.bAhead = block.bNext + line * kLine;
      }
      gemm.rankUpdate[vectors][rows](tile);
    }
  }
}

// The first phase: every chunk's product in partials + chunk * size and sum in sums + chunk * sumSize. blockAt(i) gives a RankBlock,
// unitAt(i, u) unit u's part of it.
template <typename BlockAt, typename UnitAt>
void accumulateChunks(const RankUpdate& update, const Worker& worker, const BlockAt& blockAt, const UnitAt& unitAt, float* partials,
                      float* sums) {
  const RankSharing sharing(update, worker.threads);
  const int64_t parts = sharing.unitPanels * sharing.bands;
  for (const int64_t task : worker.share(update.chunks * sharing.splits)) {
    const int64_t chunk = task / sharing.splits, split = task % sharing.splits;
    const int64_t firstBlock = chunk * update.blocks / update.chunks, endBlock = (chunk + 1) * update.blocks / update.chunks;
    float* sum = update.sumSize > 0 && split == 0 ? sums + chunk * update.sumSize : nullptr;
    if (sum != nullptr) std::memset(sum, 0, floatBytes(update.sumSize));
    for (int64_t i = firstBlock; i < endBlock; ++i) {
      const RankBlock block = blockAt(i);
      auto unitOfBlock = [&](int64_t unit) { return unitAt(i, unit); };
      updateParts(update, sharing, block, unitOfBlock, split * parts / sharing.splits, (split + 1) * parts / sharing.splits,
                  partials + chunk * update.size, i > firstBlock);
      if (sum != nullptr) update.kernels->gemm.addRows(block.sumRows, update.sumSize, block.sumCount, update.sumSize, sum);
    }
  }
}

// The second phase for results that need no reordering: y[i] = sum over chunks of partials[chunk * size + i], for this worker's share.
void addPartials(const KernelTable& kernels, const Worker& worker, const float* partials, int64_t chunks, int64_t size, float* y);

}  // namespace stridenet
