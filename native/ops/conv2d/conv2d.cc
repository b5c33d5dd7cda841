// conv2d and conv2d_grad_input: implicit matrix products over packed weights.
//
// Rows of the product are destination pixels (or groups of `widen` neighbours), its K runs over (tap, source channel). Source
// pixels are reached through a table of pointers, so nothing is unfolded in memory:
//   indirect  one pointer for each tap and row; a row of zeros stands for padding. Any geometry.
//   dense     neighbouring taps of a kernel line are neighbours in memory, so one pointer serves a whole line. If the image is
//             padded, the lines that a block of rows needs are copied to scratch first. For few channels, where pointers would
//             cost as much as the arithmetic, and for pointwise convolutions (one tap, stride 1), where any run of pixels will do.
// An input gradient of few channels may take a third way: scatter.h.
#include <algorithm>

#include "native/ops/conv2d/depthwise.h"
#include "native/ops/conv2d/hwcn.h"
#include "native/ops/conv2d/hwcn_winograd.h"
#include "native/ops/conv2d/scatter.h"
#include "native/ops/conv2d/winograd.h"
#include "native/ops/worker_tasks.h"

namespace stridenet {

namespace {

constexpr int64_t kDenseChannels = 32;
constexpr int64_t kTableBytes = 128 * 1024;
constexpr int64_t kWindowBytes = 256 * 1024;
// Most rows of a block: tall enough to use a panel well. Those of a pointwise convolution fit the first-level cache together with a panel
// if there are few channels, and register tiles of 5, 6 and 12 rows divide them.
constexpr int64_t kBlockRows = 96, kPointwiseBlockRows = 60;
// Writing a number takes as long as this many multiply-adds in registers.
constexpr int64_t kStoreWeight = 64;
// Multiply-adds that take as long as one in a panel of a single vector, which broadcasts a number of the source for each.
constexpr double kOneVectorCost = 1.25;

// The buffers of one instruction, and the shape that they follow.
struct Conv2dCall {
  Conv2dShape shape;
  const KernelTable* kernels;
  const float* src;
  const float* packed;
  const float* bias;
  const float* add;
  float* dst;
};

// Where every pixel is read and written by itself, the pixels of all images are the lines of one, which blocks can be cut from anywhere.
void joinPixels(Conv2dShape* shape) {
  shape->ih = shape->oh = shape->n * shape->ih * shape->iw;
  shape->n = shape->iw = shape->ow = 1;
}

bool isPointwise(const Conv2dShape& shape) {
  return shape.algorithm == Algorithm::direct && shape.kh * shape.kw * shape.sh * shape.sw * shape.widen * shape.groups == 1 &&
         shape.pt + shape.pl == 0 && shape.ih == shape.oh && shape.iw == shape.ow;
}

Status readCall(const Call& call, Conv2dCall* conv) {
  Status status = readConv2d(call, &conv->shape);
  if (status.isOk() && isPointwise(conv->shape)) joinPixels(&conv->shape);
  const Operand* operands = call.operands;
  const bool isForward = call.opcode == Opcode::conv2d;
  conv->kernels = call.kernels;
  conv->src = operands[0].f32();
  conv->packed = operands[1].f32();
  conv->bias = isForward ? operands[2].f32() : nullptr;
  conv->add = isForward ? operands[3].f32() : nullptr;
  conv->dst = operands[isForward ? 4 : 2].f32();
  return status;
}

// How the rows of one SubConvolution are cut into blocks, and the scratch that a block needs.
struct Blocks {
  bool isDense, isCopied;
  int64_t segments, length;  // of the product's K
  int64_t rows;              // of all images
  int64_t count, perImage;   // blocks; perImage (of whole lines) is for dense blocks only
  int64_t largest;           // rows in the largest block
  int64_t following;         // rows after a block that its table has, too
  int64_t windowRows, windowColumns;
  size_t tableBytes, zeroBytes, windowBytes;

