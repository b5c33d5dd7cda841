// The packed weights of Winograd's algorithms: see winograd.h and winograd_narrow.h.
#include "native/ops/conv2d/winograd_narrow.h"

namespace stridenet {

namespace {

// How many source channels a unit of packing has.
constexpr int64_t kPackRows = 16;

// Packing falls into units of kPackRows source channels of one panel.
struct PackUnits {
  Panels panels;
  int64_t parts;
  PackUnits(const Conv2dShape& s, const KernelTable& kernels) : panels(kernels, s.dstC()), parts(ceilDiv(s.srcC(), kPackRows)) {}
  int64_t count() const { return panels.count * parts; }
};

// Brings the numbers of one tap of a unit into the order [source channel][destination channel].
int64_t tapNumbers(const Panels& panels) {
  return kPackRows * ceilDiv(panels.vectors, panels.count) * panels.lanes;
}

// What is the same for either order of the packed weight: where the taps of a unit are, those of a forward convolution once they are
// transposed.
struct PackUnit {
  int64_t row, column;  // first source and destination channel
  WinogradWeights weights;

  PackUnit(const Conv2dShape& s, const KernelTable& kernels, const PackUnits& units, const PackOperands& operands, int64_t unit,
           float* transposed)
      : row(unit % units.parts * kPackRows), column(units.panels.firstColumn(unit / units.parts)) {
    const Panels& panels = units.panels;
    const int64_t panel = unit / units.parts, k = s.srcC(), taps = s.kh * s.kw;
    const int64_t stride = taps * s.ic;  // from one output channel to the next
    weights.rows = k - row < kPackRows ? k - row : kPackRows;
    weights.columns = panels.columnsOf(panel);
    weights.width = panels.vectorsOf(panel) * panels.lanes;
    weights.rowStride = s.isForward() ? weights.width : stride;
    for (int64_t i = 0; i < taps; ++i) {
      if (s.isForward()) {
        float* tap = transposed + i * tapNumbers(panels);
        kernels.layout.transposeScaled(operands.weight + column * stride + i * s.ic + row, stride, tap, weights.width, weights.columns,
                                       weights.rows, operands.scaleOf(column));
        weights.taps[i] = tap;
      } else {
        weights.taps[i] = operands.weight + row * stride + (taps - 1 - i) * s.ic + column;
      }
    }
  }
};

// Calls pack(unit) for each of this thread's units.
template <typename Pack>
void forEachUnit(const Call& call, const Conv2dShape& s, const Worker& worker, const Pack& pack) {
  const PackUnits units(s, *call.kernels);
  const PackOperands operands(call);
  for (const int64_t unit : worker.share(units.count())) {
    pack(PackUnit(s, *call.kernels, units, operands, unit, worker.threadFloats()));
  }
}

}  // namespace

const WinogradSizeKernels& winogradKernels(const Conv2dShape& s, const KernelTable& kernels) {
  if (s.kh == 5) return kernels.winograd.f2x5;
  return winogradTile(s.algorithm) == 4 ? kernels.winograd.f4x3 : kernels.winograd.f2x3;
}

Status fitsWinograd(const Call& call, const Conv2dShape& s) {
  const int64_t m = winogradTile(s.algorithm);
  if (s.kh != s.kw || !(s.kh == 3 || (s.kh == 5 && m == 2)) || s.sh > 1 || s.sw > 1 || s.dh > 1 || s.dw > 1 || s.groups > 1 || s.widen > 1)
    return refuse(
        call,
        "can use a winograd algorithm only for 3x3 kernels, and winograd2x2 for 5x5 kernels, with stride 1, dilation 1, one group "
        "and widen 1");
  return Status::ok();
}

int64_t packedWinogradLength(const Conv2dShape& s, const KernelTable& kernels) {
  const int64_t edge = winogradEdge(s);  // either packed form holds this many numbers
  const double estimate =
      static_cast<double>(edge * edge) * static_cast<double>(s.srcC()) * (static_cast<double>(s.dstC()) + kernels.lanes);
  return estimate > kLargestPacked ? 0 : edge * edge * s.srcC() * Panels(kernels, s.dstC()).paddedColumns();
}

Plan planWinogradPack(const Call& call, const Conv2dShape& s) {
  Plan plan = planOf(call, 0);
  plan.bytes += static_cast<double>(call.operands[Conv2dPack::packed].bytes());  // memory is read before it is written
  plan.add(Work::winogradPacking, static_cast<double>(call.operands[Conv2dPack::packed].count) / call.kernels->lanes);
  if (s.isForward()) plan.threadScratch = floatBytes(s.kh * s.kw * tapNumbers(Panels(*call.kernels, s.dstC())));
  return plan;
}

void packWinograd(const Call& call, const Conv2dShape& s, const Worker& worker) {
  const WinogradSizeKernels& kernels = winogradKernels(s, *call.kernels);
  const int64_t k = s.srcC(), edge = winogradEdge(s);
  forEachUnit(call, s, worker, [&](const PackUnit& unit) {
    WinogradWeights w = unit.weights;
    w.u = PackOperands(call).packed + unit.column * k * edge * edge + unit.row * w.width;
    w.uRow = w.width;
    w.columnStride = k * w.width;
    w.lineStride = edge * w.columnStride;
    kernels.weights(w);
  });
}

// Packs one vector of destination channels after the other.
void packWinogradNarrow(const Call& call, const Conv2dShape& s, const Worker& worker) {
  const WinogradSizeKernels& kernels = winogradKernels(s, *call.kernels);
  const int64_t k = s.srcC(), lanes = call.kernels->lanes, taps = s.kh * s.kw;
  forEachUnit(call, s, worker, [&](const PackUnit& unit) {
    WinogradWeights w = unit.weights;
    const int64_t columns = w.columns, vectors = w.width / lanes;
    float* packed = PackOperands(call).packed + unit.column * k * kNarrowPoints;
    w.width = lanes;
    w.lineStride = lanes;
    w.uRow = kNarrowEdge * lanes;
    w.columnStride = k * w.uRow;
    for (int64_t v = 0; v < vectors; ++v) {
      w.u = packed + v * kNarrowPoints * k * lanes + unit.row * w.uRow;
      w.columns = columns - v * lanes < lanes ? columns - v * lanes : lanes;
      kernels.weights(w);
      for (int64_t i = 0; i < taps; ++i) w.taps[i] += lanes;
    }
  });
}

}  // namespace stridenet
