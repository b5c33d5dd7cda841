// Algorithm::hwcn of the convolutions: images in the lanes, as in the layout of cuda-convnet (Krizhevsky 2012), for few channels.
//
// Channels that do not fill a vector waste lanes, and padding wastes multiplications with zeros; as many images as a vector has lanes
// waste nothing, whatever the other extents. So an image group of `lanes` images is transposed on its way into scratch, [height, width,
// channels, image], some lines at a time, and the result on its way back. Taps outside the image are left out, whole lines exactly and
// columns but for those that only some pixels of a tile read.
// Fewer images than lanes are cut into stripes of lines, each a lane of its own: one image of 28 lines, pooled to 14, fills 14 lanes. A
// stripe's lines beyond the image are zeros. Only the cost tells whether it is worth it.
// One group, no dilation along a line; an input gradient only of stride 1. The packed weight is, for each block of destination channels,
// [kernel line, tap, source channel, destination channel].
//
// Max pooling over windows side by side can be part of it (conv2d_max_pool2d): lines are pooled before they are transposed back, and for
// the weight gradient the lines of dy are made of pooled ones and the positions of the maxima, so that neither the convolution's result nor
// its gradient is ever written to memory. Positions stay as they are computed, images innermost.
#pragma once

#include "native/ops/conv2d/instruction.h"

namespace stridenet {

// Refuses a geometry that images in the lanes cannot compute, in either direction or for a weight gradient.
Status fitsHwcn(const Call& call, const Conv2dShape& shape);

bool isHwcnOffered(const Conv2dShape& shape, const KernelTable& kernels);

// Destination channels, cut into blocks of at most as many as a tile or a product computes at a time, and as equal as
// possible.
struct ChannelBlocks {
  int64_t channels, count;
  ChannelBlocks(int64_t channelCount, int64_t most) : channels(channelCount), count(ceilDiv(channelCount, most)) {}
  int64_t first(int64_t block) const { return block * channels / count; }
  int64_t size(int64_t block) const { return first(block + 1) - first(block); }
};

// Image groups, each cut into bands of lines of the written image (of the summed one for a weight gradient). Where the
// image is pooled, lines are those of the pooled one. A group has as many stripes of images as there are lanes.
struct HwcnGroups {
  int64_t lanes, images, stripes, groups;
  int64_t lines, perGroup;  // lines of a stripe; bands of a group, one unless set otherwise

  HwcnGroups(const KernelTable& kernels, int64_t imageCount, int64_t lineCount, int64_t stripeCount = 1)
      : lanes(kernels.lanes),
        images(imageCount),
        stripes(stripeCount),
        groups(ceilDiv(imageCount * stripeCount, kernels.lanes)),
        lines(ceilDiv(lineCount, stripeCount)),
        perGroup(1) {}
  int64_t count() const { return groups * perGroup; }
  // only where images are not cut into stripes
  int64_t firstImage(int64_t band) const { return band / perGroup * lanes; }
  int64_t firstLine(int64_t band) const { return band % perGroup * lines / perGroup; }
  int64_t endLine(int64_t band) const { return (band % perGroup + 1) * lines / perGroup; }
};

// HwcnGroups together with the source lines that a band reads.
struct HwcnBands : HwcnGroups {
  int64_t windowLines, windowColumns, channels;

  // `h` and `w` say which source pixels the lines and columns read.
  HwcnBands(const KernelTable& kernels, int64_t images, int64_t channels, const Axis& h, const Axis& w, int64_t poolH, int64_t stripes = 1);
  int64_t pitch() const { return windowColumns * channels * lanes; }
  size_t windowBytes() const { return scratchBytes(floatBytes(windowLines * pitch())); }
};

// Access to the images [height, width, channels] of a group. Lines are counted from the first line of a lane's stripe.
class HwcnImages {
 public:
  // `stripeLines`: how many lines of the image lie between the begins of two stripes.
  HwcnImages(const KernelTable& kernels, const HwcnGroups& bands, int64_t band, float* images, int64_t height, int64_t width,
             int64_t channels, int64_t stripeLines);
  // Transposes lines of some columns to [line, column, channel, lane]. What lies outside the image, and lanes without one, are zero.
  void read(int64_t line, int64_t lines, int64_t column, int64_t columns, float* to) const;
  // Transposes a line back.
  void write(const float* from, int64_t line) const;

 private:
  // Finds pointers to a column of a line for every lane, null where there is none. Returns false if all are null.
  bool rows(int64_t line, int64_t column, float** rows) const;

  const KernelTable& kernels_;
  int64_t lanes_, height_, width_, channels_;
  float* image_[kHwcnImageBlock];
  int64_t first_[kHwcnImageBlock];  // the first line of a lane's stripe in its image
};

// Line `line` of the positions of the maxima, from image `image` on.
inline float* hwcnPositions(float* position, const Conv2dShape& s, int64_t image, int64_t line) {
  const int64_t at = (image / kHwcnImageBlock * (s.oh / s.poolH) + line) * (s.ow / s.poolW) * s.oc;
  return position + at * kHwcnImageBlock + image % kHwcnImageBlock;
}

}  // namespace stridenet
