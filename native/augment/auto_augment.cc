// RandAugment (Cubuk et al., 2019) and TrivialAugmentWide (Mueller and Hutter, 2021): operations drawn from a list, each with one
// magnitude.

#include <cmath>

#include "native/augment/transforms.h"

namespace stridenet {

namespace {

// How far an operation goes for a magnitude in [0, 1].
struct Ranges {
  double shear;
  double translateX, translateY;  // pixels
  double rotate;
  double colour;     // brightness, saturation, contrast, sharpness
  double posterize;  // bits lost
};

constexpr double kDegreesOfRadian = 180 / 3.14159265358979323846;

enum Operation {
  kIdentity,
  kShearX,
  kShearY,
  kTranslateX,
  kTranslateY,
  kRotate,
  kBrightness,
  kColor,
  kContrast,
  kSharpness,
  kPosterize,
  kSolarize,
  kAutocontrast,
  kEqualize,
  kOperations
};

// Around the upper left corner, as in the reference implementations.
void shear(Picture& picture, double across, double down, const Sampling& sampling) {
  Affine parameters;
  parameters.shearX = std::atan(across) * kDegreesOfRadian;
  parameters.shearY = std::atan(down) * kDegreesOfRadian;
  parameters.centerX = -picture.shape().width * 0.5;
  parameters.centerY = -picture.shape().height * 0.5;
  affine(picture, parameters, sampling);
}

void translate(Picture& picture, double x, double y, const Sampling& sampling) {
  Affine parameters;
  parameters.translateX = std::trunc(x);
  parameters.translateY = std::trunc(y);
  affine(picture, parameters, sampling);
}

// `amount` in [0, 1]; `sign` is 1 or -1, where it matters.
void applyOne(Picture& picture, Operation operation, double amount, double sign, const Ranges& ranges, const Sampling& sampling) {
  const double signedAmount = amount * sign;
  Affine rotation;
  switch (operation) {
    case kIdentity:
      return;
    case kShearX:
      return shear(picture, ranges.shear * signedAmount, 0, sampling);
    case kShearY:
      return shear(picture, 0, ranges.shear * signedAmount, sampling);
    case kTranslateX:
      return translate(picture, ranges.translateX * signedAmount, 0, sampling);
    case kTranslateY:
      return translate(picture, 0, ranges.translateY * signedAmount, sampling);
    case kRotate:
      rotation.angle = -ranges.rotate * signedAmount;
      return affine(picture, rotation, sampling);
    case kBrightness:
      return adjustBrightness(picture, 1 + ranges.colour * signedAmount);
    case kColor:
      return adjustSaturation(picture, 1 + ranges.colour * signedAmount);
    case kContrast:
      return adjustContrast(picture, 1 + ranges.colour * signedAmount);
    case kSharpness:
      return adjustSharpness(picture, 1 + ranges.colour * signedAmount);
    case kPosterize:
      return posterize(picture, static_cast<int>(std::nearbyint(8 - ranges.posterize * amount)));
    case kSolarize:
      return solarize(picture, 255 * (1 - amount));
    case kAutocontrast:
      return autocontrast(picture);
    case kEqualize:
      return equalize(picture);
    case kOperations:
      return;
  }
}

}  // namespace

void randAugment(const double* v, Draws& draws, Picture& picture) {
  const PictureShape& shape = picture.shape();
  const Ranges ranges = {0.3, 150.0 / 331.0 * shape.width, 150.0 / 331.0 * shape.height, 30, 0.9, 4};
  const double amount = v[1] / (v[2] - 1);
  for (int i = 0; i < static_cast<int>(v[0]); ++i) {
    const auto operation = static_cast<Operation>(draws.below(kOperations));
    const double sign = draws.chance(0.5) ? -1 : 1;
    applyOne(picture, operation, amount, sign, ranges, readSampling(v + 3));
  }
}

void trivialAugmentWide(const double* v, Draws& draws, Picture& picture) {
  constexpr Ranges kRanges = {0.99, 32, 32, 135, 0.99, 6};
  const auto operation = static_cast<Operation>(draws.below(kOperations));
  const int bins = static_cast<int>(v[0]);
  const double amount = static_cast<double>(draws.below(bins)) / (bins - 1), sign = draws.chance(0.5) ? -1 : 1;
  applyOne(picture, operation, amount, sign, kRanges, readSampling(v + 1));
}

}  // namespace stridenet
