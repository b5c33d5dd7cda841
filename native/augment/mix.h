// Pictures of a batch mixed with their neighbours, in place: each with the one before it, the first with the last.
#pragma once

#include "native/augment/operations.h"

namespace stridenet {

struct MixedBatch {
  uint8_t* images;
  size_t count;
  PictureShape shape;
  bool interleaved;
};

// own * picture + (1 - own) * neighbour, to the nearest level
void mixup(const MixedBatch& batch, double own);
// Takes a box, which lies inside the pictures, from the neighbour.
void cutmix(const MixedBatch& batch, const Box& box);

}  // namespace stridenet
