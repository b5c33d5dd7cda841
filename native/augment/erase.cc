// Boxes of a picture painted over.

#include <cstring>

#include "native/augment/operations.h"

namespace stridenet {

void erase(Picture& picture, const Box& box, const Fill& fill) {
  for (int c = 0; c < picture.shape().channels; ++c) {
    for (int y = 0; y < box.height; ++y) {
      std::memset(picture.row(c, box.top + y) + box.left, cutLevel(fill.levels[c]), static_cast<size_t>(box.width));
    }
  }
}

void eraseRandomly(Picture& picture, const Box& box, Draws& draws) {
  uint32_t word = 0;
  int left = 0;  // levels that the word still has
  for (int c = 0; c < picture.shape().channels; ++c) {
    for (int y = 0; y < box.height; ++y) {
      uint8_t* row = picture.row(c, box.top + y) + box.left;
      for (int x = 0; x < box.width; ++x, word >>= 8, --left) {
        if (left == 0) {
          word = draws.word();
          left = 4;
        }
        row[x] = static_cast<uint8_t>(word);
      }
    }
  }
}

}  // namespace stridenet
