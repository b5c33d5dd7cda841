#include "native/augment/fixed.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "native/augment/transforms.h"

namespace stridenet {

namespace {

Box readBox(const double* v) {
  return {static_cast<int>(v[0]), static_cast<int>(v[1]), static_cast<int>(v[2]), static_cast<int>(v[3])};
}

bool isSize(const double* v) {
  return v[0] >= 1 && v[1] >= 1 && v[0] <= kMaxExtent && v[1] <= kMaxExtent;
}
bool isInside(const double* v, const PictureShape& shape) {
  return v[0] >= 0 && v[1] >= 0 && v[2] >= 1 && v[3] >= 1 && v[0] + v[2] <= shape.height && v[1] + v[3] <= shape.width;
}
bool isAnything(const double*, const PictureShape&) {
  return true;
}

struct Fixed {
  const char* name;
  size_t count;
  bool (*fits)(const double* v, const PictureShape& shape);
  void (*apply)(const double* v, Picture& picture);
};

constexpr Fixed kFixed[] = {
    {"crop", 8,
     [](const double* v, const PictureShape&) {
       return std::fabs(v[0]) <= kMaxExtent && std::fabs(v[1]) <= kMaxExtent && isSize(v + 2) && v[4] >= 0 && v[4] < 4;
     },
     [](const double* v, Picture& p) { crop(p, readBox(v), static_cast<PaddingMode>(static_cast<int>(v[4])), readFill(v + 5)); }},
    {"horizontalFlip", 0, isAnything, [](const double*, Picture& p) { horizontalFlip(p); }},
    {"verticalFlip", 0, isAnything, [](const double*, Picture& p) { verticalFlip(p); }},
    {"resizedCrop", 8,
     [](const double* v, const PictureShape& shape) { return isInside(v, shape) && isSize(v + 4) && v[6] >= 0 && v[6] < 3; },
     [](const double* v, Picture& p) {
       resizedCrop(p, readBox(v), static_cast<int>(v[4]), static_cast<int>(v[5]), static_cast<Interpolation>(static_cast<int>(v[6])),
                   v[7] != 0);
     }},
    {"affine", 8 + kSamplingNumbers, [](const double* v, const PictureShape&) { return v[3] > 0 && v[8] >= 0 && v[8] < 2; },
     [](const double* v, Picture& p) {
       affine(p, {v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]}, readSampling(v + 8));
     }},
    {"perspective", 8 + kSamplingNumbers, [](const double* v, const PictureShape&) { return v[8] >= 0 && v[8] < 2; },
     [](const double* v, Picture& p) { perspective(p, v, readSampling(v + 8)); }},
    {"adjustBrightness", 1, isAnything, [](const double* v, Picture& p) { adjustBrightness(p, v[0]); }},
    {"adjustContrast", 1, isAnything, [](const double* v, Picture& p) { adjustContrast(p, v[0]); }},
    {"adjustSaturation", 1, isAnything, [](const double* v, Picture& p) { adjustSaturation(p, v[0]); }},
    {"adjustHue", 1, isAnything, [](const double* v, Picture& p) { adjustHue(p, v[0]); }},
    {"grayscale", 1, [](const double* v, const PictureShape&) { return v[0] == 1 || v[0] == 3; },
     [](const double* v, Picture& p) { grayscale(p, static_cast<int>(v[0])); }},
    {"posterize", 1, [](const double* v, const PictureShape&) { return v[0] >= 0 && v[0] <= 8; },
     [](const double* v, Picture& p) { posterize(p, static_cast<int>(v[0])); }},
    {"solarize", 1, isAnything, [](const double* v, Picture& p) { solarize(p, v[0]); }},
    {"invert", 0, isAnything, [](const double*, Picture& p) { invert(p); }},
    {"autocontrast", 0, isAnything, [](const double*, Picture& p) { autocontrast(p); }},
    {"equalize", 0, isAnything, [](const double*, Picture& p) { equalize(p); }},
    {"gaussianBlur", 3,
     [](const double* v, const PictureShape& shape) {
       return isSize(v) && v[0] < 2 * shape.width && v[1] < 2 * shape.height && std::fmod(v[0], 2) == 1 && std::fmod(v[1], 2) == 1;
     },
     [](const double* v, Picture& p) { gaussianBlur(p, static_cast<int>(v[0]), static_cast<int>(v[1]), v[2]); }},
    {"adjustSharpness", 1, isAnything, [](const double* v, Picture& p) { adjustSharpness(p, v[0]); }},
    {"erase", 7, isInside, [](const double* v, Picture& p) { erase(p, readBox(v), readFill(v + 4)); }},
};

}  // namespace

Status applyFixed(const char* name, const double* numbers, size_t count, Picture& picture) {
  const auto* operation =
      std::find_if(std::begin(kFixed), std::end(kFixed), [name](const Fixed& each) { return !std::strcmp(each.name, name); });
  const bool fits = operation != std::end(kFixed) && count == operation->count &&
                    std::all_of(numbers, numbers + count, [](double v) { return std::isfinite(v); }) &&
                    operation->fits(numbers, picture.shape());
  if (!fits) return Status::error("ERR_INVALID_ARGUMENT", "There is no operation \"%.40s\" with %zu such numbers.", name, count);
  operation->apply(numbers, picture);
  return Status::ok();
}

}  // namespace stridenet
