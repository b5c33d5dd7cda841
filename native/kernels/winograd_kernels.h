// The transforms of Winograd's convolution F(m x m, r x r): tiles of m x m output pixels, each from P x P input pixels, P = m + r - 1.
// With d the input pixels of a tile and g the taps of a filter,
//
//   y = A^T [ sum over input channels of (G g G^T) * (B^T d B) ] A,     * elementwise:
//
// P * P products of matrices [tiles, ic] x [ic, oc] between the transforms, which are the business of native/ops/conv2d/winograd.cc.
// The weight gradient F(r x r, m x m) takes m x m pixels of dy as its filter: native/ops/conv2d/winograd_grad_weight.cc.
// Points are numbered row by row. Sources: winograd_transforms.inl.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/base/enums.h"

namespace stridenet {

constexpr int kMostWinogradTaps = 25, kMostWinogradPoints = 36;

// Weights of `rows` source channels by `columns` destination channels: tap i (of r * r, row by row) of row k and column j is at
// taps[i][k * rowStride + j]; u[y * lineStride + x * columnStride + k * uRow + j] receives the point in row y and column x. Columns
// between `columns` and `width`, a multiple of the lanes, become zero.
struct WinogradWeights {
  const float* taps[kMostWinogradTaps];
  int64_t rowStride, rows, columns, width;
  float* u;
  int64_t uRow, lineStride, columnStride;
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

// P = 6; the input transform is that of the convolution.
struct WinogradGradWeightKernels {
  // g[p * pointStride + c] = (G e G^T)[p][c] of m x m pixels e of dy, as `input` does; sum[c] += all e[i][j][c] unless sum is null.
  void (*gradient)(const float* const* pixels, int64_t channels, float* g, int64_t pointStride, float* sum);
  // dweight[t * tapStride + c] (+)= (A^T m A)[t][c] for the r * r taps t and c < channels, with m as in WinogradResults.
  void (*weight)(const float* m, int64_t pointStride, int64_t channels, float* dweight, int64_t tapStride, bool accumulate);
};

struct WinogradKernels {
  WinogradSizeKernels f2x3, f4x3, f2x5;                // m x r
  WinogradGradWeightKernels gradWeight3, gradWeight5;  // r
};

}  // namespace stridenet
