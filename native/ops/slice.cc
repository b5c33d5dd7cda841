// Copies between a value and a box inside it: concat, slice, and pad with a constant. Axes behind the last one that
// differs are one run of memory, so that each copy is as long as possible.
#include <algorithm>
#include <array>

#include "native/ops/checks.h"

namespace stridenet {
namespace {

constexpr int kMaxInputs = Concat::y;  // the operands of concat before y

// Where the part begins on each axis of the whole.
using Starts = std::array<int32_t, kMaxRank>;

template <typename Instruction>
Starts startsOf(const Call& call) {
  const auto a = call.attributes<Instruction>();
  return {a.s0, a.s1, a.s2, a.s3, a.s4, a.s5};
}

// The output of concat as rows, each of which consists of one run of every input.
struct Joined {
  int count = 0;
  const char* data[kMaxInputs];
  int64_t runs[kMaxInputs];  // bytes
  int64_t row = 0, rows = 1;

  explicit Joined(const Call& call) {
    const Operand& y = call.operands[Concat::y];
    const int axis = call.attributes<Concat>().axis;
    int64_t after = static_cast<int64_t>(dtypeSize(y.dtype));
    for (int i = 0; i < axis; ++i) rows *= y.dims[i];
    for (int i = axis + 1; i < y.rank; ++i) after *= y.dims[i];
    for (int i = 0; i < kMaxInputs; ++i) {
      const Operand& x = call.operands[i];
      if (!x.present()) continue;
      data[count] = static_cast<const char*>(x.data);
      runs[count] = x.dims[axis] * after;
      row += runs[count++];
    }
  }
};

Status verifyConcat(const Call& call) {
  const Operand& y = call.operands[Concat::y];
  const int axis = call.attributes<Concat>().axis;
  if (axis < 0 || axis >= y.rank) return refuse(call, "axis %d is none of %s", axis, ShapeText(y).text);
  int64_t total = 0;
  for (int k = 0; k < kMaxInputs; ++k) {
    const Operand& x = call.operands[k];
    if (!x.present()) continue;
    bool fits = x.rank == y.rank && x.dtype == y.dtype;
    for (int i = 0; fits && i < y.rank; ++i) fits = i == axis || x.dims[i] == y.dims[i];
    if (!fits) return refuse(call, "operand %d %s does not fit into %s along axis %d", k, ShapeText(x).text, ShapeText(y).text, axis);
    total += x.dims[axis];
  }
  if (total != y.dims[axis]) {
    return refuse(call, "operands have %lld along axis %d but y is %s", static_cast<long long>(total), axis, ShapeText(y).text);
  }
  return Status::ok();
}

Plan planCopy(const Call& call) {
  return planOf(call, 0);
}

// Tasks are consecutive bytes of y.
void runConcat(const Call& call, const Worker& worker) {
  constexpr int64_t kTileBytes = kTileElements * 4;
  const Joined joined(call);
  char* y = static_cast<char*>(call.operands[Concat::y].data);
  const int64_t bytes = joined.row * joined.rows;
  const Range own = worker.share(bytes, kTileBytes);
  if (own.isEmpty()) return;
  int64_t row = own.first / joined.row, at = own.first % joined.row;  // `at` counts within the run of input k
  int k = 0;
  while (at >= joined.runs[k]) at -= joined.runs[k++];
  for (int64_t position = own.first; position < own.last;) {
    const int64_t length = std::min(own.last - position, joined.runs[k] - at);
    std::memcpy(y + position, joined.data[k] + row * joined.runs[k] + at, static_cast<size_t>(length));
    position += length;
    at = 0;
    if (++k == joined.count) k = 0, ++row;
  }
}

// A box `part` inside of `whole`, both as rows along the last axis where they differ; `run` elements lie behind it.
struct Box {
  int outer = 0;  // axes in front of the row
  const int64_t *wholeDims, *partDims;
  Starts starts;
  int64_t run = 1, wholeRow, partRow, offset;  // extents and distance of rows, in elements

  Box(const Operand& whole, const Operand& part, Starts at) : wholeDims(whole.dims), partDims(part.dims), starts(at) {
    for (outer = whole.rank - 1; outer > 0 && wholeDims[outer] == partDims[outer]; --outer) run *= wholeDims[outer];
    if (outer < 0) outer = 0;
    wholeRow = wholeDims[outer] * run;
    partRow = partDims[outer] * run;
    offset = starts[outer] * run;
  }

