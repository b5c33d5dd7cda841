// The kernels of one instruction set that draw random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011), as lib/random.ts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stridenet {

// What a mask is drawn from: the key is the seed, the counter is [block, step, node, 2] (2 is PURPOSE.dropout of lib/random.ts).
struct RandomStream {
  uint32_t seedLow, seedHigh, step, node;
};

// Elements are drawn in groups of 64, from 16 blocks of four words: element 64 q + 16 j + r takes word j of block 16 q + r, so that a
// vector of one word of neighbouring blocks, whatever its length, belongs to neighbouring elements.
constexpr int64_t kRandomGroup = 64, kRandomBlocks = 16;
constexpr int64_t kMaxRandomElements = (int64_t{1} << 32) * 4;

struct RandomKernels {
  // y[i] = x[i] * (u >= p ? 1 / (1 - p) : 0) with u the upper 24 bits of element `first + i`'s word times 2^-24, for i < n. `first` is
  // a multiple of 64; y may be exactly x.
  void (*dropout)(const RandomStream& stream, float p, int64_t first, const float* x, float* y, int64_t n);
};

}  // namespace stridenet
