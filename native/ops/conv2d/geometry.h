// The geometry that conv2d, conv2d_grad_input and their packing agree on. It knows no algorithm and no instruction.
//
// Forward convolution and input gradient are the same loop nest. For the forward pass, output pixel q reads input pixel
// q * stride - pad + i * dilation for tap i. For the input gradient, the pixels p of one residue class p = q * stride + r read
// output pixel (p + pad - i * dilation) / stride for those taps i for which that division is exact: a convolution of stride 1 with
// fewer taps. So either direction is a set of SubConvolutions (one for the forward pass, sh * sw for the gradient) over a *source*
// (what is read) and a *destination* (what is written), each with taps at ascending, evenly spaced source pixels.
#pragma once

#include "native/ops/gemm.h"

namespace stridenet {

// The attributes and extents of any of these instructions, under one set of names.
struct Conv2dShape {
  Direction direction;
  Algorithm algorithm;
  int64_t widen, kh, kw, sh, sw, pt, pl, dh, dw, groups;
  Activation activation;
  int64_t n, ih, iw, ic, oh, ow, oc;  // of the forward convolution; n = ih = iw = oh = ow = 0 for conv2d_pack
  int64_t poolH, poolW;               // the windows of conv2d_max_pool2d, which oh and ow are cut into; else 1

  bool isForward() const { return direction == Direction::forward; }
  bool hasImages() const { return n > 0; }
  bool isPooled() const { return poolH * poolW > 1; }
  int64_t srcH() const { return isForward() ? ih : oh; }
  int64_t srcW() const { return isForward() ? iw : ow; }
  int64_t srcC() const { return isForward() ? ic : oc; }
  int64_t dstH() const { return isForward() ? oh : ih; }
  int64_t dstW() const { return isForward() ? ow : iw; }
  int64_t dstC() const { return isForward() ? oc : ic; }
  int64_t classesH() const { return isForward() ? 1 : sh; }
  int64_t classesW() const { return isForward() ? 1 : sw; }
};

// One axis of one SubConvolution. Position q writes destination pixel dst + q * dstStep and reads, for tap t, source pixel
// q * srcStep + src + t * tapStep with the weights at kernel index kernel + t * kernelStep.
struct Axis {
  int64_t positions, dst, dstStep;
  int64_t src, srcStep;
  int64_t taps, tapStep, kernel, kernelStep;
  int64_t tapsBefore;  // taps of all classes with a smaller residue
};

// Taps [begin, end) that exist for some of the positions first, first + 1 .. first + count - 1: those whose source lies in [0, extent).
struct TapRange {
  int64_t begin, end, source;  // source of tap begin for the first position
  TapRange(const Axis& axis, int64_t first, int64_t count, int64_t extent) : begin(0), end(0), source(first * axis.srcStep + axis.src) {
    const int64_t last = source + (count - 1) * axis.srcStep;
    if (last < 0) begin = ceilDiv(-last, axis.tapStep);
    if (source < extent) end = ceilDiv(extent - source, axis.tapStep);
    if (end > axis.taps) end = axis.taps;
    if (end <= begin) begin = end = 0;
    source += begin * axis.tapStep;
  }
  int64_t count() const { return end - begin; }
};

struct SubConvolution {
  Axis h, w;  // w is without widening
  int64_t widen;

  // With widening, `widen` neighbouring positions are one row of the product, whose taps are the union of theirs.
  int64_t rowsPerLine() const { return w.positions / widen; }
  int64_t rowStep() const { return w.srcStep * widen; }
  int64_t unionTaps() const { return w.taps == 0 ? 0 : w.taps + (widen - 1) * w.srcStep; }
  int64_t segments() const { return h.taps * unionTaps(); }
};

SubConvolution subConvolution(const Conv2dShape& shape, int64_t classH, int64_t classW);
// The SubConvolution that the weights at this kernel index belong to.
SubConvolution subConvolutionOfTap(const Conv2dShape& shape, int64_t kernelH, int64_t kernelW);

// Copies the window of `rows` x `columns` pixels whose first pixel is (row, column) out of an image [height, width, channels];
// pixels outside the image are zero.
void copyWindow(const float* image, int64_t height, int64_t width, int64_t channels, int64_t row, int64_t rows, int64_t column,
                int64_t columns, float* window);

}  // namespace stridenet
