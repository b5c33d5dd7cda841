// What is done to a picture once its random numbers are drawn: the functions of torchvision.transforms.v2.functional on uint8 tensors, by
// their names, with their parameters and to their levels, but for a rounding here and there. Angles are in degrees, lengths in pixels.
#pragma once

#include "native/augment/draws.h"
#include "native/augment/picture.h"

namespace stridenet {

// Their numbers are those of lib/transforms/checks.ts and geometry.ts.
enum class Interpolation { nearest, bilinear, bicubic };  // bicubic: of resizedCrop only
enum class PaddingMode { constant, edge, reflect, symmetric };

struct Box {
  int top, left, height, width;
};

// A level for each channel.
struct Fill {
  float levels[kMaxChannels];
};

// crop.cc. Parts of the box outside the picture are padding.
void crop(Picture& picture, const Box& box, PaddingMode mode, const Fill& fill);
void horizontalFlip(Picture& picture);
void verticalFlip(Picture& picture);

// resample.cc. The box lies inside the picture.
void resizedCrop(Picture& picture, const Box& box, int height, int width, Interpolation interpolation, bool antialias);

// warp.cc: pixels from outside the picture get `fill`, or are black without it.
struct Sampling {
  Interpolation interpolation;
  bool hasFill;
  Fill fill;
};
struct Affine {
  double angle = 0;  // clockwise
  double translateX = 0, translateY = 0;
  double scale = 1;
  double shearX = 0, shearY = 0;
  double centerX = 0, centerY = 0;  // of the rotation, from the middle of the picture
};
void affine(Picture& picture, const Affine& parameters, const Sampling& sampling);
// `corners`: where the top left, top right, bottom right and bottom left pixels go, x and y of each. Corners that span no area change
// nothing.
void perspective(Picture& picture, const double corners[8], const Sampling& sampling);

// colour.cc. Without colours, saturation and hue change nothing.
void adjustBrightness(Picture& picture, double factor);
void adjustContrast(Picture& picture, double factor);
void adjustSaturation(Picture& picture, double factor);
void adjustHue(Picture& picture, double factor);  // in [-0.5, 0.5]
void grayscale(Picture& picture, int channels);   // 1 or 3
void posterize(Picture& picture, int bits);
void solarize(Picture& picture, double threshold);
void invert(Picture& picture);

// histogram.cc, each channel by itself
void autocontrast(Picture& picture);
void equalize(Picture& picture);

// blur.cc
void gaussianBlur(Picture& picture, int kernelWidth, int kernelHeight, double sigma);  // odd sizes, halves below width and height
void adjustSharpness(Picture& picture, double factor);

// erase.cc
void erase(Picture& picture, const Box& box, const Fill& fill);
void eraseRandomly(Picture& picture, const Box& box, Draws& draws);

// Replaces every level of a channel by what the table says.
void applyTable(Picture& picture, int channel, const uint8_t table[256]);

}  // namespace stridenet
