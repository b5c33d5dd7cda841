// Algorithm::hwcn of the convolutions: images in the lanes, as in the layout of cuda-convnet (Krizhevsky 2012), for few channels.
//
// Channels that do not fill a vector waste lanes, and padding wastes multiplications with zeros; as many images as a vector has lanes
// waste nothing, whatever the other extents. So an image group of `lanes` images is transposed on its way into scratch, [height, width,
// channels, image], some lines at a time, and the result on its way back. Taps outside the image are left out, whole lines exactly and
// columns but for those that only some pixels of a tile read. Worth it for `lanes` images or more: the cost tells.
// One group, no dilation along a line; an input gradient only of stride 1.
//
// Max pooling over windows side by side can be part of it (conv2d_max_pool2d): lines are pooled before they are transposed back, and for
// the weight gradient the lines of dy are made of pooled ones and the positions of the maxima, so that neither the convolution's result nor
// its gradient is ever written to memory. Positions stay as they are computed, images innermost.
#pragma once

#include "native/ops/conv2d_geometry.h"

namespace stridenet {

// Refuses the algorithm for a geometry that it cannot compute.
Status checkHwcn(const Call& call, const Conv2dShape& shape);

// The packed weight: for each block of destination channels, [kernel line, tap, source channel, destination channel].
int64_t packedHwcnLength(const Conv2dShape& shape);
void packHwcn(const Call& call, const Conv2dShape& shape, const Lane& lane);

// conv2d, conv2d_grad_input and conv2d_max_pool2d
Plan planHwcn(const Call& call, const Conv2dShape& shape);
void runHwcn(const Call& call, const Conv2dShape& shape, const Lane& lane);

// conv2d_grad_weight and conv2d_max_pool2d_grad_weight
Plan planHwcnGradWeight(const Call& call, const Conv2dShape& shape);
void runHwcnGradWeight(const Call& call, const Conv2dShape& shape, const Lane& lane);

// What both files share.

// Vector multiply-adds that take as long as transposing one vector, and as one here: a tile reads more beside each of them than those of
// wide products do.
constexpr int64_t kHwcnTransposeCost = 6;
constexpr double kHwcnMultiplyAddCost = 1.125;

// Image groups times bands of lines of the written (or, for a weight gradient, the summed) image. Where the image is pooled, these are
// lines of what it is pooled to.
struct HwcnGroups {
  int64_t lanes, images, groups;
  int64_t lines, perGroup;  // lines of an image, bands of a group: one unless set otherwise

  HwcnGroups(const KernelTable& kernels, int64_t imageCount, int64_t lineCount)
      : lanes(kernels.lanes), images(imageCount), groups(ceilDiv(imageCount, kernels.lanes)), lines(lineCount), perGroup(1) {}
  int64_t count() const { return groups * perGroup; }
  int64_t firstImage(int64_t band) const { return band / perGroup * lanes; }
  int64_t imagesOf(int64_t band) const { return images - firstImage(band) < lanes ? images - firstImage(band) : lanes; }
  int64_t firstLine(int64_t band) const { return band % perGroup * lines / perGroup; }
  int64_t endLine(int64_t band) const { return (band % perGroup + 1) * lines / perGroup; }
};

// With the source lines that a band reads.
struct HwcnBands : HwcnGroups {
  int64_t windowLines, windowColumns, channels;

  // h and w say which source pixels the lines and columns read.
  HwcnBands(const KernelTable& kernels, int64_t images, int64_t channels, const Axis& h, const Axis& w, int64_t poolH);
  int64_t pitch() const { return windowColumns * channels * lanes; }
  size_t windowBytes() const { return scratchBytes(static_cast<size_t>(windowLines * pitch()) * sizeof(float)); }
};

// Transposes lines of some columns of up to `lanes` images [height, width, channels] to [line, column, channel, image]. What lies
// outside the image, and lanes without an image, are zero.
struct HwcnImages {
  const KernelTable* kernels;
  const float* first;
  int64_t count;
  int64_t height, width, channels;

  void read(int64_t line, int64_t lines, int64_t column, int64_t columns, float* to) const;
};

// Line `line` of the positions of the maxima, from image `image` on.
inline float* hwcnPositions(float* position, const Conv2dShape& s, int64_t image, int64_t line) {
  const int64_t at = (image / kHwcnImageBlock * (s.oh / s.poolH) + line) * (s.ow / s.poolW) * s.oc;
  return position + at * kHwcnImageBlock + image % kHwcnImageBlock;
}

}  // namespace stridenet