  size_t chainSize(const KernelTable& kernels) const { return chainBytes(kernels, largest, segments * length); }
  size_t scratch(const KernelTable& kernels) const {
    return scratchBytes(tableBytes) + scratchBytes(zeroBytes) + scratchBytes(windowBytes) + chainSize(kernels);
  }
};

int64_t sourceEnd(const Axis& axis, int64_t taps) {
  return (axis.positions - 1) * axis.srcStep + axis.src + (taps - 1) * axis.tapStep + 1;
}

// Rows that a table has room for.
int64_t mostRows(int64_t segments) {
  return kTableBytes / ((segments + 2) * static_cast<int64_t>(sizeof(void*)));
}

Blocks cutBlocks(const Conv2dShape& shape, const SubConvolution& sub, const KernelTable& kernels) {
  const Panels panels(kernels, productColumns(shape));
  const int64_t channels = shape.srcC();
  Blocks blocks = {};
  blocks.rows = shape.n * sub.h.positions * sub.rowsPerLine();

  // The dense form, if it is possible and pays.
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
  blocks.zeroBytes = static_cast<size_t>(channels) * sizeof(float);
  return blocks;
}

// The row tables of the blocks of one SubConvolution.
class BlockRows {
 public:
  BlockRows(const Conv2dCall& conv, const SubConvolution& sub, const Blocks& blocks, void* scratch)
      : conv_(conv),
        shape_(conv.shape),
        sub_(sub),
        blocks_(blocks),
        cursor_(scratch),
        table_(cursor_.takeBytes(blocks.tableBytes), blocks.segments, blocks.largest + blocks.following, conv.add != nullptr),
        zeros_(static_cast<float*>(cursor_.takeBytes(blocks.zeroBytes))),
        window_(static_cast<float*>(cursor_.takeBytes(blocks.windowBytes))) {
    std::memset(zeros_, 0, blocks.zeroBytes);
    if (blocks.isDense) fillDense();
  }

  // Behind all else.
  void* chain() {
    const size_t bytes = blocks_.chainSize(*conv_.kernels);
    return bytes > 0 ? cursor_.takeBytes(bytes) : nullptr;
  }

  const RowTable& prepare(int64_t block) {
    if (blocks_.isDense) {
      prepareDense(block / blocks_.perImage, block % blocks_.perImage);
    } else {
      prepareIndirect(block * blocks_.rows / blocks_.count, (block + 1) * blocks_.rows / blocks_.count);
    }
    return table_;
  }

 private:
  const float* imageAt(int64_t image) const { return conv_.src + image * shape_.srcH() * shape_.srcW() * shape_.srcC(); }
  // Numbers from the start of the destination to the first pixel of a line of a SubConvolution.
  int64_t lineOffset(int64_t image, int64_t line) const {
    const int64_t row = image * shape_.dstH() + sub_.h.dst + line * sub_.h.dstStep;
    return (row * shape_.dstW() + sub_.w.dst) * shape_.dstC();
  }

  // Destinations of rows [at, at + count) of the table: positions from `position` on of the line that starts at `offset`.
  void fillDestinations(int64_t at, int64_t offset, int64_t position, int64_t count) {
    const int64_t step = shape_.widen * sub_.w.dstStep * shape_.dstC();
    for (int64_t r = 0; r < count; ++r) table_.c[at + r] = conv_.dst + offset + (position + r) * step;
    if (table_.add == nullptr) return;
    for (int64_t r = 0; r < count; ++r) table_.add[at + r] = conv_.add + offset + (position + r) * step;
  }

