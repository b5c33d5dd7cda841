// The convolution kernels of one instruction set that keep images in the lanes: numbers lie as [height, width,
// channels, image], so a vector is one number of as many images as there are lanes, and every other extent may be as
// odd as it likes. One register tile, or one row of pixels of a weight gradient, at a time; cutting and transposing are
// done by native/ops/conv2d/hwcn*.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/base/enums.h"
#include "native/kernels/tile_sizes.h"

namespace stridenet {

// y[p][o] = act(sum over lines i and k of x[i * xLine + p * xPixel + k] weight[i * weightLine + k * channels + o] + bias[o] + y[p][o]),
// k < length, for a tile of pixels x channels; x and y in vectors, weights and bias in numbers. Strides are in floats.
struct HwcnTile {
  const float* x;
  int64_t xPixel, xLine;
  const float* weight;
  int64_t weightLine;
  int64_t lines, length;  // either may be 0
  float* y;
  int64_t yPixel;
  const float* bias;  // or null
  bool add;           // add what y holds already
  Activation activation;
};

// sums[r][o] += x[offsets[r] + q * xRun + p * xPixel] dy[q * dyRun + p * dyPixel + o] over runs q and pixels p, lane by lane.
struct HwcnRankUpdate {
  const float* x;
  const int64_t* offsets;
  int64_t xPixel, xRun;
  const float* dy;
  int64_t dyPixel, dyRun;
  int64_t runs, pixels;
  float* sums;
  int64_t sumRow;
};

// Positions of maxima are stored as [blocks, height, width, channels, image], with this many images in a block: a
// multiple of the lanes of every instruction set.
constexpr int kHwcnImageBlock = 16;

// A line of pooled pixels and the poolH lines of pixels that its windows poolH x poolW cut up, all of vectors [pixel, channel]; positions
// lie kHwcnImageBlock numbers apart. Strides are in floats.
struct HwcnPool {
  int64_t windows, channels, poolH, poolW;
  float* lines;
  int64_t lineStep;
  float* pooled;
  float* position;
};

constexpr int kMaxHwcnPixels = 4;
constexpr int kMaxHwcnRows = 8;

struct HwcnKernels {
  // to[c * lanes + i] = rows[i][c] for c < count; rows[i] may be null for zeros. And back: null is not written.
  void (*interleave)(const float* const* rows, int64_t count, float* to);
  void (*deinterleave)(const float* from, int64_t count, float* const* rows);
  // [pixels][channels] for the powers of two up to TileSizes::hwcn.pixels[channels].
  void (*tile[kMaxHwcnPixels + 1][kMaxHwcnChannels + 1])(const HwcnTile&);
  // [channels][rows], as far as TileSizes::hwcn.rankRows goes.
  void (*rankUpdate[kMaxHwcnChannels + 1][kMaxHwcnRows + 1])(const HwcnRankUpdate&);
  // sums[i] = sum over the lanes of vector i of x.
  void (*sumLanes)(const float* x, int64_t count, float* sums);
  // pooled = maximum of each window, NaN if it has one; it may lie where lines does. position (if it is not null) = its number in window
  // order: the first maximum, or the last NaN as in PyTorch; with onlyPositive -1 unless it is positive.
  void (*maxPool)(const HwcnPool&, bool onlyPositive);
  // lines = pooled at its position in the window, zero elsewhere.
  void (*maxPoolGrad)(const HwcnPool&);
};

}  // namespace stridenet
