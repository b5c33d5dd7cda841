// Products over packed panels: the part that matmul and the convolutions share.
//
// B (K x columns) is packed into panels of up to `TileSizes::gemm.vectors` whole vectors; within a panel the K rows follow each other,
// columns beyond the last are zero. A row of A is `segments` pieces of `length` numbers (K = segments * length), each reached
// through a pointer. This file knows no padding, no image and no thread: matmul.cc and conv2d/direct_blocks.cc do.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/ops/checks.h"

namespace stridenet {

constexpr int64_t roundUp(int64_t a, int64_t b) {
  return ceilDiv(a, b) * b;
}

// How the columns of a product are cut into panels: as few as possible, and as equal as whole vectors allow.
struct Panels {
  int64_t columns;
  int64_t lanes;
  int64_t vectors;  // in all panels together
  int64_t count;

  Panels(const KernelTable& kernels, int64_t columnCount)
      : columns(columnCount),
        lanes(kernels.lanes),
        vectors(ceilDiv(columnCount, kernels.lanes)),
        count(ceilDiv(vectors, kernels.tiles.gemm.vectors)) {}

  int64_t firstVector(int64_t panel) const { return panel * vectors / count; }
  int vectorsOf(int64_t panel) const { return static_cast<int>(firstVector(panel + 1) - firstVector(panel)); }
  int64_t firstColumn(int64_t panel) const { return firstVector(panel) * lanes; }
  int64_t columnsOf(int64_t panel) const {
    int64_t end = firstColumn(panel + 1);
    return (end < columns ? end : columns) - firstColumn(panel);
  }
  int64_t paddedColumns() const { return vectors * lanes; }
};

// A packed buffer of more numbers than this is refused: no machine of today holds them, and below it sums of sizes
// cannot overflow.
constexpr double kLargestPacked = 1e12;
// How many numbers the packed buffer of a [k, n] matrix holds, or 0 if they are too many.
int64_t packedMatmulLength(int64_t k, int64_t n, const KernelTable& kernels);

// A [k, n] matrix as it is before packing: row by row, or stored [n, k] if isTransposed.
struct PlainMatrix {
  const float* b;
  int64_t k, n;
  bool isTransposed;
};

// A matrix is packed in packUnits() independent units, each of which is some rows of one panel.
int64_t packUnits(const PlainMatrix& matrix, const KernelTable& kernels);
void packMatrix(const PlainMatrix& matrix, const KernelTable& kernels, int64_t unit, float* packed);

// Counts the work of `rows` rows of a product whose sums have `k` terms.
void addProducts(Plan* plan, const Panels& panels, double rows, double k);

// Pointers to the rows of A, of C and, if there is one, of the addend, for one block of rows.
struct RowTable {
  const float** a;                   // [segments][pitch]
  float** c;                         // [pitch]
  const float** add;                 // [pitch], or null
  int64_t pitch;                     // rows that the table has room for
  int64_t count = 0;                 // rows in use
  int64_t aOffset = 0, cOffset = 0;  // added to every pointer to A, and to C and the addend

  static size_t bytes(int64_t segments, int64_t rows) { return static_cast<size_t>((segments + 2) * rows) * sizeof(void*); }
  // Lays the table out in `memory`, which holds bytes(segments, rows).
  RowTable(void* memory, int64_t segments, int64_t rows, bool hasAdd)
      : a(static_cast<const float**>(memory)),
        c(const_cast<float**>(a + segments * rows)),
        add(hasAdd ? a + (segments + 1) * rows : nullptr),
        pitch(rows) {}
};

// So many bytes of a panel stay in the second-level cache while all rows of a block are multiplied by them.
constexpr int64_t kPanelBlockBytes = 256 * 1024;

// A pass sums this many terms of K in registers before they are added to the sums of earlier passes.
constexpr int64_t kPassLength = 1024;
// At most this many passes are added one after the other. Where there are more, so many at a time have a sum of their
// own, which is then added to the result.
constexpr int64_t kChainPasses = 64;
// Scratch for these sums for a block of `rows` rows; 0 where the sum over `k` terms needs none.
size_t chainBytes(const KernelTable& kernels, int64_t rows, int64_t k);

// What all panels of a product have in common.
struct PanelProduct {
  const KernelTable* kernels;
  Panels panels;
  const float* packed;  // first panel
  int64_t segments, length;
  const float* bias;  // [columns] or null
  Activation activation;
  // Instead of `packed`, if there is one segment: a matrix of which some rows of a panel at a time are packed into
  // `scratch`, which holds kPanelBlockBytes.
  const PlainMatrix* plain = nullptr;
  float* scratch = nullptr;
  // Scratch of chainBytes() for the rows of a table, or null where none is needed.
  void* chain = nullptr;
};

// A hint which panel is multiplied next: of the same rows (row 0), or of those that follow in the table (row `count`),
// which then has kMaxTileRows more rows.
struct NextPanel {
  int64_t row, panel;
};

// Computes the rows [0, table.count) of C for the columns of one panel. aOffset and cOffset are added to those of the
// table. The order of the sum over K depends on nothing but K.
void multiplyPanel(const PanelProduct& product, const RowTable& table, int64_t panel, int64_t aOffset, int64_t cOffset,
                   NextPanel following);

// With this many panels threads can share a product without cutting its rows.
constexpr int64_t kLeastPanels = 8;
// Chooses how many rows a block has, at most `most`, such that there are enough blocks of `rows` rows and `panels`
// panels for threads to share.
int64_t chooseBlockRows(int64_t rows, int64_t panels, int64_t most);

// The order of the tasks (block of rows, panel) of a product, of which each thread takes consecutive ones. The larger
// of A and B is read less often, and is the one that threads share.
struct TaskOrder {
  int64_t blocks, panels;
  bool isByPanel;  // all blocks of a panel, then the next panel

  int64_t block(int64_t task) const { return isByPanel ? task % blocks : task / panels; }
  int64_t panel(int64_t task) const { return isByPanel ? task / blocks : task % panels; }
};

}  // namespace stridenet
