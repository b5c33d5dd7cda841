// reduce: sum, mean or maximum over any set of axes, in an order that shapes alone decide.
// Extents collapse to alternating kept and reduced axes. The innermost reduced axis and the kept axis inside it, [r, k] (k may be 1),
// are what kernels see; the axes around them are `outer`. The reduced positions of one result, outer ones included, are numbered and
// cut into chunks; a chunk is summed by itself, those of a group are joined by halves, and groups (one tile each) are combined in order in
// a second phase. So no chain of additions is long, and results do not depend on threads.
#include <algorithm>

#include "native/ops/checks.h"

namespace stridenet {
namespace {

constexpr int64_t kColumnBlock = 1024;  // the columns of one task
constexpr int64_t kWantedTiles = 64;

struct Axis {
  int64_t extent, stride;
};

struct Geometry {
  // The collapsed extents; outer axes are listed from the innermost outwards.
  Axis keptOuter[kMaxRank], reducedOuter[kMaxRank];
  int keptOuterCount = 0, reducedOuterCount = 0;
  int64_t k0 = 1;         // product of the kept outer extents
  int64_t positions = 1;  // how many are reduced to one result
  int64_t r = 1, rowStride = 1, k = 1;

  // Tasks are blocks of results [k0, k] times groups of chunks.
  int64_t columnBlock, columnBlocks, chunk, chunks, groups, rowsPerTile;
  int64_t tiles() const { return ceilDiv(k0, rowsPerTile) * columnBlocks * groups; }

  explicit Geometry(const Call& call) {
    const Operand &x = call.operands[Reduce::x], &y = call.operands[Reduce::y];
    Axis axes[kMaxRank];
    bool reduced[kMaxRank];
    int count = 0;
    int64_t stride = 1;
    for (int i = x.rank - 1; i >= 0; --i) {
      if (x.dims[i] == 1) continue;
      const bool isReduced = y.dims[i] == 1;
      if (count > 0 && reduced[count - 1] == isReduced) {
        axes[count - 1].extent *= x.dims[i];
      } else {
        axes[count] = {x.dims[i], stride};
        reduced[count++] = isReduced;
      }
      stride *= x.dims[i];
    }
    int next = 0;
    if (next < count && !reduced[next]) k = axes[next++].extent;
    rowStride = k;
    if (next < count) r = axes[next++].extent;
    positions = r;
    for (; next < count; ++next) {
      if (reduced[next]) {
        reducedOuter[reducedOuterCount++] = axes[next];
        positions *= axes[next].extent;
      } else {
        keptOuter[keptOuterCount++] = axes[next];
        k0 *= axes[next].extent;
      }
    }
    columnBlock = std::min(k, kColumnBlock);
    columnBlocks = ceilDiv(k, columnBlock);
    chunk = std::max<int64_t>(32, kTileElements / (k == 1 ? 2 : columnBlock));
    chunks = ceilDiv(positions, chunk);
    groups = std::min(chunks, ceilDiv(kWantedTiles, k0 * columnBlocks));
    // Short rows share a task. This needs rows that are equally far apart, as they are in [k0, r].
    rowsPerTile = isPlainRows() && chunks == 1 ? std::max<int64_t>(1, kTileElements / r) : 1;
  }

  // Sums of chunks are joined by halves, which takes a place for each power of two.
  int64_t places() const {
    int64_t count = 1;
    while (int64_t{1} << count <= ceilDiv(chunks, groups)) ++count;
    return count;
  }
  size_t joiningBytes() const { return floatBytes(places() * columnBlock); }

  bool isPlainRows() const { return k == 1 && reducedOuterCount == 0 && keptOuterCount <= 1; }
  size_t partialBytes() const { return groups > 1 ? floatBytes(k0 * groups * k) : 0; }

