// Winograd's convolutions of few source channels, F(2x2, 5x5) and F(4x4, 3x3) and their weight gradients: transforms as in
// winograd_kernels.h, but arranged for channels that do not fill a vector.
//
// Lanes of the input transform are (tile, channel) of a line of tiles: where the columns of a line are split into their
// m residue classes, the k-th pixels of all its tiles are contiguous. The products of a tile are few, so that they stay
// in registers until they are transformed back. Points [i][j] are row i and column j. Cutting images into bands of
// lines is the business of native/ops/conv2d/winograd_narrow.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/base/enums.h"

namespace stridenet {

constexpr int kWinogradNarrowEdge = 6;  // P
constexpr int kMostWinogradNarrowTiles = 5, kMostWinogradNarrowChannels = 3;

// Results of some neighbouring tiles of a line, for a vector of destination channels.
struct WinogradNarrowTiles {
  const float* v;  // of channel c of tile t: v[i * vLine + j * vColumn + t * channels + c]
  int64_t vLine, vColumn, channels;
  const float* u;  // transformed weights [j][channel][i][lane]
  int count;       // valid lanes
  const float* bias;
  const float* add;  // indexed as y, or null; may be y itself
  float* y;          // pixel q of line i: y + i * lineStride + q * pixelStride
  int64_t lineStride, pixelStride;
  int lines;       // of m
  int64_t pixels;  // of all tiles together
  Activation activation;
};

// sums[j][c][lane] += sum over lines of tiles and tiles t of (G e G^T)[i][j][lane] v[j][t][c], for a row of points i and some channels c.
struct WinogradNarrowSums {
  const float* v;  // v[line * vLine + j * vColumn + t * channels + c]
  int64_t vLine, vColumn, channels;
  const float* e;  // (G e)[i] of the m pixels of a tile: e[line * eLine + (t * m + q) * lanes + lane]
  int64_t eLine;
  int64_t lines, tiles;
  float* sums;  // sums[j * sumColumn + c * lanes + lane]
  int64_t sumColumn;
};

struct WinogradNarrowSizeKernels {
  // residues[q % m * residueLength + q / m * channels + c] = pixel first + q of a line of `width` pixels of few
  // channels, for q < columns; zero outside the line. Writes whole vectors, so up to a vector more in each residue
  // class.
  void (*split)(const float* line, int64_t width, int64_t first, int64_t columns, int64_t channels, float* residues, int64_t residueLength);
  // to[j * toColumn + n] = (d B)[j] for n < numbers, a multiple of the lanes: the six pixels of d are k / m * channels behind n in residue
  // k % m.
  void (*alongLine)(const float* residues, int64_t residueLength, int64_t channels, int64_t numbers, float* to, int64_t toColumn);
  // to[i * toLine + n] = (B^T d)[i] of the six lines d, likewise.
  void (*acrossLines)(const float* const* lines, int64_t numbers, float* to, int64_t toLine);
  // [tiles], as many as TileSizes::winogradNarrowTiles.
  void (*results[kMostWinogradNarrowTiles + 1])(const WinogradNarrowTiles&);

  // e[i * eLine + q * lanes + lane] = (G dy)[i] of m lines of pixels of up to a vector of channels; sum[lane] += all that it reads.
  void (*gradient)(const float* const* lines, int64_t pixels, int64_t pixelStride, int count, float* e, int64_t eLine, float* sum);
  // [channels]
  void (*sums[kMostWinogradNarrowChannels + 1])(const WinogradNarrowSums&);
};

struct WinogradNarrowKernels {
  WinogradNarrowSizeKernels f4x3, f2x5;  // m x r
};

}  // namespace stridenet
