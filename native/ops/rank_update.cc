// How a sum of outer products is divided, and how its partial results are put together.
#include "native/ops/rank_update.h"

namespace stridenet {

namespace {

constexpr int64_t kMostChunks = 32;
constexpr int64_t kPartialNumbers = 1 << 20;  // of all chunks together
constexpr int64_t kAddPart = 4096;

int64_t clamp(int64_t x, int64_t least, int64_t most) {
  return x < least ? least : x > most ? most : x;
}

}  // namespace

void RankUpdate::partition() {
  const int64_t strips = units * panels.count;
  chunks = clamp(kPartialNumbers / size, 1, kMostChunks < blocks ? kMostChunks : blocks);
  splits = ceilDiv(kMostChunks, chunks);
  bands = clamp(ceilDiv(2 * splits, strips), 1, ceilDiv(rows, kMaxTileRows));
  splits = clamp(splits, 1, strips * bands);
}

void packRows(const KernelTable& kernels, const RankBlock& block, int64_t begin, int64_t end, float* packed) {
  for (int64_t row = begin; row < end; row += kPackedRows) {
    const int64_t count = clamp(end - row, 0, kPackedRows);
    for (int64_t q = 0; q < block.runs; ++q, packed += block.pixels * kPackedRows)
      kernels.gemm.copyColumns(block.a + row + q * block.aRun, block.aStride, block.pixels, count, packed, kPackedRows);
  }
}

void packColumns(const KernelTable& kernels, const RankBlock& block, int64_t first, int64_t count, int64_t width, float* packed) {
  for (int64_t q = 0; q < block.runs; ++q, packed += block.pixels * width)
    kernels.gemm.copyColumns(block.b + first + q * block.bRun, block.bStride, block.pixels, count, packed, width);
}

void addPartials(const KernelTable& kernels, const Lane& lane, const float* partials, int64_t chunks, int64_t size, float* y) {
  int64_t begin, end;
  lane.range(ceilDiv(size, kAddPart), &begin, &end);
  for (int64_t part = begin; part < end; ++part) {
    const int64_t first = part * kAddPart, count = clamp(size - first, 0, kAddPart);
    std::memset(y + first, 0, static_cast<size_t>(count) * sizeof(float));
    kernels.gemm.addRows(partials + first, size, chunks, count, y + first);
  }
}

}  // namespace stridenet
