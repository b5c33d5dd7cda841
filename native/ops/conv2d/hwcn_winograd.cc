// Algorithm::hwcnWinograd2x2 of conv2d_grad_input: 5x5 kernels of stride 1 and few channels, with images in the lanes as hwcn.h
// has them and Winograd's minimal filtering F(2x2, 5x5) in its adjoint form (native/kernels/hwcn_winograd_kernels.h).
//
// winograd.h computes the same gradient as a convolution of dy, whose tiles cover dx and read dy with a rim of r - 1 zeros. Here
// the tiles cover dy, and what they add to dx overlaps: 25 instead of 49 tiles for dy of 10x10 pixels, 36 products of channels each.
// It adds in the order of the tiles, whatever the threads. For dx of a few channels, and `lanes` images or more: the cost tells.
// The packed weight is, for each block of channels of dx, [line of points][pair of points][channel of dy][point of the pair][channel of
// dx].
//
// Tasks are bands of dx lines of an image group; where a group has several, the tiles that reach over a border are computed on either
// side. A band takes one line of tiles after the other. For each line of points i, the lines of dy are transformed to one; its tiles are
// multiplied by the weights of the points (i, 0..5), transformed back along the line, and added up where they overlap. The six lines that
// result are transformed back across and added to a ring of six lines of dx, of which the first m are complete then.
#include "native/ops/conv2d/hwcn.h"

namespace stridenet {

namespace {

constexpr int64_t kPoints = 6;
// The order in which lines of points are computed: those of the points 0 and infinity are lines of dy as they are, and
// the others are computed two at a time.
constexpr int64_t kLineOrder[kPoints] = {0, 5, 1, 2, 3, 4};
// All groups together are cut into at least this many bands, if a band then still has the lines below.
constexpr int64_t kLeastBands = 8, kLeastBandLines = 8;
constexpr double kLargestScratch = 256.0 * 1024 * 1024;
// How many channels of dy a unit of packing has.
constexpr int64_t kPackRows = 16;

// Pixels along a side of a tile of dy, m.
int64_t tileOf(const Conv2dShape& s) {
  return kPoints + 1 - s.kh;
}

// The tiles [begin, end) along an axis of dy that add to the pixels [first, first + count) of dx, which is `extent` pixels of dy.
struct TileRange {
  int64_t begin, end;
  TileRange(int64_t first, int64_t count, int64_t pad, int64_t m, int64_t extent) {
    const int64_t before = first + pad - kPoints + 1, tiles = ceilDiv(extent, m);  // a tile adds to six pixels
    begin = before > 0 ? ceilDiv(before, m) : 0;
    end = (first + count - 1 + pad) / m + 1;
    if (end > tiles) end = tiles;
    if (end < begin) end = begin;
  }
  int64_t count() const { return end - begin; }
};

// Extents and scratch of a thread. A pixel of dy column t lies at column t + pl of the lines of dx.
struct TileLines {
  int64_t m, lanes;
  TileRange tilesW;
  int64_t columns, dyPitch;  // of dy, rounded up to whole tiles
  int64_t left;              // the column at which dx begins in a line of results
  int64_t width, pitch;      // of a line of results, which holds all pixels that tiles add to: pixels and numbers
  int64_t productStride;     // from one point to the next

  TileLines(const Conv2dShape& s, const KernelTable& kernels)
      : m(tileOf(s)),
        lanes(kernels.lanes),
        tilesW(0, s.iw, s.pl, m, s.ow),
        columns(tilesW.count() * m),
        dyPitch(columns * s.oc * lanes),
        left(s.pl - tilesW.begin * m) {
    const int64_t reached = columns + s.kw - 1;
    width = left + s.iw > reached ? left + s.iw : reached;
    pitch = width * s.ic * lanes;
    productStride = kernels.tiles.hwcnWinograd.tiles * kernels.tiles.hwcnWinograd.channels * lanes;
  }

  size_t dyBytes() const { return bytes(m * dyPitch); }
  size_t pairBytes() const { return bytes(2 * dyPitch); }
  size_t resultBytes() const { return bytes(kPoints * pitch); }
  size_t productBytes() const { return bytes(kPoints * productStride); }
  size_t scratch() const { return dyBytes() + pairBytes() + 2 * resultBytes() + productBytes(); }

