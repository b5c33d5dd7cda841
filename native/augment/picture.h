// A picture of uint8 levels on its way through the transforms: planes of channels, one after the other, and memory that operations share.
// One thread works on a picture at a time; the memory stays from one picture to the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace stridenet {

struct PictureShape {
  int channels, height, width;  // 1 or 3 channels
  size_t plane() const { return static_cast<size_t>(height) * static_cast<size_t>(width); }
  size_t size() const { return static_cast<size_t>(channels) * plane(); }
};

constexpr int kMaxChannels = 3;
constexpr int kMaxExtent = 1 << 14;  // of height and width, which keeps every index and size below in 32 bits

class Picture {
 public:
  const PictureShape& shape() const { return shape_; }
  uint8_t* plane(int channel) { return pixels_.data() + static_cast<size_t>(channel) * shape_.plane(); }
  uint8_t* row(int channel, int y) { return plane(channel) + static_cast<size_t>(y) * static_cast<size_t>(shape_.width); }

  // Takes the pixels of an image, whose channels lie side by side if it is interleaved.
  void load(const PictureShape& shape, bool interleaved, const uint8_t* image);
  void store(bool interleaved, uint8_t* image) const;

  // Room for the result of an operation; replace() makes it the picture.
  uint8_t* result(const PictureShape& shape);
  void replace();

  // Memory for one operation; what it holds is not defined.
  float* floats(size_t count) { return grow(&floats_, count); }
  uint8_t* bytes(size_t count) { return grow(&bytes_, count); }

 private:
  template <typename T>
  static T* grow(std::vector<T>* memory, size_t count) {
    if (memory->size() < count) memory->resize(count);
    return memory->data();
  }

  PictureShape shape_ = {}, resultShape_ = {};
  std::vector<uint8_t> pixels_, result_, bytes_;
  std::vector<float> floats_;
};

// A level as uint8: what is above 255 or below 0 is cut off, and the fraction too, as PyTorch converts.
inline uint8_t cutLevel(float level) {
  level = level > 0.0f ? level : 0.0f;
  return static_cast<uint8_t>(static_cast<int>(level < 255.0f ? level : 255.0f));
}
// The nearest level.
inline uint8_t roundLevel(float level) {
  return cutLevel(level + 0.5f);
}

}  // namespace stridenet