  // body(row of the walked one, row of the other one or -1 where there is none) for rows [begin, end) in order; `sign` leads from an
  // index of the walked one to the other's.
  template <typename Body>
  void eachRow(const int64_t* walked, const int64_t* other, int sign, int64_t begin, int64_t end, Body body) const {
    if (outer == 0) {
      if (begin < end) body(0, 0);
      return;
    }
    const int64_t inner = walked[outer - 1], otherInner = other[outer - 1];
    for (int64_t r = begin; r < end;) {
      int64_t rest = r / inner, stride = otherInner, base = 0, j = r % inner;
      bool exists = true;
      for (int i = outer - 2; i >= 0; --i) {
        const int64_t index = rest % walked[i] + sign * starts[i];
        exists = exists && index >= 0 && index < other[i];
        rest /= walked[i];
        base += index * stride;
        stride *= other[i];
      }
      for (; j < inner && r < end; ++j, ++r) {
        const int64_t index = j + sign * starts[outer - 1];
        body(r, exists && index >= 0 && index < otherInner ? base + index : -1);
      }
    }
  }
};

// Rows walked as tiles: several rows, or pieces of a long one.
struct RowTiles {
  int64_t rows, row, rowsPerTile, pieces;
  RowTiles(int64_t rows_, int64_t row_)
      : rows(rows_), row(row_), rowsPerTile(std::max<int64_t>(1, kTileElements / row_)), pieces(ceilDiv(row_, kTileElements)) {}

  // body(first row, last row + 1, first element, last element + 1 within the row)
  template <typename Body>
  void each(const Worker& worker, Body body) const {
    for (const int64_t tile : worker.share(ceilDiv(rows, rowsPerTile) * pieces)) {
      const int64_t r = tile / pieces * rowsPerTile, from = tile % pieces * kTileElements;
      body(r, std::min(rows, r + rowsPerTile), from, pieces == 1 ? row : std::min(row, from + kTileElements));
    }
  }
};

Status checkBox(const Call& call, const Operand& whole, const Operand& part, const Starts& starts) {
  if (whole.dtype != part.dtype) return refuse(call, "operands differ in dtype");
  if (whole.rank != part.rank) return refuse(call, "ranks differ: %s and %s", ShapeText(whole).text, ShapeText(part).text);
  for (int i = 0; i < kMaxRank; ++i) {
    const int64_t start = starts[static_cast<size_t>(i)];
    if (i >= whole.rank ? start != 0 : start < 0 || start + part.dims[i] > whole.dims[i]) {
      return refuse(call, "%s does not lie in %s at %lld of axis %d", ShapeText(part).text, ShapeText(whole).text,
                    static_cast<long long>(start), i);
    }
  }
  return Status::ok();
}

Status verifySlice(const Call& call) {
  return checkBox(call, call.operands[Slice::x], call.operands[Slice::y], startsOf<Slice>(call));
}

void runSlice(const Call& call, const Worker& worker) {
  const Operand &x = call.operands[Slice::x], &y = call.operands[Slice::y];
  const Box box(x, y, startsOf<Slice>(call));
  const int64_t size = static_cast<int64_t>(dtypeSize(x.dtype));
  const char* from = static_cast<const char*>(x.data);
  char* to = static_cast<char*>(y.data);
  RowTiles(y.count / box.partRow, box.partRow).each(worker, [&](int64_t begin, int64_t end, int64_t low, int64_t high) {
    box.eachRow(y.dims, x.dims, 1, begin, end, [&](int64_t row, int64_t source) {
      std::memcpy(to + (row * box.partRow + low) * size, from + (source * box.wholeRow + box.offset + low) * size,
                  static_cast<size_t>((high - low) * size));
    });
  });
}

Status verifyPad(const Call& call) {
  if (Status status = expectFloats(call); !status.isOk()) return status;
  return checkBox(call, call.operands[Pad::y], call.operands[Pad::x], startsOf<Pad>(call));
}

void runPad(const Call& call, const Worker& worker) {
  const Operand &x = call.operands[Pad::x], &y = call.operands[Pad::y];
  const Box box(y, x, startsOf<Pad>(call));
  const float value = call.attributes<Pad>().value;
  const int64_t first = box.offset, last = box.offset + box.partRow;
  RowTiles(y.count / box.wholeRow, box.wholeRow).each(worker, [&](int64_t begin, int64_t end, int64_t low, int64_t high) {
    const int64_t a = std::clamp(first, low, high), b = std::clamp(last, low, high);
    box.eachRow(y.dims, x.dims, -1, begin, end, [&](int64_t row, int64_t source) {
      float* to = y.f32() + row * box.wholeRow;
      if (source < 0) {
        std::fill(to + low, to + high, value);
        return;
      }
      std::fill(to + low, to + a, value);
      if (a < b) std::memcpy(to + a, x.f32() + source * box.partRow + a - first, floatBytes(b - a));
      std::fill(to + b, to + high, value);
    });
  });
}

}  // namespace

extern const Op kConcatOp, kSliceOp, kPadOp;
const Op kConcatOp = {verifyConcat, planCopy, runConcat};
const Op kSliceOp = {verifySlice, planCopy, runSlice};
const Op kPadOp = {verifyPad, planCopy, runPad};

}  // namespace stridenet
