// unary and binary: y[i] = kind(x[i]) and y[i] = kind(a[i], b[i]) with broadcasting. Axes are collapsed as far as every operand's
// strides allow, which leaves the usual cases as one long row (equal shapes, a scalar) or as rows (a bias, a per-row factor).
// float32 has every kind; int32 has copy, add, sub, mul, maximum, minimum, greater, greater_equal and equal; uint8 has copy.
#include <algorithm>

#include "native/ops/checks.h"

namespace stridenet {
namespace {

// Loops over y, outer to inner, at least two (rows and columns). The strides are those of the operands of binary; unary
// has x in place of both a and b.
struct Loops {
  int rank = 0;
  int64_t dims[kMaxRank + 1];
  int64_t strides[3][kMaxRank + 1];

  int64_t rows() const { return dims[rank - 2]; }
  int64_t cols() const { return dims[rank - 1]; }
  int64_t rowStride(int operand) const { return strides[operand][rank - 2]; }
  int64_t colStride(int operand) const { return strides[operand][rank - 1]; }
  bool isDense(int operand) const { return rowStride(operand) == cols() && colStride(operand) == 1; }
  bool repeatsRow(int operand) const { return rowStride(operand) == 0; }
};

Loops collapse(const Operand* const* operands) {
  Loops loops;
  const Operand& y = *operands[Binary::y];
  int64_t next[3] = {1, 1, 1};  // the stride of the current axis where it is not broadcast
  // Collects loops from the innermost axis on; they are reversed below.
  for (int axis = y.rank - 1; axis >= 0; --axis) {
    if (y.dims[axis] == 1) continue;
    int64_t stride[3];
    bool merges = loops.rank > 0;
    const int last = loops.rank - 1;
    for (int i = 0; i < 3; ++i) {
      stride[i] = operands[i]->dims[axis] == 1 ? 0 : next[i];
      next[i] *= operands[i]->dims[axis];
      merges = merges && stride[i] == loops.strides[i][last] * loops.dims[last];
    }
    if (merges) {
      loops.dims[last] *= y.dims[axis];
      continue;
    }
    loops.dims[loops.rank] = y.dims[axis];
    for (int i = 0; i < 3; ++i) loops.strides[i][loops.rank] = stride[i];
    ++loops.rank;
  }
  while (loops.rank < 2) {
    loops.dims[loops.rank] = 1;
    for (int i = 0; i < 3; ++i) loops.strides[i][loops.rank] = loops.rank == 0 ? 1 : 0;
    ++loops.rank;
  }
  std::reverse(loops.dims, loops.dims + loops.rank);
  for (int i = 0; i < 3; ++i) std::reverse(loops.strides[i], loops.strides[i] + loops.rank);
  return loops;
}

// Calls body(offsets of the three operands, rows, cols) for this thread's share.
template <typename Body>
void eachBlock(const Loops& loops, const Worker& worker, Body body) {
  const int64_t cols = loops.cols(), colChunk = std::min(cols, kTileElements), colTiles = ceilDiv(cols, colChunk);
  int64_t allRows = 1;
  for (int i = 0; i + 1 < loops.rank; ++i) allRows *= loops.dims[i];
  const int64_t rowChunk = std::max<int64_t>(1, kTileElements / cols);
  for (const int64_t tile : worker.share(ceilDiv(allRows, rowChunk) * colTiles)) {
    const int64_t c = tile % colTiles * colChunk, width = std::min(colChunk, cols - c);
    int64_t r = tile / colTiles * rowChunk;
    const int64_t rowEnd = std::min(allRows, r + rowChunk);
    while (r < rowEnd) {
      int64_t offsets[3];
      for (int i = 0; i < 3; ++i) offsets[i] = c * loops.colStride(i);
      int64_t rest = r;
      for (int axis = loops.rank - 2; axis >= 0; --axis) {
        const int64_t index = rest % loops.dims[axis];
        rest /= loops.dims[axis];
        for (int i = 0; i < 3; ++i) offsets[i] += index * loops.strides[i][axis];
      }
      const int64_t count = std::min(rowEnd - r, loops.rows() - r % loops.rows());
      body(offsets, count, width);
      r += count;
    }
  }
}

// A repeated row of a few numbers (a bias of six channels) would give rows too short for vectors. It is written out `widen` times, and
// so many rows are handled as one. Room for the copies is in the thread's scratch.
constexpr int64_t kShortRow = 64, kWideRow = 256;
constexpr size_t kWideScratch = floatBytes(2 * (kWideRow + kShortRow));

int64_t widenOf(const Loops& loops) {
  if (loops.rank != 2 || loops.cols() >= kShortRow || !loops.isDense(Binary::y)) return 1;
  bool repeats = false;
  for (int i = 0; i < 2; ++i) {
    if (!loops.repeatsRow(i) && !loops.isDense(i)) return 1;
    repeats = repeats || loops.repeatsRow(i);
  }
  return repeats ? std::min(loops.rows(), ceilDiv(kWideRow, loops.cols())) : 1;
}

// kernel(the inputs' rows, y, yStride, rows, cols) over this thread's share; operands are those of binary.
template <typename T, typename Kernel>
void runLoops(const Operand* const* operands, int inputCount, const Worker& worker, Kernel kernel) {
  const Loops loops = collapse(operands);
  const T* inputs[2];
  for (int i = 0; i < Binary::y; ++i) inputs[i] = static_cast<const T*>(operands[i]->data);
  T* y = static_cast<T*>(operands[Binary::y]->data);
  const int64_t widen = widenOf(loops), cols = loops.cols();
  T* scratch = static_cast<T*>(worker.threadScratch);
  for (int i = 0; i < inputCount && widen > 1; ++i) {
    if (!loops.repeatsRow(i) || loops.colStride(i) == 0) continue;
    for (int64_t k = 0; k < widen * cols; ++k) scratch[k] = inputs[i][k % cols];
    inputs[i] = scratch;
    scratch += widen * cols;
  }
  eachBlock(loops, worker, [&](const int64_t* at, int64_t rows, int64_t width) {
    StridedRows<T> x[2];
    for (int i = 0; i < 2; ++i) x[i] = {inputs[i] + at[i], loops.rowStride(i) * widen, loops.colStride(i)};
    if (widen == 1) return kernel(x, y + at[Binary::y], loops.rowStride(Binary::y), rows, width);
    const int64_t wideRows = rows / widen, rest = rows % widen * cols;
    kernel(x, y + at[Binary::y], widen * cols, wideRows, widen * cols);
    for (int i = 0; i < 2; ++i) x[i].data += wideRows * x[i].rowStride;
    if (rest > 0) kernel(x, y + at[Binary::y] + wideRows * widen * cols, rest, 1, rest);
  });
}

template <typename T>
void runUnaryAs(const Call& call, const Worker& worker, UnaryKernel<T> kernel) {
  const Operand &x = call.operands[Unary::x], &y = call.operands[Unary::y];
  const Operand* operands[3] = {&x, &x, &y};
  runLoops<T>(operands, 1, worker, [kernel](const StridedRows<T>* x, T* y, int64_t yStride, int64_t rows, int64_t cols) {
    kernel(x[0], y, yStride, rows, cols);
  });
}

template <typename T>
void runBinaryAs(const Call& call, const Worker& worker, BinaryKernel<T> kernel) {
  const Operand &a = call.operands[Binary::a], &b = call.operands[Binary::b], &y = call.operands[Binary::y];
  const Operand* operands[3] = {&a, &b, &y};
  runLoops<T>(operands, 2, worker, [kernel](const StridedRows<T>* x, T* y, int64_t yStride, int64_t rows, int64_t cols) {
    kernel(x[0], x[1], y, yStride, rows, cols);
  });
}

// Checks the inputs, which are the operands before y.
template <typename Instruction>
Status verifyShapes(const Call& call) {
  const Operand& y = call.operands[Instruction::y];
  for (int i = 0; i < Instruction::y; ++i) {
    const Operand& x = call.operands[i];
    if (x.dtype != y.dtype) return refuse(call, "operands differ in dtype");
    if (!broadcastsTo(x, y)) return refuse(call, "shape %s does not broadcast to %s", ShapeText(x).text, ShapeText(y).text);
  }
  return Status::ok();
}

Status verifyUnary(const Call& call) {
  const UnaryKind kind = call.attributes<Unary>().kind;
  if (!isOneOf(kind, kUnaryKindCount)) return refuse(call, "unknown kind %d", static_cast<int>(kind));
  if (call.operands[Unary::y].dtype != DType::float32 && kind != UnaryKind::copy) {
    return refuse(call, "kind %d is defined for float32 only", static_cast<int>(kind));
  }
  return verifyShapes<Unary>(call);
}

Status verifyBinary(const Call& call) {
  const BinaryKind binaryKind = call.attributes<Binary>().kind;
  const int kind = static_cast<int>(binaryKind);
  if (!isOneOf(binaryKind, kBinaryKindCount)) return refuse(call, "unknown kind %d", kind);
  const DType dtype = call.operands[Binary::y].dtype;
  if (dtype == DType::uint8) return refuse(call, "uint8 is not supported; convert it first");
  if (dtype == DType::int32 && call.kernels->elementwise.binaryInt[kind] == nullptr) {
    return refuse(call, "kind %d is defined for float32 only", kind);
  }
  return verifyShapes<Binary>(call);
}

// Elementary functions cost some twenty operations.
Plan planUnary(const Call& call) {
  const UnaryKind kind = call.attributes<Unary>().kind;
  const bool elementary = kind == UnaryKind::exp || kind == UnaryKind::log || kind == UnaryKind::sigmoid || kind == UnaryKind::tanh ||
                          kind == UnaryKind::silu || kind >= UnaryKind::gelu;
  Plan plan = planOf(call, static_cast<double>(call.operands[Unary::y].count) * (elementary ? 20 : 1));
  plan.threadScratch = kWideScratch;
  return plan;
}

Plan planBinary(const Call& call) {
  const BinaryKind kind = call.attributes<Binary>().kind;
  const bool elementary = kind == BinaryKind::siluGrad || kind == BinaryKind::geluGrad || kind == BinaryKind::geluTanhGrad;
  const double each = kind == BinaryKind::pow ? 40 : elementary ? 20 : 1;
  Plan plan = planOf(call, static_cast<double>(call.operands[Binary::y].count) * each);
  plan.threadScratch = kWideScratch;
  return plan;
}

void copyBytes(const StridedRows<uint8_t>& x, uint8_t* y, int64_t yStride, int64_t rows, int64_t cols) {
  for (int64_t r = 0; r < rows; ++r) {
    const uint8_t* from = x.data + r * x.rowStride;
    uint8_t* to = y + r * yStride;
    if (x.colStride == 0) {
      std::memset(to, *from, static_cast<size_t>(cols));
    } else if (from != to) {
      std::memcpy(to, from, static_cast<size_t>(cols));
    }
  }
}

void runUnary(const Call& call, const Worker& worker) {
  if (call.operands[Unary::y].dtype == DType::uint8) return runUnaryAs<uint8_t>(call, worker, copyBytes);
  const int kind = static_cast<int>(call.attributes<Unary>().kind);
  runUnaryAs<float>(call, worker, call.kernels->elementwise.unary[kind]);
}

void runBinary(const Call& call, const Worker& worker) {
  const int kind = static_cast<int>(call.attributes<Binary>().kind);
  const ElementwiseKernels& kernels = call.kernels->elementwise;
  const bool isInteger = call.operands[Binary::y].dtype == DType::int32;
  if (isInteger) return runBinaryAs<int32_t>(call, worker, kernels.binaryInt[kind]);
  runBinaryAs<float>(call, worker, kernels.binary[kind]);
}

}  // namespace

extern const Op kUnaryOp, kBinaryOp;
const Op kUnaryOp = {verifyUnary, planUnary, runUnary};
const Op kBinaryOp = {verifyBinary, planBinary, runBinary};

}  // namespace stridenet
