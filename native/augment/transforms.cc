#include "native/augment/transforms.h"

#include <algorithm>
#include <cmath>

namespace stridenet {

Fill readFill(const double* v) {
  return {{static_cast<float>(v[0]), static_cast<float>(v[1]), static_cast<float>(v[2])}};
}

Sampling readSampling(const double* v) {
  return {static_cast<Interpolation>(static_cast<int>(v[0])), v[1] != 0, readFill(v + 2)};
}

namespace {

bool isExtent(double v) {
  return v >= 1 && v <= kMaxExtent && v == std::floor(v);
}
bool isOneOf(double v, int count) {
  return v >= 0 && v < count && v == std::floor(v);
}

bool keepsShape(const double*, PictureShape*) {
  return true;
}

// Numbers: height, width, then whatever.
bool takesSize(const double* v, PictureShape* shape) {
  if (!isExtent(v[0]) || !isExtent(v[1])) return false;
  shape->height = static_cast<int>(v[0]);
  shape->width = static_cast<int>(v[1]);
  return true;
}

// Numbers: height, width, top, left, bottom and right padding, mode, fill.
bool takesPaddedSize(const double* v, PictureShape* shape) {
  for (int i = 2; i < 6; ++i) {
    if (!isOneOf(v[i], kMaxExtent + 1)) return false;
  }
  const bool fits = v[0] <= shape->height + v[2] + v[4] && v[1] <= shape->width + v[3] + v[5];
  return fits && isOneOf(v[6], 4) && takesSize(v, shape);
}

bool takesChannels(const double* v, PictureShape* shape) {
  if (v[0] != 1 && v[0] != 3) return false;
  shape->channels = static_cast<int>(v[0]);
  return true;
}

// crop: a box of a given size at a random place of the padded picture
void randomCrop(const double* v, Draws& draws, Picture& picture) {
  const PictureShape& shape = picture.shape();
  const int height = static_cast<int>(v[0]), width = static_cast<int>(v[1]), top = static_cast<int>(v[2]), left = static_cast<int>(v[3]);
  const int freeRows = shape.height + top + static_cast<int>(v[4]) - height,
            freeColumns = shape.width + left + static_cast<int>(v[5]) - width;
  const int y = draws.below(freeRows + 1), x = draws.below(freeColumns + 1);
  crop(picture, {y - top, x - left, height, width}, static_cast<PaddingMode>(static_cast<int>(v[6])), readFill(v + 7));
}

// Half to even, as Python's round. What no picture is large enough for stays such a number.
int roundEven(double v) {
  return static_cast<int>(std::nearbyint(std::clamp(v, -1e9, 1e9)));
}

// Numbers: height, width
void centerCrop(const double* v, Draws&, Picture& picture) {
  const PictureShape& shape = picture.shape();
  const int height = static_cast<int>(v[0]), width = static_cast<int>(v[1]);
  // A picture that is too small gets as much on each side, and the odd one behind.
  const auto begin = [](int extent, int size) { return size > extent ? -((size - extent) / 2) : roundEven((extent - size) / 2.0); };
  crop(picture, {begin(shape.height, height), begin(shape.width, width), height, width}, PaddingMode::constant, {});
}

// A box of a random share of the area, between v[0] and v[1], and of a random ratio, between v[2] and v[3]: width by height, or, for
// erasing, height by width. Gives up after ten boxes that do not fit.
bool drawBox(const double* v, Draws& draws, const PictureShape& shape, bool isCrop, Box* box) {
  const double area = static_cast<double>(shape.plane()), low = std::log(v[2]), high = std::log(v[3]);
  for (int i = 0; i < 10; ++i) {
    const double share = area * draws.between(v[0], v[1]), ratio = std::exp(draws.between(low, high));
    const int longer = roundEven(std::sqrt(share * ratio)), shorter = roundEven(std::sqrt(share / ratio));
    const int height = isCrop ? shorter : longer, width = isCrop ? longer : shorter;
    const bool fits =
        isCrop ? height > 0 && width > 0 && height <= shape.height && width <= shape.width : height < shape.height && width < shape.width;
    if (!fits) continue;
    const int top = draws.below(shape.height - height + 1), left = draws.below(shape.width - width + 1);
    *box = {top, left, height, width};
    return true;
  }
  return false;
}

Box middleBox(const double* v, const PictureShape& shape) {
  const double ratio = static_cast<double>(shape.width) / shape.height;
  int height = shape.height, width = shape.width;
  if (ratio < v[2]) height = std::clamp(roundEven(width / v[2]), 1, shape.height);
  if (ratio > v[3]) width = std::clamp(roundEven(height * v[3]), 1, shape.width);
  return {(shape.height - height) / 2, (shape.width - width) / 2, height, width};
}

// Numbers: height, width, least and most share, least and most ratio, interpolation, antialias
void randomResizedCrop(const double* v, Draws& draws, Picture& picture) {
  Box box;
  if (!drawBox(v + 2, draws, picture.shape(), true, &box)) box = middleBox(v + 2, picture.shape());
  resizedCrop(picture, box, static_cast<int>(v[0]), static_cast<int>(v[1]), static_cast<Interpolation>(static_cast<int>(v[6])), v[7] != 0);
}

// Numbers: height, width, interpolation, antialias
void resize(const double* v, Draws&, Picture& picture) {
  const Box whole = {0, 0, picture.shape().height, picture.shape().width};
  resizedCrop(picture, whole, static_cast<int>(v[0]), static_cast<int>(v[1]), static_cast<Interpolation>(static_cast<int>(v[2])),
              v[3] != 0);
}

// Numbers: ranges of angle, scale, shear across and shear down; greatest shares of width and height moved; center; sampling
void randomAffine(const double* v, Draws& draws, Picture& picture) {
  const PictureShape& shape = picture.shape();
  Affine parameters;
  parameters.angle = draws.between(v[0], v[1]);
  parameters.scale = draws.between(v[2], v[3]);
  parameters.shearX = draws.between(v[4], v[5]);
  parameters.shearY = draws.between(v[6], v[7]);
  parameters.translateX = roundEven(draws.between(-v[8], v[8]) * shape.width);
  parameters.translateY = roundEven(draws.between(-v[9], v[9]) * shape.height);
  parameters.centerX = v[10];
  parameters.centerY = v[11];
  affine(picture, parameters, readSampling(v + 12));
}

// Numbers: p, distortion, sampling
void randomPerspective(const double* v, Draws& draws, Picture& picture) {
  if (!draws.chance(v[0])) return;
  const PictureShape& shape = picture.shape();
  const int height = static_cast<int>(v[1] * (shape.height / 2)) + 1, width = static_cast<int>(v[1] * (shape.width / 2)) + 1;
  double corners[8];
  for (int i = 0; i < 4; ++i) {
    const bool isRight = i == 1 || i == 2, isBottom = i >= 2;
    corners[2 * i] = draws.below(width) + (isRight ? shape.width - width : 0);
    corners[2 * i + 1] = draws.below(height) + (isBottom ? shape.height - height : 0);
  }
  perspective(picture, corners, readSampling(v + 2));
}

// Numbers: for brightness, contrast, saturation and hue whether it changes, and the range of its factor
void colorJitter(const double* v, Draws& draws, Picture& picture) {
  constexpr void (*kAdjust[4])(Picture&, double) = {adjustBrightness, adjustContrast, adjustSaturation, adjustHue};
  int order[4] = {0, 1, 2, 3};
  double factors[4];
  for (int i = 3; i > 0; --i) std::swap(order[i], order[draws.below(i + 1)]);
  for (int i = 0; i < 4; ++i) factors[i] = draws.between(v[3 * i + 1], v[3 * i + 2]);
  for (const int i : order) {
    if (v[3 * i] != 0) kAdjust[i](picture, factors[i]);
  }
}

// Numbers: width and height of the kernel, range of sigma
bool fitsKernel(const double* v, PictureShape* shape) {
  const auto isOdd = [](double size, int extent) { return isExtent(size) && static_cast<int>(size) % 2 == 1 && size < 2 * extent; };
  return isOdd(v[0], shape->width) && isOdd(v[1], shape->height) && v[2] > 0 && v[3] >= v[2];
}
void randomBlur(const double* v, Draws& draws, Picture& picture) {
  gaussianBlur(picture, static_cast<int>(v[0]), static_cast<int>(v[1]), draws.between(v[2], v[3]));
}

// Numbers: p, range of the share of the area, range of height by width, whether levels are random, fill
bool fitsErasing(const double* v, PictureShape*) {
  return v[1] >= 0 && v[2] >= v[1] && v[2] <= 1 && v[3] > 0 && v[4] >= v[3];
}
void randomErasing(const double* v, Draws& draws, Picture& picture) {
  Box box;
  if (!draws.chance(v[0]) || !drawBox(v + 1, draws, picture.shape(), false, &box)) return;
  if (v[5] != 0) {
    eraseRandomly(picture, box, draws);
  } else {
    erase(picture, box, readFill(v + 6));
  }
}

bool fitsResizedCrop(const double* v, PictureShape* shape) {
  return v[2] > 0 && v[3] >= v[2] && v[3] <= 1 && v[4] > 0 && v[5] >= v[4] && isOneOf(v[6], 3) && takesSize(v, shape);
}
bool fitsResize(const double* v, PictureShape* shape) {
  return isOneOf(v[2], 3) && takesSize(v, shape);
}
bool fitsAffine(const double* v, PictureShape*) {
  return v[2] > 0 && v[8] >= 0 && v[8] <= 1 && v[9] >= 0 && v[9] <= 1 && isOneOf(v[12], 2);
}
bool fitsPerspective(const double* v, PictureShape*) {
  return v[1] >= 0 && v[1] <= 1 && isOneOf(v[2], 2);
}
bool fitsPosterize(const double* v, PictureShape*) {
  return isOneOf(v[1], 9);
}
bool fitsRandAugment(const double* v, PictureShape*) {
  return isOneOf(v[0], 1000) && v[2] >= 2 && isOneOf(v[1], static_cast<int>(v[2])) && isOneOf(v[3], 2);
}
bool fitsTrivialAugment(const double* v, PictureShape*) {
  return v[0] >= 2 && isOneOf(v[0], 1 << 20) && isOneOf(v[1], 2);
}

}  // namespace

const std::vector<TransformKind>& transformKinds() {
  // In those that may leave a picture alone, the first number is how likely they do not.
  static const std::vector<TransformKind> kinds = {
      {"randomCrop", 10, takesPaddedSize, randomCrop},
      {"centerCrop", 2, takesSize, centerCrop},
      {"randomResizedCrop", 8, fitsResizedCrop, randomResizedCrop},
      {"resize", 4, fitsResize, resize},
      {"randomHorizontalFlip", 1, keepsShape,
       [](const double* v, Draws& d, Picture& p) {
         if (d.chance(v[0])) horizontalFlip(p);
       }},
      {"randomVerticalFlip", 1, keepsShape,
       [](const double* v, Draws& d, Picture& p) {
         if (d.chance(v[0])) verticalFlip(p);
       }},
      {"randomAffine", 12 + kSamplingNumbers, fitsAffine, randomAffine},
      {"randomPerspective", 2 + kSamplingNumbers, fitsPerspective, randomPerspective},
      {"colorJitter", 12, keepsShape, colorJitter},
      {"grayscale", 1, takesChannels, [](const double* v, Draws&, Picture& p) { grayscale(p, static_cast<int>(v[0])); }},
      {"randomGrayscale", 1, keepsShape,
       [](const double* v, Draws& d, Picture& p) {
         if (d.chance(v[0])) grayscale(p, p.shape().channels);
       }},
      {"gaussianBlur", 4, fitsKernel, randomBlur},
      {"randomErasing", 9, fitsErasing, randomErasing},
      {"randomAutocontrast", 1, keepsShape,
       [](const double* v, Draws& d, Picture& p) {
         if (d.chance(v[0])) autocontrast(p);
       }},
      {"randomEqualize", 1, keepsShape,
       [](const double* v, Draws& d, Picture& p) {
         if (d.chance(v[0])) equalize(p);
       }},
      {"randomPosterize", 2, fitsPosterize,
       [](const double* v, Draws& d, Picture& p) {
         if (d.chance(v[0])) posterize(p, static_cast<int>(v[1]));
       }},
      {"randomSolarize", 2, keepsShape,
       [](const double* v, Draws& d, Picture& p) {
         if (d.chance(v[0])) solarize(p, v[1]);
       }},
      {"randomInvert", 1, keepsShape,
       [](const double* v, Draws& d, Picture& p) {
         if (d.chance(v[0])) invert(p);
       }},
      {"randomAdjustSharpness", 2, keepsShape,
       [](const double* v, Draws& d, Picture& p) {
         if (d.chance(v[0])) adjustSharpness(p, v[1]);
       }},
      {"randAugment", 3 + kSamplingNumbers, fitsRandAugment, randAugment},
      {"trivialAugmentWide", 1 + kSamplingNumbers, fitsTrivialAugment, trivialAugmentWide},
  };
  return kinds;
}

Status decodePipeline(const double* numbers, size_t count, const PictureShape& input, bool interleaved, Pipeline* pipeline) {
  const std::vector<TransformKind>& kinds = transformKinds();
  pipeline->input = input;
  pipeline->interleaved = interleaved;
  pipeline->numbers.assign(numbers, numbers + count);
  PictureShape shape = input;
  for (size_t at = 0; at < count;) {
    const double* v = pipeline->numbers.data() + at;
    const bool isKind = count - at >= 2 && isOneOf(v[0], static_cast<int>(kinds.size()));
    const TransformKind* kind = isKind ? &kinds[static_cast<size_t>(v[0])] : nullptr;
    const size_t length = isKind ? static_cast<size_t>(kind->count) + 2 : 0;
    const bool fits = isKind && v[1] == kind->count && count - at >= length &&
                      std::all_of(v, v + length, [](double number) { return std::isfinite(number); }) && kind->reshape(v + 2, &shape);
    if (!fits) {
      return Status::error("ERR_INVALID_ARGUMENT", "Transform %zu (%s) has numbers that do not fit.", pipeline->steps.size(),
                           isKind ? kind->name : "unknown");
    }
    pipeline->steps.push_back({kind, v + 2});
    at += length;
  }
  pipeline->output = shape;
  return Status::ok();
}

void augment(const Pipeline& pipeline, const DrawKey& key, const uint8_t* images, const int32_t* indices, size_t count, uint8_t* into) {
  Picture picture;
  for (size_t i = 0; i < count; ++i) {
    picture.load(pipeline.input, pipeline.interleaved, images + i * pipeline.input.size());
    uint32_t position = 0;
    for (const Pipeline::Step& step : pipeline.steps) {
      Draws draws(key, static_cast<uint32_t>(indices[i]), position++);
      step.kind->apply(step.numbers, draws, picture);
    }
    picture.store(pipeline.interleaved, into + i * pipeline.output.size());
  }
}

}  // namespace stridenet
