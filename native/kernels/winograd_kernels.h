// The transforms of Winograd's convolution F(m x m, 3 x 3) with m = 2 or 4: tiles of m x m output pixels, each from P x P input pixels,
// P = m + 2. With d the input pixels of a tile and g the taps of a filter,
//
//   y = A^T [ sum over input channels of (G g G^T) * (B^T d B) ] A,     * elementwise:
//
// P * P products of matrices [tiles, ic] x [ic, oc] between the transforms, which are the business of native/ops/conv2d_winograd.cc.
// Points are numbered row by row. Sources: winograd_transforms.inl.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/program/enums.h"

namespace stridenet {

// Weights of `rows` source channels by `columns` destination channels: tap i (of 9, row by row) of row r and column j is at
// taps[i][r * rowStride + j]; u[p * pointStride + r * width + j] receives point p. Columns between `columns` and `width`, a multiple of
// the lanes, become zero.
struct WinogradWeights {
  const float* taps[9];
  int64_t rowStride, rows, columns, width;
  float* u;
  int64_t pointStride;
};

// One tile of results: y[i * lineStride + j * pixelStride + c] = act((A^T m A)[i][j][c] + bias[c] + add[...]) for i < lines, j < pixels
// and c < channels; point p of channel c is m[p * pointStride + c], readable up to whole vectors.
struct WinogradResults {
  const float* m;
  int64_t pointStride, channels;
  const float* bias;  // or null
  const float* add;   // indexed as y, or null; may be y itself
  float* y;
  int64_t lineStride, pixelStride;
  int lines, pixels;
  Activation activation;
};

struct WinogradSizeKernels {
  // v[p * pointStride + c] = (B^T d B)[p][c] of one tile, whose P * P pixels of `channels` numbers are reached through pointers. Writes
  // whole vectors; what lies beyond the channels is zero.
  void (*input)(const float* const* pixels, int64_t channels, float* v, int64_t pointStride);
  void (*weights)(const WinogradWeights&);
  void (*results)(const WinogradResults&);
};

struct WinogradKernels {
  WinogradSizeKernels f2, f4;  // m = 2, m = 4
};

}  // namespace stridenet
