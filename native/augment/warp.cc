// Pictures sampled at places that a matrix says: affine maps and changes of perspective, as torch.nn.functional.grid_sample with zeros
// outside.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "native/augment/operations.h"

namespace stridenet {

namespace {

// Around the copy of a plane that is sampled: places are cut to [-1, extent], and the pixels there and the ones behind must be readable.
constexpr int kBefore = 1, kBehind = 2;

// One plane with its border.
const uint8_t* withBorder(Picture& picture, int channel, uint8_t border) {
  const PictureShape& shape = picture.shape();
  const size_t stride = static_cast<size_t>(shape.width + kBefore + kBehind);
  const size_t rows = static_cast<size_t>(shape.height + kBefore + kBehind);
  uint8_t* copy = picture.bytes(stride * rows * kMaxChannels) + stride * rows * static_cast<size_t>(channel);
  std::memset(copy, border, stride * rows);
  for (int y = 0; y < shape.height; ++y) {
    std::memcpy(copy + static_cast<size_t>(y + kBefore) * stride + kBefore, picture.row(channel, y), static_cast<size_t>(shape.width));
  }
  return copy;
}

// Cut to [-1, extent]; what is no number is outside.
inline float cutPlace(float at, float extent) {
  at = at > -1.0f ? at : -1.0f;
  return at < extent ? at : extent;
}

// Half to even, for small numbers.
inline float roundPlace(float at) {
  constexpr float kShift = 12582912.0f;  // 1.5 * 2^23, where neighbouring float32 are 1 apart
  return (at + kShift) - kShift;
}

constexpr int kOneBits = 11, kOne = 1 << kOneBits;

// The places of one row of the result, and what is derived from them.
struct RowPlaces {
  explicit RowPlaces(int width)
      : x(static_cast<size_t>(width)), y(x.size()), inside(x.size()), right(x.size()), lower(x.size()), offset(x.size()) {}
  std::vector<float> x, y;
  std::vector<float> inside;      // the weight of the pixels inside the picture
  std::vector<int> right, lower;  // the weight of the pixel to the right, and of the one below, in 2048ths
  std::vector<int> offset;        // of the upper left pixel, or of the nearest, in the copy
};

void findNearest(RowPlaces& places, const PictureShape& shape) {
  const int stride = shape.width + kBefore + kBehind;
  const auto width = static_cast<float>(shape.width), height = static_cast<float>(shape.height);
  for (size_t i = 0; i < places.x.size(); ++i) {
    const int x = static_cast<int>(roundPlace(cutPlace(places.x[i], width)));
    const int y = static_cast<int>(roundPlace(cutPlace(places.y[i], height)));
    places.offset[i] = (y + kBefore) * stride + x + kBefore;
  }
}

// How much of the weights at place `at`, counted from -1, falls on [0, extent).
inline int insideOf(int at, int extent) {
  return std::min(std::min(at, (extent + 1) * kOne - at), kOne);
}

void findFour(RowPlaces& places, const PictureShape& shape) {
  const int stride = shape.width + kBefore + kBehind;
  const auto width = static_cast<float>(shape.width), height = static_cast<float>(shape.height);
  const size_t count = places.x.size();
  const float *xs = places.x.data(), *ys = places.y.data();
  for (size_t i = 0; i < count; ++i) {
    // Places are not below -1, so that cutting the fraction off rounds down.
    const int x = static_cast<int>((cutPlace(xs[i], width) + 1.0f) * kOne + 0.5f);
    const int y = static_cast<int>((cutPlace(ys[i], height) + 1.0f) * kOne + 0.5f);
    places.right[i] = x & (kOne - 1);
    places.lower[i] = y & (kOne - 1);
    places.inside[i] = static_cast<float>(insideOf(x, shape.width)) * static_cast<float>(insideOf(y, shape.height)) * (1.0f / kOne / kOne);
    places.offset[i] = (y >> kOneBits) * stride + (x >> kOneBits);
  }
}

void takeNearest(const uint8_t* plane, const RowPlaces& places, uint8_t* out) {
  for (size_t i = 0; i < places.x.size(); ++i) out[i] = plane[places.offset[i]];
}

// The weighted mean, then mask (mean - fill) + fill as torchvision has it: pixels at the border fade into the fill twice as fast. Weights
// are in 2048ths; `means` holds a row.
void mixFour(const uint8_t* plane, size_t stride, const RowPlaces& places, bool hasFill, float fill, int* means, uint8_t* out) {
  const size_t width = places.x.size();
  for (size_t i = 0; i < width; ++i) {
    const uint8_t *upper = plane + places.offset[i], *lower = upper + stride;
    const int right = places.right[i], above = upper[0] * kOne + right * (upper[1] - upper[0]);
    const int below = lower[0] * kOne + right * (lower[1] - lower[0]);
    means[i] = above + ((places.lower[i] * ((below - above) >> 2)) >> (kOneBits - 2));
  }
  const float* inside = places.inside.data();
  if (hasFill) {
    for (size_t i = 0; i < width; ++i) out[i] = roundLevel(inside[i] * (static_cast<float>(means[i]) * (1.0f / kOne) - fill) + fill);
  } else {
    for (size_t i = 0; i < width; ++i) out[i] = static_cast<uint8_t>((means[i] + kOne / 2) >> kOneBits);
  }
}

// `rowOf(y, xs, ys)` says where the pixels of row y come from.
template <typename RowOf>
void sample(Picture& picture, const Sampling& sampling, RowOf rowOf) {
  const PictureShape shape = picture.shape();
  const bool nearest = sampling.interpolation == Interpolation::nearest;
  const size_t stride = static_cast<size_t>(shape.width + kBefore + kBehind);
  const uint8_t* planes[kMaxChannels] = {};
  for (int c = 0; c < shape.channels; ++c) {
    planes[c] = withBorder(picture, c, nearest && sampling.hasFill ? roundLevel(sampling.fill.levels[c]) : 0);
  }
  uint8_t* out = picture.result(shape);
  RowPlaces places(shape.width);
  std::vector<int> means(places.x.size());
  for (int y = 0; y < shape.height; ++y) {
    rowOf(y, places.x.data(), places.y.data());
    nearest ? findNearest(places, shape) : findFour(places, shape);
    for (int c = 0; c < shape.channels; ++c) {
      uint8_t* row = out + static_cast<size_t>(c) * shape.plane() + static_cast<size_t>(y) * static_cast<size_t>(shape.width);
      if (nearest) {
        takeNearest(planes[c], places, row);
      } else {
        mixFour(planes[c], stride, places, sampling.hasFill, sampling.fill.levels[c], means.data(), row);
      }
    }
  }
  picture.replace();
}

// Solves a x = b of `kSize` equations by elimination with pivots. Returns false if a has no inverse.
constexpr int kSize = 8;
bool solve(double a[kSize][kSize + 1], double x[kSize]) {
  for (int i = 0; i < kSize; ++i) {
    int pivot = i;
    for (int row = i + 1; row < kSize; ++row) {
      if (std::fabs(a[row][i]) > std::fabs(a[pivot][i])) pivot = row;
    }
    if (std::fabs(a[pivot][i]) < 1e-9) return false;
    for (int k = 0; k <= kSize; ++k) std::swap(a[i][k], a[pivot][k]);
    for (int row = 0; row < kSize; ++row) {
      if (row == i) continue;
      const double factor = a[row][i] / a[i][i];
      for (int k = i; k <= kSize; ++k) a[row][k] -= factor * a[i][k];
    }
  }
  for (int i = 0; i < kSize; ++i) x[i] = a[i][kSize] / a[i][i];
  return true;
}

}  // namespace

// The inverse of T C R S Shy Shx C^-1: T translates, C moves the center to the origin.
void affine(Picture& picture, const Affine& p, const Sampling& sampling) {
  constexpr double kDegree = 3.14159265358979323846 / 180;
  const double rotation = p.angle * kDegree, shearX = p.shearX * kDegree, shearY = p.shearY * kDegree;
  const double a = std::cos(rotation - shearY) / std::cos(shearY), c = std::sin(rotation - shearY) / std::cos(shearY);
  const double b = -(a * std::tan(shearX) + std::sin(rotation)), d = std::cos(rotation) - c * std::tan(shearX);
  const double xx = d / p.scale, xy = -b / p.scale, yx = -c / p.scale, yy = a / p.scale;
  const double x0 = p.centerX - xx * (p.centerX + p.translateX) - xy * (p.centerY + p.translateY);
  const double y0 = p.centerY - yx * (p.centerX + p.translateX) - yy * (p.centerY + p.translateY);
  const PictureShape shape = picture.shape();
  const double middleX = (shape.width - 1) * 0.5, middleY = (shape.height - 1) * 0.5;
  sample(picture, sampling, [=](int y, float* xs, float* ys) {
    const double fromX = xy * (y - middleY) + x0 + middleX, fromY = yy * (y - middleY) + y0 + middleY;
    for (int x = 0; x < shape.width; ++x) {
      xs[x] = static_cast<float>(xx * (x - middleX) + fromX);
      ys[x] = static_cast<float>(yx * (x - middleX) + fromY);
    }
  });
}

void perspective(Picture& picture, const double corners[8], const Sampling& sampling) {
  const PictureShape shape = picture.shape();
  const double right = shape.width - 1, bottom = shape.height - 1;
  const double from[8] = {0, 0, right, 0, right, bottom, 0, bottom};
  double equations[kSize][kSize + 1], m[kSize];
  for (int i = 0; i < 4; ++i) {
    const double x = corners[2 * i], y = corners[2 * i + 1], u = from[2 * i], v = from[2 * i + 1];
    const double rows[2][kSize + 1] = {{x, y, 1, 0, 0, 0, -u * x, -u * y, u}, {0, 0, 0, x, y, 1, -v * x, -v * y, v}};
    std::memcpy(equations[2 * i], rows, sizeof rows);
  }
  if (!solve(equations, m)) return;
  sample(picture, sampling, [&](int y, float* xs, float* ys) {
    const double yc = y + 0.5;
    for (int x = 0; x < shape.width; ++x) {
      const double xc = x + 0.5, divisor = m[6] * xc + m[7] * yc + 1;
      xs[x] = static_cast<float>((m[0] * xc + m[1] * yc + m[2]) / divisor - 0.5);
      ys[x] = static_cast<float>((m[3] * xc + m[4] * yc + m[5]) / divisor - 0.5);
    }
  });
}

}  // namespace stridenet
