// Winograd convolution of few source channels: see winograd_narrow.h.
#include "native/ops/conv2d/winograd_narrow.h"

namespace stridenet {

namespace {

// The transformed source lines of a band have at most so many bytes.
constexpr int64_t kBandBytes = 96 * 1024;
// A thread gets at least this many bands, if there are enough lines, so that all threads finish at about the same time.
constexpr int64_t kLeastBandsPerThread = 4;
constexpr int64_t kLine = 16;  // numbers in a cache line

// How the lines of tiles are cut into bands. No result depends on it.
struct NarrowBands {
  int64_t perImage, lines;  // of the largest band
  int64_t count;

  NarrowBands(const Conv2dShape& s, const NarrowTiles& tiles, int64_t threads) {
    perImage = ceilDiv(tiles.tilesH, tiles.bandLines());
    const int64_t wanted = threads == 1 || s.n == 0 ? 1 : ceilDiv(threads * kLeastBandsPerThread, s.n);
    if (perImage < wanted) perImage = wanted < tiles.tilesH ? wanted : tiles.tilesH;
    if (perImage < 1) perImage = 1;
    lines = ceilDiv(tiles.tilesH, perImage);
    count = s.n * perImage;
  }
};

Plan plan(const Call& call, const Conv2dShape& s) {
  const NarrowTiles tiles(s, *call.kernels, s.dstH(), s.dstW());
  const NarrowBands bands(s, tiles, 1);  // the largest
  const double lines = static_cast<double>(s.n * tiles.tilesH), rows = static_cast<double>(tiles.m) + 1;
  const double columnVectors = static_cast<double>(tiles.column / tiles.lanes);
  const double results = lines * static_cast<double>(tiles.tilesW * ceilDiv(s.dstC(), tiles.lanes));
  Plan result = planOf(call, 0);
  result.add(Work::narrowTransform, lines * columnVectors * (rows + kNarrowEdge));
  result.add(Work::narrowProduct, results * static_cast<double>(kNarrowPoints * s.srcC()));
  result.add(tiles.m == 4 ? Work::narrowResults4 : Work::narrowResults2, results);
  result.threadScratch = tiles.residueBytes(bands.lines) + tiles.lineBytes(bands.lines) + tiles.pointBytes();
  return result;
}

void run(const Call& call, const Conv2dShape& s, const Worker& worker) {
  const NarrowTiles tiles(s, *call.kernels, s.dstH(), s.dstW());
  const NarrowBands bands(s, tiles, worker.threads);
  ScratchCursor cursor(worker.threadScratch);
  float* residues = static_cast<float*>(cursor.takeBytes(tiles.residueBytes(bands.lines)));
  float* transformed = static_cast<float*>(cursor.takeBytes(tiles.lineBytes(bands.lines)));
  float* v = static_cast<float*>(cursor.takeBytes(tiles.pointBytes()));

  const ConvOperands operands(call);
  const int64_t vectors = ceilDiv(s.dstC(), tiles.lanes), calls = ceilDiv(tiles.tilesW, call.kernels->tiles.winogradNarrowTiles);
  const int64_t packedVector = kNarrowPoints * s.srcC() * tiles.lanes;
  WinogradNarrowTiles work = {};
  work.vLine = tiles.line, work.vColumn = tiles.column, work.channels = tiles.channels;
  work.lineStride = s.dstW() * s.dstC(), work.pixelStride = s.dstC();
  work.activation = s.activation;

  for (const int64_t band : worker.share(bands.count)) {
    const int64_t image = band / bands.perImage, part = band % bands.perImage;
    const int64_t first = part * tiles.tilesH / bands.perImage, last = (part + 1) * tiles.tilesH / bands.perImage;
    tiles.transformLines(operands.source + image * s.srcH() * s.srcW() * s.srcC(), first, last, residues, transformed);
    for (int64_t line = first; line < last; ++line) {
      tiles.transformTiles(transformed + (line - first) * tiles.m * tiles.line, v);
      const int64_t dstLine = line * tiles.m, left = s.dstH() - dstLine;
      work.lines = static_cast<int>(left < tiles.m ? left : tiles.m);
      for (int64_t vector = 0; vector < vectors; ++vector) {
        const int64_t channel = vector * tiles.lanes, rest = s.dstC() - channel;
        work.u = operands.packed + vector * packedVector;
        work.count = static_cast<int>(rest < tiles.lanes ? rest : tiles.lanes);
        work.bias = operands.bias == nullptr ? nullptr : operands.bias + channel;
        for (int64_t i = 0; i < calls; ++i) {
          const int64_t tile = i * tiles.tilesW / calls, count = (i + 1) * tiles.tilesW / calls - tile, pixel = tile * tiles.m;
          const int64_t at = ((image * s.dstH() + dstLine) * s.dstW() + pixel) * s.dstC() + channel;
          work.v = v + tile * tiles.channels;
          work.add = operands.add == nullptr ? nullptr : operands.add + at;
          work.y = operands.destination + at;
          work.pixels = s.dstW() - pixel < count * tiles.m ? s.dstW() - pixel : count * tiles.m;
          tiles.kernels->results[count](work);
        }
      }
    }
  }
}

}  // namespace

Status fitsWinogradNarrow(const Call& call, const Conv2dShape& s) {
  Status status = fitsWinograd(call, s);
  if (!status.isOk() || isNarrow(s)) return status;
  return refuse(call, "can use a narrow winograd algorithm only for %d source channels or fewer and six points",
                static_cast<int>(kMostNarrowChannels));
}

const WinogradNarrowSizeKernels& narrowKernelsOf(const Conv2dShape& s, const KernelTable& kernels) {
  return s.kh == 5 ? kernels.winogradNarrow.f2x5 : kernels.winogradNarrow.f4x3;
}

NarrowTiles::NarrowTiles(const Conv2dShape& s, const KernelTable& table, int64_t rows, int64_t pixels)
    : kernels(&narrowKernelsOf(s, table)),
      m(winogradTile(s.algorithm)),
      channels(s.srcC()),
      lanes(table.lanes),
      tilesH(ceilDiv(rows, m)),
      tilesW(ceilDiv(pixels, m)),
      srcH(s.srcH()),
      srcW(s.srcW()),
      top(s.isForward() ? -s.pt : s.pt - s.kh + 1),
      left(s.isForward() ? -s.pl : s.pl - s.kw + 1),
      columns((tilesW - 1) * m + kNarrowEdge) {
  column = roundUp(tilesW * channels, lanes);
  residue = column + roundUp((kNarrowEdge - 1) / m * channels + 2 * lanes, lanes);
  // so that the point rows of a tile do not fall into one cache set
  line = roundUp(kNarrowEdge * column, kLine) + kLine;
}

int64_t NarrowTiles::bandLines() const {
  const int64_t most = kBandBytes / (line * static_cast<int64_t>(sizeof(float)));
  return most <= kNarrowEdge ? 1 : (most - kNarrowEdge) / m + 1;
}

void NarrowTiles::transformLines(const float* image, int64_t begin, int64_t end, float* residues, float* to) const {
  const int64_t first = begin * m + top, count = sourceLines(end - begin);
  auto isInside = [&](int64_t i) { return first + i >= 0 && first + i < srcH; };
  // All are split first: what was just written in pieces is slow to read as vectors.
  for (int64_t i = 0; i < count; ++i) {
    if (!isInside(i)) continue;
    kernels->split(image + (first + i) * srcW * channels, srcW, left, columns, channels, residues + i * m * residue, residue);
  }
  for (int64_t i = 0; i < count; ++i) {
    if (isInside(i)) {
      kernels->alongLine(residues + i * m * residue, residue, channels, column, to + i * line, column);
    } else {
      std::memset(to + i * line, 0, floatBytes(line));
    }
  }
}

void NarrowTiles::transformTiles(const float* lines, float* v) const {
  const float* six[kNarrowEdge];
  for (int64_t i = 0; i < kNarrowEdge; ++i) six[i] = lines + i * line;
  kernels->acrossLines(six, kNarrowEdge * column, v, line);
}

namespace {

constexpr ConvAlgorithm winogradNarrow(Algorithm name) {
  return {.name = name,
          .sumsProducts = false,
          .fits = fitsWinogradNarrow,
          .packedLength = packedWinogradLength,
          .planPack = planWinogradPack,
          .pack = packWinogradNarrow,
          .plan = plan,
          .run = run};
}

}  // namespace

extern const ConvAlgorithm kWinogradNarrow2x2, kWinogradNarrow4x4;
const ConvAlgorithm kWinogradNarrow2x2 = winogradNarrow(Algorithm::winogradNarrow2x2);
const ConvAlgorithm kWinogradNarrow4x4 = winogradNarrow(Algorithm::winogradNarrow4x4);

}  // namespace stridenet
