// count_correct and confusion_counts: what metrics are made of. Counts of integers are the same in any order, so threads may share as they
// like.
#include <algorithm>

#include "native/ops/labelled_rows.h"

namespace stridenet {
namespace {

struct Counts {
  int64_t correct, known;
};

Status verifyCountCorrect(const Call& call) {
  if (Status status = checkLabelled<CountCorrect>(call); !status.isOk()) return status;
  const int32_t k = call.attributes<CountCorrect>().k;
  if (k < 1) return refuse(call, "k must be at least 1, got %d", k);
  const Operand& count = call.operands[CountCorrect::count];
  if (count.count == 1 || count.count == 2) return Status::ok();
  return refuse(call, "count must hold one or two numbers, got %s", ShapeText(count).text);
}

Plan planCountCorrect(const Call& call) {
  const Rows r(call.operands[CountCorrect::logits]);
  Plan plan = planOf(call, static_cast<double>(call.operands[CountCorrect::logits].count), r.tiles > 1 ? 2 : 1);
  plan.sharedScratch = static_cast<size_t>(r.tiles) * sizeof(Counts);
  return plan;
}

void runCountCorrect(const Call& call, const Worker& worker) {
  const auto attributes = call.attributes<CountCorrect>();
  const Rows r(call.operands[CountCorrect::logits]);
  Counts* counts = static_cast<Counts*>(worker.sharedScratch);
  const Range own = worker.share(r.tiles);
  if (worker.phase == 0) {
    for (const int64_t tile : own) {
      const int64_t first = tile * r.perTile;
      const float* logits = call.operands[CountCorrect::logits].f32() + first * r.classes;
      const int32_t* labels = call.operands[CountCorrect::labels].i32() + first;
      counts[tile] = {};
      call.kernels->softmax.countCorrect(logits, labels, std::min(r.perTile, r.rows - first), r.classes, attributes.k, attributes.ignore,
                                         &counts[tile].correct, &counts[tile].known);
    }
  }
  const bool isLast = r.tiles == 1 ? !own.isEmpty() : worker.phase == 1 && worker.thread == 0;
  if (!isLast) return;
  Counts total{};
  for (int64_t tile = 0; tile < r.tiles; ++tile) total.correct += counts[tile].correct, total.known += counts[tile].known;
  const Operand& count = call.operands[CountCorrect::count];
  count.f32()[0] = static_cast<float>(total.correct);
  if (count.count == 2) count.f32()[1] = static_cast<float>(total.known);
}

Status verifyConfusionCounts(const Call& call) {
  if (Status status = checkLabelled<ConfusionCounts>(call); !status.isOk()) return status;
  const Operand &logits = call.operands[ConfusionCounts::logits], &counts = call.operands[ConfusionCounts::counts];
  if (counts.rank == 2 && counts.dims[0] == logits.dims[1] && counts.dims[1] == logits.dims[1]) return Status::ok();
  return refuse(call, "counts %s must be [classes, classes] for logits %s", ShapeText(counts).text, ShapeText(logits).text);
}

// The class of each row goes to scratch; in the second phase each thread counts the rows of its share of the labels.
Plan planConfusionCounts(const Call& call) {
  const Operand& logits = call.operands[ConfusionCounts::logits];
  Plan plan = planOf(call, static_cast<double>(logits.count), 2);
  plan.sharedScratch = static_cast<size_t>(logits.dims[0]) * sizeof(int32_t);
  return plan;
}

void runConfusionCounts(const Call& call, const Worker& worker) {
  const Rows r(call.operands[ConfusionCounts::logits]);
  int32_t* classOf = static_cast<int32_t*>(worker.sharedScratch);
  if (worker.phase == 0) {
    const Range own = worker.share(r.rows, r.perTile);
    const float* logits = call.operands[ConfusionCounts::logits].f32() + own.first * r.classes;
    if (!own.isEmpty()) call.kernels->softmax.argMax(logits, classOf + own.first, own.count(), r.classes);
    return;
  }
  const Range own = worker.share(r.classes);
  if (own.isEmpty()) return;
  const int32_t ignore = call.attributes<ConfusionCounts>().ignore;
  const int32_t* labels = call.operands[ConfusionCounts::labels].i32();
  float* counts = call.operands[ConfusionCounts::counts].f32();
  std::fill_n(counts + own.first * r.classes, own.count() * r.classes, 0.0f);
  for (int64_t row = 0; row < r.rows; ++row) {
    const int64_t label = labels[row];
    if (label < own.first || label >= own.first + own.count() || label == ignore) continue;
    counts[label * r.classes + classOf[row]] += 1.0f;
  }
}

}  // namespace

extern const Op kCountCorrectOp, kConfusionCountsOp;
const Op kCountCorrectOp = {verifyCountCorrect, planCountCorrect, runCountCorrect};
const Op kConfusionCountsOp = {verifyConfusionCounts, planConfusionCounts, runConfusionCounts};

}  // namespace stridenet