 private:
  static size_t bytes(int64_t floats) { return scratchBytes(floatBytes(floats)); }
};

HwcnGroups bandsOf(const Conv2dShape& s, const KernelTable& kernels) {
  HwcnGroups bands(kernels, s.n, s.ih);
  const int64_t wanted = ceilDiv(kLeastBands, bands.groups), possible = s.ih / kLeastBandLines;
  if (possible > 1) bands.perGroup = wanted < possible ? wanted : possible;
  return bands;
}

TileRange tilesOfBand(const Conv2dShape& s, const HwcnGroups& bands, int64_t band) {
  const int64_t first = bands.firstLine(band);
  return TileRange(first, bands.endLine(band) - first, s.pt, tileOf(s), s.oh);
}

// Computes the bands of one thread.
class HwcnWinogradRun {
 public:
  HwcnWinogradRun(const Call& call, const Conv2dShape& shape, const Worker& worker)
      : s_(shape),
        kernels_(*call.kernels),
        transforms_(kernels_.hwcnWinograd),
        layout_(shape, kernels_),
        blocks_(shape.ic, kernels_.tiles.hwcnWinograd.channels),
        bands_(bandsOf(shape, kernels_)),
        dy_(call.operands[Conv2dGradInput::dy].f32()),
        packed_(call.operands[Conv2dGradInput::packed].f32()),
        dx_(call.operands[Conv2dGradInput::dx].f32()),
        cursor_(worker.threadScratch),
        dyLines_(take(layout_.dyBytes())),
        pair_(take(layout_.pairBytes())),
        results_(take(layout_.resultBytes())),
        ring_(take(layout_.resultBytes())),
        products_(take(layout_.productBytes())) {}

  int64_t bands() const { return bands_.count(); }

  void run(int64_t band) {
    const TileRange tiles = tilesOfBand(s_, bands_, band);
    const HwcnImages dy(kernels_, bands_, band, dy_, s_.oh, s_.ow, s_.oc, 0), dx(kernels_, bands_, band, dx_, s_.ih, s_.iw, s_.ic, 0);
    const int64_t m = layout_.m;
    // Columns that no tile reaches are zero in every line.
    std::memset(ring_, 0, floatBytes(kPoints * layout_.pitch));
    float* lines[kPoints];
    for (int64_t i = 0; i < kPoints; ++i) lines[i] = ring_ + i * layout_.pitch;

    int64_t next = bands_.firstLine(band);
    for (int64_t tile = tiles.begin; tile < tiles.end && tilesW().count() > 0; ++tile) {
      dy.read(tile * m, m, tilesW().begin * m, layout_.columns, dyLines_);
      for (const int64_t line : kLineOrder) computePoints(line, pixelsOf(line), results_ + line * layout_.pitch);
      transforms_.results(results_, layout_.pitch, (layout_.columns + s_.kw - 1) * s_.ic, lines, tile == tiles.begin);
      const int64_t complete = tile + 1 == tiles.end ? kPoints : m;
      for (int64_t i = 0; i < complete; ++i) {
        if (tile * m + i - s_.pt == next && next < bands_.endLine(band)) write(dx, next++, lines[i]);
      }
      rotate(lines);
    }
    if (next == bands_.endLine(band)) return;
    std::memset(ring_, 0, floatBytes(layout_.pitch));
    while (next < bands_.endLine(band)) write(dx, next++, ring_);
  }

 private:
  const TileRange& tilesW() const { return layout_.tilesW; }
  float* take(size_t bytes) { return static_cast<float*>(cursor_.takeBytes(bytes)); }

  // Transforms the pixels of a line of tiles across for a line of points. For a pair of points both lines are made with
  // the first.
  const float* pixelsOf(int64_t line) {
    if (line == 0) return dyLines_;
    if (line == kPoints - 1) return dyLines_ + (layout_.m - 1) * layout_.dyPitch;
    float* minus = pair_ + layout_.dyPitch;
    if (line % 2 == 0) return minus;
    transforms_.lines(static_cast<int>(line + 1) / 2, dyLines_, layout_.dyPitch, layout_.columns * s_.oc, pair_, minus);
    return pair_;
  }

