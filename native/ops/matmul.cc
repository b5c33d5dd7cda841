// matmul: y = act(a b + bias + add) with b packed into panels once, by matmul_pack, and used for any number of rows. matmul_plain: the
// same with b as it is stored, of which each thread packs a block at a time into its cache: one pass over a large b where packing
// beforehand would take three more.
#include "native/ops/gemm.h"
#include "native/ops/worker_tasks.h"

namespace stridenet {

namespace {

// The most rows of a block, a multiple of the 5, 6 and 12 rows of register tiles. A panel that is packed inside the
// product is packed again for each block.
constexpr int64_t kBlockRows = 120, kPlainBlockRows = 1024;

// Extents of b, which is stored [k, n], or [n, k] if transposed.
Status readMatrix(const Call& call, const Operand& b, int32_t transpose, PlainMatrix* matrix) {
  if (transpose != 0 && transpose != 1) return refuse(call, "expects transpose to be 0 or 1, got %d", transpose);
  if (b.rank != 2) return refuse(call, "expects b of rank 2, got %s", ShapeText(b).text);
  *matrix = {b.f32(), b.dims[transpose == 1 ? 1 : 0], b.dims[transpose == 1 ? 0 : 1], transpose == 1};
  return Status::ok();
}

// The matrix of a matmul_pack instruction, without its address.
Status readPack(const Call& call, PlainMatrix* matrix) {
  Status status = expectFloats(call);
  const int32_t transpose = call.attributes<MatmulPack>().transpose;
  return status.isOk() ? readMatrix(call, call.operands[MatmulPack::b], transpose, matrix) : status;
}

Status checkPacked(const Call& call, const Operand& packed, int64_t k, int64_t n) {
  const int64_t length = packedMatmulLength(k, n, *call.kernels);
  if (length > 0 && packed.rank == 1 && packed.dims[0] == length) return Status::ok();
  return refuse(call, "expects a packed buffer [%lld], got %s", static_cast<long long>(length), ShapeText(packed).text);
}

Status verifyPack(const Call& call) {
  const auto& matrix = call.shapeAs<PlainMatrix>();
  return checkPacked(call, call.operands[MatmulPack::packed], matrix.k, matrix.n);
}

Plan planPack(const Call& call) {
  Plan plan = planOf(call, 0);
  plan.add(Work::packing, static_cast<double>(call.operands[MatmulPack::packed].count) / call.kernels->lanes);
  return plan;
}

void runPack(const Call& call, const Worker& worker) {
  PlainMatrix matrix = call.shapeAs<PlainMatrix>();
  matrix.b = call.operands[MatmulPack::b].f32();
  const KernelTable& kernels = *call.kernels;
  float* packed = call.operands[MatmulPack::packed].f32();
  for (const int64_t unit : worker.share(packUnits(matrix, kernels))) packMatrix(matrix, kernels, unit, packed);
}

// Of the operands of matmul and matmul_plain the second alone differs, so the names of matmul stand for those of both.
using Plain = MatmulPlain;
static_assert(Matmul::a == Plain::a && Matmul::y == Plain::y);
static_assert(Matmul::bias == Plain::bias && Matmul::add == Plain::add);

bool isPlain(const Call& call) {
  return call.opcode == Opcode::matmul_plain;
}

Activation activationOf(const Call& call) {
  return isPlain(call) ? call.attributes<Plain>().activation : call.attributes<Matmul>().activation;
}

struct MatmulShape {
  int64_t m, k, n;
  int64_t blocks;     // of rows
  PlainMatrix plain;  // of matmul_plain: b without its address
};

int64_t blockCount(const Call& call, int64_t rows, const Panels& panels) {
  if (isPlain(call) && panels.count >= kLeastPanels) return ceilDiv(rows, kPlainBlockRows);
  return ceilDiv(rows, chooseBlockRows(rows, panels.count, kBlockRows));
}

Status readMatmul(const Call& call, MatmulShape* shape) {
  Status status = expectFloats(call);
  if (!status.isOk()) return status;
  const Operand &a = call.operands[Matmul::a], &y = call.operands[Matmul::y];
  const Activation activation = activationOf(call);
  if (!isOneOf(activation, kActivationCount)) return refuse(call, "has no activation %d", static_cast<int>(activation));
  if (a.rank != 2 || y.rank != 2 || a.dims[0] != y.dims[0]) {
    return refuse(call, "expects a [m, k] and y [m, n], got %s and %s", ShapeText(a).text, ShapeText(y).text);
  }
  const int64_t m = a.dims[0], k = a.dims[1], n = y.dims[1];
  *shape = {m, k, n, blockCount(call, m, Panels(*call.kernels, n)), {}};
  if (!isPlain(call)) return status;
  return readMatrix(call, call.operands[Plain::b], call.attributes<Plain>().transpose, &shape->plain);
}

Status verifyMatmul(const Call& call) {
  const Operand &a = call.operands[Matmul::a], &bias = call.operands[Matmul::bias];
  const Operand &add = call.operands[Matmul::add], &y = call.operands[Matmul::y];
  const auto& shape = call.shapeAs<MatmulShape>();
  if (bias.present() && (bias.rank != 1 || bias.dims[0] != shape.n)) {
    return refuse(call, "expects bias [%lld], got %s", static_cast<long long>(shape.n), ShapeText(bias).text);
  }
  if (add.present() && !sameShape(add, y)) {
    return refuse(call, "expects add of y's shape %s, got %s", ShapeText(y).text, ShapeText(add).text);
  }
  if (!isPlain(call)) return checkPacked(call, call.operands[Matmul::packed], shape.k, shape.n);
  if (shape.plain.k == shape.k && shape.plain.n == shape.n) return Status::ok();
  return refuse(call, "expects b [k, n], or [n, k] transposed, for a %s and y %s, got %s", ShapeText(a).text, ShapeText(y).text,
                ShapeText(call.operands[Plain::b]).text);
}

Plan planMatmul(const Call& call) {
  const auto& [m, k, n, blocks, plain] = call.shapeAs<MatmulShape>();
  const Panels panels(*call.kernels, n);
  Plan plan = planOf(call, 0);
  addProducts(&plan, panels, static_cast<double>(m), static_cast<double>(k));
  if (isPlain(call)) plan.add(Work::packingInside, static_cast<double>(blocks * k) * static_cast<double>(panels.vectors));
  plan.threadScratch = scratchBytes(RowTable::bytes(1, ceilDiv(m, blocks))) + (isPlain(call) ? static_cast<size_t>(kPanelBlockBytes) : 0) +
                       chainBytes(*call.kernels, ceilDiv(m, blocks), k);
  return plan;
}

void runMatmul(const Call& call, const Worker& worker) {
  const Operand *o = call.operands, &add = o[Matmul::add];
  const auto& [m, k, n, blocks, plain] = call.shapeAs<MatmulShape>();
  PanelProduct product = {.kernels = call.kernels,
                          .panels = Panels(*call.kernels, n),
                          .packed = isPlain(call) ? nullptr : o[Matmul::packed].f32(),
                          .segments = 1,
                          .length = k,
                          .bias = o[Matmul::bias].f32(),
                          .activation = activationOf(call)};
  const int64_t tallest = ceilDiv(m, blocks);
  ScratchCursor scratch(worker.threadScratch);
  RowTable table(scratch.takeBytes(RowTable::bytes(1, tallest)), 1, tallest, add.present());
  PlainMatrix matrix = plain;
  if (isPlain(call)) {
    matrix.b = o[Plain::b].f32();
    product.plain = &matrix;
    product.scratch = static_cast<float*>(scratch.takeBytes(kPanelBlockBytes));
  }
  if (const size_t bytes = chainBytes(*call.kernels, tallest, k)) product.chain = scratch.takeBytes(bytes);
  const TaskOrder order = {blocks, product.panels.count, n > m};
  WorkerTasks tasks(worker, blocks * product.panels.count);
  int64_t block = -1;
  for (int64_t task; tasks.next(&task);) {
    if (order.block(task) != block) {
      block = order.block(task);
      const int64_t row = block * m / blocks;
      table.count = (block + 1) * m / blocks - row;
      for (int64_t r = 0; r < table.count; ++r) {
        table.a[r] = o[Matmul::a].f32() + (row + r) * k;
        table.c[r] = o[Matmul::y].f32() + (row + r) * n;
        if (table.add != nullptr) table.add[r] = add.f32() + (row + r) * n;
      }
    }
    multiplyPanel(product, table, order.panel(task), 0, 0, {0, order.panel(task) + 1});
  }
}

}  // namespace

extern const Op kMatmulPackOp, kMatmulOp, kMatmulPlainOp;
const Op kMatmulPackOp = {verifyPack, planPack, runPack, shapeReader<PlainMatrix, readPack>()};
const Op kMatmulOp = {verifyMatmul, planMatmul, runMatmul, shapeReader<MatmulShape, readMatmul>()};
const Op kMatmulPlainOp = {verifyMatmul, planMatmul, runMatmul, shapeReader<MatmulShape, readMatmul>()};

}  // namespace stridenet
