// Loops over the register tiles of a product with packed panels.
#include "native/ops/gemm.h"

namespace stridenet {

namespace {

// Bytes of a panel that stay in the second-level cache while all rows of a block pass over them.
constexpr int64_t kPanelBlockBytes = 256 * 1024;
constexpr int64_t kBlockRows = 96;
// Shorter pieces of a row are not worth the instructions that prefetch them; a narrower panel is done with them so soon that the
// second-level cache has no time left beside what the panel itself reads.
constexpr int64_t kPrefetchLength = 64, kPrefetchWidth = 32;
// Tasks that a product is cut into at least; as many panels as kLeastPanels are enough without cutting the rows, because every
// block of rows passes over all of a panel again.
constexpr int64_t kLeastTasks = 16, kLeastPanels = 8;
// Rows of a unit of packing.
constexpr int64_t kPackRows = 256;

}  // namespace

int64_t packedMatmulLength(int64_t k, int64_t n, const KernelTable& kernels) {
  const double estimate = static_cast<double>(k) * (static_cast<double>(n) + kernels.lanes);
  return estimate > kLargestPacked ? 0 : k * Panels(kernels, n).paddedColumns();
}

int64_t packUnits(int64_t k, int64_t n, const KernelTable& kernels) {
  return Panels(kernels, n).count * ceilDiv(k, kPackRows);
}

void packMatrix(const float* b, int64_t k, int64_t n, bool isTransposed, const KernelTable& kernels, int64_t unit, float* packed) {
  const Panels panels(kernels, n);
  const int64_t parts = ceilDiv(k, kPackRows), panel = unit / parts, row = unit % parts * kPackRows;
  const int64_t rows = k - row < kPackRows ? k - row : kPackRows;
  const int64_t column = panels.firstColumn(panel), columns = panels.columnsOf(panel), width = panels.vectorsOf(panel) * panels.lanes;
  float* target = packed + column * k + row * width;
  if (columns < width) std::memset(target, 0, static_cast<size_t>(rows * width) * sizeof(float));
  if (isTransposed) {
    kernels.layout.transpose4(b + column * k + row, k, target, width, columns, rows);
  } else {
    for (int64_t r = 0; r < rows; ++r)
      std::memcpy(target + r * width, b + (row + r) * n + column, static_cast<size_t>(columns) * sizeof(float));
  }
}

void multiplyPanel(const PanelProduct& product, const RowTable& table, int64_t panel, int64_t aOffset, int64_t cOffset) {
  const GemmKernels& gemm = product.kernels->gemm;
  const Panels& panels = product.panels;
  const int vectors = panels.vectorsOf(panel);
  const int64_t width = vectors * panels.lanes, firstColumn = panels.firstColumn(panel);
  const int64_t segments = product.segments, length = product.length;
  const int64_t tiles = ceilDiv(table.count, gemm.rows[vectors]);

  GemmTile tile;
  tile.aPitch = table.pitch;
  tile.cOffset = table.cOffset + cOffset + firstColumn;
  tile.columns = static_cast<int>(panels.columnsOf(panel));
  const float* b = product.packed + firstColumn * segments * length;

  // One pass adds the segments [s, s + count), each from number k on; what earlier passes have summed is in C.
  auto pass = [&](int64_t s, int64_t count, int64_t k, int64_t partLength) {
    const bool first = s == 0 && k == 0, last = s + count == segments && k + partLength == length;
    tile.aOffset = table.aOffset + aOffset + k;
    tile.segments = count;
    tile.length = partLength;
    tile.b = b;
    tile.bias = first && product.bias != nullptr ? product.bias + firstColumn : nullptr;
    tile.activation = last ? product.activation : Activation::none;
    // The part of B that the next pass reads follows this one in memory: every tile fetches a share of it. One or two tiles do not
    // compute long enough to hide that, and the processor's own prefetching of the one stream does better.
    const int64_t lines = tiles > 2 ? ceilDiv(width, tiles) : 0;
    const float* ahead = b + count * partLength * width;
    tile.aheadLines = lines;
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t row = i * table.count / tiles, rows = (i + 1) * table.count / tiles - row;
      tile.a = table.a + s * table.pitch + row;
      tile.c = table.c + row;
      tile.add = !first ? const_cast<const float* const*>(tile.c) : table.add == nullptr ? nullptr : table.add + row;
      const int64_t next = row + rows < table.count - rows ? row + rows : table.count - rows;
      tile.nextA = partLength < kPrefetchLength || width < kPrefetchWidth ? nullptr : table.a + s * table.pitch + next;
      tile.ahead = ahead + i * lines * count * partLength;
      gemm.tile[vectors][rows](tile);
    }
    b += count * partLength * width;
  };

  const int64_t most = kPanelBlockBytes / (width * static_cast<int64_t>(sizeof(float)));
  if (segments * length <= most) {
    pass(0, segments, 0, length);
  } else if (length <= most) {
    const int64_t passes = ceilDiv(segments, most / length);
    for (int64_t i = 0; i < passes; ++i) {
      const int64_t s = i * segments / passes;
      pass(s, (i + 1) * segments / passes - s, 0, length);
    }
  } else {
    const int64_t passes = ceilDiv(length, most);
    for (int64_t s = 0; s < segments; ++s) {
      for (int64_t i = 0; i < passes; ++i) {
        const int64_t k = i * length / passes;
        pass(s, 1, k, (i + 1) * length / passes - k);
      }
    }
  }
}

int64_t chooseBlockRows(int64_t rows, int64_t panels, int64_t limit) {
  int64_t most = limit < kBlockRows ? (limit < 1 ? 1 : limit) : kBlockRows;
  int64_t blocks = ceilDiv(rows, most);
  if (blocks * panels < kLeastTasks && panels < kLeastPanels) {
    // Not below a tile's rows: a panel is read once per block.
    blocks = ceilDiv(kLeastTasks, panels);
    if (blocks > ceilDiv(rows, kMaxTileRows)) blocks = ceilDiv(rows, kMaxTileRows);
    if (blocks < ceilDiv(rows, most)) blocks = ceilDiv(rows, most);
  }
  return ceilDiv(rows, blocks);
}

}  // namespace stridenet
