// Transforms: operations whose parameters are drawn for each picture. What a user wrote arrives as numbers: for each transform its place in
// the table, how many numbers follow, and these (lib/transforms/augmenter.ts writes them).
#pragma once

#include <vector>

#include "native/augment/draws.h"
#include "native/augment/operations.h"
#include "native/base/status.h"

namespace stridenet {

struct TransformKind {
  const char* name;  // as in lib/transforms
  int count;         // of numbers
  // The shape that pictures have afterwards. Returns false for numbers that do not fit.
  bool (*reshape)(const double* numbers, PictureShape* shape);
  void (*apply)(const double* numbers, Draws& draws, Picture& picture);
};
const std::vector<TransformKind>& transformKinds();

// auto_augment.cc. Numbers of randAugment: operations, magnitude, bins, sampling; of trivialAugmentWide: bins, sampling.
void randAugment(const double* numbers, Draws& draws, Picture& picture);
void trivialAugmentWide(const double* numbers, Draws& draws, Picture& picture);

// Five numbers: interpolation, whether there is a fill, and its levels.
constexpr int kSamplingNumbers = 5;
Sampling readSampling(const double* numbers);
Fill readFill(const double* numbers);

// The transforms of a batch, checked.
struct Pipeline {
  struct Step {
    const TransformKind* kind;
    const double* numbers;  // into `numbers` below
  };
  PictureShape input, output;
  bool interleaved;
  std::vector<double> numbers;
  std::vector<Step> steps;
};
Status decodePipeline(const double* numbers, size_t count, const PictureShape& input, bool interleaved, Pipeline* pipeline);

// Transforms `count` pictures, of which picture i stands at indices[i] in its data set.
void augment(const Pipeline& pipeline, const DrawKey& key, const uint8_t* images, const int32_t* indices, size_t count, uint8_t* into);

}  // namespace stridenet
