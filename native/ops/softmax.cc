// softmax, cross_entropy, cross_entropy_grad and one_hot over rows of the last axis. Tiles are runs of rows; losses that are reduced go
// to scratch and are added in order, in the same tile when there is only one, else in a second phase.
#include <algorithm>
#include <limits>

#include "native/ops/labelled_rows.h"

namespace stridenet {
namespace {

constexpr int64_t kSumChunk = 4096;

Status verifySoftmax(const Call& call) {
  const int32_t log = call.attributes<Softmax>().log;
  if (Status status = expectFloats(call); !status.isOk()) return status;
  if (log != 0 && log != 1) return refuse(call, "log must be 0 or 1, got %d", log);
  const Operand &x = call.operands[Softmax::x], &y = call.operands[Softmax::y];
  if (sameShape(x, y)) return Status::ok();
  return refuse(call, "y %s must have x's shape %s", ShapeText(y).text, ShapeText(x).text);
}

Plan planSoftmax(const Call& call) {
  return planOf(call, 24.0 * static_cast<double>(call.operands[Softmax::x].count));
}

void runSoftmax(const Call& call, const Worker& worker) {
  const Operand &x = call.operands[Softmax::x], &y = call.operands[Softmax::y];
  const Rows r(x);
  const Range own = worker.share(r.rows, r.perTile);
  if (own.isEmpty()) return;
  const int64_t first = own.first * r.classes;
  const bool isLog = call.attributes<Softmax>().log != 0;
  call.kernels->softmax.softmax(x.f32() + first, y.f32() + first, own.count(), r.classes, isLog);
}

Status checkOne(const Call& call, int operand) {
  if (call.operands[operand].count == 1) return Status::ok();
  const std::string_view name = signatureOf(call).operand(operand);
  return refuse(call, "%.*s must hold one number, got %s", static_cast<int>(name.size()), name.data(),
                ShapeText(call.operands[operand]).text);
}

// Checks the attributes of a loss over rows, and that `perRow`, the loss or its scale, has a number for each row or one for all of them.
template <typename Instruction>
Status checkLoss(const Call& call, int perRow) {
  const auto attributes = call.attributes<Instruction>();
  if (attributes.reduction != LossReduction::none) {
    if (Status status = checkOne(call, perRow); !status.isOk()) return status;
  } else if (!sameShape(call.operands[Instruction::labels], call.operands[perRow])) {
    const std::string_view name = signatureOf(call).operand(perRow);
    return refuse(call, "%.*s must hold a number for each row, got %s", static_cast<int>(name.size()), name.data(),
                  ShapeText(call.operands[perRow]).text);
  }
  if (attributes.labelSmoothing >= 0.0f && attributes.labelSmoothing <= 1.0f) return Status::ok();
  return refuse(call, "label_smoothing must be in [0, 1], got %g", static_cast<double>(attributes.labelSmoothing));
}

// What a mean is divided by.
int64_t countKnown(const Operand& labels, int32_t ignore) {
  return labels.count - std::count(labels.i32(), labels.i32() + labels.count, ignore);
}

Status verifyCrossEntropy(const Call& call) {
  Status status = checkLabelled<CrossEntropy>(call);
  return status.isOk() ? checkLoss<CrossEntropy>(call, CrossEntropy::loss) : status;
}

// A sum is made in a second phase unless there is one tile.
bool sumsInPhase1(const Rows& r, LossReduction reduction) {
  return reduction != LossReduction::none && r.tiles > 1;
}

Plan planCrossEntropy(const Call& call) {
  const Operand& logits = call.operands[CrossEntropy::logits];
  const LossReduction reduction = call.attributes<CrossEntropy>().reduction;
  const Rows r(logits);
  Plan plan = planOf(call, 24.0 * static_cast<double>(logits.count), sumsInPhase1(r, reduction) ? 2 : 1);
  if (reduction != LossReduction::none) plan.sharedScratch = static_cast<size_t>(r.rows) * sizeof(float);
  return plan;
}

void runCrossEntropy(const Call& call, const Worker& worker) {
  const auto attributes = call.attributes<CrossEntropy>();
  const Rows r(call.operands[CrossEntropy::logits]);
  const Operand &all = call.operands[CrossEntropy::labels], &loss = call.operands[CrossEntropy::loss];
  const bool reduces = attributes.reduction != LossReduction::none;
  float* losses = reduces ? worker.sharedFloats() : loss.f32();
  const Range own = worker.share(r.rows, r.perTile);
  if (worker.phase == 0 && !own.isEmpty()) {
    const float* logits = call.operands[CrossEntropy::logits].f32() + own.first * r.classes;
    call.kernels->softmax.crossEntropy(logits, all.i32() + own.first, losses + own.first, own.count(), r.classes, attributes.labelSmoothing,
                                       attributes.ignore);
  }
  const bool isLast = sumsInPhase1(r, attributes.reduction) ? worker.phase == 1 && worker.thread == 0 : !own.isEmpty();
  if (!isLast || !reduces) return;
  double total = 0;
  for (int64_t i = 0; i < r.rows; i += kSumChunk) {
    float part = 0;
    call.kernels->reduce.sum.rows(losses + i, 0, 1, std::min(kSumChunk, r.rows - i), &part);
    total += static_cast<double>(part);
  }
  if (attributes.reduction == LossReduction::mean) total /= static_cast<double>(countKnown(all, attributes.ignore));
  *loss.f32() = static_cast<float>(total);
}

Status verifyCrossEntropyGrad(const Call& call) {
  Status status = checkLabelled<CrossEntropyGrad>(call);
  if (status.isOk()) status = checkLoss<CrossEntropyGrad>(call, CrossEntropyGrad::scale);
  if (!status.isOk()) return status;
  const Operand &logits = call.operands[CrossEntropyGrad::logits], &dlogits = call.operands[CrossEntropyGrad::dlogits];
  if (sameShape(logits, dlogits)) return Status::ok();
  return refuse(call, "dlogits %s must have the shape of logits %s", ShapeText(dlogits).text, ShapeText(logits).text);
}

Plan planCrossEntropyGrad(const Call& call) {
  return planOf(call, 26.0 * static_cast<double>(call.operands[CrossEntropyGrad::logits].count));
}

void runCrossEntropyGrad(const Call& call, const Worker& worker) {
  const auto attributes = call.attributes<CrossEntropyGrad>();
  const Operand &logits = call.operands[CrossEntropyGrad::logits], &dlogits = call.operands[CrossEntropyGrad::dlogits];
  const Operand& labels = call.operands[CrossEntropyGrad::labels];
  const Rows r(logits);
  const Range own = worker.share(r.rows, r.perTile);
  if (own.isEmpty()) return;
  const float* scales = call.operands[CrossEntropyGrad::scale].f32();
  const bool perRow = attributes.reduction == LossReduction::none;
  float scale = 0;
  if (perRow) {
    scales += own.first;
  } else {
    const bool isMean = attributes.reduction == LossReduction::mean;
    scale = isMean ? *scales / static_cast<float>(countKnown(labels, attributes.ignore)) : *scales;
    scales = &scale;
  }
  const int64_t first = own.first * r.classes;
  call.kernels->softmax.crossEntropyGrad(logits.f32() + first, labels.i32() + own.first, scales, perRow ? 1 : 0, dlogits.f32() + first,
                                         own.count(), r.classes, attributes.labelSmoothing, attributes.ignore);
}

Status verifyOneHot(const Call& call) {
  const Operand &labels = call.operands[OneHot::labels], &y = call.operands[OneHot::y];
  Status status = expectDType(call, OneHot::labels, DType::int32, "int32");
  if (status.isOk()) status = expectDType(call, OneHot::y, DType::float32, "float32");
  if (!status.isOk()) return status;
  if (labels.rank != 1 || y.rank != 2 || y.dims[0] != labels.dims[0]) {
    return refuse(call, "y %s must be [N, classes] for labels %s", ShapeText(y).text, ShapeText(labels).text);
  }
  return Status::ok();
}

Plan planOneHot(const Call& call) {
  return planOf(call, static_cast<double>(call.operands[OneHot::y].count));
}

void runOneHot(const Call& call, const Worker& worker) {
  const Rows r(call.operands[OneHot::y]);
  for (const int64_t row : worker.share(r.rows, r.perTile)) {
    const int32_t label = call.operands[OneHot::labels].i32()[row];
    const bool isIgnored = label == call.attributes<OneHot>().ignore;
    const bool known = !isIgnored && label >= 0 && label < r.classes;
    float* y = call.operands[OneHot::y].f32() + row * r.classes;
    std::fill_n(y, r.classes, known || isIgnored ? 0.0f : std::numeric_limits<float>::quiet_NaN());
    if (known) y[label] = 1.0f;
  }
}

}  // namespace

extern const Op kSoftmaxOp, kCrossEntropyOp, kCrossEntropyGradOp, kOneHotOp;
const Op kSoftmaxOp = {verifySoftmax, planSoftmax, runSoftmax};
const Op kCrossEntropyOp = {verifyCrossEntropy, planCrossEntropy, runCrossEntropy};
const Op kCrossEntropyGradOp = {verifyCrossEntropyGrad, planCrossEntropyGrad, runCrossEntropyGrad};
const Op kOneHotOp = {verifyOneHot, planOneHot, runOneHot};

}  // namespace stridenet
