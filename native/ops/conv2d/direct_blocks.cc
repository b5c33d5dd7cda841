// How the direct algorithm cuts a convolution into blocks of rows and reaches their pixels: see direct.h.
#include <algorithm>

#include "native/ops/conv2d/direct.h"

namespace stridenet {

namespace {

constexpr int64_t kDenseChannels = 32;
constexpr int64_t kTableBytes = 128 * 1024;
constexpr int64_t kWindowBytes = 256 * 1024;
// The most rows of a block, which are enough to use a panel well. The block of a pointwise convolution with few
// channels fits the first-level cache together with a panel, and its rows are a multiple of the 5, 6 and 12 rows of
// register tiles.
constexpr int64_t kBlockRows = 96, kPointwiseBlockRows = 60;

int64_t sourceEnd(const Axis& axis, int64_t taps) {
  return (axis.positions - 1) * axis.srcStep + axis.src + (taps - 1) * axis.tapStep + 1;
}

// How many rows a table has room for.
int64_t mostRows(int64_t segments) {
  return kTableBytes / ((segments + 2) * static_cast<int64_t>(sizeof(void*)));
}

// Where every pixel is read and written by itself, the pixels of all images count as the lines of one image.
Conv2dShape joinPixels(Conv2dShape shape) {
  shape.ih = shape.oh = shape.n * shape.ih * shape.iw;
  shape.n = shape.iw = shape.ow = 1;
  return shape;
}

}  // namespace

bool isPointwise(const Conv2dShape& shape) {
  return shape.kh * shape.kw * shape.sh * shape.sw * shape.widen * shape.groups == 1 && shape.pt + shape.pl == 0 && shape.ih == shape.oh &&
         shape.iw == shape.ow;
}

DirectCall::DirectCall(const Call& call, const Conv2dShape& s)
    : shape(isPointwise(s) ? joinPixels(s) : s), kernels(call.kernels), operands(call) {}

Blocks cutBlocks(const Conv2dShape& shape, const SubConvolution& sub, const KernelTable& kernels) {
  const Panels panels(kernels, productColumns(shape));
  const int64_t channels = shape.srcC();
  Blocks blocks = {};
  blocks.rows = shape.n * sub.h.positions * sub.rowsPerLine();

  // Cuts dense blocks, if that form is possible and pays.
  const int64_t denseLimit = mostRows(sub.h.taps);
  const bool isContiguous = shape.groups == 1 && sub.w.taps > 0 && sub.h.taps > 0 && (sub.w.taps == 1 || sub.w.tapStep == 1);
  blocks.isCopied =
      sub.h.src < 0 || sub.w.src < 0 || sourceEnd(sub.h, sub.h.taps) > shape.srcH() || sourceEnd(sub.w, sub.w.taps) > shape.srcW();
  if (isContiguous && sub.rowsPerLine() <= denseLimit && (!blocks.isCopied || channels <= kDenseChannels)) {
    const bool pointwise = isPointwise(shape);
    const int64_t target = chooseBlockRows(blocks.rows, panels.count, pointwise ? kPointwiseBlockRows : std::min(kBlockRows, denseLimit));
    const int64_t lines = target > sub.rowsPerLine() ? target / sub.rowsPerLine() : 1;
    blocks.perImage = ceilDiv(sub.h.positions, lines);
    const int64_t largestLines = ceilDiv(sub.h.positions, blocks.perImage);
    blocks.largest = largestLines * sub.rowsPerLine();
    if (blocks.isCopied) {
      blocks.windowRows = (largestLines - 1) * sub.h.srcStep + (sub.h.taps - 1) * sub.h.tapStep + 1;
      blocks.windowColumns = (sub.w.positions - 1) * sub.w.srcStep + sub.w.taps;
    }
    const double windowBytes =
        static_cast<double>(blocks.windowRows) * static_cast<double>(blocks.windowColumns * channels) * sizeof(float);
    if (windowBytes <= kWindowBytes) {
      blocks.isDense = true;
      blocks.segments = sub.h.taps;
      blocks.length = sub.unionTaps() * channels;
      blocks.count = shape.n * blocks.perImage;
      blocks.following = pointwise ? kMaxTileRows : 0;
      blocks.tableBytes = RowTable::bytes(blocks.segments, blocks.largest + blocks.following);
      blocks.windowBytes = static_cast<size_t>(windowBytes);
      return blocks;
    }
  }

  blocks.segments = sub.segments();
  blocks.length = channels / shape.groups;
  if (blocks.rows > 0) {
    const int64_t most = std::min(kBlockRows, mostRows(blocks.segments));
    blocks.count = ceilDiv(blocks.rows, chooseBlockRows(blocks.rows, panels.count * shape.groups, most));
    blocks.largest = ceilDiv(blocks.rows, blocks.count);
  }
  blocks.tableBytes = RowTable::bytes(blocks.segments, blocks.largest);
  blocks.zeroBytes = floatBytes(channels);
  return blocks;
}

BlockRows::BlockRows(const DirectCall& call, const SubConvolution& sub, const Blocks& blocks, void* scratch)
    : call_(call),
      shape_(call.shape),
      sub_(sub),
      blocks_(blocks),
      cursor_(scratch),
      table_(cursor_.takeBytes(blocks.tableBytes), blocks.segments, blocks.largest + blocks.following, call.operands.add != nullptr),
      zeros_(static_cast<float*>(cursor_.takeBytes(blocks.zeroBytes))),
      window_(static_cast<float*>(cursor_.takeBytes(blocks.windowBytes))) {
  std::memset(zeros_, 0, blocks.zeroBytes);
  if (blocks.isDense) fillDense();
}

void* BlockRows::chain() {
  const size_t bytes = blocks_.chainSize(*call_.kernels);
  return bytes > 0 ? cursor_.takeBytes(bytes) : nullptr;
}

const RowTable& BlockRows::prepare(int64_t block) {
  if (blocks_.isDense) {
    prepareDense(block / blocks_.perImage, block % blocks_.perImage);
  } else {
    prepareIndirect(block * blocks_.rows / blocks_.count, (block + 1) * blocks_.rows / blocks_.count);
  }
  return table_;
}

const float* BlockRows::imageAt(int64_t image) const {
  return call_.operands.source + image * shape_.srcH() * shape_.srcW() * shape_.srcC();
}

int64_t BlockRows::lineOffset(int64_t image, int64_t line) const {
  const int64_t row = image * shape_.dstH() + sub_.h.dst + line * sub_.h.dstStep;
  return (row * shape_.dstW() + sub_.w.dst) * shape_.dstC();
}

void BlockRows::fillDestinations(int64_t at, int64_t offset, int64_t position, int64_t count) {
  const int64_t step = shape_.widen * sub_.w.dstStep * shape_.dstC();
  for (int64_t r = 0; r < count; ++r) table_.c[at + r] = call_.operands.destination + offset + (position + r) * step;
  if (table_.add == nullptr) return;
  for (int64_t r = 0; r < count; ++r) table_.add[at + r] = call_.operands.add + offset + (position + r) * step;
}

void BlockRows::fillDense() {
  const int64_t perLine = sub_.rowsPerLine(), channels = shape_.srcC(), step = sub_.rowStep() * channels;
  const float* pixels = blocks_.isCopied ? window_ : call_.operands.source + (sub_.h.src * shape_.srcW() + sub_.w.src) * channels;
  const int64_t pitch = (blocks_.isCopied ? blocks_.windowColumns : shape_.srcW()) * channels;
  for (int64_t at = 0, line = 0; at < table_.pitch; at += perLine, ++line) {
    fillDestinations(at, lineOffset(0, line), 0, perLine);
    for (int64_t i = 0; i < sub_.h.taps; ++i) {
      const float* tapLine = pixels + (line * sub_.h.srcStep + i * sub_.h.tapStep) * pitch;
      const float** entries = table_.a + i * table_.pitch + at;
      for (int64_t r = 0; r < perLine; ++r) entries[r] = tapLine + r * step;
    }
  }
}

void BlockRows::prepareDense(int64_t image, int64_t part) {
  const int64_t line = part * sub_.h.positions / blocks_.perImage, lines = (part + 1) * sub_.h.positions / blocks_.perImage - line;
  table_.count = lines * sub_.rowsPerLine();
  table_.cOffset = lineOffset(image, line) - lineOffset(0, 0);
  if (blocks_.isCopied) {
    copyWindow(imageAt(image), shape_.srcH(), shape_.srcW(), shape_.srcC(), line * sub_.h.srcStep + sub_.h.src,
               (lines - 1) * sub_.h.srcStep + (sub_.h.taps - 1) * sub_.h.tapStep + 1, sub_.w.src, blocks_.windowColumns, window_);
  } else {
    table_.aOffset = (image * shape_.srcH() + line * sub_.h.srcStep) * shape_.srcW() * shape_.srcC();
  }
}

void BlockRows::prepareIndirect(int64_t row, int64_t end) {
  const int64_t perLine = sub_.rowsPerLine();
  table_.count = end - row;
  for (int64_t at = 0; at < table_.count;) {
    const int64_t line = (row + at) / perLine, position = (row + at) % perLine;
    const int64_t count = perLine - position < table_.count - at ? perLine - position : table_.count - at;
    const int64_t image = line / sub_.h.positions, lineOfImage = line % sub_.h.positions;
    fillDestinations(at, lineOffset(image, lineOfImage), position, count);
    fillSources(at, imageAt(image), lineOfImage, position, count);
    at += count;
  }
}

void BlockRows::fillSources(int64_t at, const float* image, int64_t line, int64_t position, int64_t count) {
  const int64_t unionTaps = sub_.unionTaps(), step = sub_.rowStep(), width = shape_.srcW(), channels = shape_.srcC();
  for (int64_t i = 0; i < sub_.h.taps; ++i) {
    const int64_t source = line * sub_.h.srcStep + sub_.h.src + i * sub_.h.tapStep;
    const bool isInside = source >= 0 && source < shape_.srcH();
    const float* pixels = isInside ? image + source * width * channels : nullptr;
    for (int64_t t = 0; t < unionTaps; ++t) {
      const float** entries = table_.a + (i * unionTaps + t) * table_.pitch + at;
      int64_t column = position * step + sub_.w.src + t * sub_.w.tapStep;
      for (int64_t r = 0; r < count; ++r, column += step) {
        entries[r] = isInside && column >= 0 && column < width ? pixels + column * channels : zeros_;
      }
    }
  }
}

}  // namespace stridenet
