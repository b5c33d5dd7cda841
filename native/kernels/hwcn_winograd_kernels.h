// The kernels of one instruction set for Winograd's input gradient with images in the lanes (hwcn_kernels.h): the adjoint of the
// convolution F(m x m, r x r) with six points. With e a tile of m x m pixels of dy and g the taps of a filter, it adds
//
//   B [ sum over channels of dy of (G g G^T) * (A e A^T) ] B^T,     * elementwise,
//
// to the 6 x 6 pixels of dx that the tile was computed from, so that neighbouring tiles overlap by r - 1 pixels. Points are numbered 0, a,
// -a, b, -b, infinity. Cutting, the order of the passes and where numbers lie in between: native/ops/conv2d/hwcn_winograd.cc.
// Sources: winograd_transforms.inl.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stridenet {

constexpr int kMaxHwcnWinogradTiles = 2;
constexpr int kMaxHwcnWinogradChannels = 6;

// For each of the six points p of a line of pixels x, of t tiles side by side and o channels of dx,
//   products[p * pointStride + t * channels + o] = sum over k < length of u[p][k][o] sum over j < m of A[p][j] x[(t * m + j) * xPixel + k]
// with x and products in vectors, u in numbers: [pair of points][k][point of the pair][o], the pairs being (0, infinity), (a, -a) and
// (b, -b). Strides are in floats.
struct HwcnWinogradProducts {
  const float* x;
  int64_t xPixel, length;
  const float* u;
  float* products;
  int64_t pointStride;
};

struct HwcnWinogradKernels {
  // plus and minus receive A[p][.] applied to m lines of `count` vectors, for the points p = a and -a (pair 1) or b and -b (pair 2).
  void (*lines)(int pair, const float* lines, int64_t lineStride, int64_t count, float* plus, float* minus);
  // [tiles][channels], as far as TileSizes::hwcnWinograd goes.
  void (*products[kMaxHwcnWinogradTiles + 1][kMaxHwcnWinogradChannels + 1])(const HwcnWinogradProducts&);
  // B[j][.] applied to the `count` vectors of each of six points is added to to[j], or stored there where no tile before this one has
  // added: anywhere by the first one, else for the last m of the j.
  void (*results)(const float* points, int64_t pointStride, int64_t count, float* const* to, bool isFirst);
};

}  // namespace stridenet
