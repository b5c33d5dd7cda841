// The direct algorithm: see direct.h.
#include "native/ops/conv2d/direct.h"

#include <algorithm>

#include "native/ops/worker_tasks.h"

namespace stridenet {

namespace {

// Writing a number to memory takes as long as this many multiply-adds in registers.
constexpr int64_t kStoreWeight = 64;

// Runs one thread's tasks of one SubConvolution. A task is one panel of one group over one block of rows.
class TaskRun {
 public:
  TaskRun(const DirectCall& call, const SubConvolution& sub, const Blocks& blocks, void* scratch)
      : call_(call),
        product_{call.kernels,         Panels(*call.kernels, productColumns(call.shape)), nullptr, blocks.segments, blocks.length, nullptr,
                 call.shape.activation},
        packed_(call.operands.packed + packedOffset(call.shape, sub, *call.kernels)),
        groupLength_(blocks.segments * blocks.length * product_.panels.paddedColumns()),
        blocks_(blocks),
        order_{blocks.count, call.shape.groups * product_.panels.count, isByPanel(call.shape, blocks, groupLength_)},
        blockRows_(call, sub, blocks, scratch) {
    product_.chain = blockRows_.chain();
  }

  void run(int64_t task) {
    const Conv2dShape& shape = call_.shape;
    const int64_t srcChannels = shape.srcC() / shape.groups, dstChannels = shape.dstC() / shape.groups;
    const int64_t group = order_.panel(task) / product_.panels.count, panel = order_.panel(task) % product_.panels.count;
    if (order_.block(task) != block_) {
      block_ = order_.block(task);
      table_ = &blockRows_.prepare(block_);
    }
    product_.packed = packed_ + group * groupLength_;
    product_.bias = call_.operands.bias == nullptr ? nullptr : call_.operands.bias + group * dstChannels;
    multiplyPanel(product_, *table_, panel, group * srcChannels, group * dstChannels, nextOf(task));
  }

 private:
  NextPanel nextOf(int64_t task) const {
    if (blocks_.following == 0) return {0, order_.panel(task) + 1};
    return {order_.block(task + 1) == block_ ? 0 : table_->count, order_.panel(task + 1)};
  }

  static bool isByPanel(const Conv2dShape& shape, const Blocks& blocks, int64_t groupLength) {
    // A copied window is expensive to prepare, so all panels use it before the next one is copied.
    return !(blocks.isDense && blocks.isCopied) && shape.groups * groupLength > shape.n * shape.srcH() * shape.srcW() * shape.srcC();
  }

