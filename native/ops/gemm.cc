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

// What a pass adds to the sum over K: numbers [k, k + length) of each of the segments [segment, segment + count).
struct Pass {
  int64_t segment, count, k, length;
};

// The passes over a panel that is `width` numbers wide: each takes whole segments, or one of the parts of a segment.
struct Passes {
  int64_t segments, length, parts = 1, count = 1;

  Passes(int64_t segments_, int64_t length_, int64_t width) : segments(segments_), length(length_) {
    const int64_t fitting = kPanelBlockBytes / (width * static_cast<int64_t>(sizeof(float)));
    const int64_t most = fitting < kPassLength ? fitting : kPassLength;
    if (segments * length <= most) return;
    if (length > most) parts = ceilDiv(length, most);
    count = parts == 1 ? ceilDiv(segments, most / length) : segments * parts;
  }
  Pass at(int64_t i) const {
    if (parts == 1) {
      const int64_t first = i * segments / count;
      return {.segment = first, .count = (i + 1) * segments / count - first, .k = 0, .length = length};
    }
    const int64_t k = i % parts * length / parts;
    return {.segment = i / parts, .count = 1, .k = k, .length = (i % parts + 1) * length / parts - k};
  }
};

// What tile `index` of a pass fetches for the next pass, which begins at `next` in a packed panel.
GemmAhead aheadOf(const PanelProduct& product, int64_t panel, const Pass& pass, const float* next, int64_t width, int64_t index,
                  int64_t tiles) {
  const bool isWide = pass.length >= kPrefetchLength && width >= kPrefetchWidth;
  if (!isWide && pass.count * pass.length * width * static_cast<int64_t>(sizeof(float)) < kNarrowAheadBytes) return {};
  if (product.plain != nullptr) {
    return aheadOfPlain(*product.plain, product.panels, panel, pass.k + pass.length, index, tiles, pass.length);
  }
  // Fewer tiles do not compute long enough; the processor's own prefetching of the one stream does better.
  return tiles > 2 ? aheadOfPacked(next, width, index, tiles, pass.count * pass.length) : GemmAhead{};
}

}  // namespace

void addProducts(Plan* plan, const Panels& panels, double rows, double k) {
  const double vectors = static_cast<double>(panels.vectors);
  plan->add(panels.vectors == 1 ? Work::productOfOne : Work::product, rows * k * vectors);
  plan->add(Work::productRow, rows * vectors);
}

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
  const int64_t tiles = ceilDiv(table.count, product.kernels->tiles.gemm.rows[vectors]);
  const Passes passes(product.segments, product.length, width);

  const bool isChained = product.chain != nullptr && passes.count > kChainPasses;
  float** chain = static_cast<float**>(product.chain);
  float* chainValues = reinterpret_cast<float*>(chain + table.count);
  for (int64_t r = 0; isChained && r < table.count; ++r) chain[r] = chainValues + r * width;

  GemmTile tile;
  tile.aPitch = table.pitch;
  const int64_t target = table.cOffset + cOffset + firstColumn;
  tile.columns = static_cast<int>(panels.columnsOf(panel));
  const PlainMatrix* plain = product.plain;
  const float* b = plain != nullptr ? product.scratch : product.packed + firstColumn * product.segments * product.length;

  // What earlier passes have summed is in C, or in the chain that the pass is part of.
  for (int64_t i = 0; i < passes.count; ++i) {
    const Pass pass = passes.at(i);
    const bool first = i == 0, last = i + 1 == passes.count, inChain = isChained && !first && !last;
    const bool startsChain = (i - 1) % kChainPasses == 0;
    tile.aOffset = table.aOffset + aOffset + pass.k;
    tile.cOffset = inChain ? 0 : target;
    tile.segments = pass.count;
    tile.length = pass.length;
    tile.b = b;
    tile.bias = first && product.bias != nullptr ? product.bias + firstColumn : nullptr;
    tile.activation = last ? product.activation : Activation::none;
    if (plain != nullptr) packPart(*plain, *product.kernels, panels, panel, pass.k, pass.length, product.scratch);
    const float* next = b + pass.count * pass.length * width;
    float* const* c = inChain ? chain : table.c;
    const float* const* add = first ? table.add : inChain && startsChain ? nullptr : const_cast<const float* const*>(c);
    const float* const* a = table.a + pass.segment * table.pitch;
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t row = t * table.count / tiles, rows = (t + 1) * table.count / tiles - row;
      tile.a = a + row;
      tile.c = c + row;
      tile.add = add == nullptr ? nullptr : add + row;
      const bool isLastTile = t + 1 == tiles;
      const int64_t nextRow = !isLastTile ? (row + rows < table.count - rows ? row + rows : table.count - rows) : last ? following.row : 0;
      tile.nextA = pass.length < kPrefetchLength || width < kPrefetchWidth ? nullptr : a + nextRow;
      tile.nextC = table.c + nextRow;
      tile.nextCOffset = isLastTile && last ? table.cOffset + cOffset + panels.firstColumn(following.panel) : target;
      tile.ahead = aheadOf(product, panel, pass, next, width, t, tiles);
      gemm.tile[vectors][rows](tile);
    }
    if (plain == nullptr) b = next;
    if (inChain && (i % kChainPasses == 0 || i + 2 == passes.count)) {
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
