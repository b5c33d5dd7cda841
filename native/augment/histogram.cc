// Tables of levels made from the levels of a channel.

#include <algorithm>

#include "native/augment/operations.h"

namespace stridenet {

void autocontrast(Picture& picture) {
  const size_t count = picture.shape().plane();
  for (int c = 0; c < picture.shape().channels; ++c) {
    const uint8_t* plane = picture.plane(c);
    uint8_t least = 255, most = 0;
    for (size_t i = 0; i < count; ++i) {
      least = std::min(least, plane[i]);
      most = std::max(most, plane[i]);
    }
    if (least == most) continue;
    const float step = static_cast<float>(most - least) * (1.0f / 255.0f);
    uint8_t table[256];
    for (int level = 0; level < 256; ++level) table[level] = cutLevel(static_cast<float>(level - least) / step);
    applyTable(picture, c, table);
  }
}

// As PIL: each level becomes the number of pixels below it, in steps of a 255th of all but the brightest.
void equalize(Picture& picture) {
  const size_t count = picture.shape().plane();
  for (int c = 0; c < picture.shape().channels; ++c) {
    const uint8_t* plane = picture.plane(c);
    int64_t histogram[256] = {};
    for (size_t i = 0; i < count; ++i) ++histogram[plane[i]];
    int brightest = 255;
    while (brightest > 0 && histogram[brightest] == 0) --brightest;
    const int64_t step = (static_cast<int64_t>(count) - histogram[brightest]) / 255;
    if (step == 0) continue;
    uint8_t table[256];
    int64_t below = 0;
    for (int level = 0; level < 256; ++level) {
      table[level] = static_cast<uint8_t>(std::min<int64_t>((below + step / 2) / step, 255));
      below += histogram[level];
    }
    applyTable(picture, c, table);
  }
}

}  // namespace stridenet
