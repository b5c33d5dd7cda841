// The winograd algorithms with six points (winograd.h) for few source channels.
//
// Where channels leave most of a vector empty, transforming pixel by pixel costs more than the products. Here the lanes of the transform
// are the tiles of a line with their channels, and the products of a tile stay in registers until they are transformed back
// (native/kernels/winograd_narrow_kernels.h). A unit of work is a band of lines of tiles of an image.
#pragma once

#include "native/ops/conv2d/winograd.h"

namespace stridenet {

// Refuses a geometry that the narrow form cannot compute. What it can follows from the weight and the attributes alone, because packing
// depends on it.
Status fitsWinogradNarrow(const Call& call, const Conv2dShape& shape);

// The packed weight holds [vector of destination channels][point column][source channel][point row][lane].
void packWinogradNarrow(const Call& call, const Conv2dShape& shape, const Worker& worker);

constexpr int64_t kNarrowEdge = kWinogradNarrowEdge, kNarrowPoints = kNarrowEdge * kNarrowEdge;

const WinogradNarrowSizeKernels& narrowKernelsOf(const Conv2dShape& shape, const KernelTable& kernels);

// How a line of tiles and the lines of an image that it reads lie in scratch.
struct NarrowTiles {
  const WinogradNarrowSizeKernels* kernels;
  int64_t m, channels, lanes;
  int64_t tilesH, tilesW;
  int64_t srcH, srcW, top, left;  // source pixel of destination pixel (0, 0)
  int64_t columns;                // pixels of a source line that its tiles read
  int64_t residue;                // numbers in one residue class of the columns of a line
  int64_t column, line;           // numbers of one column of points, and of all six

  // `rows` and `pixels` are the extents that are cut into tiles.
  NarrowTiles(const Conv2dShape& shape, const KernelTable& table, int64_t rows, int64_t pixels);
  int64_t sourceLines(int64_t lines) const { return (lines - 1) * m + kNarrowEdge; }
  // Scratch for the source lines of a band, their columns split into residue classes, and transformed along the
  // line.
  size_t residueBytes(int64_t lines) const { return scratchBytes(floatBytes(sourceLines(lines) * m * residue)); }
  size_t lineBytes(int64_t lines) const { return scratchBytes(floatBytes(sourceLines(lines) * line)); }
  // The most lines of tiles that a band may have.
  int64_t bandLines() const;
  // Bytes of the six lines of points of one line of tiles.
  size_t pointBytes() const { return scratchBytes(floatBytes(kNarrowEdge * line)); }

  // `to`: the source lines of the lines of tiles [begin, end) of an image, [line][point column][tile][channel].
  void transformLines(const float* image, int64_t begin, int64_t end, float* residues, float* to) const;
  // Transforms the lines from `lines` on, which a line of tiles reads, to its points `v`.
  void transformTiles(const float* lines, float* v) const;
};

}  // namespace stridenet
