// Loops over the register tiles of a product with packed panels.
#include "native/ops/gemm.h"

namespace stridenet {

namespace {

constexpr int64_t kLineFloats = 16;  // a cache line
// Shorter segments are not worth the instructions that prefetch them, and a narrower panel needs them so soon that the
// second-level cache has no time left for them. What the next pass reads is fetched all the same if it is at least so
// many bytes, because the processor's own prefetching stops at the end of each page.
constexpr int64_t kPrefetchLength = 64, kPrefetchWidth = 32, kNarrowAheadBytes = 96 * 1024;
// A product with fewer than kLeastPanels panels is cut into at least this many tasks. Not into more, because every
// block of rows reads all of a panel again.
constexpr int64_t kLeastTasks = 16;
// How many rows a unit of packing has.
constexpr int64_t kPackRows = 256;

// Packs the rows [row, row + rows) of one panel.
void packPart(const PlainMatrix& matrix, const KernelTable& kernels, const Panels& panels, int64_t panel, int64_t row, int64_t rows,
              float* target) {
  const int64_t column = panels.firstColumn(panel), columns = panels.columnsOf(panel), width = panels.vectorsOf(panel) * panels.lanes;
  if (matrix.isTransposed) {
    if (columns < width) std::memset(target, 0, floatBytes(rows * width));
    kernels.layout.transpose4(matrix.b + column * matrix.k + row, matrix.k, target, width, columns, rows);
  } else {
    kernels.gemm.copyColumns(matrix.b + row * matrix.n + column, matrix.n, rows, columns, target, width);
  }
}

// What a pass reads is fetched by the pass before, of which every tile fetches a share. This is the share of tile
// `index`, if the next pass reads as much as this one, `length` numbers of every row, right behind it in memory.
GemmAhead aheadOfPacked(const float* next, int64_t width, int64_t index, int64_t tiles, int64_t length) {
  const int64_t lines = ceilDiv(width, tiles);
  return {next + index * lines * length, 1, 0, lines, lines * kLineFloats};
}

// The same for the next `length` rows, from `row` on, of a panel that is packed after this pass, or else of the panel after it.
GemmAhead aheadOfPlain(const PlainMatrix& matrix, const Panels& panels, int64_t panel, int64_t row, int64_t index, int64_t tiles,
                       int64_t length) {
  if (row == matrix.k) {
    if (panel + 1 == panels.count) return {};
    row = 0;
    ++panel;
  }
  const int64_t column = panels.firstColumn(panel), columns = panels.columnsOf(panel);
  if (matrix.isTransposed) {
    const int64_t first = index * columns / tiles, rows = (index + 1) * columns / tiles - first;
    return {matrix.b + (column + first) * matrix.k + row, rows, matrix.k, 1, kLineFloats};
  }
  const int64_t rows = ceilDiv(kLineFloats, tiles);
  return {matrix.b + (row + index * length / tiles) * matrix.n + column, rows, matrix.n, ceilDiv(columns, kLineFloats), rows * matrix.n};
}

}  // namespace

int64_t packedMatmulLength(int64_t k, int64_t n, const KernelTable& kernels) {
  const double estimate = static_cast<double>(k) * (static_cast<double>(n) + kernels.lanes);
  return estimate > kLargestPacked ? 0 : k * Panels(kernels, n).paddedColumns();
}

int64_t packUnits(const PlainMatrix& matrix, const KernelTable& kernels) {
  return Panels(kernels, matrix.n).count * ceilDiv(matrix.k, kPackRows);
}

void packMatrix(const PlainMatrix& matrix, const KernelTable& kernels, int64_t unit, float* packed) {
  const Panels panels(kernels, matrix.n);
  const int64_t parts = ceilDiv(matrix.k, kPackRows), panel = unit / parts, row = unit % parts * kPackRows;
  const int64_t rows = matrix.k - row < kPackRows ? matrix.k - row : kPackRows;
  packPart(matrix, kernels, panels, panel, row, rows,
           packed + panels.firstColumn(panel) * matrix.k + row * panels.vectorsOf(panel) * panels.lanes);
}

size_t chainBytes(const KernelTable& kernels, int64_t rows, int64_t k) {
  if (k <= kChainPasses * kPassLength) return 0;
  const size_t width = static_cast<size_t>(kernels.tiles.gemm.vectors * kernels.lanes);
  return scratchBytes(static_cast<size_t>(rows) * (sizeof(float*) + width * sizeof(float)));
}

void multiplyPanel(const PanelProduct& product, const RowTable& table, int64_t panel, int64_t aOffset, int64_t cOffset,
                   NextPanel following) {
  const GemmKernels& gemm = product.kernels->gemm;
  const Panels& panels = product.panels;
  const int vectors = panels.vectorsOf(panel);
  const int64_t width = vectors * panels.lanes, firstColumn = panels.firstColumn(panel);
  const int64_t segments = product.segments, length = product.length;
  const int64_t tiles = ceilDiv(table.count, product.kernels->tiles.gemm.rows[vectors]);

  // A pass sums whole segments, or a part of one.
  const int64_t fitting = kPanelBlockBytes / (width * static_cast<int64_t>(sizeof(float))),
                most = fitting < kPassLength ? fitting : kPassLength;
  const int64_t parts = segments * length <= most || length <= most ? 1 : ceilDiv(length, most);
  const int64_t passes = segments * length <= most ? 1 : parts == 1 ? ceilDiv(segments, most / length) : segments * parts;

  const bool isChained = product.chain != nullptr && passes > kChainPasses;
  float** chain = static_cast<float**>(product.chain);
  float* chainValues = reinterpret_cast<float*>(chain + table.count);
  for (int64_t r = 0; isChained && r < table.count; ++r) chain[r] = chainValues + r * width;

  GemmTile tile;
  tile.aPitch = table.pitch;
  const int64_t target = table.cOffset + cOffset + firstColumn;
  tile.columns = static_cast<int>(panels.columnsOf(panel));
  const PlainMatrix* plain = product.plain;
  const float* b = plain != nullptr ? product.scratch : product.packed + firstColumn * segments * length;

  // A pass adds the segments [s, s + count), each from number k on; what earlier passes have summed is in C, or in the chain that the pass
  // is part of.
  for (int64_t i = 0; i < passes; ++i) {
    const bool first = i == 0, last = i + 1 == passes, inChain = isChained && !first && !last, startsChain = (i - 1) % kChainPasses == 0;
    const int64_t s = parts > 1 ? i / parts : i * segments / passes, part = i % parts;
    const int64_t count = parts > 1 ? 1 : (i + 1) * segments / passes - s;
    const int64_t k = parts > 1 ? part * length / parts : 0, partLength = parts > 1 ? (part + 1) * length / parts - k : length;
    tile.aOffset = table.aOffset + aOffset + k;
    tile.cOffset = inChain ? 0 : target;
    tile.segments = count;
    tile.length = partLength;
    tile.b = b;
    tile.bias = first && product.bias != nullptr ? product.bias + firstColumn : nullptr;
    tile.activation = last ? product.activation : Activation::none;
    if (plain != nullptr) packPart(*plain, *product.kernels, panels, panel, k, partLength, product.scratch);
    const float* next = b + count * partLength * width;
    float* const* c = inChain ? chain : table.c;
    const float* const* add = first ? table.add : inChain && startsChain ? nullptr : const_cast<const float* const*>(c);
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t row = t * table.count / tiles, rows = (t + 1) * table.count / tiles - row;
      tile.a = table.a + s * table.pitch + row;
      tile.c = c + row;
      tile.add = add == nullptr ? nullptr : add + row;
      const bool isLastTile = t + 1 == tiles;
      const int64_t nextRow = !isLastTile ? (row + rows < table.count - rows ? row + rows : table.count - rows) : last ? following.row : 0;
      tile.nextA = partLength < kPrefetchLength || width < kPrefetchWidth ? nullptr : table.a + s * table.pitch + nextRow;
      tile.nextC = table.c + nextRow;
      tile.nextCOffset = isLastTile && last ? table.cOffset + cOffset + panels.firstColumn(following.panel) : target;
      if (tile.nextA == nullptr && count * partLength * width * static_cast<int64_t>(sizeof(float)) < kNarrowAheadBytes) {
        tile.ahead = {};
      } else if (plain != nullptr) {
        tile.ahead = aheadOfPlain(*plain, panels, panel, k + partLength, t, tiles, partLength);
      } else if (tiles > 2) {  // with fewer the processor's own prefetching does better
        tile.ahead = aheadOfPacked(next, width, t, tiles, count * partLength);
      }
      gemm.tile[vectors][rows](tile);
    }
    if (plain == nullptr) b = next;
    if (inChain && (i % kChainPasses == 0 || i + 2 == passes)) {
      for (int64_t r = 0; r < table.count; ++r) gemm.addRows(chain[r], 0, 1, tile.columns, table.c[r] + target);
    }
  }
}

int64_t chooseBlockRows(int64_t rows, int64_t panels, int64_t most) {
  if (most < 1) most = 1;
  int64_t blocks = ceilDiv(rows, most);
  if (blocks * panels < kLeastTasks && panels < kLeastPanels) {
    // A block has at least the rows of a tile, because each block reads the panel once.
    blocks = ceilDiv(kLeastTasks, panels);
    if (blocks > ceilDiv(rows, kMaxTileRows)) blocks = ceilDiv(rows, kMaxTileRows);
    if (blocks < ceilDiv(rows, most)) blocks = ceilDiv(rows, most);
  }
  return ceilDiv(rows, blocks);
}

}  // namespace stridenet
