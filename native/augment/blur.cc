// Levels mixed with those of their neighbours.

#include <cmath>
#include <cstring>
#include <vector>

#include "native/augment/operations.h"

namespace stridenet {

namespace {

// exp(-x^2 / (2 sigma^2)) at the pixels around the middle one, with sum 1.
std::vector<float> gaussianKernel(int size, double sigma) {
  std::vector<float> kernel(static_cast<size_t>(size));
  double sum = 0;
  for (int i = 0; i < size; ++i) {
    const double x = (i - (size - 1) / 2) / sigma;
    sum += kernel[static_cast<size_t>(i)] = static_cast<float>(std::exp(-0.5 * x * x));
  }
  for (float& weight : kernel) weight = static_cast<float>(weight / sum);
  return kernel;
}

// The pixel at `at` when the picture goes on outside as in a mirror.
int reflect(int at, int extent) {
  return at < 0 ? -at : at < extent ? at : 2 * (extent - 1) - at;
}

// out[x] = sum of kernel[k] row[x + k]
void blurRow(const float* row, const std::vector<float>& kernel, float* __restrict out, int width) {
  for (int x = 0; x < width; ++x) out[x] = kernel[0] * row[x];
  for (size_t k = 1; k < kernel.size(); ++k) {
    const float weight = kernel[k];
    const float* from = row + k;
    for (int x = 0; x < width; ++x) out[x] += weight * from[x];
  }
}

}  // namespace

void gaussianBlur(Picture& picture, int kernelWidth, int kernelHeight, double sigma) {
  const PictureShape& shape = picture.shape();
  const int width = shape.width, height = shape.height, halfWidth = kernelWidth / 2, halfHeight = kernelHeight / 2;
  const std::vector<float> across = gaussianKernel(kernelWidth, sigma), down = gaussianKernel(kernelHeight, sigma);
  // One row with its reflections, one row of sums, and the plane blurred across.
  float* padded = picture.floats(static_cast<size_t>(2 * width + kernelWidth) + shape.plane());
  float* sums = padded + width + kernelWidth;
  float* blurred = sums + width;
  for (int c = 0; c < shape.channels; ++c) {
    for (int y = 0; y < height; ++y) {
      const uint8_t* row = picture.row(c, y);
      for (int x = 0; x < width; ++x) padded[halfWidth + x] = row[x];
      for (int x = 1; x <= halfWidth; ++x) {
        padded[halfWidth - x] = row[reflect(-x, width)];
        padded[halfWidth + width - 1 + x] = row[reflect(width - 1 + x, width)];
      }
      blurRow(padded, across, blurred + static_cast<size_t>(y) * static_cast<size_t>(width), width);
    }
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) sums[x] = 0;
      for (int k = 0; k < kernelHeight; ++k) {
        const float weight = down[static_cast<size_t>(k)];
        const float* from = blurred + static_cast<size_t>(reflect(y + k - halfHeight, height)) * static_cast<size_t>(width);
        for (int x = 0; x < width; ++x) sums[x] += weight * from[x];
      }
      uint8_t* row = picture.row(c, y);
      for (int x = 0; x < width; ++x) row[x] = roundLevel(sums[x]);
    }
  }
}

namespace {

// x + (1 - factor) (smooth - x) away from the border, where smooth is the mean of the 3x3 pixels around, the middle one five times as
// heavy.
void sharpenRow(const uint8_t* above, const uint8_t* middle, const uint8_t* below, float rest, uint8_t* __restrict out, int width) {
  for (int x = 1; x < width - 1; ++x) {
    const int around = above[x - 1] + above[x] + above[x + 1] + middle[x - 1] + middle[x + 1] + below[x - 1] + below[x] + below[x + 1];
    const int smooth = static_cast<int>(static_cast<float>(around + 5 * middle[x]) * (1.0f / 13.0f) + 0.5f);
    out[x] = cutLevel(static_cast<float>(middle[x]) + rest * static_cast<float>(smooth - middle[x]));
  }
}

}  // namespace

void adjustSharpness(Picture& picture, double factor) {
  const PictureShape shape = picture.shape();
  if (shape.height <= 2 || shape.width <= 2) return;
  const int width = shape.width;
  uint8_t* out = picture.result(shape);
  std::memcpy(out, picture.plane(0), shape.size());
  for (int c = 0; c < shape.channels; ++c) {
    uint8_t* plane = out + static_cast<size_t>(c) * shape.plane();
    for (int y = 1; y < shape.height - 1; ++y) {
      const uint8_t* middle = picture.row(c, y);
      uint8_t* row = plane + static_cast<size_t>(y) * static_cast<size_t>(width);
      sharpenRow(middle - width, middle, middle + width, static_cast<float>(1.0 - factor), row, width);
    }
  }
  picture.replace();
}

}  // namespace stridenet
