// Algorithm::direct of conv2d and conv2d_grad_input: implicit matrix products over packed weights, for any geometry.
//
// Rows of the product are destination pixels (or groups of `widen` neighbours), its K runs over (tap, source channel). Source
// pixels are reached through a table of pointers, so nothing is unfolded in memory:
//   indirect  one pointer for each tap and row; a row of zeros stands for padding. Any geometry.
//   dense     neighbouring taps of a kernel line are neighbours in memory, so one pointer serves a whole line. If the image is
//             padded, the lines that a block of rows needs are copied to scratch first. For few channels, where pointers would
//             cost as much as the arithmetic, and for pointwise convolutions (one tap, stride 1), where any run of pixels will do.
//
// The packed weight holds, class after class (geometry.h), group after group, panel after panel, the K rows of a panel:
// row (tap, source channel), lane = destination channel. With widening, lanes are (u, destination channel) for the u-th of `widen`
// neighbouring pixels, and the weight is expanded to a Toeplitz matrix over the union of their taps.
#pragma once

#include "native/ops/conv2d/instruction.h"

namespace stridenet {

// Columns of the product: the destination channels of a group, for each of the widened pixels.
inline int64_t productColumns(const Conv2dShape& shape) {
  return shape.widen * (shape.dstC() / shape.groups);
}
// Where a class's panels begin in the packed weight; classes lie in row-major order of (classH, classW).
int64_t packedOffset(const Conv2dShape& shape, const SubConvolution& sub, const KernelTable& kernels);

int64_t packedDirectLength(const Conv2dShape& shape, const KernelTable& kernels);
void packDirect(const Call& call, const Conv2dShape& shape, const Worker& worker);

// Whether every pixel is read and written by itself.
bool isPointwise(const Conv2dShape& shape);

// The instruction as it is cut into blocks: the pixels of a pointwise convolution count as the lines of one image, so
// that a block can begin anywhere.
struct DirectCall {
  Conv2dShape shape;
  const KernelTable* kernels;
  ConvOperands operands;
  DirectCall(const Call& call, const Conv2dShape& shape);
};

// How the rows of one SubConvolution are cut into blocks, and the scratch that a block needs.
struct Blocks {
  bool isDense, isCopied;
  int64_t segments, length;  // K of the product is segments * length
  int64_t rows;              // pixels to write in all images
  int64_t count, perImage;   // blocks; perImage (of whole lines) is for dense blocks only
  int64_t largest;           // rows in the largest block
  int64_t following;         // rows of the next block that a block's table holds as well
  int64_t windowRows, windowColumns;
  size_t tableBytes, zeroBytes, windowBytes;

  size_t chainSize(const KernelTable& kernels) const { return chainBytes(kernels, largest, segments * length); }
  size_t scratch(const KernelTable& kernels) const {
    return scratchBytes(tableBytes) + scratchBytes(zeroBytes) + scratchBytes(windowBytes) + chainSize(kernels);
  }
};

Blocks cutBlocks(const Conv2dShape& shape, const SubConvolution& sub, const KernelTable& kernels);

// The row tables of the blocks of one SubConvolution.
class BlockRows {
 public:
  BlockRows(const DirectCall& call, const SubConvolution& sub, const Blocks& blocks, void* scratch);

  // Scratch for long sums (chainBytes of gemm.h), which lies behind all other scratch; null where none is needed.
  void* chain();
  const RowTable& prepare(int64_t block);

 private:
  const float* imageAt(int64_t image) const;
  // How many numbers lie between the start of the destination and the first pixel of a line of the SubConvolution.
  int64_t lineOffset(int64_t image, int64_t line) const;
  // Destinations of rows [at, at + count) of the table: positions from `position` on of the line that starts at `offset`.
  void fillDestinations(int64_t at, int64_t offset, int64_t position, int64_t count);
  // Fills the table for a dense block at line 0 of image 0. The tables of other blocks differ by an offset only.
  void fillDense();
  void prepareDense(int64_t image, int64_t part);
  void prepareIndirect(int64_t row, int64_t end);
  void fillSources(int64_t at, const float* image, int64_t line, int64_t position, int64_t count);

  const DirectCall& call_;
  const Conv2dShape& shape_;
  const SubConvolution& sub_;
  const Blocks& blocks_;
  ScratchCursor cursor_;
  RowTable table_;
  float* zeros_;
  float* window_;
};

}  // namespace stridenet