  const DirectCall& call_;
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
  return hasBias && shape.widen > 1 ? scratchBytes(floatBytes(productColumns(shape))) : 0;
}

// Repeats the bias for every widened pixel.
const float* repeatBias(const DirectCall& call, float* repeated) {
  const Conv2dShape& s = call.shape;
  for (int64_t u = 0; u < s.widen; ++u) std::memcpy(repeated + u * s.oc, call.operands.bias, floatBytes(s.oc));
  return repeated;
}

// Runs the tasks of a convolution that is a single SubConvolution.
void runWhole(const DirectCall& call, const Worker& worker, void* scratch) {
  forEachSubConvolution(call.shape, *call.kernels, [&](const SubConvolution& sub, const Blocks& blocks, int64_t tasks) {
    WorkerTasks own(worker, tasks);
    int64_t task;
    if (!own.next(&task)) return;
    TaskRun taskRun(call, sub, blocks, scratch);
    do taskRun.run(task);
    while (own.next(&task));
  });
}

// The classes of an input gradient have unequally many taps, some none at all. So threads share the work evenly, rather
// than the number of tasks.
void runClasses(const DirectCall& call, const Worker& worker, void* scratch) {
  auto weightOf = [](const Blocks& blocks) { return blocks.segments * blocks.length + kStoreWeight; };
  int64_t total = 0, first = 0;
  forEachSubConvolution(call.shape, *call.kernels,
                        [&](const SubConvolution&, const Blocks& blocks, int64_t tasks) { total += tasks * weightOf(blocks); });
  const Range own = worker.share(total);
  forEachSubConvolution(call.shape, *call.kernels, [&](const SubConvolution& sub, const Blocks& blocks, int64_t tasks) {
    // Each task belongs to the thread whose range contains its first unit of work.
    const int64_t weight = weightOf(blocks);
    const int64_t from = own.first > first ? ceilDiv(own.first - first, weight) : 0;
    const int64_t to = own.last > first ? ceilDiv(own.last - first, weight) : 0;
    if (from < tasks && from < to) {
      TaskRun taskRun(call, sub, blocks, scratch);
      for (int64_t task = from; task < to && task < tasks; ++task) taskRun.run(task);
    }
    first += tasks * weight;
  });
}

Status fits(const Call& call, const Conv2dShape& s) {
  if (s.widen == 1) return Status::ok();
  if ((s.widen & (s.widen - 1)) != 0) return refuse(call, "expects widen to be a power of two, got %lld", static_cast<long long>(s.widen));
  if (s.groups > 1 || s.dw > 1 || (!s.isForward() && s.sw > 1)) {
    return refuse(call, "can widen only without groups and horizontal dilation, and a gradient only with horizontal stride 1");
  }
  if (!s.hasImages() || s.dstW() % s.widen == 0) return Status::ok();
  return refuse(call, "expects a width that widen %lld divides, got %lld", static_cast<long long>(s.widen),
                static_cast<long long>(s.dstW()));
}

// Wide rows fill the register tile by themselves.
bool isOffered(const Conv2dShape& s, const KernelTable&) {
  constexpr int64_t kWideEnough = 64;
  return s.widen == 1 || s.dstC() * s.widen <= kWideEnough;
}

Plan plan(const Call& call, const Conv2dShape& s) {
  const DirectCall direct(call, s);
  const Panels panels(*call.kernels, productColumns(s));
  Plan result = planOf(call, 0);
  forEachSubConvolution(direct.shape, *call.kernels, [&](const SubConvolution&, const Blocks& blocks, int64_t) {
    const double rows = static_cast<double>(blocks.rows);
    addProducts(&result, panels, rows * static_cast<double>(s.groups), static_cast<double>(blocks.segments * blocks.length));
    if (!blocks.isDense) result.add(Work::tableEntry, rows * static_cast<double>(blocks.segments));
    const double windows = static_cast<double>(blocks.count) * static_cast<double>(blocks.windowBytes / sizeof(float));
    result.add(Work::copy, windows / call.kernels->lanes);
    result.threadScratch = std::max(result.threadScratch, blocks.scratch(*call.kernels));
  });
  result.threadScratch += biasBytes(s, call.opcode == Opcode::conv2d && call.operands[Conv2d::bias].present());
  return result;
}

void run(const Call& call, const Conv2dShape& s, const Worker& worker) {
  DirectCall direct(call, s);
  ScratchCursor cursor(worker.threadScratch);
  if (const size_t bytes = biasBytes(s, direct.operands.bias != nullptr)) {
    direct.operands.bias = repeatBias(direct, static_cast<float*>(cursor.takeBytes(bytes)));
  }
  void* scratch = cursor.takeBytes(0);
  if (s.classesH() * s.classesW() == 1) return runWhole(direct, worker, scratch);
  runClasses(direct, worker, scratch);
}

}  // namespace

extern const ConvAlgorithm kDirect;
const ConvAlgorithm kDirect = {.name = Algorithm::direct,
                               .sumsProducts = true,
                               .fits = fits,
                               .isOffered = isOffered,
                               .packedLength = packedDirectLength,
                               .planPack = planPlainPack,
                               .pack = packDirect,
                               .plan = plan,
                               .run = run};

}  // namespace stridenet
