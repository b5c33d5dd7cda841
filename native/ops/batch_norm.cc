// Batch normalisation: statistics and normalisation. Statistics have two phases: the first sums a chunk of rows around a number that is
// near its mean, the second combines the chunks in order, in double.
#include "native/ops/batch_norm.h"

namespace stridenet {
namespace {

using namespace batch_norm;

struct NormAttrs {
  float eps;
  int32_t activation;
};

// --- batch_norm_stats: x -> mean, variance ---

Status verifyStats(const Call& call) {
  if (Status status = checkInput(call); !status.isOk()) return status;
  return checkChannels(call, 1, 2, channelsOf(call));
}

Plan planStats(const Call& call) {
  const Matrix m(call.operands[0]);
  Plan plan = planOf(call, 4.0 * static_cast<double>(call.operands[0].count), 2);
  plan.sharedScratch = floatBytes(2 * m.chunks() * m.c);
  plan.threadScratch = floatBytes(5 * m.wide());
  return plan;
}

// A chunk's own mean and the sum of squared distances from it: with sums s and q of x - p and (x - p)^2, mean = p + s / n and squares =
// q - s^2 / n (Chan, Golub and LeVeque 1983). p is the mean of the chunk's first sixteenth, so that n (mean - p)^2 is at most sixteen
// times the sum of squares: the difference loses four bits at worst, and memory is read once.
void momentsOfChunk(const Call& call, const Matrix& m, int64_t chunk, float* scratch, float* mean, float* squares) {
  const int64_t rows = m.rowsOf(chunk), sample = std::min(rows, ceilDiv(ceilDiv(rows, 16), m.widen) * m.widen);
  const float* x = call.operands[0].f32() + chunk * m.chunkRows * m.c;
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
  const Matrix m(call.operands[0]);
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
    combineMoments(m, partial, c0, std::min(kChannelTile, m.c - c0), call.operands[1].f32(), call.operands[2].f32());
  }
}

// --- batch_norm: x mean variance weight bias add? -> y ---

enum { kX, kMean, kVariance, kWeight, kBias, kAdd, kY };

Status verifyNorm(const Call& call) {
  const NormAttrs attrs = call.attributes<NormAttrs>();
  if (Status status = checkInput(call); !status.isOk()) return status;
  if (attrs.activation < 0 || attrs.activation >= kActivationCount) return refuse(call, "unknown activation %d", attrs.activation);
  if (!(attrs.eps >= 0)) return refuse(call, "eps must not be negative, got %g", static_cast<double>(attrs.eps));
  for (const Status& status : {checkChannels(call, kMean, kBias, channelsOf(call)), checkSame(call, kAdd), checkSame(call, kY)}) {
    if (!status.isOk()) return status;
  }
  return Status::ok();
}

Plan planNorm(const Call& call) {
  const Matrix m(call.operands[kX]);
  Plan plan = planOf(call, 4.0 * static_cast<double>(call.operands[kX].count));
  plan.threadScratch = floatBytes(3 * m.wide());
  return plan;
}

void runNorm(const Call& call, const Worker& worker) {
  const Matrix m(call.operands[kX]);
  const NormAttrs attrs = call.attributes<NormAttrs>();
  const Range own = m.ownRows(worker);
  if (own.isEmpty()) return;
  const float *variance = call.operands[kVariance].f32(), *weight = call.operands[kWeight].f32();
  float *mean = worker.threadFloats(), *scale = mean + m.wide(), *shift = scale + m.wide();
  for (int64_t j = 0; j < m.c; ++j) scale[j] = weight[j] * inverseDeviation(variance[j], attrs.eps);
  for (int64_t i = m.c; i < m.wide(); ++i) scale[i] = scale[i - m.c];
  m.repeat(call.operands[kMean].f32(), mean);
  m.repeat(call.operands[kBias].f32(), shift);
  const float *x = call.operands[kX].f32(), *addend = call.operands[kAdd].present() ? call.operands[kAdd].f32() : nullptr;
  float* y = call.operands[kY].f32();
  const NormColumns columns = {mean, scale, shift};
  const bool streams = leavesCaches(call.operands[kY]) && y != x && y != addend;
  m.eachBlock(own.first, own.count(), [&](int64_t row, int64_t count, int64_t cols) {
    const int64_t at = row * m.c;
    call.kernels->norm.normalize(x + at, addend ? addend + at : nullptr, columns, count, cols, static_cast<Activation>(attrs.activation),
                                 streams, y + at);
  });
}

}  // namespace

extern const Op kBatchNormStatsOp, kBatchNormOp;
const Op kBatchNormStatsOp = {verifyStats, planStats, runStats};
const Op kBatchNormOp = {verifyNorm, planNorm, runNorm};

}  // namespace stridenet
