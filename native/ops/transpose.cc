// transpose: y.dim[i] = x.dim[perm_i], a pure reordering of four-byte or one-byte numbers. Axes that stay neighbours are merged; what
// is left is a copy of runs (the last axis stays last) or a 2-D transposition of blocks that fit the first-level cache.
#include <algorithm>
#include <array>

#include "native/ops/checks.h"

namespace stridenet {
namespace {

constexpr int64_t kBlock = 64;           // 64 x 64 words are 16 KiB on either side
constexpr int64_t kCopyBytes = 1 << 15;  // what one task of a plain copy takes

// The axis of x that each axis of y is.
std::array<int32_t, kMaxRank> permutationOf(const Call& call) {
  const auto a = call.attributes<Transpose>();
  return {a.p0, a.p1, a.p2, a.p3, a.p4, a.p5};
}

// The merged axes of y from the outermost on, with their strides in x and in y.
struct Geometry {
  int rank = 0;
  int64_t dims[kMaxRank], from[kMaxRank], to[kMaxRank];

  explicit Geometry(const Call& call) {
    const Operand& x = call.operands[Transpose::x];
    int64_t strides[kMaxRank], stride = 1;
    for (int i = x.rank - 1; i >= 0; --i) {
      strides[i] = stride;
      stride *= x.dims[i];
    }
    const auto permutation = permutationOf(call);
    for (int i = 0; i < x.rank; ++i) {
      const int32_t axis = permutation[static_cast<size_t>(i)];
      const int64_t extent = x.dims[axis], step = strides[axis];
      if (extent == 1) continue;
      if (rank > 0 && from[rank - 1] == extent * step) {
        dims[rank - 1] *= extent;
        from[rank - 1] = step;
      } else {
        dims[rank] = extent;
        from[rank++] = step;
      }
    }
    if (rank == 0) dims[rank] = from[rank] = 1, ++rank;
    stride = 1;
    for (int i = rank - 1; i >= 0; --i) {
      to[i] = stride;
      stride *= dims[i];
    }
  }

  // Offsets of position `index` in the loop over all axes but `skip` and the last.
  void locate(int64_t index, int skip, int64_t* source, int64_t* target) const {
    *source = *target = 0;
    for (int i = rank - 2; i >= 0; --i) {
      if (i == skip) continue;
      *source += index % dims[i] * from[i];
      *target += index % dims[i] * to[i];
      index /= dims[i];
    }
  }
};

Status verifyTranspose(const Call& call) {
  const Operand &x = call.operands[Transpose::x], &y = call.operands[Transpose::y];
  if (x.dtype != y.dtype) return refuse(call, "operands differ in dtype");
  if (x.rank != y.rank) return refuse(call, "ranks differ: %s and %s", ShapeText(x).text, ShapeText(y).text);
  const auto permutation = permutationOf(call);
  unsigned seen = 0;
  for (int i = 0; i < x.rank; ++i) {
    const int32_t p = permutation[static_cast<size_t>(i)];
    if (p < 0 || p >= x.rank || (seen & 1u << p) != 0) {
      return refuse(call, "the axes are no permutation of a rank %d value", x.rank);
    }
    seen |= 1u << p;
    if (y.dims[i] != x.dims[p]) {
      return refuse(call, "extent %d of %s is not extent %d of %s", i, ShapeText(y).text, p, ShapeText(x).text);
    }
  }
  return Status::ok();
}

Plan planTranspose(const Call& call) {
  return planOf(call, 0);
}

void copyRuns(const Geometry& g, size_t size, const char* x, char* y, const Worker& worker) {
  const int64_t run = g.dims[g.rank - 1] * static_cast<int64_t>(size), pieces = ceilDiv(run, kCopyBytes);
  int64_t items = pieces;
  for (int i = 0; i + 1 < g.rank; ++i) items *= g.dims[i];
  for (const int64_t item : worker.share(items)) {
    int64_t source, target;
    g.locate(item / pieces, -1, &source, &target);
    const int64_t at = item % pieces * kCopyBytes;
    std::memcpy(y + target * static_cast<int64_t>(size) + at, x + source * static_cast<int64_t>(size) + at,
                static_cast<size_t>(std::min(kCopyBytes, run - at)));
  }
}

void runTranspose(const Call& call, const Worker& worker) {
  const Geometry g(call);
  const size_t size = dtypeSize(call.operands[Transpose::x].dtype);
  const char* x = static_cast<const char*>(call.operands[Transpose::x].data);
  char* y = static_cast<char*>(call.operands[Transpose::y].data);
  const int last = g.rank - 1;
  if (g.from[last] == 1) return copyRuns(g, size, x, y, worker);

  int inner = 0;  // the axis of y that is innermost in x
  while (g.from[inner] != 1) ++inner;
  const auto kernel = size == 4 ? call.kernels->layout.transpose4 : call.kernels->layout.transpose1;
  const int64_t rowBlocks = ceilDiv(g.dims[last], kBlock), colBlocks = ceilDiv(g.dims[inner], kBlock);
  int64_t items = rowBlocks * colBlocks;
  for (int i = 0; i < last; ++i)
    if (i != inner) items *= g.dims[i];
  for (const int64_t item : worker.share(items)) {
    int64_t source, target;
    g.locate(item / (rowBlocks * colBlocks), inner, &source, &target);
    const int64_t row = item % rowBlocks * kBlock, col = item / rowBlocks % colBlocks * kBlock;
    source += row * g.from[last] + col;
    target += col * g.to[inner] + row;
    kernel(x + source * static_cast<int64_t>(size), g.from[last], y + target * static_cast<int64_t>(size), g.to[inner],
           std::min(kBlock, g.dims[last] - row), std::min(kBlock, g.dims[inner] - col));
  }
}

}  // namespace

extern const Op kTransposeOp;
const Op kTransposeOp = {verifyTranspose, planTranspose, runTranspose};

}  // namespace stridenet
