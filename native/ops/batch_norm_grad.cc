// The gradients of batch normalisation, under the mask of the activation that follows it. Those of weight and bias are sums over rows: the
// first phase sums chunks, the second adds these up in order, in double.
#include "native/ops/batch_norm.h"

namespace stridenet {
namespace {

using namespace batch_norm;

using GradStats = BatchNormGradStats;
using GradInput = BatchNormGradInput;

template <typename Instruction>
Status checkAttributes(const Call& call) {
  const auto attrs = call.attributes<Instruction>();
  if (!(attrs.eps >= 0)) return refuse(call, "eps must not be negative, got %g", static_cast<double>(attrs.eps));
  if (!(attrs.maskLimit > 0)) return refuse(call, "mask_limit must be positive, got %g", static_cast<double>(attrs.maskLimit));
  return Status::ok();
}

// The mask among the operands of a gradient, and the part of it for what starts at row * c.
struct MaskOperand {
  const float* values;
  float limit;

  NormMask from(int64_t at) const { return {values != nullptr ? values + at : nullptr, limit}; }
};

template <typename Instruction>
MaskOperand maskOf(const Call& call) {
  const Operand& mask = call.operands[Instruction::mask];
  return {mask.present() ? mask.f32() : nullptr, call.attributes<Instruction>().maskLimit};
}

// --- batch_norm_grad_stats: x dy mean variance mask? -> dweight dbias ---

Status verifyGradStats(const Call& call) {
  if (Status status = checkInput(call); !status.isOk()) return status;
  if (Status status = checkAttributes<GradStats>(call); !status.isOk()) return status;
  const auto columns = {GradStats::mean, GradStats::variance, GradStats::dweight, GradStats::dbias};
  if (Status status = checkSame(call, {GradStats::dy, GradStats::mask}); !status.isOk()) return status;
  return checkChannels(call, columns, channelsOf(call));
}

Plan planGradStats(const Call& call) {
  const Matrix m(call.operands[GradStats::x]);
  Plan plan = planOf(call, 4.0 * static_cast<double>(call.operands[GradStats::x].count), 2);
  plan.sharedScratch = floatBytes(2 * m.chunks() * m.c);
  plan.threadScratch = floatBytes(5 * m.wide());
  return plan;
}

void runGradStats(const Call& call, const Worker& worker) {
  const Matrix m(call.operands[GradStats::x]);
  float* partial = worker.sharedFloats();
  if (worker.phase == 0) {
    const float *x = call.operands[GradStats::x].f32(), *dy = call.operands[GradStats::dy].f32();
    const MaskOperand mask = maskOf<GradStats>(call);
    float *mean = worker.threadFloats(), *sums = mean + m.wide(), *chain = sums + 2 * m.wide();
    m.repeat(call.operands[GradStats::mean].f32(), mean);
    for (const int64_t k : worker.share(m.chunks())) {
      m.addUp(call, k * m.chunkRows, m.rowsOf(k), 2 * m.wide(), chain, sums, [&](int64_t row, int64_t count, int64_t cols, float* to) {
        const int64_t at = row * m.c;
        call.kernels->norm.gradSums(x + at, dy + at, mask.from(at), mean, count, cols, to, to + m.wide());
      });
      m.join(sums, partial + 2 * k * m.c);
      m.join(sums + m.wide(), partial + (2 * k + 1) * m.c);
    }
    return;
  }
  const float* variance = call.operands[GradStats::variance].f32();
  float *dweight = call.operands[GradStats::dweight].f32(), *dbias = call.operands[GradStats::dbias].f32();
  const float eps = call.attributes<GradStats>().eps;
  for (const int64_t tile : worker.share(m.channelTiles())) {
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

Status verifyGradInput(const Call& call) {
  if (Status status = checkInput(call); !status.isOk()) return status;
  if (Status status = checkAttributes<GradInput>(call); !status.isOk()) return status;
  const auto same = {GradInput::dy, GradInput::mask, GradInput::dx};
  if (Status status = checkSame(call, same); !status.isOk()) return status;
  const auto columns = {GradInput::mean, GradInput::variance, GradInput::weight, GradInput::dweight, GradInput::dbias};
  return checkChannels(call, columns, channelsOf(call));
}

Plan planGradInput(const Call& call) {
  const Matrix m(call.operands[GradInput::x]);
  Plan plan = planOf(call, 5.0 * static_cast<double>(call.operands[GradInput::x].count));
  plan.threadScratch = floatBytes(4 * m.wide());
  return plan;
}

void runGradInput(const Call& call, const Worker& worker) {
  const Matrix m(call.operands[GradInput::x]);
  const float eps = call.attributes<GradInput>().eps;
  const Range own = m.ownRows(worker);
  if (own.isEmpty()) return;
  const float *variance = call.operands[GradInput::variance].f32(), *weight = call.operands[GradInput::weight].f32();
  const float *dweight = call.operands[GradInput::dweight].f32(), *dbias = call.operands[GradInput::dbias].f32();
  float *mean = worker.threadFloats(), *gain = mean + m.wide(), *offset = gain + m.wide(), *slope = offset + m.wide();
  m.repeat(call.operands[GradInput::mean].f32(), mean);
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
  const float *x = call.operands[GradInput::x].f32(), *dy = call.operands[GradInput::dy].f32();
  const MaskOperand mask = maskOf<GradInput>(call);
  float* dx = call.operands[GradInput::dx].f32();
  const bool streams = leavesCaches(call.operands[GradInput::dx]) && dx != x && dx != dy && dx != mask.values;
  m.eachBlock(own.first, own.count(), [&](int64_t row, int64_t n, int64_t cols) {
    const int64_t at = row * m.c;
    call.kernels->norm.gradInput(x + at, dy + at, mask.from(at), columns, n, cols, streams, dx + at);
  });
}

}  // namespace

extern const Op kBatchNormGradStatsOp, kBatchNormGradInputOp;
const Op kBatchNormGradStatsOp = {verifyGradStats, planGradStats, runGradStats};
const Op kBatchNormGradInputOp = {verifyGradInput, planGradInput, runGradInput};

}  // namespace stridenet
