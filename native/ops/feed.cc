// feed: y = raw * scale + shift, from the caller's order and dtype to the stored ones. scale and shift hold one number or one per
// channel, the last physical axis. Integer y takes int32 or uint8 without loss and neither scale nor shift.
#include <algorithm>

#include "native/ops/checks.h"

namespace stridenet {
namespace {

constexpr int64_t kShortPeriod = 64, kWidePeriod = 256;
constexpr int64_t kTilePixels = 16;  // a task of planes has a multiple of this, so that vectors are whole

struct Geometry {
  const Operand* operands;
  const Operand &raw = operands[Feed::raw], &y = operands[Feed::y];
  const Operand &scale = operands[Feed::scale], &shift = operands[Feed::shift];
  int64_t images = 1, pixels = 1, channels = 1;
  bool planes;     // raw holds one plane of pixels per channel
  bool affine;     // a scale or a shift is given
  int64_t period;  // numbers after which scale and shift repeat, written out in scratch
  int64_t tile;    // numbers, or pixels of planes
  int64_t tiles;   // `perImage` of each image of planes
  int64_t perImage = 1;

  explicit Geometry(const Call& call) : operands(call.operands) {
    if (y.rank > 0) channels = y.dims[y.rank - 1];
    if (y.rank == 4) images = y.dims[0], pixels = y.dims[1] * y.dims[2];
    planes = y.rank == 4 && call.attributes<Feed>().layout == Layout::nchw && channels > 1 && pixels > 1;
    affine = scale.present() || shift.present();
    // A short period is repeated until rows are long enough for vectors. Where scale and shift are single numbers the
    // period is 1.
    const int64_t own = planes || scale.count > 1 || shift.count > 1 ? channels : 1;
    period = planes || own >= kShortPeriod ? own : own * (kWidePeriod / own);
    if (planes) {
      perImage = ceilDiv(pixels * channels, kTileElements);
      tile = ceilDiv(ceilDiv(pixels, perImage), kTilePixels) * kTilePixels;
      perImage = ceilDiv(pixels, tile);
      tiles = images * perImage;
    } else {
      tile = period * std::max<int64_t>(1, kTileElements / period);
      tiles = ceilDiv(y.count, tile);
    }
  }

  // body(image, first pixel, pixels) for tiles of planes
  template <typename Body>
  void eachPiece(const Range& own, Body body) const {
    for (const int64_t t : own) {
      const int64_t p = t % perImage * tile;
      body(t / perImage, p, std::min(tile, pixels - p));
    }
  }
};

Status verifyFeed(const Call& call) {
  const Operand &raw = call.operands[Feed::raw], &y = call.operands[Feed::y];
  const Layout layout = call.attributes<Feed>().layout;
  if (!isOneOf(layout, kLayoutCount)) return refuse(call, "unknown layout %d", static_cast<int>(layout));
  if (raw.count != y.count) {
    return refuse(call, "raw %s has %lld numbers but y %s has %lld", ShapeText(raw).text, static_cast<long long>(raw.count),
                  ShapeText(y).text, static_cast<long long>(y.count));
  }
  const int64_t channels = y.rank > 0 ? y.dims[y.rank - 1] : 1;
  for (const int i : {Feed::scale, Feed::shift}) {
    const Operand& factor = call.operands[i];
    if (!factor.present()) continue;
    if (Status status = expectDType(call, i, DType::float32, "float32"); !status.isOk()) return status;
    if (factor.count != 1 && factor.count != channels) {
      return refuse(call, "scale and shift hold 1 number or one for each of %lld channels, got %s", static_cast<long long>(channels),
                    ShapeText(factor).text);
    }
    if (y.dtype != DType::float32) return refuse(call, "an integer y takes neither scale nor shift");
  }
  if (y.dtype != DType::float32 && raw.dtype != y.dtype && !(y.dtype == DType::int32 && raw.dtype == DType::uint8)) {
    return refuse(call, "raw cannot be converted to an integer y without loss");
  }
  return Status::ok();
}

Plan planFeed(const Call& call) {
  const Geometry g(call);
  Plan plan = planOf(call, g.affine ? 2.0 * static_cast<double>(g.y.count) : 0);
  if (g.affine) plan.threadScratch = floatBytes(2 * g.period);
  return plan;
}

template <typename From, typename To>
void moveIntegers(const Geometry& g, const Range& own) {
  const From* raw = static_cast<const From*>(g.raw.data);
  To* y = static_cast<To*>(g.y.data);
  if (!g.planes) {
    for (int64_t i = own.first * g.tile; i < std::min(g.y.count, own.last * g.tile); ++i) y[i] = static_cast<To>(raw[i]);
    return;
  }
  const int64_t image = g.pixels * g.channels;
  g.eachPiece(own, [&](int64_t n, int64_t first, int64_t count) {
    for (int64_t p = first; p < first + count; ++p)
      for (int64_t c = 0; c < g.channels; ++c) y[n * image + p * g.channels + c] = static_cast<To>(raw[n * image + c * g.pixels + p]);
  });
}

void spread(const Operand& factor, float absent, int64_t period, float* row) {
  for (int64_t i = 0; i < period; ++i) row[i] = factor.present() ? factor.f32()[i % factor.count] : absent;
}

void runFeed(const Call& call, const Worker& worker) {
  const Geometry g(call);
  const Range own = worker.share(g.tiles);
  if (own.isEmpty()) return;
  if (g.y.dtype == DType::uint8) return moveIntegers<uint8_t, uint8_t>(g, own);
  if (g.y.dtype == DType::int32) {
    return g.raw.dtype == DType::uint8 ? moveIntegers<uint8_t, int32_t>(g, own) : moveIntegers<int32_t, int32_t>(g, own);
  }

  float *scale = nullptr, *shift = nullptr;
  if (g.affine) {
    scale = worker.threadFloats();
    shift = scale + g.period;
    spread(g.scale, 1.0f, g.period, scale);
    spread(g.shift, 0.0f, g.period, shift);
  }
  const LayoutKernels& kernels = call.kernels->layout;
  const int dtype = static_cast<int>(g.raw.dtype);
  const char* raw = static_cast<const char*>(g.raw.data);
  const int64_t size = static_cast<int64_t>(dtypeSize(g.raw.dtype));
  float* y = g.y.f32();
  if (g.planes) {
    const int64_t image = g.pixels * g.channels;
    g.eachPiece(own, [&](int64_t n, int64_t p, int64_t count) {
      kernels.feedPlanes[dtype](raw + (n * image + p) * size, g.pixels, scale, shift, y + n * image + p * g.channels, count, g.channels);
    });
    return;
  }
  const int64_t first = own.first * g.tile, last = std::min(g.y.count, own.last * g.tile);
  const int64_t rows = (last - first) / g.period, rest = (last - first) % g.period, tail = first + rows * g.period;
  kernels.feedRows[dtype](raw + first * size, scale, shift, y + first, rows, g.period);
  if (rest > 0) kernels.feedRows[dtype](raw + tail * size, scale, shift, y + tail, 1, rest);
}

}  // namespace

extern const Op kFeedOp;
const Op kFeedOp = {verifyFeed, planFeed, runFeed};

}  // namespace stridenet
