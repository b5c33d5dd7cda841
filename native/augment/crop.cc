// Pixels moved as they are: crops with padding, flips.

#include <algorithm>
#include <cstring>

#include "native/augment/operations.h"

namespace stridenet {

namespace {

// The pixel of [0, extent) that stands at `at`, or -1 where a constant does.
int sourceOf(int at, int extent, PaddingMode mode) {
  if (at >= 0 && at < extent) return at;
  if (mode == PaddingMode::constant) return -1;
  if (mode == PaddingMode::edge) return at < 0 ? 0 : extent - 1;
  const int again = mode == PaddingMode::symmetric ? 1 : 0;  // whether the pixel at the border comes twice
  const int mirrored = at < 0 ? -at - again : 2 * (extent - 1) - at + again;
  return std::clamp(mirrored, 0, extent - 1);
}

struct Columns {
  int left, width;  // of the box
  int from, to;     // those of the box that lie inside the picture
  int extent;
  PaddingMode mode;
};

void copyRow(const uint8_t* source, uint8_t* row, const Columns& c, uint8_t fill) {
  const auto pad = [&](int from, int to) {
    for (int x = from; x < to; ++x) {
      const int at = sourceOf(c.left + x, c.extent, c.mode);
      row[x] = at < 0 ? fill : source[at];
    }
  };
  pad(0, c.from);
  if (c.to > c.from) std::memcpy(row + c.from, source + c.left + c.from, static_cast<size_t>(c.to - c.from));
  pad(c.to, c.width);
}

}  // namespace

void crop(Picture& picture, const Box& box, PaddingMode mode, const Fill& fill) {
  const PictureShape shape = picture.shape();
  if (box.top == 0 && box.left == 0 && box.height == shape.height && box.width == shape.width) return;
  uint8_t* out = picture.result({shape.channels, box.height, box.width});
  const int from = std::clamp(-box.left, 0, box.width), to = std::clamp(shape.width - box.left, from, box.width);
  const Columns columns = {box.left, box.width, from, to, shape.width, mode};
  for (int c = 0; c < shape.channels; ++c) {
    const uint8_t level = cutLevel(fill.levels[c]);
    for (int y = 0; y < box.height; ++y, out += box.width) {
      const int at = sourceOf(box.top + y, shape.height, mode);
      if (at < 0) {
        std::memset(out, level, static_cast<size_t>(box.width));
      } else {
        copyRow(picture.row(c, at), out, columns, level);
      }
    }
  }
  picture.replace();
}

namespace {

// Eight bytes from each end at a time, while they do not meet.
void reverseRow(uint8_t* row, int width) {
  uint8_t *front = row, *back = row + width;
  while (back - front >= 16) {
    uint64_t first, last;
    back -= 8;
    std::memcpy(&first, front, 8);
    std::memcpy(&last, back, 8);
    first = __builtin_bswap64(first);
    last = __builtin_bswap64(last);
    std::memcpy(front, &last, 8);
    std::memcpy(back, &first, 8);
    front += 8;
  }
  std::reverse(front, back);
}

}  // namespace

void horizontalFlip(Picture& picture) {
  const PictureShape& shape = picture.shape();
  for (int c = 0; c < shape.channels; ++c) {
    for (int y = 0; y < shape.height; ++y) reverseRow(picture.row(c, y), shape.width);
  }
}

void verticalFlip(Picture& picture) {
  const PictureShape& shape = picture.shape();
  for (int c = 0; c < shape.channels; ++c) {
    for (int y = 0; y < shape.height / 2; ++y) {
      uint8_t* row = picture.row(c, y);
      std::swap_ranges(row, row + shape.width, picture.row(c, shape.height - 1 - y));
    }
  }
}

}  // namespace stridenet