  // The table of a dense block at line 0 of image 0; all others are this one, moved.
  void fillDense() {
    const int64_t perLine = sub_.rowsPerLine(), channels = shape_.srcC(), step = sub_.rowStep() * channels;
    const float* pixels = blocks_.isCopied ? window_ : conv_.src + (sub_.h.src * shape_.srcW() + sub_.w.src) * channels;
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

  void prepareDense(int64_t image, int64_t part) {
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

  void prepareIndirect(int64_t row, int64_t end) {
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

  void fillSources(int64_t at, const float* image, int64_t line, int64_t position, int64_t count) {
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

  const Conv2dCall& conv_;
  const Conv2dShape& shape_;
  const SubConvolution& sub_;
  const Blocks& blocks_;
  ScratchCursor cursor_;
  RowTable table_;
  float* zeros_;
  float* window_;
};

// The way of one thread through tasks of one SubConvolution; a task is one panel of one group over one block of rows.
class TaskRun {
 public:
  TaskRun(const Conv2dCall& conv, const SubConvolution& sub, const Blocks& blocks, void* scratch)
      : conv_(conv),
        product_{conv.kernels,         Panels(*conv.kernels, productColumns(conv.shape)), nullptr, blocks.segments, blocks.length, nullptr,
                 conv.shape.activation},
        packed_(conv.packed + packedOffset(conv.shape, sub, *conv.kernels)),
        groupLength_(blocks.segments * blocks.length * product_.panels.paddedColumns()),
        blocks_(blocks),
        order_{blocks.count, conv.shape.groups * product_.panels.count, isByPanel(conv.shape, blocks, groupLength_)},
        blockRows_(conv, sub, blocks, scratch) {
    product_.chain = blockRows_.chain();
  }

  void run(int64_t task) {
    const Conv2dShape& shape = conv_.shape;
    const int64_t srcChannels = shape.srcC() / shape.groups, dstChannels = shape.dstC() / shape.groups;
    const int64_t group = order_.panel(task) / product_.panels.count, panel = order_.panel(task) % product_.panels.count;
    if (order_.block(task) != block_) {
      block_ = order_.block(task);
      table_ = &blockRows_.prepare(block_);
    }
    product_.packed = packed_ + group * groupLength_;
    product_.bias = conv_.bias == nullptr ? nullptr : conv_.bias + group * dstChannels;
    multiplyPanel(product_, *table_, panel, group * srcChannels, group * dstChannels, nextOf(task));
  }

 private:
  NextPanel nextOf(int64_t task) const {
    if (blocks_.following == 0) return {0, order_.panel(task) + 1};
    return {order_.block(task + 1) == block_ ? 0 : table_->count, order_.panel(task + 1)};
  }

  static bool isByPanel(const Conv2dShape& shape, const Blocks& blocks, int64_t groupLength) {
    // A copied window is expensive to prepare: all panels use it at once.
    return !(blocks.isDense && blocks.isCopied) && shape.groups * groupLength > shape.n * shape.srcH() * shape.srcW() * shape.srcC();
  }

  const Conv2dCall& conv_;
  PanelProduct product_;
  const float* packed_;
  int64_t groupLength_;
  const Blocks& blocks_;
  TaskOrder order_;
  BlockRows blockRows_;
  const RowTable* table_ = nullptr;
  int64_t block_ = -1;
};

// Calls visit(sub, blocks, tasks) for every SubConvolution that has pixels to write.
template <typename Visit>
void forEachSubConvolution(const Conv2dShape& shape, const KernelTable& kernels, const Visit& visit) {
  const int64_t tasksPerBlock = shape.groups * Panels(kernels, productColumns(shape)).count;
  for (int64_t h = 0; h < shape.classesH() && h < shape.dstH(); ++h) {
    for (int64_t w = 0; w < shape.classesW() && w < shape.dstW(); ++w) {
      const SubConvolution sub = subConvolution(shape, h, w);
      const Blocks blocks = cutBlocks(shape, sub, kernels);
      visit(sub, blocks, blocks.count * tasksPerBlock);
    }
  }
}

size_t biasBytes(const Conv2dShape& shape, bool hasBias) {
  return hasBias && shape.widen > 1 ? scratchBytes(static_cast<size_t>(productColumns(shape)) * sizeof(float)) : 0;
}

Status verify(const Call& call) {
  Conv2dCall conv;
  return readCall(call, &conv);
}

Plan plan(const Call& call) {
  Conv2dCall conv;
  readCall(call, &conv);
  const Conv2dShape& shape = conv.shape;
  if (shape.isDepthwise()) return planDepthwise(call, shape);
  if (shape.isHwcn()) return planHwcn(call, shape);
  if (shape.isHwcnWinograd()) return planHwcnWinograd(call, shape);
  if (shape.isWinograd()) return planWinograd(call, shape);
  if (usesScatter(shape, *call.kernels)) return planScatter(call, shape);
  const int64_t paddedColumns = Panels(*call.kernels, productColumns(shape)).paddedColumns();
  const double columns = static_cast<double>(paddedColumns) * (paddedColumns == call.kernels->lanes ? kOneVectorCost : 1);
  Plan plan = planOf(call, 0);
  forEachSubConvolution(shape, *call.kernels, [&](const SubConvolution&, const Blocks& blocks, int64_t) {
    plan.flops += 2.0 * static_cast<double>(blocks.rows) * static_cast<double>(blocks.segments * blocks.length) * columns *
                  static_cast<double>(shape.groups);
    plan.threadScratch = std::max(plan.threadScratch, blocks.scratch(*call.kernels));
  });
  plan.threadScratch += biasBytes(shape, call.opcode == Opcode::conv2d && call.operands[2].present());
  return plan;
}

void run(const Call& call, const Worker& worker) {
  Conv2dCall conv;
  if (!readCall(call, &conv).isOk()) return;
  const Conv2dShape& shape = conv.shape;
  if (shape.isDepthwise()) return runDepthwise(call, shape, worker);
  if (shape.isHwcn()) return runHwcn(call, shape, worker);
  if (shape.isHwcnWinograd()) return runHwcnWinograd(call, shape, worker);
  if (shape.isWinograd()) return runWinograd(call, shape, worker);
  if (usesScatter(shape, *call.kernels)) return runScatter(call, shape, worker);
  ScratchCursor cursor(worker.threadScratch);
  if (const size_t bytes = biasBytes(shape, conv.bias != nullptr)) {
    float* repeated = static_cast<float*>(cursor.takeBytes(bytes));
    for (int64_t u = 0; u < shape.widen; ++u)
      std::memcpy(repeated + u * shape.oc, conv.bias, static_cast<size_t>(shape.oc) * sizeof(float));
    conv.bias = repeated;
  }
  void* scratch = cursor.takeBytes(0);

  if (shape.classesH() * shape.classesW() == 1) {
    forEachSubConvolution(shape, *call.kernels, [&](const SubConvolution& sub, const Blocks& blocks, int64_t tasks) {
      WorkerTasks own(worker, tasks);
      int64_t task;
      if (!own.next(&task)) return;
      TaskRun taskRun(conv, sub, blocks, scratch);
      do taskRun.run(task);
      while (own.next(&task));
    });
    return;
  }

  // Classes of an input gradient differ in their taps, some have none: what threads share out evenly is work, not tasks.
  auto weightOf = [](const Blocks& blocks) { return blocks.segments * blocks.length + kStoreWeight; };
  int64_t total = 0, begin, end, first = 0;
  forEachSubConvolution(shape, *call.kernels,
                        [&](const SubConvolution&, const Blocks& blocks, int64_t tasks) { total += tasks * weightOf(blocks); });
  worker.range(total, &begin, &end);
  forEachSubConvolution(shape, *call.kernels, [&](const SubConvolution& sub, const Blocks& blocks, int64_t tasks) {
    // A task is of the worker in whose range its work begins.
    const int64_t weight = weightOf(blocks);
    const int64_t from = begin > first ? ceilDiv(begin - first, weight) : 0, to = end > first ? ceilDiv(end - first, weight) : 0;
    if (from < tasks && from < to) {
      TaskRun taskRun(conv, sub, blocks, scratch);
      for (int64_t task = from; task < to && task < tasks; ++task) taskRun.run(task);
    }
    first += tasks * weight;
  });
}

}  // namespace

extern const Op kConv2dOp, kConv2dGradInputOp;
const Op kConv2dOp = {verify, plan, run, 3};
const Op kConv2dGradInputOp = {verify, plan, run, -1};

}  // namespace stridenet
