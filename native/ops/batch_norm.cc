// Batch normalisation of values whose last axis is the channel: statistics, normalisation, gradients, running averages.
// A value is a dense matrix [rows, c]. Sums over rows are made by chunks of rows, whose number follows from the shape alone: phase 0
// sums a chunk around a number that is near its mean, phase 1 combines the chunks in order in double. Rows of few channels are joined to
// rows of full vectors, with the parameters of a channel repeated.
#include <algorithm>
#include <cmath>

#include "native/ops/checks.h"

namespace stridenet {
namespace {

constexpr int64_t kWideColumns = 64, kMaxWideColumns = 1024, kNarrowColumns = 16;
constexpr int64_t kMaxChunks = 256, kMaxChunkElements = 65536;
constexpr int64_t kChannelTile = 64;
// Wide rows of a chunk that are added up one after the other.
constexpr int64_t kChainRows = 128;

struct NormAttrs {
  float eps;
  int32_t activation;
};
struct GradAttrs {
  float eps, maskLimit;
};

int64_t gcd(int64_t a, int64_t b) {
  return b == 0 ? a : gcd(b, a % b);
}

// [rows, c] as chunks of rows, and as wide rows of fold pixels.
struct Matrix {
  int64_t rows, c, fold, chunkRows;

  explicit Matrix(const Operand& x) : rows(x.count / x.dims[x.rank - 1]), c(x.dims[x.rank - 1]), fold(1) {
    if (c < kWideColumns) {
      fold = kWideColumns / gcd(c, kWideColumns);
      if (fold * c > kMaxWideColumns) fold = kNarrowColumns / gcd(c, kNarrowColumns);
    }
    const int64_t elements = std::min(kMaxChunkElements, std::max(kTileElements, rows * c / kMaxChunks));
    chunkRows = ceilDiv(std::max<int64_t>(16, elements / c), fold) * fold;
  }

  int64_t chunks() const { return ceilDiv(rows, chunkRows); }
  int64_t wide() const { return fold * c; }
  int64_t channelTiles() const { return ceilDiv(c, kChannelTile); }
  int64_t rowsOf(int64_t chunk) const { return std::min(chunkRows, rows - chunk * chunkRows); }