  // Multiplies a line of points and transforms it back along the line.
  void computePoints(int64_t line, const float* pixels, float* results) {
    const int64_t lanes = layout_.lanes, perTile = layout_.m * s_.oc * lanes, pixel = s_.ic * lanes;
    const int64_t mostTiles = kernels_.tiles.hwcnWinograd.tiles;
    HwcnWinogradProducts p = {nullptr, s_.oc * lanes, s_.oc, nullptr, products_, layout_.productStride};
    for (int64_t block = 0; block < blocks_.count; ++block) {
      const int64_t channel = blocks_.first(block), size = blocks_.size(block);
      p.u = packed_ + (channel * kPoints + line * size) * kPoints * s_.oc;
      for (int64_t tile = 0; tile < tilesW().count();) {
        const int64_t tiles = tilesW().count() - tile < mostTiles ? tilesW().count() - tile : mostTiles;
        p.x = pixels + tile * perTile;
        transforms_.products[tiles][size](p);
        for (int64_t t = 0; t < tiles; ++t, ++tile) {
          float* to[kPoints];
          for (int64_t j = 0; j < kPoints; ++j) to[j] = results + (tile * layout_.m + j) * pixel + channel * lanes;
          transforms_.results(products_ + t * size * lanes, layout_.productStride, size, to, tile == 0);
        }
      }
    }
  }

  void rotate(float** lines) const {
    float* complete[kPoints];
    for (int64_t i = 0; i < kPoints; ++i) complete[i] = lines[(i + layout_.m) % kPoints];
    std::memcpy(lines, complete, sizeof(complete));
  }

  void write(const HwcnImages& dx, int64_t line, const float* from) const { dx.write(from + layout_.left * s_.ic * layout_.lanes, line); }

