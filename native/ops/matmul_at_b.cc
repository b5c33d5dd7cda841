// matmul_at_b: y[m, n] = sum over k of a[k, m] b[k, n], colsum[m] = sum over k of a[k, m]: a linear layer's gradients.
#include "native/ops/rank_update.h"

namespace stridenet {

namespace {

constexpr int64_t kBlockRows = 256;
constexpr int64_t kLeastPackedSum = 64;  // below, writing y is what takes the time

enum MatmulAtBOperand { kA, kB, kY, kColumnSum };

RankUpdate updateOf(const Call& call) {
  const Operand* o = call.operands;
  const int64_t k = o[kA].dims[0], m = o[kA].dims[1], n = o[kB].dims[1];
  const bool isPacked = paysToPack(m) && k >= kLeastPackedSum;
  const int64_t blocks = ceilDiv(k, isPacked ? packedBlock(m) : kBlockRows);
  RankUpdate update = {call.kernels, Panels(*call.kernels, n),         1, m, n, m * n, o[kColumnSum].present() ? m : 0,
                       blocks,       isPacked ? ceilDiv(k, blocks) : 0};
  update.partition();
  return update;
}

Status verify(const Call& call) {
  Status status = expectFloats(call);
  if (!status.isOk()) return status;
  const Operand* o = call.operands;
  if (o[kA].rank != 2 || o[kB].rank != 2 || o[kY].rank != 2 || o[kA].dims[0] != o[kB].dims[0] || o[kA].dims[1] != o[kY].dims[0] ||
      o[kB].dims[1] != o[kY].dims[1]) {
    return refuse(call, "expects a [k, m], b [k, n] and y [m, n], got %s, %s and %s", ShapeText(o[kA]).text, ShapeText(o[kB]).text,
                  ShapeText(o[kY]).text);
  }
  if (o[kColumnSum].present() && (o[kColumnSum].rank != 1 || o[kColumnSum].dims[0] != o[kA].dims[1])) {
    return refuse(call, "expects colsum [%lld], got %s", static_cast<long long>(o[kA].dims[1]), ShapeText(o[kColumnSum]).text);
  }
  return Status::ok();
}

Plan plan(const Call& call) {
  const RankUpdate update = updateOf(call);
  Plan plan = planOf(call, 2.0 * static_cast<double>(call.operands[kA].count) * static_cast<double>(update.panels.paddedColumns()),
                     update.chunks > 1 ? 2 : 1);
  if (update.chunks > 1) plan.sharedScratch = update.partialBytes() + update.sumBytes();
  plan.threadScratch = scratchBytes(static_cast<size_t>(update.rows) * sizeof(int64_t)) + update.packedBytes();
  return plan;
}

void run(const Call& call, const Lane& lane) {
  const RankUpdate update = updateOf(call);
  const Operand* o = call.operands;
  const bool isDirect = update.chunks == 1;
  ScratchCursor shared(lane.sharedScratch);
  float* partials = isDirect ? o[kY].f32() : static_cast<float*>(shared.takeBytes(update.partialBytes()));
  float* sums = isDirect ? o[kColumnSum].f32() : static_cast<float*>(shared.takeBytes(update.sumBytes()));
  if (lane.phase == 1) {
    addPartials(*call.kernels, lane, partials, update.chunks, update.size, o[kY].f32());
    if (update.sumSize > 0) addPartials(*call.kernels, lane, sums, update.chunks, update.sumSize, o[kColumnSum].f32());
    return;
  }
  const int64_t k = o[kA].dims[0], m = update.rows, n = update.cStride;
  ScratchCursor own(lane.threadScratch);
  int64_t* rowOffsets = own.take<int64_t>(static_cast<size_t>(m));
  float* packed = static_cast<float*>(own.takeBytes(update.packedBytes()));
  for (int64_t r = 0; r < m; ++r) rowOffsets[r] = r;
  auto blockAt = [&](int64_t block) {
    const int64_t first = block * k / update.blocks, count = (block + 1) * k / update.blocks - first;
    const float *a = o[kA].f32() + first * m, *b = o[kB].f32() + first * n;
    return RankBlock{a, m, 0, b, n, 0, 1, count, a, count};
  };
  accumulateChunks(
      update, lane, blockAt,
      [](int64_t) {
        return RankUnit{0, 0, 0};
      },
      rowOffsets, packed, partials, sums);
}

}  // namespace

extern const Op kMatmulAtBOp;
const Op kMatmulAtBOp = {verify, plan, run, -1};

}  // namespace stridenet
