// The matrix kernels of one instruction set: microkernels that each own one register tile. Problems are cut into tiles,
// packed and padded by native/ops/{gemm,rank_update,matmul}* and native/ops/conv2d.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/base/enums.h"
#include "native/kernels/tile_sizes.h"

namespace stridenet {

// Memory to be fetched into the second-level cache, a part at a time: `lines` cache lines of each of `rows` rows that lie `pitch`
// numbers apart; the next part lies `step` further on.
struct GemmAhead {
  const float* from = nullptr;
  int64_t rows = 0, pitch = 0, lines = 0, step = 0;
};

// c[r][j] = act(sum over s, k of a[s][r][k] b[s][k][j] + bias[j] + add[r][j]) for one register tile of rows x columns.
// Rows of A are reached through pointers, one for each segment s and row r, so that a convolution needs no im2col: a segment is a
// kernel tap (or a run of taps that is contiguous in memory), and a row of zeros stands for padding.
struct GemmTile {
  const float* const* a;  // row r of segment s starts at a[s * aPitch + r] + aOffset
  int64_t aPitch;
  int64_t aOffset;
  int64_t segments;
  int64_t length;   // of a segment: k < length
  const float* b;   // packed panel: segments * length rows of `vectors` whole vectors
  float* const* c;  // row r starts at c[r] + cOffset
  int64_t cOffset;  // of c and of add
  int columns;      // valid columns, within the last of the tile's vectors
  Activation activation;
  const float* bias;        // `columns` numbers, or null
  const float* const* add;  // rows as in c, or null; may be c itself
  // Hints, which change no result. For every cache line of its own rows of A the tile fetches one of those of the tile that comes
  // next, laid out as a and at least as many, and a part of what is read after this tile. Null: neither, nor nextC; tiles that are
  // narrower than two cache lines still fetch the part.
  const float* const* nextA = nullptr;
  // Rows of C (and of an addend that is C) of the tile that comes next, as many as this tile's: fetched into the second-level cache, for
  // the time of one tile of short rows is not enough to bring them from memory.
  float* const* nextC = nullptr;
  int64_t nextCOffset = 0;
  GemmAhead ahead;
};

// c[r][j] (+)= sum over images, runs and pixels p of a[r][p] b[p][j]: the outer-product form, for products whose summed axis is the
// rows of both operands (weight gradients). Element p of run q of image n is at a[r][n * aImage + q * aRun + p * aStride] and
// b[n * bImage + q * bRun + p * bStride].
struct RankUpdateTile {
  const float* const* a;
  int64_t aStride, aRun;
  const float* b;
  int64_t bStride, bRun;
  int64_t runs, pixels;
  float* c;
  int64_t cStride;
  int columns;      // valid columns, within the last of the tile's vectors
  bool accumulate;  // add to c instead of overwriting it
  int64_t images = 1, aImage = 0, bImage = 0;
  // Hints, which change no result: for every p the tile fetches the cache lines that lie this far behind row 0 of a and
  // behind b into the second-level cache. Zero fetches nothing new: that line is read anyway.
  int64_t aAhead = 0, bAhead = 0;
  // Write c past the caches, where its rows start on cache lines and `columns` fills the tile: fenceStreams before others read it.
  bool isStreamed = false;
};

struct GemmKernels {
  // [vectors][rows], as far as TileSizes::gemm goes.
  void (*tile[kMaxTileVectors + 1][kMaxTileRows + 1])(const GemmTile&);
  void (*rankUpdate[kMaxTileVectors + 1][kMaxTileRows + 1])(const RankUpdateTile&);
  void (*fenceStreams)();
  // dst[r * width + j] = src[r * stride + j] for r < rows and j < columns, zero for columns <= j < width.
  void (*copyColumns)(const float* src, int64_t stride, int64_t rows, int64_t columns, float* dst, int64_t width);
  // sum[j] += sum over r of src[r * stride + j], in a fixed order of r.
  void (*addRows)(const float* src, int64_t stride, int64_t rows, int64_t columns, float* sum);
  // dst[i * dstLine + q * dstStride + j] += src[i * srcLine + q * srcStride + j] for i < lines, q < count and j < length: windows that
  // overlap along q (dstStride < length) but not along i.
  void (*addWindows)(const float* src, int64_t srcLine, int64_t srcStride, float* dst, int64_t dstLine, int64_t dstStride, int64_t lines,
                     int64_t count, int64_t length);
};

}  // namespace stridenet
