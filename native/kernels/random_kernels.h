// The kernels of one instruction set that draw random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011), as lib/random.ts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stridenet {

// Where numbers are drawn from: the key is the seed, the counter is [block, low, high, purpose]. A stream of `Philox` in lib/random.ts has
// its number in low and high; a dropout mask has the step there and the number of the node.
struct RandomStream {
  uint32_t seedLow, seedHigh, low, high, purpose;
};
constexpr uint32_t kPurposeDropout = 2;  // PURPOSE.dropout of lib/random.ts

// Elements are drawn in groups of 64, from 16 blocks of four words: element 64 q + 16 j + r takes word j of block 16 q + r, so that a
// vector of one word of neighbouring blocks, whatever its length, belongs to neighbouring elements.
constexpr int64_t kRandomGroup = 64, kRandomBlocks = 16;
constexpr int64_t kMaxRandomElements = (int64_t{1} << 32) * 4;

struct RandomKernels {
  // y[i] = x[i] * (u >= p ? 1 / (1 - p) : 0) with u the upper 24 bits of element `first + i`'s word times 2^-24, for i < n. `first` is
  // a multiple of 64; y may be exactly x.
  void (*dropout)(const RandomStream& stream, float p, int64_t first, const float* x, float* y, int64_t n);
  // fillUniform and fillNormal of lib/random.ts, to the bit, from block `block` on: y[4 b + j] is made of word j of block `block` + b. n is
  // a multiple of 4.
  void (*uniform)(const RandomStream& stream, uint32_t block, double low, double span, float* y, int64_t n);
  void (*normal)(const RandomStream& stream, uint32_t block, double mean, double std, float* y, int64_t n);
};

}  // namespace stridenet
