// The division of a convolution into SubConvolutions.
#include "native/ops/conv2d/geometry.h"

namespace stridenet {

namespace {

int64_t gcd(int64_t a, int64_t b) {
  while (b != 0) {
    const int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

Axis forwardAxis(int64_t dstExtent, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
  return {dstExtent, 0, 1, -pad, stride, kernel, dilation, 0, 1, 0};
}

// The residue class of the pixels to which tap i contributes.
int64_t residueOfTap(int64_t i, int64_t stride, int64_t pad, int64_t dilation) {
  const int64_t residue = (i * dilation - pad) % stride;
  return residue < 0 ? residue + stride : residue;
}

// Taps of residue class r: i with (r + pad - i * dilation) divisible by stride, which are evenly spaced.
Axis gradAxis(int64_t dstExtent, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation, int64_t residue) {
  const int64_t common = gcd(stride, dilation), spacing = stride / common;
  Axis axis = {};
  axis.positions = residue < dstExtent ? ceilDiv(dstExtent - residue, stride) : 0;
  axis.dst = residue;
  axis.dstStep = stride;
  axis.srcStep = 1;
  axis.tapStep = dilation / common;
  axis.kernelStep = -spacing;
  for (int64_t i = 0; i < spacing && i < kernel; ++i) {
    const int64_t tapClass = residueOfTap(i, stride, pad, dilation), taps = ceilDiv(kernel - i, spacing);
    if (tapClass < residue) axis.tapsBefore += taps;
    if (tapClass == residue) {
      axis.taps = taps;
      // a later tap reads an earlier pixel, so taps are counted from the last and source pixels ascend
      axis.kernel = i + (taps - 1) * spacing;
    }
  }
  if (axis.taps > 0) axis.src = (residue + pad - axis.kernel * dilation) / stride;
  return axis;
}

}  // namespace

SubConvolution subConvolutionOfTap(const Conv2dShape& s, int64_t kernelH, int64_t kernelW) {
  if (s.isForward()) return subConvolution(s, 0, 0);
  return subConvolution(s, residueOfTap(kernelH, s.sh, s.pt, s.dh), residueOfTap(kernelW, s.sw, s.pl, s.dw));
}

SubConvolution subConvolution(const Conv2dShape& s, int64_t classH, int64_t classW) {
  if (s.isForward()) return {forwardAxis(s.oh, s.kh, s.sh, s.pt, s.dh), forwardAxis(s.ow, s.kw, s.sw, s.pl, s.dw), s.widen};
  return {gradAxis(s.ih, s.kh, s.sh, s.pt, s.dh, classH), gradAxis(s.iw, s.kw, s.sw, s.pl, s.dw, classW), s.widen};
}

void copyWindow(const float* image, int64_t height, int64_t width, int64_t channels, int64_t row, int64_t rows, int64_t column,
                int64_t columns, float* window) {
  auto clip = [](int64_t x, int64_t most) { return x < 0 ? 0 : x > most ? most : x; };
  const size_t pixelBytes = floatBytes(channels);
  // How many columns of the window lie before, inside and behind the image.
  const int64_t before = clip(-column, columns), inside = clip(width - column, columns) - before;
  const size_t beforeBytes = static_cast<size_t>(before) * pixelBytes,
               insideBytes = static_cast<size_t>(inside > 0 ? inside : 0) * pixelBytes;
  const size_t lineBytes = static_cast<size_t>(columns) * pixelBytes;
  for (int64_t r = row; r < row + rows; ++r, window += columns * channels) {
    if (r < 0 || r >= height || insideBytes == 0) {
      std::memset(window, 0, lineBytes);
      continue;
    }
    char* line = reinterpret_cast<char*>(window);
    std::memset(line, 0, beforeBytes);
    std::memcpy(line + beforeBytes, image + (r * width + column + before) * channels, insideBytes);
    std::memset(line + beforeBytes + insideBytes, 0, lineBytes - beforeBytes - insideBytes);
  }
}

}  // namespace stridenet
