// matmul_at_b: y[m, n] = sum over k of a[k, m] b[k, n], colsum[m] = sum over k of a[k, m]: a linear layer's gradients.
#include "native/ops/rank_update.h"

namespace stridenet {

namespace {

// A y at least this large does not stay in the caches until it is read. It is written once, past the caches, even where
// the blocks of a and b that this takes do not fit the second-level cache.
constexpr int64_t kLargeBytes = 16 << 20, kLargePositions = 256;
constexpr int64_t kLine = 64;  // bytes

enum MatmulAtBOperand { kA, kB, kY, kColumnSum };

RankUpdate updateOf(const Call& call) {
  const Operand* o = call.operands;
  const int64_t k = o[kA].dims[0], m = o[kA].dims[1], n = o[kB].dims[1];
  constexpr int64_t kNumber = sizeof(float);
  const bool isLarge = m * n * kNumber >= kLargeBytes;
  const int64_t blocks = ceilDiv(k, isLarge ? kLargePositions : positionsPerBlock((m + n) * kNumber));
  RankUpdate update = {call.kernels, Panels(*call.kernels, n), 1, m, n, m * n, o[kColumnSum].present() ? m : 0, k, blocks, {m, 0, 0},
                       {n, 0, 0}};
  update.partition();
  update.isStreamed =
      isLarge && blocks == 1 && update.chunks == 1 && n * kNumber % kLine == 0 && reinterpret_cast<uintptr_t>(o[kY].data) % kLine == 0;
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
  return plan;
}

void run(const Call& call, const Worker& worker) {
  const RankUpdate update = updateOf(call);
  const Operand* o = call.operands;
  const bool isDirect = update.chunks == 1;
  ScratchCursor shared(worker.sharedScratch);
  float* partials = isDirect ? o[kY].f32() : shared.floats(update.chunks * update.size);
  float* sums = isDirect ? o[kColumnSum].f32() : shared.floats(update.chunks * update.sumSize);
  if (worker.phase == 1) {
    addPartials(*call.kernels, worker, partials, update.chunks, update.size, o[kY].f32());
    if (update.sumSize > 0) addPartials(*call.kernels, worker, sums, update.chunks, update.sumSize, o[kColumnSum].f32());
    return;
  }
  const int64_t k = o[kA].dims[0], m = update.rows, n = update.cStride;
  auto firstRow = [&](int64_t block) { return block * k / update.blocks; };
  auto blockAt = [&](int64_t block) {
    const int64_t first = firstRow(block), end = firstRow(block + 1), step = block + 1 < update.blocks ? end - first : 0;
    const float *a = o[kA].f32() + first * m, *b = o[kB].f32() + first * n;
    return RankBlock{a, b, step * m, step * n, a, end - first};
  };
  auto unitAt = [&](int64_t block, int64_t) { return RankUnit{0, 0, 0, 1, 1, firstRow(block + 1) - firstRow(block)}; };
  accumulateChunks(update, worker, blockAt, unitAt, partials, sums);
  if (update.isStreamed) call.kernels->gemm.fenceStreams();
}

}  // namespace

extern const Op kMatmulAtBOp;
const Op kMatmulAtBOp = {verify, plan, run};

}  // namespace stridenet