  const Conv2dShape& s_;
  const KernelTable& kernels_;
  const HwcnWinogradKernels& transforms_;
  const TileLines layout_;
  const ChannelBlocks blocks_;
  const HwcnGroups bands_;
  float* dy_;
  const float* packed_;
  float* dx_;
  ScratchCursor cursor_;
  float* dyLines_;
  float* pair_;
  float* results_;  // [point][pixel][channel of dx][image] of one line of tiles
  float* ring_;     // [line of dx][pixel][channel of dx][image]
  float* products_;
};

// Packing falls into units of kPackRows channels of dy of one block.
struct PackUnits {
  ChannelBlocks blocks;
  int64_t parts, width;  // width: numbers of a row of transformed weights
  PackUnits(const Conv2dShape& s, const KernelTable& kernels)
      : blocks(s.ic, kernels.tiles.hwcnWinograd.channels),
        parts(ceilDiv(s.oc, kPackRows)),
        width(roundUp(kernels.tiles.hwcnWinograd.channels, kernels.lanes)) {}
  int64_t count() const { return blocks.count * parts; }
  int64_t pointStride() const { return kPackRows * width; }
};

Status fits(const Call& call, const Conv2dShape& s) {
  if (s.isForward() || s.kh != 5 || s.kw != 5 || s.sh > 1 || s.sw > 1 || s.dh > 1 || s.dw > 1 || s.groups > 1 || s.widen > 1) {
    return refuse(call,
                  "can use the algorithm hwcn_winograd2x2 only for the input gradient of 5x5 kernels with stride 1, dilation 1, one group "
                  "and widen 1");
  }
  if (!s.hasImages()) return Status::ok();
  const double columns = static_cast<double>(s.ow + s.iw + s.pl + kPoints);
  if (columns * static_cast<double>((kPoints + 1) * (s.oc + 2 * s.ic) * call.kernels->lanes) * sizeof(float) > kLargestScratch) {
    return refuse(call, "needs more than 256 MiB of scratch for a few lines of %s with the algorithm hwcn_winograd2x2",
                  ShapeText(call.operands[kImages]).text);
  }
  return Status::ok();
}

int64_t packedLength(const Conv2dShape& s, const KernelTable&) {
  const double estimate = static_cast<double>(kPoints * kPoints) * static_cast<double>(s.ic) * static_cast<double>(s.oc);
  return estimate > kLargestPacked ? 0 : kPoints * kPoints * s.ic * s.oc;
}

Plan planPack(const Call& call, const Conv2dShape& s) {
  Plan result = planOf(call, 0);
  result.add(Work::winogradPacking, static_cast<double>(call.operands[Conv2dPack::packed].count) / call.kernels->lanes);
  result.threadScratch = floatBytes(kPoints * kPoints * PackUnits(s, *call.kernels).pointStride());
  return result;
}

void pack(const Call& call, const Conv2dShape& s, const Worker& worker) {
  const PackUnits units(s, *call.kernels);
  const int64_t taps = s.kh * s.kw, stride = taps * s.ic;  // from one channel of dy to the next
  const PackOperands operands(call);
  float* transformed = worker.threadFloats();
  for (const int64_t unit : worker.share(units.count())) {
    const int64_t block = unit / units.parts, row = unit % units.parts * kPackRows;
    const int64_t channel = units.blocks.first(block), size = units.blocks.size(block);
    WinogradWeights w;
    w.rows = s.oc - row < kPackRows ? s.oc - row : kPackRows;
    w.columns = size;
    w.width = units.width;
    w.rowStride = stride;
    w.u = transformed;
    w.uRow = units.width;
    w.columnStride = units.pointStride();
    w.lineStride = kPoints * w.columnStride;
    for (int64_t i = 0; i < taps; ++i) w.taps[i] = operands.weight + row * stride + i * s.ic + channel;
    call.kernels->winograd.f2x5.weights(w);
    float* packed = operands.packed + channel * kPoints * kPoints * s.oc;
    for (int64_t point = 0; point < kPoints * kPoints; ++point) {
      const int64_t ordered = kLineOrder[point % kPoints];  // pairs of points
      const float* from = transformed + point / kPoints * w.lineStride + ordered * w.columnStride;
      float* to = packed + ((point / 2 * s.oc + row) * 2 + point % 2) * size;
      for (int64_t k = 0; k < w.rows; ++k) std::memcpy(to + 2 * k * size, from + k * w.width, floatBytes(size));
    }
  }
}

Plan plan(const Call& call, const Conv2dShape& s) {
  const KernelTable& kernels = *call.kernels;
  const TileLines layout(s, kernels);
  const HwcnGroups bands = bandsOf(s, kernels);
  int64_t lines = 0;  // lines of tiles in all bands of a group
  for (int64_t band = 0; band < bands.perGroup; ++band) lines += tilesOfBand(s, bands, band).count();
  const double tiles = static_cast<double>(lines * layout.tilesW.count()), channels = static_cast<double>(s.oc);
  const double products = tiles * static_cast<double>(kPoints * kPoints * s.ic), groups = static_cast<double>(bands.groups);
  const double moved = static_cast<double>(lines * layout.m * layout.columns * s.oc) + static_cast<double>(s.ih * s.iw * s.ic);
  Plan result = planOf(call, 0);
  result.add(Work::hwcnWinogradProduct, groups * products * channels);
  result.add(Work::hwcnWinogradPixel, groups * tiles * static_cast<double>(layout.m) * channels);
  result.add(Work::hwcnWinogradResult, groups * (products + static_cast<double>(kPoints * lines * layout.width * s.ic)));
  result.add(Work::hwcnTranspose, groups * moved);
  result.threadScratch = layout.scratch();
  return result;
}

void run(const Call& call, const Conv2dShape& s, const Worker& worker) {
  HwcnWinogradRun gradient(call, s, worker);
  for (const int64_t band : worker.share(gradient.bands())) gradient.run(band);
}

}  // namespace

extern const ConvAlgorithm kHwcnWinograd2x2;
const ConvAlgorithm kHwcnWinograd2x2 = {.name = Algorithm::hwcnWinograd2x2,
                                        .sumsProducts = false,
                                        .fits = fits,
                                        .isOffered = isHwcnOffered,
                                        .packedLength = packedLength,
                                        .planPack = planPack,
                                        .pack = pack,
                                        .plan = plan,
                                        .run = run};

}  // namespace stridenet
