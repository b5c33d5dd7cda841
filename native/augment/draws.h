// Random numbers of one transform of one picture: Philox4x32-10 as in lib/random.ts. They depend on seed, epoch, the picture's place in the
// data set and the transform's place in the list alone, never on what was drawn for others.
#pragma once

#include <cstdint>

namespace stridenet {

struct DrawKey {
  uint32_t seedLow, seedHigh, epoch;
};
constexpr uint32_t kPurposeAugment = 3;  // PURPOSE.augment of lib/random.ts

class Draws {
 public:
  // A transform of a picture draws less than 4 * 2^24 words; one that erases with random levels draws a word for four levels.
  Draws(const DrawKey& key, uint32_t index, uint32_t transform) : key_(key), index_(index), block_(transform << 24) {}

  uint32_t word() {
    if (used_ == 4) nextBlock();
    return words_[used_++];
  }
  double uniform() { return word() * 0x1p-32; }  // in [0, 1)
  double between(double low, double high) { return low + (high - low) * uniform(); }
  bool chance(double p) { return uniform() < p; }
  // An integer in [0, bound).
  int below(int bound) { return static_cast<int>((uint64_t{word()} * static_cast<uint32_t>(bound)) >> 32); }

 private:
  void nextBlock() {
    uint32_t c0 = block_++, c1 = index_, c2 = key_.epoch, c3 = kPurposeAugment, k0 = key_.seedLow, k1 = key_.seedHigh;
    for (int round = 0; round < 10; ++round) {
      const uint64_t product0 = uint64_t{0xd2511f53} * c0, product1 = uint64_t{0xcd9e8d57} * c2;
      c0 = static_cast<uint32_t>(product1 >> 32) ^ c1 ^ k0;
      c2 = static_cast<uint32_t>(product0 >> 32) ^ c3 ^ k1;
      c1 = static_cast<uint32_t>(product1);
      c3 = static_cast<uint32_t>(product0);
      k0 += 0x9e3779b9u;
      k1 += 0xbb67ae85u;
    }
    words_[0] = c0;
    words_[1] = c1;
    words_[2] = c2;
    words_[3] = c3;
    used_ = 0;
  }

  DrawKey key_;
  uint32_t index_, block_, words_[4] = {};
  int used_ = 4;
};

}  // namespace stridenet
