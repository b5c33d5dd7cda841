#include "native/augment/picture.h"

#include <cstring>

namespace stridenet {

void Picture::load(const PictureShape& shape, bool interleaved, const uint8_t* image) {
  shape_ = shape;
  grow(&pixels_, shape.size());
  if (!interleaved || shape.channels == 1) {
    std::memcpy(pixels_.data(), image, shape.size());
    return;
  }
  const size_t count = shape.plane();
  uint8_t *red = plane(0), *green = plane(1), *blue = plane(2);
  for (size_t i = 0; i < count; ++i) {
    red[i] = image[3 * i];
    green[i] = image[3 * i + 1];
    blue[i] = image[3 * i + 2];
  }
}

void Picture::store(bool interleaved, uint8_t* image) const {
  if (!interleaved || shape_.channels == 1) {
    std::memcpy(image, pixels_.data(), shape_.size());
    return;
  }
  const size_t count = shape_.plane();
  const uint8_t *red = pixels_.data(), *green = red + count, *blue = green + count;
  for (size_t i = 0; i < count; ++i) {
    image[3 * i] = red[i];
    image[3 * i + 1] = green[i];
    image[3 * i + 2] = blue[i];
  }
}

uint8_t* Picture::result(const PictureShape& shape) {
  resultShape_ = shape;
  return grow(&result_, shape.size());
}

void Picture::replace() {
  pixels_.swap(result_);
  shape_ = resultShape_;
}

}  // namespace stridenet
