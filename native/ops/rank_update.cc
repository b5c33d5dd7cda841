// How a sum of outer products is divided, and how its partial results are put together.
#include "native/ops/rank_update.h"

#include <numeric>

namespace stridenet {

namespace {

constexpr int64_t kMostChunks = 32;
// A chunk adds the sums of so many positions one after the other. A long axis is cut into about as many chunks as a
// chunk has such sums.
constexpr int64_t kChainPositions = 256;
constexpr int64_t kPartialNumbers = 1 << 20;  // of the partial results of all chunks
// A sum over fewer positions than this many times the longer side of the result is not cut into chunks: adding partial
// results would take longer than reading the operands once for each part of the result.
constexpr int64_t kShortSum = 8;
// The most numbers of the result that a task adds to, and the most rows of a that it reads. Together with a block of
// both operands they fit the second-level cache.
constexpr int64_t kPartNumbers = 1 << 16, kBandRows = 256;
constexpr int64_t kAddPart = 4096;

int64_t clamp(int64_t x, int64_t least, int64_t most) {
  return x < least ? least : x > most ? most : x;
}

}  // namespace

void RankUpdate::addWork(Plan* plan) const {
  const double sums = static_cast<double>(units) * static_cast<double>(rows * panels.vectors);
  plan->add(Work::rankUpdate, static_cast<double>(positions) * sums);
  plan->add(Work::rankRow, static_cast<double>(blocks) * sums);
}

void RankUpdate::addPartials(Plan* plan, Work kind) const {
  plan->add(kind, static_cast<double>(chunks * size) / kernels->lanes);
  plan->sharedScratch = partialBytes() + sumBytes();
}

void RankUpdate::partition() {
  const int64_t columns = units * panels.columns, longer = rows > columns ? rows : columns;
  const int64_t chains = positions / kChainPositions;
  int64_t most = kMostChunks;
  while (most * most < chains) most *= 2;
  chunks = clamp(kPartialNumbers / size, 1, most < blocks ? most : blocks);
  if (positions < kShortSum * longer && units * panels.count * rows >= kMostChunks * kMaxTileRows) chunks = 1;
  if (chunks > 1) chunks -= chunks % 2;
}

RankSharing::RankSharing(const RankUpdate& update, int64_t threads) : unitPanels(update.units * update.panels.count) {
  // Makes the number of tasks a multiple of the number of threads.
  splits = roundUp(ceilDiv(update.size, kPartNumbers), threads / std::gcd(threads, update.chunks));
  const int64_t most = ceilDiv(update.rows, kMaxTileRows), wanted = ceilDiv(splits, unitPanels);
  bands = clamp(ceilDiv(update.rows, kBandRows), wanted < most ? wanted : most, most);
  splits = clamp(splits, 1, unitPanels * bands);
}

void addPartials(const KernelTable& kernels, const Worker& worker, const float* partials, int64_t chunks, int64_t size, float* y) {
  for (const int64_t part : worker.share(ceilDiv(size, kAddPart))) {
    const int64_t first = part * kAddPart, count = clamp(size - first, 0, kAddPart);
    std::memset(y + first, 0, floatBytes(count));
    kernels.gemm.addRows(partials + first, size, chunks, count, y + first);
  }
}

}  // namespace stridenet
