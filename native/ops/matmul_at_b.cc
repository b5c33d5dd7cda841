// matmul_at_b: y[m, n] = sum over k of a[k, m] b[k, n], colsum[m] = sum over k of a[k, m]: a linear layer's gradients.
#include "native/ops/rank_update.h"

namespace stridenet {

namespace {

// A y at least this large does not stay in the caches until it is read. It is written once, past the caches, even where
// the blocks of a and b that this takes do not fit the second-level cache.
constexpr int64_t kLargeBytes = 16 << 20, kLargePositions = 256;
constexpr int64_t kLine = 64;  // bytes

using Product = MatmulAtB;

RankUpdate updateOf(const Call& call) {
  const Operand &a = call.operands[Product::a], &b = call.operands[Product::b], &y = call.operands[Product::y];
  const int64_t k = a.dims[0], m = a.dims[1], n = b.dims[1];
  const int64_t sumSize = call.operands[Product::colsum].present() ? m : 0;
  constexpr int64_t kNumber = sizeof(float);
  const bool isLarge = m * n * kNumber >= kLargeBytes;
  const int64_t blocks = ceilDiv(k, isLarge ? kLargePositions : positionsPerBlock((m + n) * kNumber));
  RankUpdate update = {.kernels = call.kernels,
                       .panels = Panels(*call.kernels, n),
                       .units = 1,
                       .rows = m,
                       .cStride = n,
                       .size = m * n,
                       .sumSize = sumSize,
                       .positions = k,
                       .blocks = blocks,
                       .a = {m, 0, 0},
                       .b = {n, 0, 0}};
  update.partition();
  const bool hasWholeLines = n * kNumber % kLine == 0 && reinterpret_cast<uintptr_t>(y.data) % kLine == 0;
  update.isStreamed = isLarge && blocks == 1 && update.chunks == 1 && hasWholeLines;
  return update;
}

Status verify(const Call& call) {
  Status status = expectFloats(call);
  if (!status.isOk()) return status;
  const Operand &a = call.operands[Product::a], &b = call.operands[Product::b], &y = call.operands[Product::y];
  const Operand& colsum = call.operands[Product::colsum];
  const bool haveRank2 = a.rank == 2 && b.rank == 2 && y.rank == 2;
  if (!haveRank2 || a.dims[0] != b.dims[0] || a.dims[1] != y.dims[0] || b.dims[1] != y.dims[1]) {
    return refuse(call,
                  "expects a [k, m], b [k, n] and y [m, n], "
                  "got %s, %s and %s",
                  ShapeText(a).text, ShapeText(b).text, ShapeText(y).text);
  }
  if (colsum.present() && (colsum.rank != 1 || colsum.dims[0] != a.dims[1])) {
    return refuse(call, "expects colsum [%lld], got %s", static_cast<long long>(a.dims[1]), ShapeText(colsum).text);
  }
  return Status::ok();
}

Plan plan(const Call& call) {
  const RankUpdate update = updateOf(call);
  Plan plan = planOf(call, 0, update.chunks > 1 ? 2 : 1);
  update.addWork(&plan);
  if (update.chunks > 1) update.addPartials(&plan, Work::rankPartial);
  return plan;
}

void run(const Call& call, const Worker& worker) {
  const RankUpdate update = updateOf(call);
  const Operand* o = call.operands;
  const bool isDirect = update.chunks == 1;
  ScratchCursor shared(worker.sharedScratch);
  float* partials = isDirect ? o[Product::y].f32() : shared.floats(update.chunks * update.size);
  float* sums = isDirect ? o[Product::colsum].f32() : shared.floats(update.chunks * update.sumSize);
  if (worker.phase == 1) {
    addPartials(*call.kernels, worker, partials, update.chunks, update.size, o[Product::y].f32());
    if (update.sumSize == 0) return;
    addPartials(*call.kernels, worker, sums, update.chunks, update.sumSize, o[Product::colsum].f32());
    return;
  }
  const int64_t k = o[Product::a].dims[0], m = update.rows, n = update.cStride;
  auto firstRow = [&](int64_t block) { return block * k / update.blocks; };
  auto blockAt = [&](int64_t block) {
    const int64_t first = firstRow(block), end = firstRow(block + 1), step = block + 1 < update.blocks ? end - first : 0;
    const float *a = o[Product::a].f32() + first * m, *b = o[Product::b].f32() + first * n;
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