  static int64_t offsetOf(int64_t index, const Axis* axes, int count) {
    int64_t offset = 0;
    for (int i = 0; i < count; ++i) {
      offset += index % axes[i].extent * axes[i].stride;
      index /= axes[i].extent;
    }
    return offset;
  }
};

float identityOf(Reduction kind) {
  return kind == Reduction::max ? -__builtin_inff() : 0.0f;
}

const ReduceBlock& kernelsOf(const Call& call) {
  const ReduceKernels& reduce = call.kernels->reduce;
  return call.attributes<Reduce>().kind == Reduction::max ? reduce.max : reduce.sum;
}

// PyTorch divides the sum; multiplying by the reciprocal would round twice.
void finish(const Call& call, float* y, int64_t n, int64_t positions) {
  if (call.attributes<Reduce>().kind != Reduction::mean) return;
  const float divisor = static_cast<float>(positions);
  for (int64_t i = 0; i < n; ++i) y[i] /= divisor;
}

// acc[0, width) = the reduction of positions [begin, end) of the columns at x. Chunks are joined by halves, as a binary counter counts:
// `joined` has a place for the reduction of each power of two of them.
void reduceGroup(const Geometry& g, const ReduceBlock& kernels, float identity, const float* x, int64_t width, int64_t begin, int64_t end,
                 float* joined, float* acc) {
  float part[kColumnBlock];
  int64_t count = 0;
  for (int64_t p = begin; p < end; p += g.chunk, ++count) {
    const int64_t chunkEnd = std::min(end, p + g.chunk);
    std::fill_n(part, width, identity);
    for (int64_t q = p; q < chunkEnd;) {
      const int64_t inner = q % g.r, length = std::min(g.r - inner, chunkEnd - q);
      const float* from = x + Geometry::offsetOf(q / g.r, g.reducedOuter, g.reducedOuterCount) + inner * g.rowStride;
      if (g.k == 1) {
        kernels.rows(from, 0, 1, length, part);
      } else {
        kernels.columns(from, g.rowStride, length, width, part);
      }
      q += length;
    }
    int place = 0;
    for (; count >> place & 1; ++place) kernels.columns(joined + place * width, width, 1, width, part);
    std::copy_n(part, width, joined + place * width);
  }
  std::fill_n(acc, width, identity);
  for (int place = 0; count >> place != 0; ++place)
    if (count >> place & 1) kernels.columns(joined + place * width, width, 1, width, acc);
}

Status verifyReduce(const Call& call) {
  const Operand &x = call.operands[Reduce::x], &y = call.operands[Reduce::y];
  const Reduction kind = call.attributes<Reduce>().kind;
  if (!isOneOf(kind, kReductionCount)) return refuse(call, "unknown kind %d", static_cast<int>(kind));
  if (Status status = expectFloats(call); !status.isOk()) return status;
  if (!broadcastsTo(y, x)) return refuse(call, "%s is no reduction of %s", ShapeText(y).text, ShapeText(x).text);
  return Status::ok();
}

Plan planReduce(const Call& call) {
  const Geometry g(call);
  Plan plan = planOf(call, static_cast<double>(call.operands[Reduce::x].count), g.groups > 1 ? 2 : 1);
  plan.sharedScratch = g.partialBytes();
  plan.threadScratch = g.joiningBytes();
  return plan;
}

void runReduce(const Call& call, const Worker& worker) {
  const Geometry g(call);
  const ReduceBlock& kernels = kernelsOf(call);
  const float identity = identityOf(call.attributes<Reduce>().kind);
  const float* x = call.operands[Reduce::x].f32();
  float *y = call.operands[Reduce::y].f32(), *partial = worker.sharedFloats();
  if (worker.phase == 1) {
    for (const int64_t tile : worker.share(g.k0 * g.columnBlocks)) {
      const int64_t row = tile / g.columnBlocks, c = tile % g.columnBlocks * g.columnBlock, width = std::min(g.columnBlock, g.k - c);
      float* to = y + row * g.k + c;
      std::fill_n(to, width, identity);
      kernels.columns(partial + row * g.groups * g.k + c, g.k, g.groups, width, to);
      finish(call, to, width, g.positions);
    }
    return;
  }
  for (const int64_t tile : worker.share(g.tiles())) {
    const int64_t group = tile % g.groups, block = tile / g.groups % g.columnBlocks;
    const int64_t row = tile / g.groups / g.columnBlocks * g.rowsPerTile;
    if (g.rowsPerTile > 1) {
      const int64_t rows = std::min(g.rowsPerTile, g.k0 - row);
      std::fill_n(y + row, rows, identity);
      kernels.rows(x + row * g.r, g.r, rows, g.r, y + row);
      finish(call, y + row, rows, g.positions);
      continue;
    }
    const int64_t c = block * g.columnBlock, width = std::min(g.columnBlock, g.k - c);
    const int64_t first = g.chunks * group / g.groups * g.chunk;
    const int64_t last = std::min(g.positions, g.chunks * (group + 1) / g.groups * g.chunk);
    const float* from = x + Geometry::offsetOf(row, g.keptOuter, g.keptOuterCount) + c;
    float* to = g.groups > 1 ? partial + (row * g.groups + group) * g.k + c : y + row * g.k + c;
    reduceGroup(g, kernels, identity, from, width, first, last, worker.threadFloats(), to);
    if (g.groups == 1) finish(call, to, width, g.positions);
  }
}

}  // namespace

extern const Op kReduceOp;
const Op kReduceOp = {verifyReduce, planReduce, runReduce};

}  // namespace stridenet
