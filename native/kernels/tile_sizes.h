// The instruction sets that kernels are written for, and the sizes of the register tiles that their kernels have. Plans, costs and the
// lengths of packed weights follow from these numbers; every build knows them for all instruction sets, those of other processors too.
#pragma once

#include "native/kernels/costs.h"

namespace stridenet {

struct InstructionSet {
  const char* name;
  int lanes;      // float32 in a vector
  int registers;  // for vectors
  const Costs* costs;
};

constexpr InstructionSet kScalar = {"scalar", 4, 16, &kScalarCosts};
constexpr InstructionSet kAvx2 = {"avx2", 8, 16, &kAvx2Costs};
constexpr InstructionSet kAvx512 = {"avx512", 16, 32, &kAvx512Costs};
constexpr InstructionSet kNeon = {"neon", 4, 32, &kNeonCosts};

constexpr int kMaxTileVectors = 4;
constexpr int kMaxTileRows = 14;

struct GemmTileSizes {
  int vectors;                    // vectors in the widest tile
  int rows[kMaxTileVectors + 1];  // rows of the tallest tile of that many vectors
};

constexpr GemmTileSizes gemmTileSizes(const InstructionSet& isa) {
  if (isa.registers < 32) return {2, {0, 12, 6}};
  // Four lanes: multiply-adds do not broadcast from memory, and g++ 12 spills accumulators of taller tiles in the innermost loop.
  if (isa.lanes <= 4) return {4, {0, 14, 10, 7, 5}};
  return {4, {0, 14, 12, 8, 6}};
}

constexpr int kMaxHwcnChannels = 8;

struct HwcnTileSizes {
  int channels;                        // of the widest tile
  int pixels[kMaxHwcnChannels + 1];    // of the longest tile of that many channels
  int rankChannels;                    // of the widest rank update
  int rankRows[kMaxHwcnChannels + 1];  // of the tallest one of that many channels
};

constexpr HwcnTileSizes hwcnTileSizes(const InstructionSet& isa) {
  if (isa.registers < 32) {
    return {.channels = 6, .pixels = {0, 4, 4, 4, 2, 2, 2}, .rankChannels = 3, .rankRows = {0, 8, 5, 3}};
  }
  return {.channels = 8, .pixels = {0, 4, 4, 4, 2, 2, 2, 2, 2}, .rankChannels = 6, .rankRows = {0, 8, 8, 8, 6, 4, 4}};
}

struct HwcnWinogradTileSizes {
  int tiles;     // of the longest product
  int channels;  // of the widest product
};

struct TileSizes {
  GemmTileSizes gemm;
  HwcnTileSizes hwcn;
  HwcnWinogradTileSizes hwcnWinograd;
  int winogradNarrowTiles;  // most of a call of results
  int depthwiseLines;       // most of a block
};

constexpr TileSizes tileSizes(const InstructionSet& isa) {
  return {
      .gemm = gemmTileSizes(isa),
      .hwcn = hwcnTileSizes(isa),
      .hwcnWinograd = {.tiles = isa.registers >= 32 ? 2 : 1, .channels = 6},
      // a tile has six sums in registers, beside them a weight and a number of v
      .winogradNarrowTiles = (isa.registers - 2) / 6,
      .depthwiseLines = isa.registers >= 32 ? 4 : 2,
  };
}

}  // namespace stridenet
