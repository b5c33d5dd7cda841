// The transforms of the Winograd weight gradient F(3x3, 4x4) for one tile; native/ops/conv2d_winograd_weight_grad.cc says how they
// make a gradient. The products between them are rank updates (gemm_kernels.h).
#pragma once

#include <cstdint>

namespace stridenet {

constexpr int kWinogradPoints = 36;    // of a 6x6 transform
constexpr int kWinogradGradTile = 4;   // rows and columns of dy that a tile covers
constexpr int kWinogradInputTile = 6;  // rows and columns of x that it reads

struct WinogradWeightGradKernels {
  // v[p * plane + c] = (B^T d B)[p], d[i][j] = pixels[6 i + j][c], for c < channels rounded up to whole vectors, zero beyond channels.
  void (*input)(const float* const* pixels, int64_t channels, float* v, int64_t plane);
  // g[p * plane + c] = (G e G^T)[p], e[i][j] = pixels[4 i + j][c], likewise; sum[c] += all e[i][j] unless sum is null.
  void (*gradient)(const float* const* pixels, int64_t channels, float* g, int64_t plane, float* sum);
  // dweight[t * tapStride + c] = (A^T m A)[t] for the nine taps t and c < channels, m[p] = m[p * plane + c].
  void (*weight)(const float* m, int64_t plane, int64_t channels, float* dweight, int64_t tapStride);
};

}  // namespace stridenet
