// Reflecting and replicating padding of channels-last images, and its gradient. A tile is a few rows of the result; the gradient of a
// row adds up the rows that were copied from it, in a fixed order.
#include <algorithm>

#include "native/ops/checks.h"

namespace stridenet {
namespace {

struct Geometry {
  int64_t n, ih, iw, c, oh, ow, pt, pl;
  bool reflects;

  template <typename Attributes>
  Geometry(const Operand& inner, const Operand& outer, const Attributes& a)
      : n(inner.dims[0]),
        ih(inner.dims[1]),
        iw(inner.dims[2]),
        c(inner.dims[3]),
        oh(outer.dims[1]),
        ow(outer.dims[2]),
        pt(a.pt),
        pl(a.pl),
        reflects(a.mode == PadMode::reflect) {}

  // Where position `at` of the padded axis, counted from the first one inside, is copied from.
  int64_t source(int64_t at, int64_t extent) const {
    if (at >= 0 && at < extent) return at;
    if (!reflects) return at < 0 ? 0 : extent - 1;
    return at < 0 ? -at : 2 * (extent - 1) - at;
  }
  int64_t rowsPerTile(int64_t row) const { return std::max<int64_t>(1, kTileElements / row); }
};

template <typename Instruction>
Geometry geometryOf(const Call& call) {
  return {imageOf<Instruction>(call), resultOf<Instruction>(call), call.attributes<Instruction>()};
}

template <typename Instruction>
Status verifyPadded(const Call& call) {
  const Operand &inner = imageOf<Instruction>(call), &outer = resultOf<Instruction>(call);
  const auto a = call.attributes<Instruction>();
  if (Status status = expectFloats(call); !status.isOk()) return status;
  if (!isOneOf(a.mode, kPadModeCount)) return refuse(call, "unknown mode %d", static_cast<int>(a.mode));
  bool fits = inner.rank == 4 && outer.rank == 4 && inner.dims[0] == outer.dims[0] && inner.dims[3] == outer.dims[3];
  for (int axis = 1; fits && axis <= 2; ++axis) {
    const int64_t before = axis == 1 ? a.pt : a.pl, after = outer.dims[axis] - inner.dims[axis] - before;
    const int64_t most = a.mode == PadMode::reflect ? inner.dims[axis] - 1 : outer.dims[axis];
    fits = before >= 0 && after >= 0 && before <= most && after <= most;
  }
  if (fits) return Status::ok();
  return refuse(call, "%s cannot be padded to %s by %d rows and %d columns first, mode %d", ShapeText(inner).text, ShapeText(outer).text,
                a.pt, a.pl, static_cast<int>(a.mode));
}

Plan planPad2d(const Call& call) {
  return planOf(call, 0);
}

Plan planPad2dGrad(const Call& call) {
  return planOf(call, static_cast<double>(call.operands[Pad2dGrad::dy].count));
}

void runPad2d(const Call& call, const Worker& worker) {
  const auto g = geometryOf<Pad2d>(call);
  const float* x = call.operands[Pad2d::x].f32();
  float* y = call.operands[Pad2d::y].f32();
  const int64_t row = g.ow * g.c, perTile = g.rowsPerTile(row);
  const size_t pixel = floatBytes(g.c);
  for (const int64_t r : worker.share(g.n * g.oh, perTile)) {
    const float* from = x + (r / g.oh * g.ih + g.source(r % g.oh - g.pt, g.ih)) * g.iw * g.c;
    float* to = y + r * row;
    for (int64_t i = 0; i < g.pl; ++i) std::memcpy(to + i * g.c, from + g.source(i - g.pl, g.iw) * g.c, pixel);
    std::memcpy(to + g.pl * g.c, from, static_cast<size_t>(g.iw) * pixel);
    for (int64_t i = g.pl + g.iw; i < g.ow; ++i) std::memcpy(to + i * g.c, from + g.source(i - g.pl, g.iw) * g.c, pixel);
  }
}

// dx[0..n) += dy[0..n)
void addRun(const Call& call, const float* dy, float* dx, int64_t n) {
  call.kernels->elementwise.binary[static_cast<int>(BinaryKind::add)]({dx, n, 1}, {dy, n, 1}, dx, n, 1, n);
}

void runPad2dGrad(const Call& call, const Worker& worker) {
  const auto g = geometryOf<Pad2dGrad>(call);
  const float* dy = call.operands[Pad2dGrad::dy].f32();
  float* dx = call.operands[Pad2dGrad::dx].f32();
  const int64_t row = g.iw * g.c, perTile = g.rowsPerTile(row);
  const int64_t bottom = g.pt + g.ih;  // the first padded row below
  for (const int64_t r : worker.share(g.n * g.ih, perTile)) {
    const int64_t image = r / g.ih, y = r % g.ih;
    float* to = dx + r * row;
    bool first = true;
    const auto addRow = [&](int64_t at) {
      const float* from = dy + (image * g.oh + at) * g.ow * g.c;
      if (first) {
        std::memcpy(to, from + g.pl * g.c, floatBytes(row));
      } else {
        addRun(call, from + g.pl * g.c, to, row);
      }
      first = false;
      for (int64_t i = 0; i < g.pl; ++i) addRun(call, from + i * g.c, to + g.source(i - g.pl, g.iw) * g.c, g.c);
      for (int64_t i = g.pl + g.iw; i < g.ow; ++i) addRun(call, from + i * g.c, to + g.source(i - g.pl, g.iw) * g.c, g.c);
    };
    addRow(y + g.pt);
    if (g.reflects) {
      if (y >= 1 && y <= g.pt) addRow(g.pt - y);
      const int64_t below = g.pt + 2 * (g.ih - 1) - y;
      if (below >= bottom && below < g.oh) addRow(below);
    } else {
      if (y == 0)
        for (int64_t at = 0; at < g.pt; ++at) addRow(at);
      if (y == g.ih - 1)
        for (int64_t at = bottom; at < g.oh; ++at) addRow(at);
    }
  }
}

}  // namespace

extern const Op kPad2dOp, kPad2dGradOp;
const Op kPad2dOp = {verifyPadded<Pad2d>, planPad2d, runPad2d};
const Op kPad2dGradOp = {verifyPadded<Pad2dGrad>, planPad2dGrad, runPad2dGrad};

}  // namespace stridenet
