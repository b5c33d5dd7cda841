// Batch normalisation: statistics and normalisation. Statistics have two phases: the first sums a chunk of rows around a number that is
// near its mean, the second combines the chunks in order, in double.
#include "native/ops/batch_norm.h"

namespace stridenet {
namespace {

using namespace batch_norm;

using Stats = BatchNormStats;

// --- batch_norm_stats: x -> mean, variance ---

Status verifyStats(const Call& call) {
  if (Status status = checkInput(call); !status.isOk()) return status;
  return checkChannels(call, {Stats::mean, Stats::variance}, channelsOf(call));
}

Plan planStats(const Call& call) {
  const Matrix m(call.operands[Stats::x]);
  Plan plan = planOf(call, 4.0 * static_cast<double>(call.operands[Stats::x].count), 2);
  plan.sharedScratch = floatBytes(2 * m.chunks() * m.c);
  plan.threadScratch = floatBytes(5 * m.wide());
  return plan;
}

// A chunk's own mean and the sum of squared distances from it: with sums s and q of x - p and (x - p)^2, mean = p + s / n and squares =
// q - s^2 / n (Chan, Golub and LeVeque 1983). p is the mean of the chunk's first sixteenth, so that n (mean - p)^2 is at most sixteen
// times the sum of squares: the difference loses four bits at worst, and memory is read once.
void momentsOfChunk(const Call& call, const Matrix& m, int64_t chunk, float* scratch, float* mean, float* squares) {
  const int64_t rows = m.rowsOf(chunk), sample = std::min(rows, ceilDiv(ceilDiv(rows, 16), m.widen) * m.widen);
  const float* x = call.operands[Stats::x].f32() + chunk * m.chunkRows * m.c;
  float *pivot = scratch, *wideSum = pivot + m.wide(), *wideSquares = wideSum + m.wide(), *chain = wideSquares + m.wide();
  std::fill_n(wideSum, m.wide(), 0.0f);
  m.eachBlock(0, sample, [&](int64_t first, int64_t count, int64_t cols) {
    call.kernels->reduce.sum.columns(x + first * m.c, cols, count, cols, wideSum);
  });
  m.join(wideSum, mean);
  for (int64_t j = 0; j < m.c; ++j) mean[j] /= static_cast<float>(sample);
  m.repeat(mean, pivot);
  m.addUp(call, 0, rows, 2 * m.wide(), chain, wideSum, [&](int64_t first, int64_t count, int64_t cols, float* sums) {
    call.kernels->norm.moments(x + first * m.c, pivot, count, cols, sums, sums + m.wide());
  });
  m.join(wideSum, mean);
  m.join(wideSquares, squares);
  const float n = static_cast<float>(rows);
  for (int64_t j = 0; j < m.c; ++j) {
    const float rest = squares[j] - mean[j] * (mean[j] / n);
    squares[j] = rest < 0 ? 0 : rest;  // NaN stays
    mean[j] = pivot[j] + mean[j] / n;
  }
}

// Of the channels [c0, c0 + n): mean and variance over all rows from the means and squares of the chunks.
void combineMoments(const Matrix& m, const float* partial, int64_t c0, int64_t n, float* mean, float* variance) {
  double centre[kChannelTile] = {}, squares[kChannelTile] = {};
  for (int64_t k = 0; k < m.chunks(); ++k) {
    const float* from = partial + 2 * k * m.c + c0;
    const double rows = static_cast<double>(m.rowsOf(k));
    for (int64_t j = 0; j < n; ++j) centre[j] += rows * from[j];
  }
  for (int64_t j = 0; j < n; ++j) centre[j] /= static_cast<double>(m.rows);
  for (int64_t k = 0; k < m.chunks(); ++k) {
    const float* from = partial + 2 * k * m.c + c0;
    const double rows = static_cast<double>(m.rowsOf(k));
    for (int64_t j = 0; j < n; ++j) squares[j] += from[m.c + j] + rows * (from[j] - centre[j]) * (from[j] - centre[j]);
  }
  for (int64_t j = 0; j < n; ++j) {
    mean[c0 + j] = static_cast<float>(centre[j]);
    variance[c0 + j] = static_cast<float>(squares[j] / static_cast<double>(m.rows));
  }
}

void runStats(const Call& call, const Worker& worker) {
  const Matrix m(call.operands[Stats::x]);
  float* partial = worker.sharedFloats();
  if (worker.phase == 0) {
    for (const int64_t k : worker.share(m.chunks())) {
      float* to = partial + 2 * k * m.c;
      momentsOfChunk(call, m, k, worker.threadFloats(), to, to + m.c);
    }
    return;
  }
  for (const int64_t tile : worker.share(m.channelTiles())) {
    const int64_t c0 = tile * kChannelTile;
    float *mean = call.operands[Stats::mean].f32(), *variance = call.operands[Stats::variance].f32();
    combineMoments(m, partial, c0, std::min(kChannelTile, m.c - c0), mean, variance);
  }
}

// --- batch_norm: x mean variance weight bias add? -> y ---

Status verifyNorm(const Call& call) {
  const auto attrs = call.attributes<BatchNorm>();
  if (Status status = checkInput(call); !status.isOk()) return status;
  if (!isOneOf(attrs.activation, kActivationCount)) {
    return refuse(call, "unknown activation %d", static_cast<int>(attrs.activation));
  }
  if (!(attrs.eps >= 0)) return refuse(call, "eps must not be negative, got %g", static_cast<double>(attrs.eps));
  const auto columns = {BatchNorm::mean, BatchNorm::variance, BatchNorm::weight, BatchNorm::bias};
  if (Status status = checkChannels(call, columns, channelsOf(call)); !status.isOk()) return status;
  return checkSame(call, {BatchNorm::add, BatchNorm::y});
}

Plan planNorm(const Call& call) {
  const Matrix m(call.operands[BatchNorm::x]);
  Plan plan = planOf(call, 4.0 * static_cast<double>(call.operands[BatchNorm::x].count));
  plan.threadScratch = floatBytes(3 * m.wide());
  return plan;
}

void runNorm(const Call& call, const Worker& worker) {
  const Matrix m(call.operands[BatchNorm::x]);
  const auto attrs = call.attributes<BatchNorm>();
  const Range own = m.ownRows(worker);
  if (own.isEmpty()) return;
  const float *variance = call.operands[BatchNorm::variance].f32(), *weight = call.operands[BatchNorm::weight].f32();
  float *mean = worker.threadFloats(), *scale = mean + m.wide(), *shift = scale + m.wide();
  for (int64_t j = 0; j < m.c; ++j) scale[j] = weight[j] * inverseDeviation(variance[j], attrs.eps);
  for (int64_t i = m.c; i < m.wide(); ++i) scale[i] = scale[i - m.c];
  m.repeat(call.operands[BatchNorm::mean].f32(), mean);
  m.repeat(call.operands[BatchNorm::bias].f32(), shift);
  const bool hasAddend = call.operands[BatchNorm::add].present();
  const float* addend = hasAddend ? call.operands[BatchNorm::add].f32() : nullptr;
  const float* x = call.operands[BatchNorm::x].f32();
  float* y = call.operands[BatchNorm::y].f32();
  const NormKernels& kernels = call.kernels->norm;
  const NormColumns columns = {mean, scale, shift};
  const bool streams = leavesCaches(call.operands[BatchNorm::y]) && y != x && y != addend;
  m.eachBlock(own.first, own.count(), [&](int64_t row, int64_t count, int64_t cols) {
    const int64_t at = row * m.c;
    const float* add = addend ? addend + at : nullptr;
    kernels.normalize(x + at, add, columns, count, cols, attrs.activation, streams, y + at);
  });
}

}  // namespace

extern const Op kBatchNormStatsOp, kBatchNormOp;
const Op kBatchNormStatsOp = {verifyStats, planStats, runStats};
const Op kBatchNormOp = {verifyNorm, planNorm, runNorm};

}  // namespace stridenet
