#include "native/augment/mix.h"

#include <cstring>
#include <vector>

namespace stridenet {

namespace {

// Calls mix(picture, neighbour) for each picture from the last to the first, so that neighbours are as they were.
template <typename Mix>
void withNeighbours(const MixedBatch& batch, Mix mix) {
  const size_t size = batch.shape.size();
  const std::vector<uint8_t> last(batch.images + (batch.count - 1) * size, batch.images + batch.count * size);
  for (size_t i = batch.count; i-- > 0;) mix(batch.images + i * size, i == 0 ? last.data() : batch.images + (i - 1) * size);
}

}  // namespace

void mixup(const MixedBatch& batch, double own) {
  const auto mine = static_cast<float>(own), others = static_cast<float>(1 - own);
  const size_t size = batch.shape.size();
  withNeighbours(batch, [=](uint8_t* picture, const uint8_t* neighbour) {
    for (size_t i = 0; i < size; ++i) picture[i] = roundLevel(mine * picture[i] + others * neighbour[i]);
  });
}

void cutmix(const MixedBatch& batch, const Box& box) {
  const PictureShape& shape = batch.shape;
  const size_t pixel = batch.interleaved ? static_cast<size_t>(shape.channels) : 1;
  const size_t planes = batch.interleaved ? 1 : static_cast<size_t>(shape.channels), stride = static_cast<size_t>(shape.width) * pixel;
  withNeighbours(batch, [&](uint8_t* picture, const uint8_t* neighbour) {
    for (size_t p = 0; p < planes; ++p) {
      for (int y = box.top; y < box.top + box.height; ++y) {
        const size_t at = (p * static_cast<size_t>(shape.height) + static_cast<size_t>(y)) * stride + static_cast<size_t>(box.left) * pixel;
        std::memcpy(picture + at, neighbour + at, static_cast<size_t>(box.width) * pixel);
      }
    }
  });
}

}  // namespace stridenet