  // wide[0, fold c) = column[0, c) again and again.
  void repeat(const float* column, float* wideColumn) const {
    for (int64_t i = 0; i < fold; ++i) std::copy_n(column, c, wideColumn + i * c);
  }
  // The fold parts of a sum over wide rows become one.
  void join(const float* wideSum, float* sum) const {
    for (int64_t j = 0; j < c; ++j) {
      float total = wideSum[j];
      for (int64_t i = 1; i < fold; ++i) total += wideSum[i * c + j];
      sum[j] = total;
    }
  }
  // Sums over `count` rows from `first` on, `width` numbers for each of their columns: body(first row, rows, columns, sums) adds those of a
  // block to what is in sums. No chain is longer than kChainRows or their number; `chain` has room for as many numbers as `sums`.
  template <typename Body>
  void addUp(const Call& call, int64_t first, int64_t count, int64_t width, float* chain, float* sums, Body body) const {
    std::fill_n(sums, width, 0.0f);
    const int64_t most = kChainRows * fold;
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
    const int64_t whole = count / fold, rest = count % fold;
    if (whole > 0) body(first, whole, wide());
    if (rest > 0) body(first + whole * fold, 1, rest * c);
  }
};

Status checkChannels(const Call& call, int first, int last, int64_t c) {
  for (int i = first; i <= last; ++i) {
    const Operand& column = call.operands[i];
    if (column.rank == 1 && column.dims[0] == c) continue;
    const std::string_view name = signatureOf(call).operand(i);
    return refuse(call, "%.*s must be [%lld], one number per channel, got %s", static_cast<int>(name.size()), name.data(),
                  static_cast<long long>(c), ShapeText(column).text);
  }
  return Status::ok();
}

Status checkSame(const Call& call, int operand) {
  const Operand &x = call.operands[0], &other = call.operands[operand];
  if (!other.present() || sameShape(other, x)) return Status::ok();
  const std::string_view name = signatureOf(call).operand(operand);
  return refuse(call, "%.*s %s must have x's shape %s", static_cast<int>(name.size()), name.data(), ShapeText(other).text,
                ShapeText(x).text);
}

Status checkInput(const Call& call) {
  if (Status status = expectFloats(call); !status.isOk()) return status;
  if (call.operands[0].rank < 1) return refuse(call, "x must have an axis of channels");
  return Status::ok();
}

Status checkGradAttrs(const Call& call) {
  const GradAttrs attrs = call.attributes<GradAttrs>();
  if (!(attrs.eps >= 0)) return refuse(call, "eps must not be negative, got %g", static_cast<double>(attrs.eps));
  if (!(attrs.maskLimit > 0)) return refuse(call, "mask_limit must be positive, got %g", static_cast<double>(attrs.maskLimit));
  return Status::ok();
}

int64_t channelsOf(const Call& call) {
  return call.operands[0].dims[call.operands[0].rank - 1];
}

// --- batch_norm_stats: x -> mean, variance ---

Status verifyStats(const Call& call) {
  if (Status status = checkInput(call); !status.isOk()) return status;
  return checkChannels(call, 1, 2, channelsOf(call));
}

Plan planStats(const Call& call) {
  const Matrix m(call.operands[0]);
  Plan plan = planOf(call, 4.0 * static_cast<double>(call.operands[0].count), 2);
  plan.sharedScratch = static_cast<size_t>(2 * m.chunks() * m.c) * sizeof(float);
  plan.threadScratch = static_cast<size_t>(5 * m.wide()) * sizeof(float);
  return plan;
}

// A chunk's own mean and the sum of squared distances from it: with sums s and q of x - p and (x - p)^2, mean = p + s / n and squares =
// q - s^2 / n (Chan, Golub and LeVeque 1983). p is the mean of the chunk's first sixteenth, so that n (mean - p)^2 is at most sixteen
// times the sum of squares: the difference loses four bits at worst, and memory is read once.
void momentsOfChunk(const Call& call, const Matrix& m, int64_t chunk, float* scratch, float* mean, float* squares) {
  const int64_t rows = m.rowsOf(chunk), sample = std::min(rows, ceilDiv(ceilDiv(rows, 16), m.fold) * m.fold);
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

void runStats(const Call& call, const Worker& worker) {
  const Matrix m(call.operands[0]);
  float* partial = static_cast<float*>(worker.sharedScratch);
  int64_t begin, end;
  if (worker.phase == 0) {
    worker.range(m.chunks(), &begin, &end);
    for (int64_t k = begin; k < end; ++k) {
      float* to = partial + 2 * k * m.c;
      momentsOfChunk(call, m, k, static_cast<float*>(worker.threadScratch), to, to + m.c);
    }
    return;
  }
  float *mean = call.operands[1].f32(), *variance = call.operands[2].f32();
  worker.range(m.channelTiles(), &begin, &end);
  for (int64_t tile = begin; tile < end; ++tile) {
    const int64_t c0 = tile * kChannelTile, n = std::min(kChannelTile, m.c - c0);
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
  plan.threadScratch = static_cast<size_t>(3 * m.wide()) * sizeof(float);
  return plan;
}

// A large result is not in the caches any more when the next instruction reads it: written past them it is not read before it is written.
bool leavesCaches(const Operand& y) {
  constexpr size_t kStreamedBytes = size_t{4} << 20;
  return y.bytes() >= kStreamedBytes;
}

// The rows of this thread's tiles.
void rowsOfLane(const Matrix& m, const Worker& worker, int64_t* first, int64_t* count) {
  const int64_t tileRows = ceilDiv(std::max<int64_t>(1, kTileElements / m.c), m.fold) * m.fold;
  int64_t begin, end;
  worker.range(ceilDiv(m.rows, tileRows), &begin, &end);
  *first = begin * tileRows;
  *count = std::min(m.rows, end * tileRows) - *first;
}

float inverseDeviation(float variance, float eps) {
  return 1.0f / std::sqrt(variance + eps);
}

void runNorm(const Call& call, const Worker& worker) {
  const Matrix m(call.operands[kX]);
  const NormAttrs attrs = call.attributes<NormAttrs>();
  int64_t first, rows;
  rowsOfLane(m, worker, &first, &rows);
  if (rows <= 0) return;
  const float *variance = call.operands[kVariance].f32(), *weight = call.operands[kWeight].f32();
  float *mean = static_cast<float*>(worker.threadScratch), *scale = mean + m.wide(), *shift = scale + m.wide();
  for (int64_t j = 0; j < m.c; ++j) scale[j] = weight[j] * inverseDeviation(variance[j], attrs.eps);
  for (int64_t i = m.c; i < m.wide(); ++i) scale[i] = scale[i - m.c];
  m.repeat(call.operands[kMean].f32(), mean);
  m.repeat(call.operands[kBias].f32(), shift);
  const float *x = call.operands[kX].f32(), *addend = call.operands[kAdd].present() ? call.operands[kAdd].f32() : nullptr;
  float* y = call.operands[kY].f32();
  const NormColumns columns = {mean, scale, shift};
  const bool streams = leavesCaches(call.operands[kY]) && y != x && y != addend;
  m.eachBlock(first, rows, [&](int64_t row, int64_t count, int64_t cols) {
    const int64_t at = row * m.c;
    call.kernels->norm.normalize(x + at, addend ? addend + at : nullptr, columns, count, cols, static_cast<Activation>(attrs.activation),
                                 streams, y + at);
  });
}

// The mask among the operands of a gradient, and the part of it for what starts at row * c.
struct MaskOperand {
  const float* values;
  float limit;

  MaskOperand(const Call& call, int operand)
      : values(call.operands[operand].present() ? call.operands[operand].f32() : nullptr), limit(call.attributes<GradAttrs>().maskLimit) {}
  NormMask from(int64_t at) const { return {values != nullptr ? values + at : nullptr, limit}; }
};

// --- batch_norm_grad_stats: x dy mean variance mask? -> dweight dbias ---

enum { kGradX, kGradDy, kGradMean, kGradVariance, kSumsMask, kSumsWeight, kSumsBias };

Status verifyGradStats(const Call& call) {
  if (Status status = checkInput(call); !status.isOk()) return status;
  if (Status status = checkGradAttrs(call); !status.isOk()) return status;
  const int64_t c = channelsOf(call);
  for (const Status& status : {checkSame(call, kGradDy), checkSame(call, kSumsMask), checkChannels(call, kGradMean, kGradVariance, c),
                               checkChannels(call, kSumsWeight, kSumsBias, c)}) {
    if (!status.isOk()) return status;
  }
  return Status::ok();
}

Plan planGradStats(const Call& call) {
  const Matrix m(call.operands[kGradX]);
  Plan plan = planOf(call, 4.0 * static_cast<double>(call.operands[kGradX].count), 2);
  plan.sharedScratch = static_cast<size_t>(2 * m.chunks() * m.c) * sizeof(float);
  plan.threadScratch = static_cast<size_t>(5 * m.wide()) * sizeof(float);
  return plan;
}

void runGradStats(const Call& call, const Worker& worker) {
  const Matrix m(call.operands[kGradX]);
  float* partial = static_cast<float*>(worker.sharedScratch);
  int64_t begin, end;
  if (worker.phase == 0) {
    const float *x = call.operands[kGradX].f32(), *dy = call.operands[kGradDy].f32();
    const MaskOperand mask(call, kSumsMask);
    float *mean = static_cast<float*>(worker.threadScratch), *sums = mean + m.wide(), *chain = sums + 2 * m.wide();
    m.repeat(call.operands[kGradMean].f32(), mean);
    worker.range(m.chunks(), &begin, &end);
    for (int64_t k = begin; k < end; ++k) {
      m.addUp(call, k * m.chunkRows, m.rowsOf(k), 2 * m.wide(), chain, sums, [&](int64_t row, int64_t count, int64_t cols, float* to) {
        const int64_t at = row * m.c;
        call.kernels->norm.gradSums(x + at, dy + at, mask.from(at), mean, count, cols, to, to + m.wide());
      });
      m.join(sums, partial + 2 * k * m.c);
      m.join(sums + m.wide(), partial + (2 * k + 1) * m.c);
    }
    return;
  }
  const float* variance = call.operands[kGradVariance].f32();
  float *dweight = call.operands[kSumsWeight].f32(), *dbias = call.operands[kSumsBias].f32();
  const float eps = call.attributes<GradAttrs>().eps;
  worker.range(m.channelTiles(), &begin, &end);
  for (int64_t tile = begin; tile < end; ++tile) {
    const int64_t c0 = tile * kChannelTile, n = std::min(kChannelTile, m.c - c0);
    double weight[kChannelTile] = {}, bias[kChannelTile] = {};
    for (int64_t k = 0; k < m.chunks(); ++k) {
      const float* from = partial + 2 * k * m.c + c0;
      for (int64_t j = 0; j < n; ++j) weight[j] += from[j], bias[j] += from[m.c + j];
    }
    for (int64_t j = 0; j < n; ++j) {
      dweight[c0 + j] = static_cast<float>(weight[j] / std::sqrt(static_cast<double>(variance[c0 + j]) + static_cast<double>(eps)));
      dbias[c0 + j] = static_cast<float>(bias[j]);
    }
  }
}

// --- batch_norm_grad_input: x dy mean variance weight dweight dbias mask? -> dx ---

enum { kInputWeight = 4, kInputDWeight, kInputDBias, kInputMask, kInputDx };

Status verifyGradInput(const Call& call) {
  if (Status status = checkInput(call); !status.isOk()) return status;
  if (Status status = checkGradAttrs(call); !status.isOk()) return status;
  for (const Status& status : {checkSame(call, kGradDy), checkSame(call, kInputMask), checkSame(call, kInputDx),
                               checkChannels(call, kGradMean, kInputDBias, channelsOf(call))}) {
    if (!status.isOk()) return status;
  }
  return Status::ok();
}

Plan planGradInput(const Call& call) {
  const Matrix m(call.operands[kGradX]);
  Plan plan = planOf(call, 5.0 * static_cast<double>(call.operands[kGradX].count));
  plan.threadScratch = static_cast<size_t>(4 * m.wide()) * sizeof(float);
  return plan;
}

void runGradInput(const Call& call, const Worker& worker) {
  const Matrix m(call.operands[kGradX]);
  const float eps = call.attributes<GradAttrs>().eps;
  int64_t first, rows;
  rowsOfLane(m, worker, &first, &rows);
  if (rows <= 0) return;
  const float *variance = call.operands[kGradVariance].f32(), *weight = call.operands[kInputWeight].f32();
  const float *dweight = call.operands[kInputDWeight].f32(), *dbias = call.operands[kInputDBias].f32();
  float *mean = static_cast<float*>(worker.threadScratch), *gain = mean + m.wide(), *offset = gain + m.wide(), *slope = offset + m.wide();
  m.repeat(call.operands[kGradMean].f32(), mean);
  const float count = static_cast<float>(m.rows);
  for (int64_t j = 0; j < m.c; ++j) {
    const float inverse = inverseDeviation(variance[j], eps);
    gain[j] = weight[j] * inverse;
    offset[j] = gain[j] * (dbias[j] / count);
    slope[j] = gain[j] * inverse * (dweight[j] / count);
  }
  for (float* column : {gain, offset, slope})
    for (int64_t i = m.c; i < m.wide(); ++i) column[i] = column[i - m.c];
  const NormGradientColumns columns = {mean, gain, offset, slope};
  const float *x = call.operands[kGradX].f32(), *dy = call.operands[kGradDy].f32();
  const MaskOperand mask(call, kInputMask);
  float* dx = call.operands[kInputDx].f32();
  const bool streams = leavesCaches(call.operands[kInputDx]) && dx != x && dx != dy && dx != mask.values;
  m.eachBlock(first, rows, [&](int64_t row, int64_t n, int64_t cols) {
    const int64_t at = row * m.c;
    call.kernels->norm.gradInput(x + at, dy + at, mask.from(at), columns, n, cols, streams, dx + at);
  });
}

// --- running_average: value guard -> running! ---

struct AverageAttrs {
  float decay, gain;
};

Status verifyAverage(const Call& call) {
  if (Status status = expectFloats(call); !status.isOk()) return status;
  const Operand &value = call.operands[0], &guard = call.operands[1], &running = call.operands[2];
  if (!sameShape(value, running)) {
    return refuse(call, "value %s must have running's shape %s", ShapeText(value).text, ShapeText(running).text);
  }
  if (guard.count != 1) return refuse(call, "guard must hold one number, got %s", ShapeText(guard).text);
  return Status::ok();
}

Plan planAverage(const Call& call) {
  Plan plan = planOf(call, 2.0 * static_cast<double>(call.operands[2].count));
  plan.bytes += static_cast<double>(call.operands[2].bytes());
  return plan;
}

void runAverage(const Call& call, const Worker& worker) {
  if (!std::isfinite(*call.operands[1].f32())) return;
  const AverageAttrs attrs = call.attributes<AverageAttrs>();
  const float* value = call.operands[0].f32();
  float* running = call.operands[2].f32();
  int64_t begin, end;
  worker.range(ceilDiv(call.operands[2].count, kTileElements), &begin, &end);
  end = std::min(call.operands[2].count, end * kTileElements);
  for (int64_t i = begin * kTileElements; i < end; ++i) running[i] = attrs.decay * running[i] + attrs.gain * value[i];
}

}  // namespace

extern const Op kBatchNormStatsOp, kBatchNormOp, kBatchNormGradStatsOp, kBatchNormGradInputOp, kRunningAverageOp;
const Op kBatchNormStatsOp = {verifyStats, planStats, runStats};
const Op kBatchNormOp = {verifyNorm, planNorm, runNorm};
const Op kBatchNormGradStatsOp = {verifyGradStats, planGradStats, runGradStats};
const Op kBatchNormGradInputOp = {verifyGradInput, planGradInput, runGradInput};
const Op kRunningAverageOp = {verifyAverage, planAverage, runAverage};

}  // namespace stridenet
