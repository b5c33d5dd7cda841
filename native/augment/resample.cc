// A box of a picture in another size: each row first, then each column, by weights of neighbouring pixels that the two extents decide.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "native/augment/operations.h"

namespace stridenet {

namespace {

// The pixels that make up each pixel of the result along one axis: `count` from `first[i]` on, with the weights from `weights[i * count]`
// on.
struct Taps {
  int count;
  std::vector<int> first;
  std::vector<float> weights;
};

double filterAt(double x, Interpolation interpolation, bool antialias) {
  x = std::fabs(x);
  if (interpolation != Interpolation::bicubic) return x < 1 ? 1 - x : 0;
  // Keys (1981), with PIL's coefficient when it smooths as PIL does.
  const double a = antialias ? -0.5 : -0.75;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

Taps nearestTaps(int from, int to) {
  Taps taps = {1, std::vector<int>(static_cast<size_t>(to)), std::vector<float>(static_cast<size_t>(to), 1.0f)};
  for (int i = 0; i < to; ++i) taps.first[static_cast<size_t>(i)] = static_cast<int>(int64_t{i} * from / to);
  return taps;
}

// With antialias, the filter is as wide as a pixel of the result at least, and ends at the border. Without it, the pixel at the border goes
// on outside.
Taps makeTaps(int from, int to, Interpolation interpolation, bool antialias) {
  if (interpolation == Interpolation::nearest) return nearestTaps(from, to);
  const double scale = static_cast<double>(from) / to, stretch = antialias ? std::max(scale, 1.0) : 1.0;
  const double support = (interpolation == Interpolation::bicubic ? 2 : 1) * stretch;
  const int count = std::min(from, static_cast<int>(std::ceil(support)) * 2 + 1);
  Taps taps = {count, std::vector<int>(static_cast<size_t>(to)),
               std::vector<float>(static_cast<size_t>(to) * static_cast<size_t>(count), 0.0f)};
  for (int i = 0; i < to; ++i) {
    const double center = (i + 0.5) * scale;
    const int begin = static_cast<int>(std::floor(center - support + 0.5)), end = static_cast<int>(std::floor(center + support + 0.5));
    const int first = std::clamp(begin, 0, from - count);
    taps.first[static_cast<size_t>(i)] = first;
    float* weights = &taps.weights[static_cast<size_t>(i) * static_cast<size_t>(count)];
    double sum = 0;
    for (int at = begin; at < end; ++at) {
      if (antialias && (at < 0 || at >= from)) continue;
      const double weight = filterAt((at - center + 0.5) / stretch, interpolation, antialias);
      weights[std::clamp(at, 0, from - 1) - first] += static_cast<float>(weight);
      sum += weight;
    }
    for (int k = 0; k < count; ++k) weights[k] = static_cast<float>(weights[k] / sum);
  }
  return taps;
}

template <int kCount>
void resampleRow(const float* row, const Taps& taps, float* __restrict out, size_t width) {
  const int* first = taps.first.data();
  const float* weights = taps.weights.data();
  const int count = kCount > 0 ? kCount : taps.count;
  for (size_t x = 0; x < width; ++x, weights += count) {
    const float* from = row + first[x];
    float sum = weights[0] * from[0];
    for (int k = 1; k < count; ++k) sum += weights[k] * from[k];
    out[x] = sum;
  }
}

using ResampleRow = void (*)(const float*, const Taps&, float* __restrict, size_t);
ResampleRow rowFunction(int count) {
  switch (count) {
    case 1:
      return resampleRow<1>;
    case 3:
      return resampleRow<3>;
    case 5:
      return resampleRow<5>;
    default:
      return resampleRow<0>;
  }
}

}  // namespace

void resizedCrop(Picture& picture, const Box& box, int height, int width, Interpolation interpolation, bool antialias) {
  if (box.height == height && box.width == width) {
    crop(picture, box, PaddingMode::constant, {});
    return;
  }
  const int channels = picture.shape().channels;
  const Taps across = makeTaps(box.width, width, interpolation, antialias), down = makeTaps(box.height, height, interpolation, antialias);
  const ResampleRow resample = rowFunction(across.count);
  const size_t w = static_cast<size_t>(width), boxWidth = static_cast<size_t>(box.width);
  uint8_t* out = picture.result({channels, height, width});
  float* row = picture.floats(boxWidth + w + static_cast<size_t>(box.height) * w);
  float *sums = row + boxWidth, *narrowed = sums + w;
  for (int c = 0; c < channels; ++c) {
    for (int y = 0; y < box.height; ++y) {
      const uint8_t* source = picture.row(c, box.top + y) + box.left;
      for (size_t x = 0; x < boxWidth; ++x) row[x] = source[x];
      resample(row, across, narrowed + static_cast<size_t>(y) * w, w);
    }
    for (int y = 0; y < height; ++y, out += w) {
      const float* weights = &down.weights[static_cast<size_t>(y) * static_cast<size_t>(down.count)];
      const float* from = narrowed + static_cast<size_t>(down.first[static_cast<size_t>(y)]) * w;
      for (size_t x = 0; x < w; ++x) sums[x] = weights[0] * from[x];
      for (int k = 1; k < down.count; ++k) {
        const float weight = weights[k];
        from += w;
        if (weight == 0) continue;
        for (size_t x = 0; x < w; ++x) sums[x] += weight * from[x];
      }
      for (size_t x = 0; x < w; ++x) out[x] = roundLevel(sums[x]);
    }
  }
  picture.replace();
}

}  // namespace stridenet
