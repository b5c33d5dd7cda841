// What the operations of batch normalisation share. Values whose last axis is the channel are dense matrices [rows, c]. Sums over rows are
// made by chunks of rows, whose number follows from the shape alone; rows of few channels are joined to rows of full vectors, with the
// parameters of a channel repeated.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>

#include "native/ops/checks.h"

namespace stridenet::batch_norm {

// All these instructions have x at one place, which is called BatchNorm::x below.
static_assert(BatchNorm::x == BatchNormStats::x);
static_assert(BatchNorm::x == BatchNormGradStats::x);
static_assert(BatchNorm::x == BatchNormGradInput::x);

constexpr int64_t kWideColumns = 64, kMaxWideColumns = 1024, kNarrowColumns = 16;
constexpr int64_t kMaxChunks = 256, kMaxChunkElements = 65536;
constexpr int64_t kChannelTile = 64;
// Wide rows of a chunk that are added up one after the other.
constexpr int64_t kChainRows = 128;

// [rows, c] as chunks of rows, and as wide rows of `widen` pixels.
struct Matrix {
  int64_t rows, c, widen, chunkRows;

  explicit Matrix(const Operand& x) : rows(x.count / x.dims[x.rank - 1]), c(x.dims[x.rank - 1]), widen(1) {
    if (c < kWideColumns) {
      widen = kWideColumns / std::gcd(c, kWideColumns);
      if (widen * c > kMaxWideColumns) widen = kNarrowColumns / std::gcd(c, kNarrowColumns);
    }
    const int64_t elements = std::min(kMaxChunkElements, std::max(kTileElements, rows * c / kMaxChunks));
    chunkRows = ceilDiv(std::max<int64_t>(16, elements / c), widen) * widen;
  }

  int64_t chunks() const { return ceilDiv(rows, chunkRows); }
  int64_t wide() const { return widen * c; }
  int64_t channelTiles() const { return ceilDiv(c, kChannelTile); }
  int64_t rowsOf(int64_t chunk) const { return std::min(chunkRows, rows - chunk * chunkRows); }

  // The rows of this thread's tiles, for what is computed row by row.
  Range ownRows(const Worker& worker) const { return worker.share(rows, ceilDiv(std::max<int64_t>(1, kTileElements / c), widen) * widen); }

  // wide[0, widen c) = column[0, c) again and again.
  void repeat(const float* column, float* wideColumn) const {
    for (int64_t i = 0; i < widen; ++i) std::copy_n(column, c, wideColumn + i * c);
  }
  // The `widen` parts of a sum over wide rows become one.
  void join(const float* wideSum, float* sum) const {
    for (int64_t j = 0; j < c; ++j) {
      float total = wideSum[j];
      for (int64_t i = 1; i < widen; ++i) total += wideSum[i * c + j];
      sum[j] = total;
    }
  }
  // Sums over `count` rows from `first` on, `width` numbers for each of their columns: body(first row, rows, columns, sums) adds those of a
  // block to what is in sums. No chain is longer than kChainRows or their number; `chain` has room for as many numbers as `sums`.
  template <typename Body>
  void addUp(const Call& call, int64_t first, int64_t count, int64_t width, float* chain, float* sums, Body body) const {
    std::fill_n(sums, width, 0.0f);
    const int64_t most = kChainRows * widen;
    if (count <= most) return eachBlock(first, count, [&](int64_t row, int64_t rows, int64_t cols) { body(row, rows, cols, sums); });
    for (int64_t at = 0; at < count; at += most) {
      std::fill_n(chain, width, 0.0f);
      eachBlock(first + at, std::min(most, count - at), [&](int64_t row, int64_t rows, int64_t cols) { body(row, rows, cols, chain); });
      call.kernels->reduce.sum.columns(chain, width, 1, width, sums);
    }
  }
  // body(first row, rows, columns): the wide rows among `count` rows from `first` on, then the rest as one short row.
  template <typename Body>
  void eachBlock(int64_t first, int64_t count, Body body) const {
    const int64_t whole = count / widen, rest = count % widen;
    if (whole > 0) body(first, whole, wide());
    if (rest > 0) body(first + whole * widen, 1, rest * c);
  }
};

// Checks that each of the operands holds one number for each of c channels.
inline Status checkChannels(const Call& call, std::initializer_list<int> operands, int64_t c) {
  for (const int i : operands) {
    const Operand& column = call.operands[i];
    if (column.rank == 1 && column.dims[0] == c) continue;
    const std::string_view name = signatureOf(call).operand(i);
    return refuse(call, "%.*s must be [%lld], one number per channel, got %s", static_cast<int>(name.size()), name.data(),
                  static_cast<long long>(c), ShapeText(column).text);
  }
  return Status::ok();
}

// Checks that each of the operands that is present has x's shape.
inline Status checkSame(const Call& call, std::initializer_list<int> operands) {
  for (const int i : operands) {
    const Operand &x = call.operands[BatchNorm::x], &other = call.operands[i];
    if (!other.present() || sameShape(other, x)) continue;
    const std::string_view name = signatureOf(call).operand(i);
    const int size = static_cast<int>(name.size());
    return refuse(call, "%.*s %s must have x's shape %s", size, name.data(), ShapeText(other).text, ShapeText(x).text);
  }
  return Status::ok();
}

inline Status checkInput(const Call& call) {
  if (Status status = expectFloats(call); !status.isOk()) return status;
  if (call.operands[BatchNorm::x].rank < 1) return refuse(call, "x must have an axis of channels");
  return Status::ok();
}

inline int64_t channelsOf(const Call& call) {
  const Operand& x = call.operands[BatchNorm::x];
  return x.dims[x.rank - 1];
}

// A large result is not in the caches any more when the next instruction reads it: written past them it is not read before it is written.
inline bool leavesCaches(const Operand& y) {
  constexpr size_t kStreamedBytes = size_t{4} << 20;
  return y.bytes() >= kStreamedBytes;
}

inline float inverseDeviation(float variance, float eps) {
  return 1.0f / std::sqrt(variance + eps);
}

}  // namespace stridenet::batch_norm
