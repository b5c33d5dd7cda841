// matmul_pack and matmul: y = act(a b + bias + add) with b packed into panels once and used for any number of rows.
#include "native/ops/gemm.h"

namespace stridenet {

namespace {

// b is [k, n], or [n, k] with transpose.
struct PackShape {
  bool isTransposed;
  int64_t k, n;
};

Status readPack(const Call& call, PackShape* shape) {
  Status status = expectFloats(call);
  if (!status.isOk()) return status;
  const Operand& b = call.operands[0];
  const int32_t transpose = call.attrs[0];
  if (transpose != 0 && transpose != 1) return refuse(call, "expects transpose to be 0 or 1, got %d", transpose);
  if (b.rank != 2) return refuse(call, "expects b of rank 2, got %s", ShapeText(b).text);
  *shape = {transpose == 1, b.dims[transpose == 1 ? 1 : 0], b.dims[transpose == 1 ? 0 : 1]};
  return Status::ok();
}

Status checkPacked(const Call& call, const Operand& packed, int64_t k, int64_t n) {
  const int64_t length = packedMatmulLength(k, n, *call.kernels);
  if (length > 0 && packed.rank == 1 && packed.dims[0] == length) return Status::ok();
  return refuse(call, "expects a packed buffer [%lld], got %s", static_cast<long long>(length), ShapeText(packed).text);
}

Status verifyPack(const Call& call) {
  PackShape shape = {};
  Status status = readPack(call, &shape);
  return status.isOk() ? checkPacked(call, call.operands[1], shape.k, shape.n) : status;
}

Plan planPack(const Call& call) {
  return planOf(call, 0);
}

void runPack(const Call& call, const Lane& lane) {
  PackShape shape = {};
  if (!readPack(call, &shape).isOk()) return;
  int64_t begin, end;
  lane.range(packUnits(shape.k, shape.n, *call.kernels), &begin, &end);
  for (int64_t unit = begin; unit < end; ++unit) {
    packMatrix(call.operands[0].f32(), shape.k, shape.n, shape.isTransposed, *call.kernels, unit, call.operands[1].f32());
  }
}

enum MatmulOperand { kA, kPacked, kBias, kAdd, kY };

Status verifyMatmul(const Call& call) {
  Status status = expectFloats(call);
  if (!status.isOk()) return status;
  const Operand* o = call.operands;
  if (call.attrs[0] < 0 || call.attrs[0] >= kActivationCount) return refuse(call, "has no activation %d", call.attrs[0]);
  if (o[kA].rank != 2 || o[kY].rank != 2 || o[kA].dims[0] != o[kY].dims[0]) {
    return refuse(call, "expects a [m, k] and y [m, n], got %s and %s", ShapeText(o[kA]).text, ShapeText(o[kY]).text);
  }
  if (o[kBias].present() && (o[kBias].rank != 1 || o[kBias].dims[0] != o[kY].dims[1])) {
    return refuse(call, "expects bias [%lld], got %s", static_cast<long long>(o[kY].dims[1]), ShapeText(o[kBias]).text);
  }
  if (o[kAdd].present() && !sameShape(o[kAdd], o[kY])) {
    return refuse(call, "expects add of y's shape %s, got %s", ShapeText(o[kY]).text, ShapeText(o[kAdd]).text);
  }
  return checkPacked(call, o[kPacked], o[kA].dims[1], o[kY].dims[1]);
}

int64_t blockCount(const Call& call, const Panels& panels) {
  const int64_t rows = call.operands[kA].dims[0];
  return ceilDiv(rows, chooseBlockRows(rows, panels.count, rows));
}

Plan planMatmul(const Call& call) {
  const int64_t m = call.operands[kA].dims[0], k = call.operands[kA].dims[1];
  const Panels panels(*call.kernels, call.operands[kY].dims[1]);
  Plan plan = planOf(call, 2.0 * static_cast<double>(m) * static_cast<double>(k) * static_cast<double>(panels.paddedColumns()));
  plan.threadScratch = RowTable::bytes(1, ceilDiv(m, blockCount(call, panels)));
  return plan;
}

void runMatmul(const Call& call, const Lane& lane) {
  const Operand* o = call.operands;
  const int64_t m = o[kA].dims[0], k = o[kA].dims[1], n = o[kY].dims[1];
  const PanelProduct product = {
      call.kernels, Panels(*call.kernels, n), o[kPacked].f32(), 1, k, o[kBias].f32(), static_cast<Activation>(call.attrs[0])};
  const int64_t blocks = blockCount(call, product.panels);
  RowTable table(lane.threadScratch, 1, ceilDiv(m, blocks), o[kAdd].present());
  const TaskOrder order = {blocks, product.panels.count, n > m};
  int64_t begin, end, block = -1;
  lane.range(blocks * product.panels.count, &begin, &end);
  for (int64_t task = begin; task < end; ++task) {
    if (order.block(task) != block) {
      block = order.block(task);
      const int64_t row = block * m / blocks;
      table.count = (block + 1) * m / blocks - row;
      for (int64_t r = 0; r < table.count; ++r) {
        table.a[r] = o[kA].f32() + (row + r) * k;
        table.c[r] = o[kY].f32() + (row + r) * n;
        if (table.add != nullptr) table.add[r] = o[kAdd].f32() + (row + r) * n;
      }
    }
    multiplyPanel(product, table, order.panel(task), 0, 0);
  }
}

}  // namespace

extern const Op kMatmulPackOp, kMatmulOp;
const Op kMatmulPackOp = {verifyPack, planPack, runPack, -1};
const Op kMatmulOp = {verifyMatmul, planMatmul, runMatmul, kAdd};

}  // namespace stridenet
