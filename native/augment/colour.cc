// Levels changed pixel by pixel: by a table where a channel is enough, else by arithmetic on all three.

#include <algorithm>
#include <cmath>
#include <cstring>

#include "native/augment/operations.h"

namespace stridenet {

void applyTable(Picture& picture, int channel, const uint8_t table[256]) {
  uint8_t* plane = picture.plane(channel);
  const size_t count = picture.shape().plane();
  for (size_t i = 0; i < count; ++i) plane[i] = table[plane[i]];
}

namespace {

template <typename Level>
void applyToAll(Picture& picture, Level levelOf) {
  uint8_t table[256];
  for (int level = 0; level < 256; ++level) table[level] = levelOf(level);
  for (int c = 0; c < picture.shape().channels; ++c) applyTable(picture, c, table);
}

// ITU-R 601-2, cut to a whole level.
inline int grayOf(uint8_t red, uint8_t green, uint8_t blue) {
  return static_cast<int>(0.2989f * red + 0.587f * green + 0.114f * blue);
}

float meanGray(Picture& picture) {
  const size_t count = picture.shape().plane();
  const bool coloured = picture.shape().channels == 3;
  const uint8_t *red = picture.plane(0), *green = picture.plane(coloured ? 1 : 0), *blue = picture.plane(coloured ? 2 : 0);
  const size_t width = static_cast<size_t>(picture.shape().width);
  double sum = 0;
  for (size_t row = 0; row < count; row += width) {
    int rowSum = 0;
    if (coloured) {
      for (size_t i = row; i < row + width; ++i) rowSum += grayOf(red[i], green[i], blue[i]);
    } else {
      for (size_t i = row; i < row + width; ++i) rowSum += red[i];
    }
    sum += rowSum;
  }
  return static_cast<float>(sum / static_cast<double>(count));
}

}  // namespace

void adjustBrightness(Picture& picture, double factor) {
  const auto f = static_cast<float>(factor);
  applyToAll(picture, [f](int level) { return cutLevel(static_cast<float>(level) * f); });
}

void adjustContrast(Picture& picture, double factor) {
  const auto f = static_cast<float>(factor);
  const float rest = static_cast<float>(1.0 - factor) * meanGray(picture);
  applyToAll(picture, [f, rest](int level) { return cutLevel(static_cast<float>(level) * f + rest); });
}

void adjustSaturation(Picture& picture, double factor) {
  if (picture.shape().channels == 1) return;
  const float f = static_cast<float>(factor), rest = static_cast<float>(1.0 - factor);
  uint8_t* __restrict red = picture.plane(0), * __restrict green = picture.plane(1), * __restrict blue = picture.plane(2);
  const size_t count = picture.shape().plane();
  for (size_t i = 0; i < count; ++i) {
    const float gray = rest * static_cast<float>(grayOf(red[i], green[i], blue[i]));
    red[i] = cutLevel(f * red[i] + gray);
    green[i] = cutLevel(f * green[i] + gray);
    blue[i] = cutLevel(f * blue[i] + gray);
  }
}

namespace {

// A sixth of the circle of hues. Hues are whole numbers, among which compilers choose without branches.
constexpr int kSixth = 4096;

// One channel of a pixel of hue `h`, as v - v s clamp(min(k, 4 - k), 0, 1) with k = n + h mod 6 (in sixths); n is 5 for red, 3 for green
// and 1 for blue. `chroma` is v s.
inline uint8_t channelOf(int n, int h, float v, float chroma) {
  int k = n * kSixth + h;
  k -= k >= 6 * kSixth ? 6 * kSixth : 0;
  const int part = std::clamp(std::min(k, 4 * kSixth - k), 0, kSixth);
  return static_cast<uint8_t>(static_cast<int>((v - chroma * (1.0f / kSixth) * static_cast<float>(part)) * (255.999f / 255.0f)));
}

}  // namespace

void adjustHue(Picture& picture, double factor) {
  if (picture.shape().channels == 1) return;
  const int turn = static_cast<int>(std::lround(6 * kSixth * (factor < 0 ? factor + 1 : factor)));
  uint8_t* __restrict red = picture.plane(0), * __restrict green = picture.plane(1), * __restrict blue = picture.plane(2);
  const size_t count = picture.shape().plane();
  for (size_t i = 0; i < count; ++i) {
    const int r = red[i], g = green[i], b = blue[i];
    const int most = std::max(r, std::max(g, b)), chroma = most - std::min(r, std::min(g, b));
    const int ofGreen = most == g ? b - r : r - g, greenStart = most == g ? 2 * kSixth : 4 * kSixth;
    const int difference = most == r ? g - b : ofGreen, start = most == r ? 0 : greenStart;
    const float part = static_cast<float>(difference) / static_cast<float>(std::max(chroma, 1));
    int h = start + turn + static_cast<int>(part * kSixth);
    h += h < 0 ? 6 * kSixth : 0;
    h -= h >= 6 * kSixth ? 6 * kSixth : 0;
    const auto v = static_cast<float>(most), c = static_cast<float>(chroma);
    red[i] = channelOf(5, h, v, c);
    green[i] = channelOf(3, h, v, c);
    blue[i] = channelOf(1, h, v, c);
  }
}

void grayscale(Picture& picture, int channels) {
  const PictureShape shape = picture.shape();
  if (shape.channels == 1 && channels == 1) return;
  const size_t count = shape.plane();
  uint8_t* out = picture.result({channels, shape.height, shape.width});
  if (shape.channels == 1) {
    std::memcpy(out, picture.plane(0), count);
  } else {
    const uint8_t *red = picture.plane(0), *green = picture.plane(1), *blue = picture.plane(2);
    for (size_t i = 0; i < count; ++i) out[i] = static_cast<uint8_t>(grayOf(red[i], green[i], blue[i]));
  }
  for (int c = 1; c < channels; ++c) std::memcpy(out + static_cast<size_t>(c) * count, out, count);
  picture.replace();
}

void posterize(Picture& picture, int bits) {
  const int mask = 0xff & ~((1 << (8 - bits)) - 1);
  applyToAll(picture, [mask](int level) { return static_cast<uint8_t>(level & mask); });
}

void solarize(Picture& picture, double threshold) {
  applyToAll(picture, [threshold](int level) { return static_cast<uint8_t>(level >= threshold ? 255 - level : level); });
}

void invert(Picture& picture) {
  applyToAll(picture, [](int level) { return static_cast<uint8_t>(255 - level); });
}

}  // namespace stridenet
